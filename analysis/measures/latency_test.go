package measures

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestLatencyLaw(t *testing.T) {
	for _, name := range []string{"procs-2", "mixed-go121", "flight-recorder", "coroutines", "gc-assist"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Latency})
	}
}

func TestLatencyRules(t *testing.T) {
	g := func(held int64, id parse.GoID, class parse.Class, ready parse.Ready, fn parse.StringID, p, last parse.ProcID) parse.Event {
		return analysistest.Started(held, parse.Go{ID: id, Class: class, Ready: ready, Func: fn, P: p, LastP: last})
	}
	partial := g(5_000_000, 20, parse.ClassUser, parse.ReadyUnknown, 1, 0, parse.NoProc)
	partial.Go.Partial = true
	coroutine := g(0, 21, parse.ClassUser, parse.ReadyCoroutine, 1, 1, 0)
	coroutine.Go.Origin = parse.OriginCoroutine
	created := g(40, 3, parse.ClassUser, parse.ReadyCreated, 0, 0, parse.NoProc)

	open := analysistest.Started(9_000_000, parse.Go{ID: 22, Ready: parse.ReadyUnblocked, Func: 1})
	open.Go.To = parse.GoUndetermined
	openYield := analysistest.Started(9_500_000, parse.Go{ID: 23, Ready: parse.ReadyYield, Func: 1})
	openYield.Go.To = parse.GoUndetermined
	events := []parse.Event{
		g(100, 10, parse.ClassUser, parse.ReadyUnblocked, 1, 0, 1), // migrates
		g(200, 11, parse.ClassUser, parse.ReadyPreempted, 1, 0, 0),
		g(300, 12, parse.ClassUser, parse.ReadyLockHandoff, 1, 0, parse.NoProc),
		g(400, 13, parse.ClassUser, parse.ReadySyscall, 1, 2, 0), // migrates
		created,
		// In all, and in no headline:
		g(1_000_000, 10, parse.ClassUser, parse.ReadyYield, 1, 0, 0),
		g(2_000_000, 5, parse.ClassSystem, parse.ReadyYield, 2, 0, 1), // migrates
		g(3_000_000, 6, parse.ClassWorker, parse.ReadyRuntime, 3, 0, 0),
		g(4_000_000, 7, parse.ClassTracer, parse.ReadyTimer, 4, 0, 0),
		// The scavenger's first wake-up: nothing tells its name yet.
		g(6_000_000, 4, parse.ClassSystem, parse.ReadyTimer, 0, 0, parse.NoProc),
		// In no distribution:
		partial, coroutine, open, openYield,
		{Time: 9000, Kind: parse.KindGoWaiting, Go: &parse.Go{From: parse.GoWaiting, To: parse.GoRunnable, Func: 1}},
		{Time: 9000, Kind: parse.KindGoSyscall, Go: &parse.Go{From: parse.GoSyscall, To: parse.GoRunning, Func: 1}},
	}
	rep := analysistest.Synthetic(t, 26, Latency, events...)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"sched.starts": 12, "sched.starts.user": 8, "sched.migrations": 3,
		"sched.latency.user.total": 1040, "sched.latency.user.max": 400, "sched.latency.user.p50": -1,
		"sched.latency.all.total": 16_001_040, "sched.latency.all.max": 6_000_000,
		"sched.latency.created.total": 40, "sched.latency.unblocked.total": 100, "sched.latency.preempted.max": 200,
		"sched.latency.lockhandoff.max": 300, "sched.latency.syscall.max": 400, "sched.latency.yield.max": 1_000_000,
		"sched.latency.timer.total": 0, "sched.latency.timer.max": -1, "sched.latency.netpoll.max": -1,
	})
	for id, n := range map[string]int64{
		"sched.latency.user.total": 5, "sched.latency.all.total": 10, "sched.latency.yield.total": 1,
		"sched.migrations": 7, // starts of goroutines that ran before
	} {
		if got := rep.Metrics[id].N; got != n {
			t.Errorf("population of %s is %d, want %d", id, got, n)
		}
	}
	for _, c := range []struct {
		table, row, column string
		want               any
	}{
		{"latency.cause", "system call", "share", 400. / 1040},
		{"latency.cause", "yield", "total", int64(1_000_000)},
		{"latency.cause", "yield", "share", nil},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, c.column); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.table, c.row, c.column, got, c.want)
		}
	}
	rows := tableNamed(t, rep, "latency.cause").Rows
	if first, last := rows[0][0], rows[len(rows)-1][0]; first != any("system call") || last != any("yield") {
		t.Errorf("rows by cause go from %v to %v, want system call to yield", first, last)
	}
	if rows := tableNamed(t, rep, "latency.worst").Rows; len(rows) != 5 || rows[0][1] != any(int64(400)) || rows[0][2] != any(int64(13)) {
		t.Errorf("worst waits %v, want that of 400 ns of G13 first of 5", rows)
	}
	said := strings.Join(rep.Results[0].Summary, "\n")
	for _, want := range []string{"1.04 µs for a P in 5 waits: longest 400 ns", "1 yield, 1 coroutine switch, 4 starts of the runtime's", "1 wait begun before the trace", "1 wait not over at its end (longest so far 9 ms)"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q but\n%s", want, said)
		}
	}
}

func TestLatencySilence(t *testing.T) {
	rep := analysistest.Synthetic(t, 26, Latency, analysistest.Started(7, parse.Go{ID: 9, Class: parse.ClassSystem, Func: 1, Ready: parse.ReadyTimer}))
	if got := rep.Results[0].Summary; len(got) != 2 || !strings.Contains(got[0], "no user goroutine waited for a P in 1 s") {
		t.Errorf("it says %q", got)
	}
	analysistest.WantMetrics(t, rep, map[string]float64{"sched.latency.user.max": -1, "sched.latency.user.total": 0, "sched.latency.all.total": 7})
}

func TestLatencyClasses(t *testing.T) {
	for _, c := range []struct {
		held     int64
		from, to int64
	}{
		{0, 0, 1000}, {999, 0, 1000}, {1000, 1000, 2000}, {1999, 1000, 2000}, {2000, 2000, 5000},
		{499_999_999, 2e8, 5e8}, {999_999_999, 5e8, 1e9}, {1_000_000_000, 1e9, 2e9}, {1 << 50, 1e9, 2e9},
	} {
		f := newLatencyFold()
		e := analysistest.Started(c.held, parse.Go{ID: 9, Func: 1})
		f.Event(&e)
		var got [][2]int64
		for lane := range f.overTime.Lanes() {
			for b := range f.overTime.Len() {
				if f.overTime.At(b, lane) > 0 {
					from, to := LatencyClass(lane)
					got = append(got, [2]int64{from, to})
				}
			}
		}
		if want := [2]int64{c.from, c.to}; len(got) != 1 || got[0] != want {
			t.Errorf("%d ns is in %v, want %v", c.held, got, want)
		}
	}
}

func TestECDF(t *testing.T) {
	var h sketch.Histogram
	for v := int64(1); v <= 20; v++ {
		h.Add(v * 100)
	}
	h.AddN(100, 20)
	tb := say.ECDFTable("x", "", "s", h.N())
	say.AddECDF(tb, "a", &h)
	if first, last := tb.Rows[0], tb.Rows[len(tb.Rows)-1]; first[1] != any(int64(100)) || first[2] != any(21./40) || last[1] != any(int64(2000)) || last[2] != any(1.) {
		t.Errorf("from %v to %v, want 100 at 0.525 to 2000 at 1", first, last)
	}
	for i, r := range tb.Rows[1:] {
		if r[1].(int64) <= tb.Rows[i][1].(int64) || r[2].(float64) <= tb.Rows[i][2].(float64) {
			t.Errorf("row %v does not lie beyond %v", r, tb.Rows[i])
		}
	}
}

// TestLatencyPlanted checks traces with known waits.
func TestLatencyPlanted(t *testing.T) {
	// On one P, 3 of 4 spinners that nothing can preempt wait for those before,
	// and 3 goroutines are woken just before each spinner of 30 ms begins.
	rep := analysistest.Report(t, analysistest.Testdata(t, "spin-30ms"), Latency)
	var long int
	for _, tb := range rep.Results[0].Tables {
		if tb.Name != "latency.worst" {
			continue
		}
		for _, r := range tb.Rows {
			if r[1].(int64) >= 30e6 {
				long++
			}
			if c := r[7]; c != any("user") {
				t.Errorf("spin-30ms: the wait of %v ns is mostly for %q", r[1], c)
			}
		}
	}
	if long != worstWaits {
		t.Errorf("spin-30ms: %d of the %d longest waits are 30 ms or more, want all", long, worstWaits)
	}

	// Each of 1,644 coroutine switches is a start without a wait.
	_, evs := analysistest.Events(t, analysistest.Testdata(t, "coroutines"))
	f := newLatencyFold()
	for i := range evs {
		if evs[i].Kind.IsGo() {
			f.Event(&evs[i])
		}
	}
	if waits := f.ofClass(parse.ClassUser).N(); f.coroutines != 1644 || waits > 200 {
		t.Errorf("coroutines: %d switches and %d waits", f.coroutines, waits)
	}

	// Nothing can migrate on one P.
	rep = analysistest.Report(t, analysistest.Testdata(t, "procs-1"), Latency)
	analysistest.WantMetrics(t, rep, map[string]float64{"sched.migrations": 0})

	rep = analysistest.Report(t, analysistest.Testdata(t, "mutex-starvation"), Latency)
	if n := rep.Metrics["sched.latency.lockhandoff.total"].N; n < 40 || n > 48 {
		t.Errorf("mutex-starvation: %d lock handoffs, want nearly all of 48", n)
	}
	rep = analysistest.Report(t, analysistest.Testdata(t, "preempt-cooperative"), Latency)
	if n := rep.Metrics["sched.latency.yield.total"].N; n != 200 {
		t.Errorf("preempt-cooperative: %d yields, want 200", n)
	}
}

// TestLatencyMetric compares with /sched/latencies, which sees every 8th
// transition of a goroutine (proc.go:casgstatus), on loads with little GC: p50
// and p99 lie in the metric's bucket or beside it. Loads with few rare long waits
// are left out: the metric may see none of them, or one as eight.
func TestLatencyMetric(t *testing.T) {
	for _, name := range []string{
		"io/net-deadline", "io/net-echo", "io/pipe-stdin", "sync/chan-slow-stage", "sync/mutex-hold-sleep", "sync/semaphore-chan",
		"sync/spinlock", "sched/goroutine-churn", "sched/lockosthread-pingpong",
	} {
		t.Run(name, func(t *testing.T) {
			path := corpus.Trace(t, name)
			data, err := os.ReadFile(strings.TrimSuffix(path, ".trace") + ".truth.json")
			if err != nil {
				t.Fatal(err)
			}
			var truth struct {
				Metrics map[string]json.RawMessage `json:"metrics"`
			}
			var m struct {
				Hist [][3]float64 `json:"delta_hist"` // from, to in seconds; count
			}
			if err := json.Unmarshal(data, &truth); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(truth.Metrics["/sched/latencies:seconds"], &m); err != nil {
				t.Fatal(err)
			}
			bucket := func(q float64) (lo, hi float64) {
				var n, below float64
				for _, b := range m.Hist {
					if b[0] > 0 { // the first bucket holds the transitions without a wait
						n += b[2]
					}
				}
				for _, b := range m.Hist {
					if b[0] == 0 {
						continue
					}
					if below += b[2]; below >= math.Ceil(q*n) {
						return b[0] * 1e9, b[1] * 1e9
					}
				}
				t.Fatal("the metric has no samples")
				return 0, 0
			}
			rep := analysistest.Report(t, path, Latency)
			for id, q := range map[string]float64{"sched.latency.all.p50": .5, "sched.latency.all.p99": .99} {
				got := float64(rep.Metrics[id].Value)
				lo, hi := bucket(q)
				if got < lo/1.25 || got > hi*1.25 {
					t.Errorf("%s is %v ns, the metric has %v…%v", id, got, lo, hi)
				}
			}
		})
	}
}

func TestLatencyLane(t *testing.T) {
	latencies := []int64{-1, 0, 1, math.MaxInt64}
	for _, b := range latencyBounds {
		latencies = append(latencies, b-1, b, b+1)
	}
	for _, ns := range latencies {
		want := 0
		for want < len(latencyBounds) && latencyBounds[want] <= ns {
			want++
		}
		if got := LatencyLane(ns); got != want {
			t.Errorf("%d ns is in class %d, want %d", ns, got, want)
		}
	}
}
