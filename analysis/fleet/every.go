package fleet

import (
	"cmp"
	"math"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

// Bounds of the tables over all traces that are made for a page.
const (
	everyRows = 5000 // traces with a row of their own
	gridRows  = 200  // traces beside each other, those that stand out most first
)

// everyMetrics are those in the row of a trace.
var everyMetrics = []struct {
	column, metric string
	unit           analysis.Unit
}{
	{"wait p99", "sched.latency.user.p99", analysis.NS}, {"longest wait", "sched.latency.user.max", analysis.NS}, {"GC workers", "procs.share.gcworker", analysis.Ratio},
	{"longest GC stop", "stw.gc.total.max", analysis.NS}, {"pressure", "sched.pressure.some", analysis.Ratio}, {"user code", "procs.share.user", analysis.Ratio},
}

// gridMetrics are those by which traces are compared at a glance, as far as most have them.
var gridMetrics = []string{
	"procs.share.user", "procs.share.gcworker", "procs.share.scheduler", "procs.share.syscall", "procs.share.idle", "sched.pressure.some",
	"sched.latency.user.p50", "sched.latency.user.p99", "sched.latency.user.max", "stw.gc.total.max", "stw.gc.total.total", "gc.cycles", "gc.assist.wall", "gc.mmu.10ms",
	"heap.live.max", "goroutines.max", "goroutines.created", "block.sync.total", "syscall.duration.max", "sched.migrations",
}

// every is a row for each trace: what is worst in it, and its state in numbers.
func (f *Fleet) every() (*analysis.Table, error) {
	t := &analysis.Table{Name: "every", Role: analysis.RoleEvery, Title: "all traces", N: int64(f.count.Traces), Detail: true, Columns: []analysis.Column{
		{Name: "trace", Unit: analysis.Text}, {Name: "verdict", Unit: analysis.Text}, {Name: "worst finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text},
		{Name: "findings", Unit: analysis.Count}, {Name: "duration", Unit: analysis.NS},
	}}
	var order []int
	for i := range f.rows {
		if f.rows[i].trace {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, f.compare)
	t.More = int64(max(len(order)-everyRows, 0))
	order = order[:min(len(order), everyRows)]
	at := make(map[int]int, len(order)) // places in the table
	for i, row := range order {
		at[row] = i
		r := &f.rows[row]
		var code, level any
		if r.worst != nil {
			code, level = r.worst.code, string(r.level)
		}
		t.Rows = append(t.Rows, []any{r.path, r.verdict, code, level, int64(len(r.codes)), r.duration})
	}
	for _, m := range everyMetrics {
		t.Columns = append(t.Columns, analysis.Column{Name: m.column, Unit: m.unit})
		for i := range t.Rows {
			t.Rows[i] = append(t.Rows[i], nil)
		}
		col := f.columns.byName[m.metric]
		if col == nil || col.kind.Unit != m.unit {
			continue
		}
		values, err := f.columns.values(col)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if i, ok := at[v.row]; ok {
				t.Rows[i][len(t.Columns)-1] = cellOf(v.v, m.unit)
			}
		}
	}
	return t, nil
}

// compared are the traces beside each other: those that stand out most, then by path.
func (f *Fleet) compared(ranks ranking) []int {
	var order []int
	for i := range f.rows {
		if f.rows[i].trace {
			order = append(order, i)
		}
	}
	score := func(row int) float64 {
		if k := ranks[row]; k != nil {
			return k.worst.score
		}
		return 0
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(score(b), score(a)), f.compare(a, b)) })
	order = order[:min(len(order), gridRows)]
	slices.SortFunc(order, f.compare)
	return order
}

// grid is each of some metrics for each trace: its value, where it is between the least
// and the greatest, and how far it is from the others, from -2 to 3; 3 stands out.
func (f *Fleet) grid(rows []int) (*analysis.Table, error) {
	t := &analysis.Table{Name: "grid", Role: analysis.RoleGrid, Title: "traces by metric: how far each is from the others", N: int64(f.sound), Detail: true, Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "trace", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}, {Name: "position", Unit: analysis.Ratio}, {Name: "level", Unit: analysis.Count},
	}}
	shown := make(map[int]bool)
	for _, r := range rows {
		shown[r] = true
	}
	for _, id := range gridMetrics {
		col := f.columns.byName[id]
		if col == nil || 2*col.n < f.sound {
			continue
		}
		values, err := f.columns.values(col)
		if err != nil {
			return nil, err
		}
		sorted := sortedValues(values)
		levels := make(map[int]int64)
		for _, o := range f.scores(col, values, sorted) {
			levels[o.row] = level(o.score)
		}
		standing := make(map[int]bool)
		for _, o := range f.outliers(col, values, sorted) {
			standing[o.row] = true
		}
		low, high := sorted[0], sorted[len(sorted)-1]
		scale := func(v float64) float64 {
			if col.kind.Unit == analysis.Ratio {
				return v
			}
			return math.Log(max(v, 0) + least(false, col.kind.Unit, 0)/100)
		}
		slices.SortFunc(values, func(a, b value) int { return f.compare(a.row, b.row) })
		for _, v := range values {
			if !shown[v.row] {
				continue
			}
			l := min(levels[v.row], 2)
			if standing[v.row] {
				l = 3
			}
			position := 0.0
			if high > low {
				position = (scale(v.v) - scale(low)) / (scale(high) - scale(low))
			}
			t.Add(id, f.rows[v.row].path, analysis.Format(cellOf(v.v, col.kind.Unit), col.kind.Unit, f.rows[v.row].quantum), position, l)
		}
	}
	return t, nil
}

// level is how far a score is from 0, roughly.
func level(z float64) int64 {
	switch {
	case z >= 3.5:
		return 2
	case z >= 2:
		return 1
	case z <= -3.5:
		return -2
	case z <= -2:
		return -1
	}
	return 0
}

// fired says which finding fires in which trace.
func (f *Fleet) fired(rows []int) *analysis.Table {
	t := &analysis.Table{Name: "fired", Role: analysis.RoleFired, Title: "findings by trace", N: int64(f.count.Traces), Detail: true, Columns: []analysis.Column{
		{Name: "trace", Unit: analysis.Text}, {Name: "finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text},
	}}
	for _, row := range rows {
		for _, c := range f.rows[row].codes {
			t.Add(f.rows[row].path, c.firing.code, string(c.level))
		}
	}
	return t
}
