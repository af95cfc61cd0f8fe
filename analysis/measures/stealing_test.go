package measures

import (
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestStealingLaw(t *testing.T) {
	for _, name := range []string{"steal-bursts", "mixed-go121", "gc-sweep", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Stealing})
	}
}

func TestStealingRules(t *testing.T) {
	start := func(o parse.Origin, held int64, g parse.Go) parse.Event {
		g.Origin = o
		return analysistest.Started(held, g)
	}
	from := func(victim, thief parse.ProcID, batch int32) parse.Go {
		return parse.Go{Ready: parse.ReadyUnblocked, Victim: victim, P: thief, StealBatch: batch}
	}
	events := []parse.Event{
		start(parse.OriginStolen, 100, from(0, 1, 3)),
		start(parse.OriginStolen, 200, from(0, 1, 0)),
		start(parse.OriginStolen, 400, parse.Go{Class: parse.ClassSystem, Ready: parse.ReadyTimer, Victim: 2, P: 1, StealBatch: 1}),
		start(parse.OriginAmbiguous, 800, from(0, 1, 0)),
		start(parse.OriginAmbiguous, 800, from(parse.NoProc, 1, 0)),
		start(parse.OriginLocal, 10, parse.Go{P: 1}),
		start(parse.OriginRunNext, 10, parse.Go{P: 1}),
		// A yield is a start like any other, but its wait was asked for.
		start(parse.OriginGlobal, 5000, parse.Go{P: 1, Home: parse.NoProc, Ready: parse.ReadyYield}),
		// Its queue is known to be the global one, but not in a v1 trace.
		start(parse.OriginGlobal, 10, parse.Go{P: 1, Home: parse.NoProc, Ready: parse.ReadyTimer}),
		// Not from a run queue.
		start(parse.OriginDirect, 10, parse.Go{P: 1}),
		start(parse.OriginSyscall, 10, parse.Go{P: 1}),
		start(parse.OriginCoroutine, 0, parse.Go{P: 1}),
		start(parse.OriginUnknown, 10, parse.Go{P: 1, Partial: true}),
		// No start: readied.
		{Time: 5000, Kind: parse.KindGoWaiting, Go: &parse.Go{From: parse.GoWaiting, To: parse.GoRunnable}},
	}
	rep := analysistest.Synthetic(t, 26, Stealing, events...)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"steal.count": 3, "steal.ambiguous": 2, "steal.share": 3. / 9, "steal.rate": 3, "steal.operations": 2,
		"steal.latency.p50": -1, // 3 values do not tell
	})
	if n := rep.Metrics["steal.count"].N; n != 9 {
		t.Errorf("population of steal.count is %d, want the 9 eligible starts", n)
	}
	analysistest.WantMetrics(t, analysistest.Synthetic(t, 21, Stealing, events...), map[string]float64{"steal.count": 3, "steal.ambiguous": 3})
	for _, c := range []struct {
		table, row, column string
		want               any
	}{
		{"stealing.starts", "global", "starts", int64(2)},
		{"stealing.starts", "global", "total", int64(10)},
		{"stealing.starts", "coroutine", "starts", int64(1)},
		{"stealing.starts", "coroutine", "max", nil},
		{"stealing.starts", "unknown", "max", nil},
		{"stealing.starts", "stolen", "max", int64(200)}, // the user row comes first
		{"stealing.sites", "(unblocked)", "mean wait", int64(150)},
		{"stealing.sites", "(timer)", "stolen", int64(1)},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, c.column); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.table, c.row, c.column, got, c.want)
		}
	}
	// Waits of the runtime's own goroutines, yields and waits without start are in no curve.
	curves := tableNamed(t, rep, "stealing.latency").Rows
	if want := [][]any{
		{"runnext", int64(10), 1.}, {"local", int64(10), 1.}, {"stolen", int64(100), .5}, {"stolen", int64(200), 1.},
		{"global", int64(10), 1.}, {"ambiguous", int64(800), 1.}, {"direct", int64(10), 1.}, {"syscall", int64(10), 1.},
	}; !reflect.DeepEqual(curves, want) {
		t.Errorf("curves %v, want %v", curves, want)
	}
	tb := tableNamed(t, rep, "stealing.matrix")
	if len(tb.Rows) != 2 || tb.Rows[0][0] != any(int64(0)) || tb.Rows[0][2] != any(int64(2)) || tb.Rows[0][3] != any(int64(1)) || tb.Rows[1][0] != any(int64(2)) {
		t.Errorf("matrix is %v", tb.Rows)
	}
}

// In steal-bursts each main.burstWork is made once and runs once, and nothing
// else moves goroutines: those that run on another P than that of the go
// statement were stolen.
func TestStealingBursts(t *testing.T) {
	path := analysistest.Testdata(t, "steal-bursts")
	tr, events := analysistest.Events(t, path)
	var moved, all int64
	for i := range events {
		g := events[i].Go
		if events[i].Kind.IsGo() && g.From == parse.GoRunnable && g.To == parse.GoRunning && tr.String(g.Func) == "main.burstWork" {
			all++
			if g.Ready == parse.ReadyCreated && g.P != g.Home {
				moved++
			}
		}
	}
	if all < 40*32 || moved < all/4 {
		t.Fatalf("%d of %d starts of main.burstWork on another P: not the trace this test is about", moved, all)
	}
	rep := analysistest.Report(t, path, Stealing)
	count, ambiguous := int64(rep.Metrics["steal.count"].Value), int64(rep.Metrics["steal.ambiguous"].Value)
	if count > moved+ambiguous || count+ambiguous < moved {
		t.Errorf("steals in [%d, %d], want %d in it", count, count+ambiguous, moved)
	}
	if got := analysistest.Cell(t, rep, "stealing.sites", "main.spawnBurst:33", "stolen"); got.(int64) < moved-ambiguous {
		t.Errorf("%v stolen goroutines of main.spawnBurst, want at least %d", got, moved-ambiguous)
	}
}

// With one P there is nobody to steal from.
func TestStealingOneP(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "procs-1"), Stealing)
	analysistest.WantMetrics(t, rep, map[string]float64{"steal.count": 0, "steal.ambiguous": 0, "steal.operations": 0})
	if rep.Metrics["steal.share"].N < 100 {
		t.Errorf("%d eligible starts", rep.Metrics["steal.share"].N)
	}
}
