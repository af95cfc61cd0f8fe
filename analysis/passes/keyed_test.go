package passes

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// synthetic concludes hand-made events of a trace of one second on four Ps.
func synthetic(t *testing.T, version int, a *analysis.Analyzer, events ...parse.Event) *analysis.Report {
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

// wantMetrics checks metrics of a report; a negative value stands for absent.
func wantMetrics(t *testing.T, rep *analysis.Report, want map[string]float64) {
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

// cell returns one cell of a table by the text of a row's first cell.
func cell(t *testing.T, rep *analysis.Report, table, row, column string) any {
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

// started is a wait of that length that ends with a start.
func started(held int64, g parse.Go) parse.Event {
	g.From, g.To, g.Since = parse.GoRunnable, parse.GoRunning, 1000
	return parse.Event{Time: parse.Time(1000 + held), Kind: parse.Kind(g.From), Go: &g}
}

func TestCoarse(t *testing.T) {
	for i := range coarseLen {
		top := coarseTop(i)
		if coarseIndex(top) != i || i+1 < coarseLen && coarseIndex(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, whose index is %d, and %d after it", i, top, coarseIndex(top), coarseIndex(top+1))
		}
	}
	if i := coarseIndex(1 << 62); i != coarseLen-1 {
		t.Errorf("index of 1<<62 is %d", i)
	}
	var c coarse
	for v := int64(1); v <= 1000; v++ {
		c.add(v)
	}
	// The 500th of 1…1000 is 500, in the bucket 448…511.
	if got := c.quantile(50, 1000); got != any(int64(511)) {
		t.Errorf("p50 of 1…1000 is %v, want 511", got)
	}
	if got := c.quantile(99, 1000); got != any(int64(1000)) {
		t.Errorf("p99 of 1…1000 is %v, want the largest value", got)
	}
	var few coarse
	for range 19 {
		few.add(7)
	}
	if got := few.quantile(50, 7); got != nil {
		t.Errorf("p50 of 19 values is %v, want none", got)
	}
	few.add(7)
	if got := few.quantile(50, 7); got != any(int64(7)) {
		t.Errorf("p50 of 20 values of 7 is %v", got)
	}
}

func TestKeyed(t *testing.T) {
	type key struct{ a, b uint32 }
	rng := rand.New(rand.NewPCG(1, 2))
	for _, hash := range []func(key) uint32{
		func(k key) uint32 { return mix(k.a, k.b) },
		func(k key) uint32 { return math.MaxUint32 }, // all collide
	} {
		whole, parts := new(keyed[key, int]), []*keyed[key, int]{new(keyed[key, int])}
		want := make(map[key]int)
		for range 500 {
			k := key{rng.Uint32N(20), rng.Uint32N(5)}
			want[k]++
			*whole.at(k, hash(k))++
			if rng.IntN(50) == 0 {
				parts = append(parts, new(keyed[key, int]))
			}
			*parts[len(parts)-1].at(k, hash(k))++
		}
		for _, p := range parts[1:] {
			parts[0].merge(p, func(n, more *int) { *n += *more })
		}
		if !reflect.DeepEqual(parts[0], whole) {
			t.Error("merged parts differ from the whole")
		}
		got := make(map[key]int)
		for k, n := range whole.byKey() {
			got[k] = *n
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestProcTable(t *testing.T) {
	var table procTable[int]
	ids := []parse.ProcID{0, 255, 256, 1 << 30, parse.NoProc}
	for i, id := range ids {
		*table.at(id) += i
		*table.at(id) += 10
	}
	got := table.byKey()
	for i, id := range ids {
		if n := got[id]; len(got) != len(ids) || n == nil || *n != i+10 {
			t.Errorf("P %d: %v of %v", id, n, got)
		}
	}
}
