package report

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/tracelens/tracelens/analysis"
)

func TestParquet(t *testing.T) {
	table := &analysis.Table{Name: "a.b", Columns: []analysis.Column{{Name: "name", Unit: analysis.Text}, {Name: "long", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}}}
	table.Add("x", int64(7), 0.5)
	table.Add("=y", nil, nil)
	const id = "some.metric"
	rep := &analysis.Report{Metrics: map[string]analysis.Metric{id: {Value: 3, Unit: analysis.NS}}, Results: []*analysis.Result{{Tables: []*analysis.Table{table}}}}
	var b bytes.Buffer
	if err := Parquet(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	cells, err := parquet.Read[parquetCell](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		table, column, unit, text string
		row                       int64
		number                    float64 // -1 for none
	}
	for i, w := range []want{
		{"metrics", id, "ns", "", 1, 3},
		{"a.b", "name", "text", "x", 1, -1}, {"a.b", "long", "ns", "", 1, 7}, {"a.b", "share", "ratio", "", 1, .5},
		{"a.b", "name", "text", "=y", 2, -1}, {"a.b", "long", "ns", "", 2, -1}, {"a.b", "share", "ratio", "", 2, -1},
	} {
		if i >= len(cells) {
			t.Fatalf("%d cells", len(cells))
		}
		c := cells[i]
		got := want{c.Table, c.Column, c.Unit, "", c.Row, -1}
		if c.Number != nil {
			got.number = *c.Number
		}
		if c.Text != nil {
			got.text = *c.Text
		}
		if got != w {
			t.Errorf("cell %d is %+v, want %+v", i, got, w)
		}
	}
	if len(cells) != 7 {
		t.Errorf("%d cells, want 7", len(cells))
	}
}
