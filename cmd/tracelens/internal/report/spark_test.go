package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

func TestSparks(t *testing.T) {
	area := &analysis.Table{Name: "t", Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "user", Unit: analysis.Ratio}, {Name: "idle", Unit: analysis.Ratio}}}
	for i := range int64(56) {
		area.Add(i*1000, float64(i%2), .5)
	}
	bins := &analysis.Table{Name: "h", Columns: []analysis.Column{{Name: "from", Unit: analysis.NS}, {Name: "to", Unit: analysis.NS}, {Name: "count", Unit: analysis.Count}}}
	bins.Add(int64(64), int64(127), int64(1))
	bins.Add(int64(512), int64(1023), int64(8))
	rep := &analysis.Report{Trace: analysis.Summary{To: 56_000}, Results: []*analysis.Result{{
		Name: "x", Title: "a measure", Outcome: analysis.Clear, Summary: []string{"one", "two"}, Tables: []*analysis.Table{area, bins},
		Figures: []analysis.Figure{
			{Name: "x.time", Mark: analysis.Area, Table: "t", X: "at", Y: []string{"user", "idle"}},
			{Name: "x.hist", Mark: analysis.HistBars, Table: "h", X: "from", End: "to", Y: []string{"count"}},
		},
	}}}
	for terminal, want := range map[bool]string{
		true:  "  " + strings.Repeat(" █", 28) + "  x.time\n  ▂  █  x.hist, 64 ns to 1.02 µs\n",
		false: "",
	} {
		var b bytes.Buffer
		if err := Text(&b, rep, Options{Width: 100, Terminal: terminal}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), "█") != terminal {
			t.Errorf("terminal %v: want %q in\n%s", terminal, want, &b)
		}
	}
}
