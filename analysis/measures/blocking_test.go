package measures

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestBlockingLaw(t *testing.T) {
	for _, name := range []string{"mixed-go126", "mixed-go121", "flight-recorder", "coroutines", "gc-assist"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Blocking})
	}
}

// lock-5ms.json: 240 updates waited 100,232,144 ns for the lock, the longest
// 6,063,481 ns, by the program's own clock.
func TestBlockingLock(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "lock-5ms"), Blocking)
	contention := analysistest.ResultTable(t, rep, "blocking.contention")
	if len(contention.Rows) != 1 {
		t.Fatalf("contention: %v", contention.Rows)
	}
	if got := analysistest.Cells[string](t, contention, "site")[0]; !strings.HasPrefix(got, "main.updateCounter:") || !strings.HasSuffix(got, "(sync.(*Mutex).Lock)") {
		t.Errorf("waits for the lock are at %q", got)
	}
	if got := analysistest.Cells[string](t, contention, "woken by")[0]; !strings.HasPrefix(got, "main.updateCounter:") || !strings.Contains(got, "(sync.(*Mutex).Unlock) and 1 more") {
		t.Errorf("they are ended by %q", got)
	}
	analysistest.Within(t, "total", analysistest.Cells[int64](t, contention, "total")[0], 100_232_144, .02)
	analysistest.Within(t, "max", analysistest.Cells[int64](t, contention, "max")[0], 6_063_481, .02)
	wakers := analysistest.ResultTable(t, rep, "blocking.wakers")
	if got := analysistest.Cells[string](t, wakers, "woken by"); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "main.holdLock5ms:") }) {
		t.Errorf("main.holdLock5ms woke nobody: %q", got)
	}
	// 240 + 2·6 sleeps.
	reasons := analysistest.ResultTable(t, rep, "blocking.reasons")
	if got := analysistest.Cells[int64](t, reasons, "waits")[analysistest.RowOf(t, reasons, "reason", "sleep")]; got != 252 {
		t.Errorf("%d sleeps, want 252", got)
	}
}

func TestBlockingReasons(t *testing.T) {
	for _, c := range []struct {
		trace, reason, group string
		waits, least         int64
	}{
		{"idle", "sleep", "sleep", 5, 5 * 450e6},
		{"heartbeat", "chan receive", "chan", 231, 115 * 20e6}, // 115 beats of a ticker, each received twice, and the end
		{"gc-assist", "GC mark assist wait for work", "gcassist", 42, 1e6},
	} {
		rep := analysistest.Report(t, analysistest.Testdata(t, c.trace), Blocking)
		reasons := analysistest.ResultTable(t, rep, "blocking.reasons")
		i := analysistest.RowOf(t, reasons, "reason", c.reason)
		if got := analysistest.Cells[int64](t, reasons, "waits")[i]; got != c.waits {
			t.Errorf("%s: %d waits for %s, want %d", c.trace, got, c.reason, c.waits)
		}
		if got := analysistest.Cells[int64](t, reasons, "total")[i]; got < c.least || float64(rep.Metrics["block."+c.group+".total"].Value) != float64(got) {
			t.Errorf("%s: %s for %d ns, metric %v, want at least %d", c.trace, c.reason, got, rep.Metrics["block."+c.group+".total"], c.least)
		}
	}
}

// 1,644 coroutine switches are no waits.
func TestBlockingCoroutines(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "coroutines"), Blocking)
	for _, g := range blockGroups {
		want := int64(0)
		if g == "sync" {
			want = 1 // the WaitGroup at the end
		}
		if got := rep.Metrics["block."+g+".total"].N; got != want {
			t.Errorf("%d waits of group %s, want %d", got, g, want)
		}
	}
	for _, tb := range rep.Results[0].Tables {
		if tb.Name == "blocking.contention" {
			t.Errorf("waiting for a WaitGroup is contention: %v", tb.Rows)
		}
	}
}

func TestBlockingCorpus(t *testing.T) {
	t.Run("mutex", func(t *testing.T) {
		// Series wait of sync/mutex-hold-sleep.truth.json: sum 18,352,042,989 ns.
		rep := analysistest.Report(t, corpus.Trace(t, "sync/mutex-hold-sleep"), Blocking)
		contention := analysistest.ResultTable(t, rep, "blocking.contention")
		i := analysistest.RowOf(t, contention, "site", "main.mutexWaiter:")
		analysistest.Within(t, "waits for the lock", analysistest.Cells[int64](t, contention, "total")[i], 18_352_042_989, .02)
	})
	t.Run("channel", func(t *testing.T) {
		rep := analysistest.Report(t, corpus.Trace(t, "sync/chan-slow-stage"), Blocking)
		contention := analysistest.ResultTable(t, rep, "blocking.contention")
		i := analysistest.RowOf(t, contention, "site", "main.stageFast:")
		if got := analysistest.Cells[string](t, contention, "woken by")[i]; !strings.HasPrefix(got, "main.stageSlow:") {
			t.Errorf("main.stageFast sends to %q, want main.stageSlow", got)
		}
	})
	t.Run("idle", func(t *testing.T) {
		// Their reasons are told by their stacks only.
		rep := analysistest.Report(t, corpus.Trace(t, "real/etcd-embed"), Blocking)
		idle := analysistest.ResultTable(t, rep, "blocking.idle")
		for site, want := range map[string]string{
			"go.etcd.io/etcd/client/pkg/v3/transport.(*keepaliveListener).Accept:": "network",
			"google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run:":  "chan receive",
			"go.etcd.io/etcd/client/pkg/v3/fileutil.purgeFile.func1:":              "select",
		} {
			if got := analysistest.Cells[string](t, idle, "reason")[analysistest.RowOf(t, idle, "site", site)]; got != want {
				t.Errorf("%s waits for %q, want %q", site, got, want)
			}
		}
	})
	t.Run("deadlock", func(t *testing.T) {
		rep := analysistest.Report(t, corpus.Trace(t, "sync/deadlock-abba"), Blocking)
		contention := analysistest.ResultTable(t, rep, "blocking.contention")
		open := analysistest.Cells[int64](t, contention, "open at end")
		for fn, want := range map[string]int64{"main.deadWaiter:": 10, "main.lockAB:": 1, "main.lockBA:": 1} {
			if got := open[analysistest.RowOf(t, contention, "site", fn)]; got != want {
				t.Errorf("%s: %d waits still open, want %d", fn, got, want)
			}
		}
	})
}

func TestBlockingEvents(t *testing.T) {
	const reason, fn = 2, 1
	wait := func(to parse.GoState, since, at parse.Time, g parse.Go) parse.Event {
		g.From, g.To, g.Since = parse.GoWaiting, to, since
		return parse.Event{Time: at, Kind: parse.Kind(g.From), Go: &g}
	}
	f := Blocking.New().(*BlockingFold)
	for _, e := range []parse.Event{
		wait(parse.GoRunnable, 100, 150, parse.Go{Func: fn, FromReason: reason, FromStack: 3, Ready: parse.ReadyUnblocked, WakerStack: 4}),
		wait(parse.GoRunnable, 200, 230, parse.Go{Func: fn, FromReason: reason, FromStack: 3, Ready: parse.ReadyTimer, WakerStack: 5}),
		// Cut by a window: time, but no length.
		wait(parse.GoRunnable, 0, 70, parse.Go{Func: fn, FromReason: reason, FromStack: 3, Partial: true, Ready: parse.ReadyUnblocked, WakerStack: 4}),
		// Open at the end, and open from end to end.
		wait(parse.GoUndetermined, 300, 400, parse.Go{Func: fn, FromReason: reason, FromStack: 3}),
		wait(parse.GoUndetermined, 0, 400, parse.Go{Func: fn, FromReason: reason, FromStack: 3, Partial: true}),
		// From before the trace: of a known goroutine, of an unknown one.
		wait(parse.GoRunnable, 0, 10, parse.Go{Func: fn, FromStack: 3, Partial: true, Ready: parse.ReadyTimer}),
		wait(parse.GoRunnable, 0, 20, parse.Go{Partial: true, Ready: parse.ReadyTimer}),
		// A coroutine switch, known by its end.
		wait(parse.GoRunnable, 10, 20, parse.Go{Func: fn, Ready: parse.ReadyCoroutine}),
		// Not the program's.
		wait(parse.GoRunnable, 10, 20, parse.Go{Func: fn, Class: parse.ClassSystem, FromReason: reason, FromStack: 3}),
	} {
		f.Event(&e)
	}
	site := BlockSite{blockReason{Reason: reason}, 3}
	sites, reasons, wakers := f.sites.ByKey(), f.reasons.ByKey(), f.wakers.ByKey()
	want := BlockWaits{Spans: 5, Total: 50 + 30 + 70 + 100 + 400, N: 2, Sum: 80, Max: 50, Open: 2, Oldest: 400, Idle: 1, idleNS: 400}
	if got := sites[site]; got == nil || got.BlockWaits != want {
		t.Errorf("waits %+v, want %+v", got, want)
	}
	if w := sites[site]; w.Busy() != 250 {
		t.Errorf("busy %d, want 250", w.Busy())
	}
	for k, total := range map[BlockSite]int64{
		{blockReason{0, blockBefore}, 3}:  10,
		{blockReason{0, BlockUnnamed}, 0}: 20,
	} {
		if w := sites[k]; w == nil || w.Total != total || w.N > 0 {
			t.Errorf("%+v: %+v, want total %d", k, w, total)
		}
	}
	if len(sites) != 3 {
		t.Errorf("%d sites, want 3 and none for the coroutine switch", len(sites))
	}
	if h := reasons[site.blockReason]; h.N() != 2 || h.Sum() != 80 {
		t.Errorf("lengths: n %d, sum %d", h.N(), h.Sum())
	}
	if n := wakers[blockWaker{site, parse.ReadyUnblocked, 4}]; n == nil || *n != 2 {
		t.Error("not woken twice by stack 4")
	}
	if n := wakers[blockWaker{site, parse.ReadyTimer, 0}]; n == nil || *n != 1 {
		t.Error("not woken once by a timer")
	}
}

func TestBlockGroup(t *testing.T) {
	for reason, want := range map[string]string{
		"sync": "sync", "sync.(*Cond).Wait": "sync", "chan send": "chan", "chan receive": "chan", "select": "select",
		"network": "network", "sleep": "sleep", "GC mark assist wait for work": "gcassist",
		"forever": "other", "preempted": "other", "wait until GC ends": "other", "synctest": "other", blockUntold: "other",
	} {
		if got := blockGroup(reason); got != want {
			t.Errorf("%q is in group %s, want %s", reason, got, want)
		}
		if !slices.Contains(blockGroups, want) {
			t.Errorf("group %s is not in the list", want)
		}
	}
}

// The reason of a wait from before the trace is that of its stack.
func TestBlockReasonOfStack(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range []string{"http-healthy", "mixed-go126", "gc-assist", "heartbeat", "flight-recorder"} {
		tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		for i := range evs {
			g := evs[i].Go
			if !evs[i].Kind.IsGo() || g.From != parse.GoWaiting || g.Class != parse.ClassUser || g.FromReason == 0 || g.FromStack == 0 {
				continue
			}
			want := tr.String(g.FromReason)
			// The stack of a block event lacks the frames of parking that a status
			// has, so that some do not tell.
			got := BlockReasonOf(tr, BlockSite{blockReason{Told: blockBefore}, g.FromStack})
			if want == "preempted" || got == blockUntold {
				continue
			}
			seen[got] = true
			if got != want {
				t.Errorf("%s: the stack of a wait for %q says %q", name, want, got)
			}
		}
	}
	for _, want := range []string{"select", "sleep", "chan receive", "chan send"} {
		if !seen[want] {
			t.Errorf("no stack told %q, only %v", want, seen)
		}
	}
}
