package compare_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// A program is what one trace of two seconds says of it.
type program struct {
	orders, took int64 // requests, and ns of each
	asks         int64 // goroutines that are no part of these
	cycles       int64
	procs        int
	waits        float64 // goroutines that wait on average
}

func (p program) trace() *compare.Trace {
	const length = int64(2e9)
	t := &compare.Trace{
		Summary: analysis.Summary{Name: "program", Duration: length, Events: 1000, Complete: true, Procs: max(p.procs, 2)},
		Metrics: map[string]analysis.Metric{
			"goroutines.created": {Value: analysis.Number(p.orders + p.asks), Unit: analysis.Count, N: p.orders + p.asks, Scale: analysis.Sum},
			"gc.cycles":          {Value: analysis.Number(p.cycles), Unit: analysis.Count, N: p.cycles, Scale: analysis.Sum},
			"procs.share.user":   {Value: .5, Unit: analysis.Ratio, N: 1},
			"procs.time":         {Value: analysis.Number(length * int64(max(p.procs, 2))), Unit: analysis.NS, N: 1, Scale: analysis.Sum},
		},
		Served: []*measures.Served{{Name: "main.order", Kind: parse.RequestJob.String(), N: p.orders, Total: p.orders * p.took, P50: p.took, Parts: map[string]float64{"running": float64(p.orders * p.took)}}},
		Lives:  []measures.Life{{Kind: "main.order", State: "waiting", Place: "main.ask", N: p.orders, NS: int64(p.waits * float64(length))}},
	}
	if p.asks > 0 {
		t.Served = append(t.Served, &measures.Served{Name: "main.ask", Kind: parse.RequestJob.String(), N: p.asks, Total: p.asks * 1e3})
	}
	return t
}

// between compares n traces a side.
func between(n int, old, now program) *analysis.Report { return per("", n, old, now) }

func per(unit string, n int, old, now program) *analysis.Report {
	var s [2]compare.Side
	for range n {
		s[0].Add(old.trace())
		s[1].Add(now.trace())
	}
	return compare.Of(s[0], s[1], compare.Options{Per: unit})
}

// TestLoad: goroutines that a program starts for the same requests are no load; of more
// requests, what grows by as much is not said to be worse.
func TestLoad(t *testing.T) {
	base := program{orders: 400, took: 1e6, waits: .3}
	more := base
	more.asks = 800
	if rep := between(1, base, more); strings.Contains(rep.Verdict.Text, "The load differs") || rep.Comparison.Per != compare.PerSecond {
		t.Errorf("%s: %s", rep.Comparison.Per, rep.Verdict.Text)
	}
	double := base
	double.orders, double.waits = 800, .6
	rep := between(1, base, double)
	if want := "The load differs: requests main.order 200/s → 400/s; sums are per second, which more load alone makes larger; --per request divides them by these."; !strings.Contains(rep.Verdict.Text, want) {
		t.Errorf("want %q: %s", want, rep.Verdict.Text)
	}
	if text := rep.Verdict.Text; strings.Contains(text, "main.ask") {
		t.Error(text)
	}
	if len(rep.Comparison.Parts) != 1 || rep.Comparison.Parts[0].Judged != analysis.Unknown {
		t.Errorf("%+v", rep.Comparison.Parts)
	}
	double.waits = 6
	if want, text := "More goroutine time goes to main.order: main.ask 0.300 → 6 ", between(6, base, double).Verdict.Text; !strings.Contains(text, want) {
		t.Errorf("want %q: %s", want, text)
	}
	if want, text := "main.order: main.ask 1.5 ms → 15 ms", per(compare.PerRequest, 1, base, double).Verdict.Text; !strings.Contains(text, want) {
		t.Errorf("want %q: %s", want, text)
	}
}

// TestLoadUntold: how many requests are told of a handler depends on how many wait there, so that
// those of all count.
func TestLoadUntold(t *testing.T) {
	side := func(told, untold int64) (s compare.Side) {
		tr := program{orders: 1, took: 1}.trace()
		tr.Served = []*measures.Served{
			{Name: "main.get", Kind: "HTTP", N: told, Total: told * 1e6},
			{Name: measures.UntoldHandler, Kind: "HTTP", N: untold, Total: untold * 1e3},
		}
		s.Add(tr)
		return s
	}
	if text := compare.Of(side(100, 300), side(300, 100), compare.Options{}).Verdict.Text; strings.Contains(text, "The load differs") {
		t.Error(text)
	}
	if want, text := "The load differs: HTTP requests 200/s → 400/s", compare.Of(side(100, 300), side(100, 700), compare.Options{}).Verdict.Text; !strings.Contains(text, want) {
		t.Errorf("want %q: %s", want, text)
	}
}

// TestOpen: what may be chance is not said to be the same, and the largest of it is named.
func TestOpen(t *testing.T) {
	base := program{orders: 400, took: 300e3}
	longer := base
	longer.took = 450e3
	rep := between(1, base, longer)
	if want := "which may be chance, as may requests main.order (goroutine): mean 300 µs → 450 µs."; !strings.Contains(rep.Verdict.Text, want) {
		t.Errorf("want %q: %s", want, rep.Verdict.Text)
	}
	for _, table := range rep.Results[0].Tables {
		if judged := table.Cell(0, "judged"); table.Name == "compare.requests" && judged != string(analysis.Unknown) {
			t.Errorf("judged %q", judged)
		}
	}
	for n, want := range map[int]string{1: "requests take by a factor of 1.7", 3: "requests take by a factor of 1.2, what goroutines wait for by 1.3, in all traces of a side"} {
		if text := between(n, base, program{orders: 401, took: 300e3}).Verdict.Text; !strings.Contains(text, want) {
			t.Errorf("%d traces a side, want %q: %s", n, want, text)
		}
	}
	if text := between(1, base, program{orders: 400, took: 300e3, procs: 4}).Verdict.Text; !strings.Contains(text, "The program keeps 1 and 2 of the Ps at work.") {
		t.Error(text)
	}
}

// TestFewCycles: ten GC cycles more are no chance, however long the trace is.
func TestFewCycles(t *testing.T) {
	for cycles, want := range map[int64]bool{9: false, 10: true} {
		base := program{orders: 400, took: 1e6}
		more := base
		more.cycles = cycles
		text := between(1, base, more).Verdict.Text
		if got := strings.Contains(text, fmt.Sprintf("It seems: the GC runs more often: cycles 0/s → %s/s", map[int64]string{9: "4.5", 10: "5"}[cycles])); got != want {
			t.Errorf("%d cycles: %s", cycles, text)
		}
	}
}
