package analysistest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// RowOf returns the index of the row whose cell in column begins with prefix.
func RowOf(t *testing.T, tb *analysis.Table, column, prefix string) int {
	t.Helper()
	names := Cells[string](t, tb, column)
	i := slices.IndexFunc(names, func(s string) bool { return strings.HasPrefix(s, prefix) })
	if i < 0 {
		t.Fatalf("table %s: %q is not among %q", tb.Name, prefix, names)
	}
	return i
}

func Within(t *testing.T, what string, got, want int64, share float64) {
	t.Helper()
	if d := float64(got - want); d > share*float64(want) || d < -share*float64(want) {
		t.Errorf("%s: %d, want %d within %g %%", what, got, want, 100*share)
	}
}

// ResultTable returns a table of the first result, failing when it is missing.
func ResultTable(t *testing.T, rep *analysis.Report, name string) *analysis.Table {
	t.Helper()
	for _, tb := range rep.Results[0].Tables {
		if tb.Name == name {
			return tb
		}
	}
	t.Fatalf("%s: no table %s", rep.Trace.Name, name)
	return nil
}

// Cells returns a column of a table.
func Cells[T any](t *testing.T, tb *analysis.Table, column string) []T {
	t.Helper()
	i := slices.IndexFunc(tb.Columns, func(c analysis.Column) bool { return c.Name == column })
	if i < 0 {
		t.Fatalf("table %s has no column %s", tb.Name, column)
	}
	var out []T
	for _, r := range tb.Rows {
		v, _ := r[i].(T)
		out = append(out, v)
	}
	return out
}

// Synthetic concludes hand-made events of a trace of one second on four Ps.
func Synthetic(t *testing.T, version int, a *analysis.Analyzer, events ...parse.Event) *analysis.Report {
	t.Helper()
	p := analysis.NewPartial([]*analysis.Analyzer{a})
	for i := range events {
		p.Event(&events[i])
	}
	tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: version, To: 1e9, Last: 1e9, Quantum: 1, Procs: 4}
	rep := analysis.Conclude(tr, "synthetic", p, []*analysis.Analyzer{a}, nil)
	if rep.Results[0].Outcome == analysis.Failed {
		t.Fatal(rep.Results[0].Reason)
	}
	return rep
}

// WantMetrics checks metrics of a report; a negative value stands for absent.
func WantMetrics(t *testing.T, rep *analysis.Report, want map[string]float64) {
	t.Helper()
	for id, v := range want {
		switch m, ok := rep.Metrics[id]; {
		case v < 0 && ok:
			t.Errorf("%s: %s = %v, want none", rep.Trace.Name, id, m.Value)
		case v >= 0 && !ok:
			t.Errorf("%s: %s is absent, want %v", rep.Trace.Name, id, v)
		case v >= 0 && float64(m.Value) != v:
			t.Errorf("%s: %s = %v, want %v", rep.Trace.Name, id, m.Value, v)
		}
	}
}

// Cell returns one cell of a table by the text of a row's first cell.
func Cell(t *testing.T, rep *analysis.Report, table, row, column string) any {
	t.Helper()
	for _, tb := range rep.Results[0].Tables {
		if tb.Name != table {
			continue
		}
		for c, col := range tb.Columns {
			if col.Name != column {
				continue
			}
			for _, r := range tb.Rows {
				if r[0] == any(row) {
					return r[c]
				}
			}
		}
	}
	t.Fatalf("%s: no cell %s / %s / %s", rep.Trace.Name, table, row, column)
	return nil
}

// Started is a wait of that length that ends with a start.
func Started(held int64, g parse.Go) parse.Event {
	g.From, g.To, g.Since = parse.GoRunnable, parse.GoRunning, 1000
	return parse.Event{Time: parse.Time(1000 + held), Kind: parse.Kind(g.From), Go: &g}
}

// ProcSpan is the end of a span of a P.
func ProcSpan(id parse.ProcID, prior, from, to parse.ProcState, since, until int64) parse.Event {
	return parse.Event{Time: parse.Time(until), Kind: parse.KindProc, Proc: &parse.Proc{
		ID: id, Prior: prior, From: from, To: to, Since: parse.Time(since), Partial: prior == parse.ProcUndetermined,
	}}
}

// OwnTraces returns the names of the module's own traces.
func OwnTraces(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, p := range corpus.Own(t) {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".trace"))
	}
	return names
}

// ProcLife is a life of a P with its time idle and running a user goroutine.
func ProcLife(id parse.ProcID, begin, end, idle, user int64) parse.Event {
	l := parse.ProcLife{ID: id, Begin: parse.Time(begin)}
	l.Spent[parse.ProcIdle], l.Spent[parse.ProcUser] = idle, user
	return parse.Event{Time: parse.Time(end), Kind: parse.KindProcLife, ProcLife: &l}
}
