package measures

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestSTWLaw(t *testing.T) {
	for _, name := range []string{"stw-kinds", "gc-assist", "gomaxprocs-change", "mixed-go121", "mixed-go124", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{STW})
	}
}

// readTruth reads what the program of a trace knows of itself.
func readTruth(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func tableNamed(t *testing.T, rep *analysis.Report, name string) *analysis.Table {
	t.Helper()
	for _, r := range rep.Results {
		for _, tb := range r.Tables {
			if tb.Name == name {
				return tb
			}
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

func cellAt(t *testing.T, tb *analysis.Table, row int, column string) any {
	t.Helper()
	for i, c := range tb.Columns {
		if c.Name == column {
			return tb.Rows[row][i]
		}
	}
	t.Fatalf("no column %s in %s", column, tb.Name)
	return nil
}

func TestSTWKinds(t *testing.T) {
	var truth struct {
		Measured struct{ STW map[string]int64 }
		Planted  []struct {
			Func   string
			Params struct{ STW string }
		}
	}
	path := analysistest.Testdata(t, "stw-kinds")
	readTruth(t, strings.TrimSuffix(path, ".trace")+".json", &truth)
	rep := analysistest.Report(t, path, STW)
	kinds := tableNamed(t, rep, "stw.kinds")
	got := make(map[string]int64)
	requesters := make(map[string]string)
	for i := range kinds.Rows {
		reason := cellAt(t, kinds, i, "reason").(string)
		got[reason] = cellAt(t, kinds, i, "count").(int64)
		requesters[reason] = cellAt(t, kinds, i, "main requester").(string)
	}
	if !maps.Equal(got, truth.Measured.STW) {
		t.Errorf("stops %v, want %v", got, truth.Measured.STW)
	}
	for _, p := range truth.Planted {
		if !strings.HasPrefix(requesters[p.Params.STW], p.Func+":") {
			t.Errorf("%s: main requester %q, want %s", p.Params.STW, requesters[p.Params.STW], p.Func)
		}
	}
}

// The runtime's own histograms: counts exactly ("start trace" is in the metric
// and not in ours), the sum of GC pauses as far as its buckets, up to 25 % wide,
// tell, and 25 µs a pause.
func TestSTWAgainstRuntimeMetrics(t *testing.T) {
	paths := corpus.Own(t)
	if len(paths) < 30 {
		t.Fatalf("%d traces", len(paths))
	}
	pauses := int64(0)
	for _, path := range paths {
		var truth struct {
			Metrics struct {
				Histograms map[string]struct {
					Count int64
					Total int64 `json:"total_ns"`
				}
			}
		}
		readTruth(t, strings.TrimSuffix(path, ".trace")+".json", &truth)
		gc, ok := truth.Metrics.Histograms["/sched/pauses/total/gc:seconds"]
		if !ok || strings.Contains(path, "flight-recorder") {
			continue
		}
		m := analysistest.Report(t, path, STW).Metrics
		name := filepath.Base(path)
		if got := int64(m["stw.gc.count"].Value); got != gc.Count {
			t.Errorf("%s: %d GC stops, the runtime counts %d", name, got, gc.Count)
		}
		if got, want := int64(m["stw.other.count"].Value), truth.Metrics.Histograms["/sched/pauses/total/other:seconds"].Count-1; got != want {
			t.Errorf("%s: %d other stops, the runtime counts %d", name, got, want)
		}
		total := int64(m["stw.gc.total.total"].Value)
		if diff := total - gc.Total; max(diff, -diff) > gc.Total*13/100+25e3*gc.Count {
			t.Errorf("%s: GC stops of %d ns, the runtime has %d", name, total, gc.Total)
		}
		pauses += gc.Count
	}
	if pauses < 50 {
		t.Errorf("only %d GC pauses checked", pauses)
	}
}

// runtime.MemStats.PauseNs has each cycle's pause to the ns. The last ones in the
// list are those in the trace; the first may precede it.
func TestSTWAgainstPauseNs(t *testing.T) {
	for _, name := range []string{"gc/assist-gogc10", "gc/idle-workers", "gc/deep-stacks", "gc/debug-freeosmemory", "gc/gogc-change"} {
		path := corpus.Trace(t, name)
		var truth struct {
			Pauses []struct {
				PauseNs int64 `json:"pause_ns"`
			} `json:"gc_pauses"`
		}
		readTruth(t, strings.TrimSuffix(path, ".trace")+".truth.json", &truth)
		m := analysistest.Report(t, path, STW).Metrics
		cycles := int(m["stw.gc.count"].Value) / 2
		if d := len(truth.Pauses) - cycles; d < 0 || d > 2 {
			t.Fatalf("%s: %d cycles, the runtime has %d", name, cycles, len(truth.Pauses))
		}
		var want int64
		for _, p := range truth.Pauses[len(truth.Pauses)-cycles:] {
			want += p.PauseNs
		}
		got := int64(m["stw.gc.total.total"].Value)
		if diff := got - want; max(diff, -diff) > want/20 {
			t.Errorf("%s: %d GC stops of %d ns, the runtime has %d", name, 2*cycles, got, want)
		}
	}
}

// stwStop is a stop as the tracker reports it.
func stwStop(begin, lastStop, restart, end parse.Time, change func(*parse.Range)) parse.Event {
	e := parse.Event{Time: end, Kind: parse.KindRangeEnd}
	e.Range = &parse.Range{Kind: parse.RangeSTW, Name: 7, Since: begin, Until: end}
	e.Range.Stop = parse.Stop{LastStop: lastStop, Restart: restart, LastP: parse.NoProc}
	if change != nil {
		change(e.Range)
	}
	if e.Range.Stop.GC {
		e.Range.Name = 8
	}
	return e
}

func procStop(at, stop parse.Time, p parse.ProcID, from, prior parse.ProcState, since parse.Time) parse.Event {
	return parse.Event{Time: at, Kind: parse.KindProc, Proc: &parse.Proc{
		ID: p, From: from, Prior: prior, To: parse.ProcStopped, Since: since, STW: stop,
	}}
}

func procRestart(at, stop parse.Time, p parse.ProcID) parse.Event {
	return parse.Event{Time: at, Kind: parse.KindProc, Proc: &parse.Proc{
		ID: p, From: parse.ProcIdle, Prior: parse.ProcStopped, To: parse.ProcScheduler, STW: stop,
	}}
}

// concludeEvents runs one analyzer over hand-made events of a trace of that length,
// from time 0.
func concludeEvents(t *testing.T, a *analysis.Analyzer, length parse.Time, events ...parse.Event) *analysis.Report {
	t.Helper()
	p := analysis.NewPartial([]*analysis.Analyzer{a})
	for i := range events {
		p.Event(&events[i])
	}
	tr := &parse.Trace{Version: 26, Symbols: &parse.Symbols{}, Last: length, To: length, Quantum: 1}
	rep := analysis.Conclude(tr, "events", p, []*analysis.Analyzer{a}, nil)
	if rep.Results[0].Outcome == analysis.Failed {
		t.Fatal(rep.Results[0].Reason)
	}
	return rep
}

func TestSTWRules(t *testing.T) {
	rep := concludeEvents(t, STW, 1e6,
		// Counted nowhere.
		stwStop(10, 10, 20, 30, func(r *parse.Range) { r.Stop.Start = true }),
		// Its total does not have the restart, but the halt is the same.
		stwStop(100, 140, 200, 950, func(r *parse.Range) { r.Stop.GC, r.Stop.Mark, r.Stop.CPU = true, true, 5 }),
		// Its total has the restart, and no restart point: all of it halts.
		stwStop(1000, 1000, 1050, 1090, func(r *parse.Range) { r.Stop.GC, r.Stop.CPU = true, 7 }),
		stwStop(2000, 2030, 0, 2300, nil),
		// Counted, its P time too, but its length is not known.
		stwStop(0, 0, 2400, 9000, func(r *parse.Range) { r.Stop.GC, r.Stop.CPU, r.Partial = true, 1000, true }),
	)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"stw.gc.count": 3, "stw.other.count": 1, "stw.cpu": 1012,
		"stw.gc.total.total": 100 + 90, "stw.gc.total.max": 100, "stw.gc.stopping.total": 40, "stw.gc.stopping.max": 40,
		"stw.other.total.total": 300, "stw.other.stopping.total": 30,
		"stw.gc.total.p50": -1, // of two pauses
	})
	worst := tableNamed(t, rep, "stw.worst")
	for i, want := range []struct{ at, halt int64 }{{2000, 300}, {100, 100}, {1000, 50}} {
		if at, halt := cellAt(t, worst, i, "at"), cellAt(t, worst, i, "halt"); at != want.at || halt != want.halt {
			t.Errorf("worst stop %d: at %v for %v, want %v", i, at, halt, want)
		}
	}
	if len(worst.Rows) != 3 || worst.More != 0 {
		t.Errorf("%d worst stops, %d more", len(worst.Rows), worst.More)
	}
}

func TestSTWWaterfall(t *testing.T) {
	stopper := parse.Event{Time: 1000, Kind: parse.KindProc, Proc: &parse.Proc{ID: 0, From: parse.ProcUser, To: parse.ProcStopper, STW: 1000}}
	on := parse.Event{Time: 1800, Kind: parse.KindProc, Proc: &parse.Proc{ID: 0, From: parse.ProcStopper, To: parse.ProcUser, STW: 1000}}
	events := []parse.Event{
		stopper,
		procStop(1000, 1000, 3, parse.ProcIdle, parse.ProcScheduler, 400),
		// Preempted for this stop: it was running when it was requested.
		procStop(1200, 1000, 2, parse.ProcScheduler, parse.ProcUser, 1100),
		// In the scheduler since before.
		procStop(1300, 1000, 1, parse.ProcScheduler, parse.ProcSyscall, 900),
		on,
		stwStop(1000, 1300, 1800, 1900, nil),
		procRestart(1950, 1000, 2),
		// P 1 finds nothing to run until the next stop, which is shorter.
		procStop(3000, 3000, 1, parse.ProcIdle, parse.ProcStopped, 1800),
		procStop(3000, 3000, 2, parse.ProcUser, parse.ProcScheduler, 2000),
		stwStop(3000, 3000, 3100, 3200, nil),
		procRestart(4000, 1000, 3),
		procRestart(5000, 3000, 2),
	}
	rep := concludeEvents(t, STW, 1e4, events...)
	w := tableNamed(t, rep, "stw.waterfall")
	want := []struct {
		stopped, restarted int64
		doing              string
	}{{1000, 1800, "stopper"}, {1300, 1800, "scheduler"}, {1200, 1950, "user"}, {1000, 1800, "idle"}}
	if len(w.Rows) != len(want) {
		t.Fatalf("rows %v", w.Rows)
	}
	for i, want := range want {
		if p, at, end, doing := cellAt(t, w, i, "p"), cellAt(t, w, i, "stopped"), cellAt(t, w, i, "restarted"), cellAt(t, w, i, "doing"); p != int64(i) || at != want.stopped || end != want.restarted || doing != want.doing {
			t.Errorf("P %v stopped %v, restarted %v, was %v; want %+v", p, at, end, doing, want)
		}
	}
	// Only the rows of the longest stop stay.
	c := newSTW()
	for i := range events {
		c.Event(&events[i])
	}
	for k := range c.rows {
		if k.stop != 1000 {
			t.Errorf("row of P %d in the stop at %d is kept", k.p, k.stop)
		}
	}
}

func TestSTWWorstSecond(t *testing.T) {
	var events []parse.Event
	// 1 ms every 100 ms for 20 s, and 30 ms every 100 ms from 10 s to 11 s.
	for i := range parse.Time(200) {
		begin := i*100e6 + 1
		length := parse.Time(1e6)
		if i >= 100 && i < 110 {
			length = 30e6
		}
		events = append(events, stwStop(begin, begin, begin+length, begin+length, nil))
	}
	rep := concludeEvents(t, STW, 20e9, events...)
	p := rep.Results[0].Summary
	last := p[len(p)-1]
	// Buckets of 1<<26 ns: 15 of them are 1.007 s, in which lie the ten long stops.
	if last != "the worst second starts at 9.99922 s: stopped 29.9 % of it" {
		t.Errorf("%q", last)
	}
}

// The longest stop of each bucket, in its two parts; those cut by the edge of the
// trace are left out.
func TestSTWLongest(t *testing.T) {
	const bucket = 1 << 16
	stop := func(since, last, restart, until parse.Time, partial bool) parse.Event {
		return parse.Event{Time: until, Kind: parse.KindRangeEnd, Range: &parse.Range{
			Kind: parse.RangeSTW, Since: since, Until: until, Partial: partial, Stop: parse.Stop{GC: true, LastStop: last, Restart: restart},
		}}
	}
	rep := analysistest.Synthetic(t, 26, STW,
		stop(0, 5000, 6000, 6000, true),
		stop(100, 300, 1000, 1200, false),                 // 900 until the restart
		stop(2000, 2100, 3000, 3000, false),               // longer
		stop(4000, 4000, 5000, 5000, false),               // as long, later
		stop(3*bucket, 3*bucket+7, 0, 3*bucket+10, false), // restart not seen
	)
	tb := tableNamed(t, rep, "stw.longest")
	if want := [][]any{{int64(2000), int64(100), int64(900), ""}, {int64(3 * bucket), int64(7), int64(3), ""}}; !reflect.DeepEqual(tb.Rows, want) || tb.N != 4 || tb.More != 2 {
		t.Errorf("%v of %d, %d more, want %v of 4", tb.Rows, tb.N, tb.More, want)
	}
	figures := rep.Results[0].Figures
	if f := figures[len(figures)-1]; f.Mark != analysis.Stems || f.Title != "The longest of 4 stops, at 0.002 ms, took 1 µs, 100 ns of it stopping" {
		t.Errorf("figure %+v", f)
	}
}
