package passes_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// truth is what the runtime counted of a traced program, between a read of its
// metrics right before trace.Start and one right after trace.Stop.
type truth struct {
	Outside    float64            // stop-the-worlds between the reads and the trace
	Scalars    map[string]float64 // growth
	Histograms map[string]float64 // growth of the number of samples
}

// readTruth reads one of the three forms: NAME.json of testdata, and the corpus's
// corpus-truth/1 and corpus-truth-fmtver/1.
func readTruth(t *testing.T, path string) truth {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Metrics json.RawMessage
		Before  map[string]any `json:"metrics_before"`
		After   map[string]any `json:"metrics_after"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	tr := truth{0, make(map[string]float64), make(map[string]float64)}
	var own struct {
		Scalars    map[string]struct{ Delta float64 }
		Histograms map[string]struct{ Count float64 }
	}
	var corpus map[string]struct {
		Delta *float64
		Count float64 `json:"delta_count"` // absent when 0
	}
	switch {
	case json.Unmarshal(doc.Metrics, &own) == nil && own.Scalars != nil:
		for name, m := range own.Scalars {
			tr.Scalars[name] = m.Delta
		}
		for name, h := range own.Histograms {
			tr.Histograms[name] = h.Count
		}
	case doc.After != nil:
		for name, after := range doc.After {
			switch after := after.(type) {
			case float64:
				before, _ := doc.Before[name].(float64)
				tr.Scalars[name] = after - before
			case []any:
				before, _ := doc.Before[name].([]any)
				tr.Histograms[name] = samples(t, after) - samples(t, before)
			}
		}
	case json.Unmarshal(doc.Metrics, &corpus) == nil:
		tr.Outside = 1
		for name, m := range corpus {
			if m.Delta != nil {
				tr.Scalars[name] = *m.Delta
			} else {
				tr.Histograms[name] = m.Count
			}
		}
	}
	return tr
}

// samples sums the counts of a histogram's [low, high, count] rows.
func samples(t *testing.T, rows []any) float64 {
	t.Helper()
	sum := 0.0
	for _, r := range rows {
		n, ok := r.([]any)[2].(float64)
		if !ok {
			t.Fatalf("not a row of a histogram: %v", r)
		}
		sum += n
	}
	return sum
}

// counts are the metrics that equal a count of the runtime.
var counts = []struct {
	id        string
	name      string
	histogram bool
	less      float64 // what the runtime counts and the trace cannot hold
}{
	{id: "goroutines.created", name: "/sched/goroutines-created:goroutines"},
	{id: "gc.cycles", name: "/gc/cycles/total:gc-cycles"},
	{id: "stw.gc.count", name: "/sched/pauses/total/gc:seconds", histogram: true},
	// The stop that starts the trace, which the report leaves out.
	{id: "stw.other.count", name: "/sched/pauses/total/other:seconds", histogram: true, less: 1},
}

// exceptions are the differences from the runtime's counts that are known: what
// the report must say instead, and why.
var exceptions = map[[2]string]struct {
	want   float64
	reason string
}{
	{"edge/stop-in-busy", "gc.cycles"}:                 {14, "trace.Stop came between the two stops of the 15th cycle"},
	{"edge/stop-in-busy", "stw.gc.count"}:              {29, "trace.Stop came between the two stops of the 15th cycle"},
	{"gc/assist-gogc10", "gc.cycles"}:                  {97, "two cycles ended while trace.Start was waiting for them"},
	{"gc/assist-gogc10", "stw.gc.count"}:               {194, "two cycles ended while trace.Start was waiting for them"},
	{"flight/flightrec-with-trace", "stw.other.count"}: {0, "a flight recorder was running, so trace.Start did not stop the world"},
}

// A flight recorder's file is a window, and the runtime counted from its start.
var windows = map[string]bool{
	"traces/flight-recorder":        true,
	"flight/flightrec-cpu-samples":  true,
	"flight/flightrec-slow-request": true,
}

// healthy programs: a warning in one of these is a false alarm.
var healthy = map[string]bool{
	"traces/netpoll-echo": true, "traces/http-healthy": true, "traces/idle": true, "traces/heartbeat": true,
	"io/http-mix": true, "io/pipe-stdin": true, "io/net-echo": true, "sched/idle": true,
}

func TestTruth(t *testing.T) {
	root := corpus.Root(t)
	own, err := filepath.Glob(filepath.Join(root, "testdata", "traces", "*.json"))
	if err != nil || len(own) == 0 {
		t.Fatal("no traces", err)
	}
	compared := make(map[string]int)
	more := corpus.More(t, "*/*.truth.json")
	for _, path := range append(own, more...) {
		tr := readTruth(t, path)
		path = strings.TrimSuffix(strings.TrimSuffix(path, ".json"), ".truth")
		name := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		rep := analysistest.Report(t, path+".trace", passes.All()...)
		checkReport(t, rep)
		for _, r := range rep.Results {
			for _, f := range r.Findings {
				if healthy[name] && f.Severity != analysis.Note {
					t.Errorf("%s: %s finds something wrong with a healthy program: %+v", name, r.Name, f)
				}
			}
		}
		for _, c := range counts {
			want, ok := tr.Scalars[c.name]
			if c.histogram {
				want, ok = tr.Histograms[c.name]
			}
			if !ok {
				continue
			}
			got := value(t, rep, c.id)
			want -= c.less
			if c.id == "stw.other.count" {
				want -= tr.Outside
			}
			compared[c.id]++
			if known, ok := exceptions[[2]string{name, c.id}]; ok {
				want = known.want
			}
			if windows[name] {
				if got > want {
					t.Errorf("%s: %s is %v in a window, the runtime counted %v in all", name, c.id, got, want)
				}
			} else if got != want {
				t.Errorf("%s: %s is %v, the runtime counted %v", name, c.id, got, want)
			}
		}
	}
	for _, c := range counts {
		least := 20
		if len(more) > 0 {
			least = 90
		}
		if compared[c.id] < least {
			t.Errorf("%s: compared on %d traces only", c.id, compared[c.id])
		}
	}
}

var listed = func() map[string]bool {
	m := make(map[string]bool)
	for _, d := range passes.Metrics() {
		m[d.ID] = true
	}
	return m
}()

// checkReport checks what holds in every report.
func checkReport(t *testing.T, rep *analysis.Report) {
	t.Helper()
	name := rep.Trace.Name
	for _, r := range rep.Results {
		if r.Outcome == analysis.Failed {
			t.Errorf("%s: %s: %s", name, r.Name, r.Reason)
		}
	}
	v := func(id string) float64 { return float64(rep.Metrics[id].Value) }
	has := func(id string) bool { _, ok := rep.Metrics[id]; return ok }
	shares, have := 0.0, 0
	for id, m := range rep.Metrics {
		x := float64(m.Value)
		if !listed[id] {
			t.Errorf("%s: %s is not in the list of metrics", name, id)
		}
		if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			t.Errorf("%s: %s is %v", name, id, x)
		}
		if m.Unit == analysis.Ratio && x > 1+1e-9 {
			t.Errorf("%s: %s is %v", name, id, x)
		}
		if q, ok := quantileOf(id); ok && float64(m.N) < 10/(1-q)-1e-6 {
			t.Errorf("%s: %s is given for a population of %d", name, id, m.N)
		}
		if strings.HasPrefix(id, "procs.share.") {
			shares += x
			have++
		}
	}
	if have != 0 && (have != 8 || math.Abs(shares-1) > 1e-9) {
		t.Errorf("%s: %d procs.share.* sum to %v", name, have, shares)
	}
	// order checks that metrics that are there do not decrease.
	order := func(ids ...string) {
		last := -1
		for i, id := range ids {
			if !has(id) {
				continue
			}
			if last >= 0 && v(ids[last]) > v(id) {
				t.Errorf("%s: %s %v > %s %v", name, ids[last], v(ids[last]), id, v(id))
			}
			last = i
		}
	}
	order("gc.assist.cpu", "gc.assist.wall")
	order("steal.count", "sched.starts")
	order("steal.operations", "steal.count")
	if has("steal.count") && has("sched.starts") && v("steal.count")+v("steal.ambiguous") > v("sched.starts") {
		t.Errorf("%s: %v steals and %v ambiguous of %v starts", name, v("steal.count"), v("steal.ambiguous"), v("sched.starts"))
	}
	order("sched.starts.user", "sched.starts")
	order("procs.wakeups.fruitless", "procs.wakeups")
	order("procs.gomaxprocs.min", "procs.gomaxprocs.max")
	order("procs.idle_while_runnable", "procs.time")
	order("netpoll.wakeups.nop", "netpoll.wakeups")
	order("heap.goal.last", "heap.goal.max")
	order("goroutines.runnable.mean", "goroutines.runnable.max")
	order("goroutines.runnable.max", "goroutines.max")
	order("stw.gc.stopping.total", "stw.gc.total.total")
	order("stw.other.stopping.total", "stw.other.total.total")
	for prefix := range families {
		order(prefix+".p50", prefix+".p90", prefix+".p99", prefix+".p999", prefix+".max", prefix+".total")
	}
	order("gc.mmu.1ms", "gc.mmu.10ms", "gc.mmu.100ms")
	taken := 0.0
	for _, by := range []string{"sysmon", "stw", "safepoint", "exiting", "self", "other"} {
		taken += v("syscall.phandoff." + by)
	}
	if has("syscall.phandoff.sysmon") && taken != v("syscall.phandoff.count") {
		t.Errorf("%s: %v P handoffs, %v by who took the P", name, v("syscall.phandoff.count"), taken)
	}
}

// families are the prefixes of the metrics with quantiles.
var families = func() map[string]bool {
	m := make(map[string]bool)
	for id := range listed {
		if _, ok := quantileOf(id); ok {
			m[id[:strings.LastIndexByte(id, '.')]] = true
		}
	}
	return m
}()

// quantileOf returns the quantile that an id names: .999 for "a.b.p999".
func quantileOf(id string) (float64, bool) {
	digits, ok := strings.CutPrefix(id[strings.LastIndexByte(id, '.')+1:], "p")
	if !ok {
		return 0, false
	}
	q, err := strconv.ParseFloat("0."+digits, 64)
	return q, err == nil
}

// A planted truth is what a program of testdata did on purpose and measured of
// itself, with its own clock.
type planted struct {
	Syscalls map[string]float64
	Nanosleep, PipeRead, VictimDelay, LockWait,
	LockHeld struct {
		Count float64
		Min   float64 `json:"min_ns"`
		Max   float64 `json:"max_ns"`
		Total float64 `json:"total_ns"`
	}
}

func readPlanted(t *testing.T, name string) (p planted, rep *analysis.Report) {
	t.Helper()
	path := analysistest.Testdata(t, name)
	b, err := os.ReadFile(strings.TrimSuffix(path, ".trace") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Measured map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for key, to := range map[string]any{
		"syscalls": &p.Syscalls, "nanosleep": &p.Nanosleep, "pipe_read": &p.PipeRead,
		"victim_delay": &p.VictimDelay, "lock_wait": &p.LockWait, "lock_held_5ms": &p.LockHeld,
	} {
		if raw, ok := doc.Measured[key]; ok {
			if err := json.Unmarshal(raw, to); err != nil {
				t.Fatalf("%s: %s: %v", name, key, err)
			}
		}
	}
	return p, analysistest.Report(t, path, passes.All()...)
}

// row is one row of a table, by column.
type row map[string]any

func (r row) number(t *testing.T, column string) float64 {
	t.Helper()
	switch v := r[column].(type) {
	case int64:
		return float64(v)
	case int:
		return float64(v)
	case float64:
		return v
	case analysis.Number:
		return float64(v)
	}
	t.Fatalf("%s is %v, of type %T", column, r[column], r[column])
	return 0
}

// rowsOf returns the rows of a report's table.
func rowsOf(t *testing.T, rep *analysis.Report, analyzer, table string) []row {
	t.Helper()
	for _, res := range rep.Results {
		for _, tb := range res.Tables {
			if res.Name != analyzer || tb.Name != table {
				continue
			}
			var rows []row
			for _, cells := range tb.Rows {
				r := make(row)
				for i, c := range tb.Columns {
					r[c.Name] = cells[i]
				}
				rows = append(rows, r)
			}
			return rows
		}
	}
	t.Fatalf("%s: %s has no table %s", rep.Trace.Name, analyzer, table)
	return nil
}

// Four goroutines spin 30 ms where nothing can preempt them, each beside three
// that were made runnable just before: 12 waits of 30 ms, and four time slices
// over 20 ms while work was runnable.
func TestPlantedSpin(t *testing.T) {
	p, rep := readPlanted(t, "spin-30ms")
	_, evs := analysistest.Events(t, analysistest.Testdata(t, "spin-30ms"))
	long, total := 0, int64(0)
	for i := range evs {
		if g := evs[i].Go; evs[i].Kind.IsGo() && g.From == parse.GoRunnable && g.To == parse.GoRunning && evs[i].Held() >= 30e6 {
			long++
			total += evs[i].Held()
		}
	}
	off(t, "waits of 30 ms", float64(long), p.VictimDelay.Count, 0)
	off(t, "their sum", float64(total), p.VictimDelay.Total, .005*p.VictimDelay.Total)
	off(t, "sched.latency.unblocked.max", value(t, rep, "sched.latency.unblocked.max"), p.VictimDelay.Max, .005*p.VictimDelay.Max)
	off(t, "preempt.overrun.count", value(t, rep, "preempt.overrun.count"), 4, 0)
	worst := rowsOf(t, rep, "latency", "latency.worst")
	for i := range 3 {
		if worst[i]["function"] != "main.waitForWork" || worst[i].number(t, "wait") < 30e6 {
			t.Errorf("longest wait %d: %v", i, worst[i])
		}
	}
	if by := rowsOf(t, rep, "waits", "waits.function")[0]; by["function"] != "main.main" || by.number(t, "share") < .99 {
		t.Errorf("who made others wait: %v", by)
	}
}

// A lock is held 5 ms while four goroutines want it.
func TestPlantedLock(t *testing.T) {
	p, rep := readPlanted(t, "lock-5ms")
	site := rowsOf(t, rep, "blocking", "blocking.contention")[0]
	if name, _ := site["site"].(string); !strings.HasPrefix(name, "main.updateCounter:") || site["reason"] != "sync" {
		t.Errorf("the worst lock: %v", site)
	}
	// The program's waits include those of ns for a free lock, and getting a P.
	off(t, "longest wait", site.number(t, "max"), p.LockWait.Max, .01*p.LockWait.Max)
	off(t, "sum of waits", site.number(t, "total"), p.LockWait.Total, .01*p.LockWait.Total)
	wakes := 0.0
	for _, r := range rowsOf(t, rep, "blocking", "blocking.wakers") {
		if by, _ := r["woken by"].(string); strings.HasPrefix(by, "main.holdLock5ms:") {
			wakes += r.number(t, "wakes")
		}
	}
	if wakes < p.LockHeld.Count/2 || wakes > p.LockHeld.Count {
		t.Errorf("%v waits ended by main.holdLock5ms, which held the lock %v times", wakes, p.LockHeld.Count)
	}
}

// 30 sleeps that keep their threads, 40 calls on a pipe, 2,000 reads of a file.
func TestPlantedSyscalls(t *testing.T) {
	for _, name := range []string{"syscall-handoff", "syscall-handoff-go124"} {
		p, rep := readPlanted(t, name)
		calls, total, all := make(map[string]float64), make(map[string]float64), 0.0
		for _, r := range rowsOf(t, rep, "syscalls", "syscalls.sites") {
			site, _ := r["call"].(string)
			fn, _, _ := strings.Cut(site, ":")
			calls[fn] += r.number(t, "calls")
			total[fn] += r.number(t, "total")
		}
		for fn, n := range p.Syscalls {
			off(t, name+": calls of "+fn, calls[fn], n, 0)
			all += n
		}
		if all < 2070 {
			t.Errorf("%s: %v calls planted", name, all)
		}
		off(t, name+": syscall.count", value(t, rep, "syscall.count"), all, 0)
		// The program's times begin before the call, and end when it has a P again.
		if ns := total["main.nanosleep3ms"]; ns < p.Nanosleep.Count*3e6 || ns > p.Nanosleep.Total {
			t.Errorf("%s: sleeps of %v ns in all; asked for %v, %v passed", name, ns, p.Nanosleep.Count*3e6, p.Nanosleep.Total)
		}
		off(t, name+": main.readBlockingPipe", total["main.readBlockingPipe"], p.PipeRead.Total, .25*p.PipeRead.Total)
	}
}

// value returns a metric of the report, which must be there.
func value(t *testing.T, rep *analysis.Report, id string) float64 {
	t.Helper()
	m, ok := rep.Metrics[id]
	if !ok {
		t.Fatalf("%s: the report has no metric %s", rep.Trace.Name, id)
	}
	return float64(m.Value)
}

// off fails when got is more than by away from want.
func off(t *testing.T, what string, got, want, by float64) {
	t.Helper()
	if math.Abs(got-want) > by {
		t.Errorf("%s: %v, the oracle says %v (±%v)", what, got, want, by)
	}
}
