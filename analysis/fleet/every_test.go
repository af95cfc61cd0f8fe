package fleet

import (
	"fmt"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

// TestEvery: each trace has its row, its findings, and a place among the others.
func TestEvery(t *testing.T) {
	var entries []*Entry
	for i := range 40 {
		entries = append(entries, entry(i))
	}
	far := entries[17]
	m := far.Metrics["sched.latency.user.p99"]
	m.Value = 900e6
	far.Metrics["sched.latency.user.p99"] = m
	far.Findings = append([]analysis.Finding{{Code: "stop/long", Severity: analysis.Error, Summary: "It stops for 900 ms"}}, far.Findings...)
	none := entries[3]
	none.Findings = nil
	rep, err := fleetOf(t, Options{}, entries...).Report("audit")
	if err != nil {
		t.Fatal(err)
	}
	tables := make(map[analysis.Role]*analysis.Table)
	for _, res := range rep.Results {
		for _, tb := range res.Tables {
			tables[tb.Role] = tb
		}
	}
	every, grid, fired := tables[analysis.RoleEvery], tables[analysis.RoleGrid], tables[analysis.RoleFired]
	if len(every.Rows) != 40 {
		t.Errorf("%d rows of 40 traces", len(every.Rows))
	}
	for i := range every.Rows {
		path, finding, verdict, n := every.Cell(i, "trace"), every.Cell(i, "worst finding"), every.Cell(i, "verdict"), every.Cell(i, "findings")
		switch path {
		case far.Path:
			if finding != "stop/long" || every.Cell(i, "level") != "error" || verdict != "It stops for 900 ms" || n != int64(2) || every.Cell(i, "wait p99") != int64(900e6) {
				t.Errorf("the one that stands out: %v", every.Rows[i])
			}
		case none.Path:
			if finding != nil || n != int64(0) {
				t.Errorf("the one without findings: %v", every.Rows[i])
			}
		default:
			if finding != "latency" || n != int64(1) {
				t.Errorf("%v", every.Rows[i])
			}
		}
	}
	seen := make(map[string]bool)
	for i := range grid.Rows {
		metric, path, level := grid.Cell(i, "metric").(string), grid.Cell(i, "trace").(string), grid.Cell(i, "level")
		seen[metric+" "+path] = true
		position := grid.Cell(i, "position").(float64)
		if position < 0 || position > 1 {
			t.Errorf("%v", grid.Rows[i])
		}
		if stands := metric == "sched.latency.user.p99" && path == far.Path; stands != (level == int64(3)) || stands && position != 1 {
			t.Errorf("%v", grid.Rows[i])
		}
	}
	if n := len(grid.Rows); n != 40*5 || len(seen) != n {
		t.Errorf("%d rows, %d of them different, of 40 traces and 5 metrics", n, len(seen))
	}
	got := make(map[string]string)
	for i := range fired.Rows {
		got[fmt.Sprint(fired.Cell(i, "trace"), " ", fired.Cell(i, "finding"))] = fired.Cell(i, "level").(string)
	}
	if len(got) != 40 || got[far.Path+" stop/long"] != "error" || got[far.Path+" latency"] != "warning" {
		t.Errorf("fired: %v", got)
	}
}
