package passes

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestStraggler(t *testing.T) { runCases(t, straggler, casesStraggler) }

func casesStraggler(t *testing.T) {
	tr, w := blkTrace(t)
	join, piece := w["blkJoin"], w["go blkPiece"]
	if join.stack == 0 || piece.stack == 0 {
		t.Fatal("no stacks")
	}
	// Goroutines that start and wait for their own kind.
	tree, branch := join, piece
	tree.waker, branch.fn = join.stack, tr.Entry(join.stack)
	// Rounds of held each, of which every one waits for a slow piece beside quick ones.
	rounds := func(n int, held int64, quick int, takes, slow int64) []parse.Event {
		return slices.Concat(blkWaits(join, 0, held, n, 1), blkLives(piece, n*quick, takes, 0), blkLives(piece, n, slow, 0))
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"healthy: equal pieces", rounds(10, 50e6, 7, 40e6, 50e6), ""},
		{"healthy: on too few Ps", slices.Concat(blkWaits(join, 0, 100e6, 10, 1), blkLives(piece, 70, 10e6, 0), blkLives(piece, 30, 10e6, 90e6)), ""},
		{"blocked", slices.Concat(rounds(10, 50e6, 7, 5e6, 50e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 10, 1)), "straggler warning"},
		{"blocked, a quarter of the time", slices.Concat(rounds(5, 50e6, 7, 5e6, 50e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 5, 1)), "straggler note"},
		{"half of the time", slices.Concat(rounds(10, 50e6, 7, 5e6, 50e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 10, 1)), "straggler warning"},
		{"nearly half", slices.Concat(rounds(10, 49e6, 7, 5e6, 50e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 10, 1)), "straggler note"},
		{"nearly a quarter", slices.Concat(rounds(5, 49e6, 7, 5e6, 49e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 5, 1)), ""},
		// 14 ms are in a bucket up to 14.7 ms.
		{"3 times, blocked", slices.Concat(rounds(15, 50e6, 7, 14e6, 46e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 45e6, 10, 1)), "straggler warning"},
		{"less, blocked", slices.Concat(rounds(15, 50e6, 7, 14e6, 43e6), blkWaits(blkPlace{w["blkPiece"].reason, w["blkPiece"].stack, piece.fn, 0}, 0, 40e6, 10, 1)), ""},
		{"5 times, running", rounds(15, 50e6, 7, 14e6, 76e6), "straggler note"},
		{"less, running", rounds(15, 50e6, 7, 14e6, 72e6), ""},
		{"short", rounds(200, 4900e3, 7, 500e3, 4900e3), ""},
		{"5 ms", rounds(200, 5e6, 7, 500e3, 5e6), "straggler note"},
		{"one of 4", slices.Concat(blkWaits(join, 0, 500e6, 1, 1), blkLives(piece, 3, 10e6, 0), blkLives(piece, 1, 500e6, 0)), "straggler note"},
		{"one of 3", slices.Concat(blkWaits(join, 0, 500e6, 1, 1), blkLives(piece, 2, 10e6, 0), blkLives(piece, 1, 500e6, 0)), ""},
		{"healthy: a tree", slices.Concat(blkWaits(tree, 0, 50e6, 20, 1), blkLives(branch, 140, 1e6, 0), blkLives(branch, 20, 50e6, 0)), ""},
		{"others are slow", rounds(10, 50e6, 7, 5e6, 200e6), ""},
	} {
		r := blkJudge(t, tr, straggler, c.events)
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for name, want := range map[string]string{"annotations": "main.query20ms", "mixed-go126": "", "steal-bursts": "", "http-healthy": "", "real/compile": "", "real/cmdgo": "", "io/http-mix": "", "sched/serial-phase": ""} {
		path := analysistest.Testdata
		if strings.Contains(name, "/") {
			path = analysistest.Corpus
		}
		t.Run(name, func(t *testing.T) {
			r := blkOn(t, path(t, name), straggler)
			switch {
			case want == "" && len(r.Findings) > 0:
				t.Error(r.Findings[0].Summary)
			case want != "" && (len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, want)):
				t.Errorf("%+v, want one that names %s", r.Findings, want)
			}
		})
	}
}

func TestThunderingHerd(t *testing.T) { runCases(t, thunderingHerd, casesThunderingHerd) }

func casesThunderingHerd(t *testing.T) {
	tr, w := blkTrace(t)
	cond := w["blkCond"]
	ran := func(n int, each int64) (out []parse.Event) {
		for range n {
			out = append(out, parse.Event{Time: parse.Time(each), Kind: parse.KindGoRunning,
				Go: &parse.Go{ID: 9, From: parse.GoRunning, To: parse.GoWaiting, Func: cond.fn, Stack: cond.stack}})
		}
		return out
	}
	signal := cond
	signal.waker = w["blkLocker"].waker
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"herd", slices.Concat(blkWaits(cond, 0, 10e6, 20000, 200), ran(20000, 1000)), "thundering-herd warning"},
		{"smaller", slices.Concat(blkWaits(cond, 0, 10e6, 19800, 198), ran(19800, 1000)), "thundering-herd note"},
		{"2,000 a second", slices.Concat(blkWaits(cond, 0, 10e6, 2000, 20), ran(2000, 1000)), "thundering-herd note"},
		{"less", slices.Concat(blkWaits(cond, 0, 10e6, 1999, 20), ran(1999, 1000)), ""},
		{"8 wait", slices.Concat(blkWaits(cond, 0, 4e6, 2000, 8), ran(2000, 1000)), "thundering-herd note"},
		{"nearly 8", slices.Concat(blkWaits(cond, 0, 3960e3, 2016, 8), ran(2016, 1000)), ""},
		{"20 µs", slices.Concat(blkWaits(cond, 0, 10e6, 2000, 20), ran(2000, 20000)), "thundering-herd note"},
		{"healthy: work for all", slices.Concat(blkWaits(cond, 0, 10e6, 2000, 20), ran(2000, 20001)), ""},
		{"healthy: Signal", slices.Concat(blkWaits(signal, 0, 10e6, 20000, 200), ran(20000, 1000)), ""},
	} {
		r := blkJudge(t, tr, thunderingHerd, c.events)
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// A single Broadcast to many is none, however short the trace.
	short := *tr
	short.To, short.Last = 100e6, 100e6
	for n, want := range map[int]string{999: "", 1000: "thundering-herd note"} {
		if got := blkFound(blkJudge(t, &short, thunderingHerd, blkWaits(cond, 0, 100e6, n, n), ran(n, 1000))); got != want {
			t.Errorf("%d in 0.1 s: %q, want %q", n, got, want)
		}
	}
}
