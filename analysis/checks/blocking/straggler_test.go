package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestStraggler(t *testing.T) { checktest.Run(t, straggler, casesStraggler) }

func casesStraggler(t *testing.T) {
	tr, w := checktest.Recorded(t)
	join, piece := w["blkJoin"], w["go blkPiece"]
	if join.Stack == 0 || piece.Stack == 0 {
		t.Fatal("no stacks")
	}
	// Goroutines that start and wait for their own kind.
	tree, branch := join, piece
	tree.Waker, branch.Fn = join.Stack, tr.Entry(join.Stack)
	// Rounds of held each, of which every one waits for a slow piece beside quick ones.
	rounds := func(n int, held int64, quick int, takes, slow int64) []parse.Event {
		return slices.Concat(checktest.Waits(join, 0, held, n, 1), checktest.Lives(piece, n*quick, takes, 0), checktest.Lives(piece, n, slow, 0))
	}
	// saturated is so long with all Ps busy and more to do.
	saturated := func(ns int64) []parse.Event {
		tr := checktest.New(t, ns)
		tr.Interval(0, ns, 4, 4, 9, 0)
		return tr.Happened
	}
	blocked := slices.Concat(rounds(10, 50e6, 7, 5e6, 50e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 10, 1))
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"blocked, with saturated Ps for less than half of the time", slices.Concat(saturated(490e6), blocked), "straggler note"},
		{"blocked, with saturated Ps for more", slices.Concat(saturated(510e6), blocked), ""},
		{"none", nil, "not applicable"},
		{"healthy: equal pieces", rounds(10, 50e6, 7, 40e6, 50e6), ""},
		{"healthy: on too few Ps", slices.Concat(checktest.Waits(join, 0, 100e6, 10, 1), checktest.Lives(piece, 70, 10e6, 0), checktest.Lives(piece, 30, 10e6, 90e6)), ""},
		{"blocked", blocked, "straggler warning"},
		{"blocked, a quarter of the time", slices.Concat(rounds(5, 50e6, 7, 5e6, 50e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 5, 1)), "straggler note"},
		{"half of the time", slices.Concat(rounds(10, 50e6, 7, 5e6, 50e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 10, 1)), "straggler warning"},
		{"nearly half", slices.Concat(rounds(10, 49e6, 7, 5e6, 50e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 10, 1)), "straggler note"},
		{"nearly a quarter", slices.Concat(rounds(5, 49e6, 7, 5e6, 49e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 5, 1)), ""},
		// 14 ms are in a bucket up to 14.7 ms.
		{"3 times, blocked", slices.Concat(rounds(15, 50e6, 7, 14e6, 46e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 45e6, 10, 1)), "straggler warning"},
		{"less, blocked", slices.Concat(rounds(15, 50e6, 7, 14e6, 43e6), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 40e6, 10, 1)), ""},
		{"5 times, running", rounds(15, 50e6, 7, 14e6, 76e6), "straggler note"},
		{"less, running", rounds(15, 50e6, 7, 14e6, 72e6), ""},
		{"short", rounds(200, 4900e3, 7, 500e3, 4900e3), ""},
		{"5 ms", rounds(200, 5e6, 7, 500e3, 5e6), "straggler note"},
		{"one of 4", slices.Concat(checktest.Waits(join, 0, 500e6, 1, 1), checktest.Lives(piece, 3, 10e6, 0), checktest.Lives(piece, 1, 500e6, 0)), "straggler note"},
		{"one of 3", slices.Concat(checktest.Waits(join, 0, 500e6, 1, 1), checktest.Lives(piece, 2, 10e6, 0), checktest.Lives(piece, 1, 500e6, 0)), ""},
		{"healthy: a tree", slices.Concat(checktest.Waits(tree, 0, 50e6, 20, 1), checktest.Lives(branch, 140, 1e6, 0), checktest.Lives(branch, 20, 50e6, 0)), ""},
		// One is started for each that waits, as for a handshake of TLS.
		{"healthy: one each", slices.Concat(rounds(200, 5e6, 0, 0, 5e6), checktest.Lives(piece, 199, 500e3, 0), checktest.Lives(checktest.Place{Fn: tr.Entry(join.Stack)}, 200, 5e6, 0)), ""},
		{"two each", slices.Concat(rounds(200, 5e6, 0, 0, 5e6), checktest.Lives(piece, 200, 500e3, 0), checktest.Lives(checktest.Place{Fn: tr.Entry(join.Stack)}, 200, 5e6, 0)), "straggler note"},
		{"healthy: one for each wait", slices.Concat(rounds(2, 250e6, 0, 0, 250e6), checktest.Waits(join, 500e6, 5e6, 9, 1), checktest.Lives(piece, 9, 5e6, 0), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 245e6, 2, 1)), ""},
		{"two for each wait", slices.Concat(rounds(2, 250e6, 0, 0, 250e6), checktest.Waits(join, 500e6, 5e6, 9, 1), checktest.Lives(piece, 20, 5e6, 0), checktest.Waits(checktest.Place{Reason: w["blkPiece"].Reason, Stack: w["blkPiece"].Stack, Fn: piece.Fn, Waker: 0}, 0, 245e6, 2, 1)), "straggler warning"},
		{"others are slow", rounds(10, 50e6, 7, 5e6, 200e6), ""},
	} {
		r := checktest.RunOn(t, tr, straggler, c.events)
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for name, want := range map[string]string{"annotations": "main.query20ms", "mixed-go126": "", "steal-bursts": "", "http-healthy": "", "real/compile": "", "real/cmdgo": "", "io/http-mix": "", "sched/serial-phase": ""} {
		path := analysistest.Testdata
		if strings.Contains(name, "/") {
			path = corpus.Trace
		}
		t.Run(name, func(t *testing.T) {
			r := checktest.On(t, path(t, name), straggler)
			switch {
			case want == "" && len(r.Findings) > 0:
				t.Error(r.Findings[0].Summary)
			case want != "" && (len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, want)):
				t.Errorf("%+v, want one that names %s", r.Findings, want)
			}
		})
	}
}

// parts is a trace of rounds in which main starts pieces of work through a group and waits
// for all: one runs for slow, the others for quick. Not all show what they are about.
func parts(t *testing.T, quick, slow int64) *checktest.Trace {
	const group = "sync.(*WaitGroup).Go.func1"
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		all := s.Go("main.main")
		all.Start(1000, group, "sync.(*WaitGroup).Go", "main.beside:3").Block(5000, "runtime.chanrecv1", "main.beside.func1")
		for i := range int64(9) {
			at := (1 + i*100) * ms
			var last *checktest.Actor
			for k := range int64(4) {
				last = all.Start(at+k*1000, group, "sync.(*WaitGroup).Go", "main.sum:26")
				if k < 3 {
					last.End(at + quick + k*1000)
				}
			}
			last.Preempt(at+slow/2, "main.sum.func1")
			all.Wait(at+10_000, at+slow, last, "sync.(*WaitGroup).Done", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.sum:28")
			last.End(at + slow + 1000)
		}
	})
}

// Where the last of a group runs alone, no CPU is missing: the pieces are unequal, which is
// why most of the work is serial.
func TestUnequalPieces(t *testing.T) {
	for _, c := range []struct {
		quick, slow int64
		want        string
	}{
		{10 * ms, 90 * ms, "warning"},
		{20 * ms, 40 * ms, "clear"},
		{80 * ms, 90 * ms, "clear"},
	} {
		r := checktest.Report(t, straggler, parts(t, c.quick, c.slow)).Results[0]
		if got := checktest.Verdict(t, r); got != c.want {
			t.Errorf("%d and %d ms: %s, want %s", c.quick/ms, c.slow/ms, got, c.want)
		}
		for _, f := range r.Findings {
			if !strings.Contains(f.Summary, "goroutines of main.sum.func1, which take 1") || !strings.Contains(f.Summary, "(n=36)") || !slices.Contains(f.Explains, "serial-section") || !strings.HasPrefix(f.Advice, "Cut the work") {
				t.Errorf("%+v", f)
			}
		}
	}
}
