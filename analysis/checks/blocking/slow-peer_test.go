package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

const ms = int64(1e6)

var (
	writes = []string{"internal/poll.(*FD).Write", "net.(*netFD).Write", "net.(*conn).Write", "main.broadcast:30"}
	locks  = []string{"sync.(*Mutex).Lock", "main.get:59"}
)

// slowPeerStory is a second in which a goroutine is blocked n times in a write, for total
// ns in all, and another one waits for its lock in the first part of that time.
func slowPeerStory(t *testing.T, n int, total, behind int64) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		w, l := s.Go("main.(*watcher).process"), s.Go("main.handle")
		each := total / int64(n)
		for i := range int64(n) {
			from := ms + i*(998*ms/int64(n))
			w.Wait(from, from+each, nil, "", writes...)
			if held := min(behind, each); held > 0 {
				behind -= held
				l.Wait(from+each-held, from+each+200, w, "sync.(*Mutex).Unlock", locks...)
			}
		}
	})
}

func TestSlowPeer(t *testing.T) {
	checktest.Run(t, slowPeer, func(t *testing.T) {
		checktest.At(t, slowPeer, "no network", func(int64) *checktest.Trace {
			return checktest.Tell(t, 1000*ms, func(s *checktest.Story) { s.Go("main.idle") })
		}, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, slowPeer, "blocked, ms", func(v int64) *checktest.Trace { return slowPeerStory(t, 10, v*ms, 90*ms) },
			checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 101, Want: "note"}, checktest.Case{V: 248, Want: "note"}, checktest.Case{V: 252, Want: "warning"})
		checktest.At(t, slowPeer, "waits of 300 ms", func(v int64) *checktest.Trace { return slowPeerStory(t, int(v), 300*ms, 100*ms) },
			checktest.Case{V: 4, Want: "clear"}, checktest.Case{V: 5, Want: "warning"}, checktest.Case{V: 298, Want: "warning"}, checktest.Case{V: 303, Want: "clear"})
		checktest.At(t, slowPeer, "behind, ms", func(v int64) *checktest.Trace { return slowPeerStory(t, 10, 300*ms, v*ms) },
			checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 19, Want: "note"}, checktest.Case{V: 21, Want: "warning"})
	})
	f := checktest.Report(t, slowPeer, slowPeerStory(t, 10, 300*ms, 200*ms)).Results[0].Findings[0]
	for _, want := range []string{"main.broadcast:30", "main.(*watcher).process", "main.handle", "sync.Mutex at main.get:59"} {
		if !strings.Contains(f.Summary, want) {
			t.Errorf("%s is not in %q", want, f.Summary)
		}
	}
}

// TestByHolderTraces: the checks that follow who is in the way name what is planted, and
// nothing in healthy programs.
func TestByHolderTraces(t *testing.T) {
	checktest.ExpectAll(t, []*analysis.Analyzer{slowPeer, saturatedStage, exhaustedPool, queueHead, rateLimiter, stuckFinalizer, slowHandover, periodicStall}, []checktest.Expect{
		{Trace: "bugs/c-watchcache", Code: "slow-peer", Severity: analysis.Warning, Names: "main.(*cacheWatcher).process"},
		{Trace: "bugs/z-pool", Code: "saturated-stage", Severity: analysis.Error, Names: "main.(*dialPool).worker"},
		{Trace: "sync/select-fanin", Code: "saturated-stage", Severity: analysis.Error, Names: "main.faninConsumer"},
		{Trace: "sync/chan-slow-stage", Code: "saturated-stage", Severity: analysis.Warning, Names: "main.stageSlow"},
		{Trace: "bugs/i-dbleak", Code: "exhausted-pool", Severity: analysis.Error, Names: "main.(*shop).listOrders"},
		{Trace: "bugs/d-semaphore", Code: "queue-head", Severity: analysis.Warning, Names: "main.compact"},
		{Trace: "bugs/k-throttle", Code: "rate-limiter", Severity: analysis.Warning, Names: "main.(*restClient).do"},
		{Trace: "bugs/q-finalizer", Code: "stuck-finalizer", Severity: analysis.Error, Names: "main.(*gpu).finalize"},
		{Trace: "bugs/o-ptrace", Code: "slow-handover", Severity: analysis.Error, Names: "main.(*nativeProcess).handlePtraceFuncs"},
	})
	for _, name := range []string{
		"http-healthy", "netpoll-echo", "heartbeat", "idle", "mixed-go121", "mixed-go126", "steal-timers", "coroutines", "annotations",
		"io/http-mix", "sched/idle", "io/pipe-stdin", "io/net-echo", "real/victoria-metrics", "real/nats-server", "real/cmdgo", "real/compile", "debian/nats-server", "debian/caddy",
		"bugs/y-allocpipe", "bugs/y-healthbatch", "sched/mix-procs2", "user/iter-pull",
	} {
		t.Run(name, func(t *testing.T) {
			for code, f := range checktest.Fired(t, checktest.PathOf(t, name), []*analysis.Analyzer{slowPeer, saturatedStage, exhaustedPool, queueHead, rateLimiter, stuckFinalizer, slowHandover, periodicStall}) {
				t.Errorf("%s of a healthy program: %s", code, f.Summary)
			}
		})
	}
}
