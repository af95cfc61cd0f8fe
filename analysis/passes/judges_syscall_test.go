package passes

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestBlockingHandoffs(t *testing.T) { runCases(t, blockingHandoffs, casesBlockingHandoffs) }

func casesBlockingHandoffs(t *testing.T) {
	const us = gcjUS
	user := gcjProcs(4, parse.ProcUser, gcjLength)
	// 180 handoffs are 50 per second and P.
	many := func(n int, contended int64, calls int) [][]parse.Event {
		return [][]parse.Event{user, gcjTimes(calls, gcjCall(50*us, 1)...), gcjTimes(n, gcjLost(contended+20*us, contended, 1))}
	}
	gcjCheck(t, blockingHandoffs, nil, []gcjCase{
		{name: "costly", want: "warning", events: many(200, 300*us, 1000)},
		{name: "cheap", want: "note", events: many(200, 30*us, 1000)},
		{name: "beside idle Ps", want: "clear", events: many(200, 0, 1000)},
		{name: "rate just met", want: "warning", events: many(185, 300*us, 1000)},
		{name: "rate just missed", want: "clear", events: many(175, 300*us, 1000)},
		{name: "share just met", want: "warning", events: many(200, 300*us, 4000)},
		{name: "share just missed", want: "clear", events: many(200, 300*us, 4100)},
		{name: "few", want: "clear", ns: 10 * gcjMS, events: [][]parse.Event{gcjProcs(1, parse.ProcUser, 10*gcjMS), gcjTimes(19, gcjLost(30*us, 10*us, 1)), gcjCall(50*us, 1)}},
		{name: "enough", want: "warning", ns: 10 * gcjMS, events: [][]parse.Event{gcjProcs(1, parse.ProcUser, 10*gcjMS), gcjTimes(20, gcjLost(30*us, 10*us, 1)), gcjTimes(20, gcjCall(50*us, 1)...)}},
		{name: "healthy", want: "clear", events: many(2, 300*us, 1000)},
		{name: "v1", want: "not applicable", version: 21, events: many(200, 300*us, 1000)},
		{name: "no call", want: "not applicable", events: [][]parse.Event{user}},
	})
}

func TestPHostage(t *testing.T) { runCases(t, pHostage, casesPHostage) }

func casesPHostage(t *testing.T) {
	user := gcjProcs(1, parse.ProcUser, gcjLength) // the P time of the call comes on top
	held := func(ns int64) [][]parse.Event {
		return [][]parse.Event{user, {gcjLost(ns+20*gcjUS, ns, 1)}}
	}
	gcjCheck(t, pHostage, nil, []gcjCase{
		{name: "note", want: "note", events: held(9200 * gcjUS)},
		{name: "below", want: "clear", events: held(8900 * gcjUS)},
		{name: "warning", want: "warning", events: held(28 * gcjMS)},
		{name: "below a warning", want: "note", events: held(27 * gcjMS)},
		{name: "error", want: "error", events: held(101 * gcjMS)},
		{name: "below an error", want: "warning", events: held(99 * gcjMS)},
		{name: "short", want: "clear", ns: 10 * gcjMS, events: [][]parse.Event{{gcjLost(5*gcjMS, 4900*gcjUS, 1)}}},
		{name: "not so short", want: "error", ns: 10 * gcjMS, events: [][]parse.Event{{gcjLost(6*gcjMS, 5100*gcjUS, 1)}}},
		{name: "nothing runnable", want: "clear", events: [][]parse.Event{user, {gcjLost(500*gcjMS, 0, 1)}}},
		{name: "v1", want: "not applicable", version: 19, events: held(101 * gcjMS)},
		{name: "no call", want: "not applicable", events: [][]parse.Event{user}},
	})
}

func TestSyscallReturnWait(t *testing.T) { runCases(t, syscallReturnWait, casesSyscallReturnWait) }

func casesSyscallReturnWait(t *testing.T) {
	wait := func(n int, held int64) []parse.Event {
		return gcjTimes(n, started(held, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginGlobal, BlockedStack: 1}))
	}
	gcjCheck(t, syscallReturnWait, nil, []gcjCase{
		{name: "long", want: "warning", events: [][]parse.Event{wait(100, gcjMS)}},
		{name: "just shorter", want: "clear", events: [][]parse.Event{wait(100, 990*gcjUS)}},
		{name: "a time slice", want: "error", events: [][]parse.Event{wait(100, 10*gcjMS)}},
		{name: "just shorter than it", want: "warning", events: [][]parse.Event{wait(100, 9900*gcjUS)}},
		{name: "rare", want: "note", events: [][]parse.Event{wait(89, 0), wait(11, gcjMS)}},
		{name: "hardly any time", want: "clear", ns: 2e9, events: [][]parse.Event{wait(89, 0), wait(11, gcjMS)}},
		{name: "a P at once", want: "not applicable", events: [][]parse.Event{gcjTimes(100, started(gcjMS, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginSyscall}))}},
		{name: "few", want: "not applicable", events: [][]parse.Event{wait(99, gcjMS)}},
	})
}

// Waits after calls explain the tail of all waits when they are most of what is too long.
func TestSyscallReturnWaitExplains(t *testing.T) {
	for _, c := range []struct {
		others int
		want   int
	}{{60, 1}, {70, 0}} {
		p := analysis.NewPartial([]*analysis.Analyzer{syscallReturnWait})
		events := append(gcjTimes(100, started(2*gcjMS, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginGlobal})),
			gcjTimes(c.others, started(2*gcjMS, parse.Go{Ready: parse.ReadyUnblocked}))...)
		for i := range events {
			p.Event(&events[i])
		}
		tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: 9e8, Last: 9e8}
		f := analysis.Conclude(tr, "", p, []*analysis.Analyzer{syscallReturnWait}, nil).Findings()
		if len(f) != 1 || len(f[0].Explains) != c.want {
			t.Errorf("beside %d other waits: %+v", c.others, f)
		}
	}
}

func TestThreadGrowth(t *testing.T) { runCases(t, threadGrowth, casesThreadGrowth) }

func casesThreadGrowth(t *testing.T) {
	procs := gcjProcs(4, parse.ProcUser, gcjLength)
	calls := func(n int, from, to int64) []parse.Event {
		return gcjTimes(n, parse.Event{Time: parse.Time(to), Kind: parse.KindGoSyscall, Go: &parse.Go{From: parse.GoSyscall, To: parse.GoRunnable, Since: parse.Time(from), FromStack: 1}})
	}
	// Quarters are 107 of 430 buckets of 2.1 ms each.
	quarters := func(ns ...int) (out [][]parse.Event) {
		const width = 107 << 21
		out = append(out, procs)
		for i, n := range ns {
			out = append(out, calls(n, int64(i)*width, int64(i+1)*width))
		}
		return out
	}
	gcjCheck(t, threadGrowth, nil, []gcjCase{
		{name: "many", want: "warning", events: [][]parse.Event{procs, calls(64, 0, gcjLength)}},
		{name: "just fewer", want: "clear", events: [][]parse.Event{procs, calls(63, 0, gcjLength)}},
		{name: "very many", want: "error", events: [][]parse.Event{procs, calls(5000, 0, gcjLength)}},
		{name: "many Ps", want: "clear", events: [][]parse.Event{gcjProcs(17, parse.ProcUser, gcjLength), calls(64, 0, gcjLength)}},
		{name: "a burst of 10 ms", want: "clear", events: [][]parse.Event{procs, calls(500, 0, 10*gcjMS)}},
		{name: "rising", want: "note", events: quarters(8, 16, 24, 32)},
		{name: "rising less high", want: "clear", events: quarters(8, 16, 24, 31)},
		{name: "rising less", want: "clear", events: quarters(31, 40, 50, 60)},
		{name: "rising and falling", want: "clear", events: quarters(8, 40, 24, 32)},
		{name: "no call", want: "not applicable", events: [][]parse.Event{procs}},
	})
}

func TestChattySyscalls(t *testing.T) { runCases(t, chattySyscalls, casesChattySyscalls) }

func casesChattySyscalls(t *testing.T) {
	procs := gcjProcs(1, parse.ProcUser, gcjLength)
	calls := func(n int, held int64) [][]parse.Event {
		return [][]parse.Event{procs, gcjTimes(n, gcjCall(held, 1)...)}
	}
	gcjCheck(t, chattySyscalls, nil, []gcjCase{
		{name: "chatty", want: "note", events: calls(45000, 4095)}, // buckets of up to 25 %
		{name: "less often", want: "clear", events: calls(44900, 4095)},
		{name: "longer calls", want: "clear", events: calls(45000, 6000)},
		{name: "less of the time", want: "clear", events: calls(45000, 3900)},
		{name: "few", want: "clear", ns: 10 * gcjMS, events: [][]parse.Event{gcjProcs(1, parse.ProcUser, 10*gcjMS), gcjTimes(999, gcjCall(4095, 1)...)}},
		{name: "not so few", want: "note", ns: 10 * gcjMS, events: [][]parse.Event{gcjProcs(1, parse.ProcUser, 10*gcjMS), gcjTimes(1000, gcjCall(4095, 1)...)}},
		{name: "v1", want: "not applicable", version: 21, events: calls(45000, 4095)},
		{name: "no call", want: "not applicable", events: [][]parse.Event{procs}},
	})
}

func TestBlockedCalls(t *testing.T) { runCases(t, blockedCalls, casesBlockedCalls) }

func casesBlockedCalls(t *testing.T) {
	tr, w := blkTrace(t)
	// n calls of that length at once, one after the other through the whole second.
	calls := func(place string, n int, held int64, from int64) (out []parse.Event) {
		for at := from; at+held <= 1e9; at += held {
			for range n {
				out = append(out, gcjCall(held, w[place].stack)...)
			}
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"a queue of 4", calls("blkSync", 4, 10e6, 0), "blocked-calls warning"},
		{"nearly 4", calls("blkSync", 4, 10e6, 20e6), "blocked-calls note"},
		{"half of the time", calls("blkSync", 1, 10e6, 500e6), "blocked-calls note"},
		{"less", calls("blkSync", 1, 10e6, 510e6), ""},
		{"1 ms", calls("blkSync", 1, 1e6, 0), "blocked-calls note"},
		{"shorter", calls("blkSync", 1, 990e3, 0), ""},
		{"10 calls", calls("blkSync", 1, 100e6, 0), "blocked-calls note"},
		{"9 calls", calls("blkSync", 1, 111e6, 0), ""},
		{"healthy: one reads a pipe", calls("blkRead", 1, 10e6, 0), ""},
		{"two read", calls("blkRead", 2, 10e6, 0), "blocked-calls note"},
		{"nearly two", calls("blkRead", 2, 10e6, 10e6), ""},
		{"many read", calls("blkRead", 20, 10e6, 0), "blocked-calls note"},
	} {
		if got := blkFound(blkJudge(t, tr, blockedCalls, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	f := blkJudge(t, tr, blockedCalls, calls("blkSync", 4, 10e6, 0)).Findings[0]
	if !strings.Contains(f.Summary, "4.0 goroutines") || !strings.Contains(f.Summary, "Fsync") || !strings.Contains(f.Summary, "blkSync") {
		t.Error(f.Summary)
	}
	for _, name := range []string{"http-healthy", "netpoll-echo", "syscall-handoff", "mixed-go126", "io/pipe-stdin", "io/file-fsync", "real/victoria-metrics", "real/etcd-embed"} {
		path := analysistest.Testdata
		if strings.Contains(name, "/") {
			path = analysistest.Corpus
		}
		t.Run(name, func(t *testing.T) {
			if got := blkFound(blkOn(t, path(t, name), blockedCalls)); got != "" {
				t.Error(got)
			}
		})
	}
}

func TestSyscallJudgesOnTraces(t *testing.T) {
	gcjExpectAll(t, syscallJudges, []gcjExpect{
		{"syscall-handoff-go124", "blocking-p-handoffs", analysis.Warning, "main.nanosleep3ms"},
		{"syscall-handoff", "blocking-p-handoffs", analysis.Note, "main.nanosleep3ms"},
		{"io/syscall-threads", "thread-growth", analysis.Error, "main.sysSleeper"},
		{"io/syscall-threads", "blocking-p-handoffs", analysis.Warning, "main.sysSleeper"},
		{"io/syscall-threads", "p-hostage", analysis.Error, "main.sysSleeper"},
		{"io/syscall-threads", "syscall-return-wait", analysis.Error, "main.sysSleeper"},
		{"cgo/cgo-thread-explosion", "thread-growth", analysis.Error, "main._Cfunc_c_sleep_us"},
		{"cgo/cgo-thread-explosion", "blocking-p-handoffs", analysis.Warning, "main._Cfunc_c_sleep_us"},
		{"real/etcd-embed", "p-hostage", analysis.Warning, "fileutil.Fdatasync"},
	})
}

func TestSyscallJudgesSilent(t *testing.T) { gcjSilent(t, syscallJudges) }
