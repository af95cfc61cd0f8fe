package measures

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// someWindows are three parts of a trace, apart.
func someWindows(tr *parse.Trace) []Window {
	at := func(share float64) parse.Time { return tr.First + parse.Time(share*float64(tr.Last-tr.First)) }
	return []Window{{at(0), at(.1), true, 40}, {at(.3), at(.5), false, 100}, {at(.7), at(1), true, 0}}
}

// TestSpansLaw: where the limits are reached, too.
func TestSpansLaw(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go126", "flight-recorder", "gc-assist", "stw-kinds", "gomaxprocs-change", "syscall-handoff", "heartbeat"} {
		path := analysistest.Testdata(t, name)
		tr, _ := analysistest.Events(t, path)
		for _, limit := range []int{0, 30, 300, 100_000} {
			analysistest.Law(t, path, []*analysis.Analyzer{Spans(someWindows(tr), limit)})
		}
		analysistest.Law(t, path, []*analysis.Analyzer{Spans([]Window{{tr.First, tr.Last, false, 0}}, 100)})
	}
}

// TestSpansExact: in what is said to be exact, spans give the time of each state that
// timeline gives for that window, also where the limit cut it short.
func TestSpansExact(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go126", "http-healthy", "gc-assist", "stw-kinds", "gomaxprocs-change"} {
		path := analysistest.Testdata(t, name)
		tr, _ := analysistest.Events(t, path)
		for _, limit := range []int{60, 100_000} {
			rep := analysistest.Report(t, path, Spans(someWindows(tr), limit))
			windows, spans := tableNamed(t, rep, "spans.windows"), tableNamed(t, rep, "spans.spans")
			if n := len(spans.Rows); n == 0 || n > limit+3*8 { // a P may be under way where a window is cut
				t.Errorf("%s: %d spans under a limit of %d", name, n, limit)
			}
			for w := range windows.Rows {
				from, to := windows.Cell(w, "from").(int64), windows.Cell(w, "to").(int64)
				if limit == 100_000 && to != windows.Cell(w, "wanted to") {
					t.Errorf("%s: a window ends at %d, wanted %v", name, to, windows.Cell(w, "wanted to"))
				}
				got := make(map[string]int64)
				for i := range spans.Rows {
					a, b := max(spans.Cell(i, "from").(int64), from), min(spans.Cell(i, "to").(int64), to)
					if b > a {
						got[spans.Cell(i, "state").(string)] += b - a
					}
				}
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				opt := analysis.Options{Options: parse.Options{From: time.Duration(from), To: time.Duration(to)}}
				part, err := analysis.Analyze(context.Background(), f, name, opt, []*analysis.Analyzer{Timeline})
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				states := tableNamed(t, part, "timeline.states")
				for i := range states.Rows {
					if tr.V1() && states.Cell(i, "state") == "idle" {
						continue // of a P that shows up after the window it knows nothing
					}
					if s, want := states.Cell(i, "state").(string), states.Cell(i, "time").(int64); got[s] != want {
						t.Errorf("%s, %d to %d: %s for %d ns by its spans, %d by timeline", name, from, to, s, got[s], want)
					}
				}
			}
		}
	}
}

// TestSpansStart: the first run of main.countRecords says who woke it.
func TestSpansStart(t *testing.T) {
	path := analysistest.Testdata(t, "mixed-go126")
	spans := tableNamed(t, analysistest.Report(t, path, Spans([]Window{{0, math.MaxInt64, false, 0}}, 100_000)), "spans.spans")
	worst := tableNamed(t, analysistest.Report(t, path, Latency), "latency.worst")
	at, wait := worst.Cell(0, "at").(int64), worst.Cell(0, "wait").(int64)
	for i := range spans.Rows {
		if spans.Cell(i, "from") == at+wait && spans.Cell(i, "g") == worst.Cell(0, "G") {
			if got := spans.Cell(i, "wait"); got != wait {
				t.Errorf("the longest wait is %v, want %d", got, wait)
			}
			if got, want := spans.Cell(i, "became runnable"), worst.Cell(0, "ready by"); got != want {
				t.Errorf("it became runnable by %v, want %v", got, want)
			}
			if got, want := spans.Cell(i, "readied at"), worst.Cell(0, "readied at"); got == nil || strings.SplitN(got.(string), callers, 2)[0] != want {
				t.Errorf("readied at %v, want %v", got, want)
			}
			return
		}
	}
	t.Errorf("no span begins at the end of the longest wait, %d", at+wait)
}

// TestWindows: they hold the place of each finding with one, apart and in order.
func TestWindows(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "mixed-go126"), All...)
	if ws := Windows(rep, 100_000); len(ws) != 1 || ws[0].From != rep.Trace.First || int64(ws[0].To-ws[0].From) != rep.Trace.To {
		t.Errorf("a small trace has windows %v, want the whole", ws)
	}
	if ws := Windows(rep, 0); ws != nil {
		t.Errorf("windows %v for no spans", ws)
	}
	ws := Windows(rep, 2000)
	for i, w := range ws {
		if w.From >= w.To || i > 0 && w.From < ws[i-1].To {
			t.Errorf("windows %v are not apart and in order", ws)
		}
	}
	for _, f := range rep.Findings() {
		for _, e := range f.Evidence[:min(len(f.Evidence), 3)] {
			if e.To-e.From >= rep.Trace.Duration/2 {
				continue
			}
			held := false
			for _, w := range ws {
				held = held || int64(w.From-rep.Trace.First) <= e.From && e.From < int64(w.To-rep.Trace.First)
			}
			if !held {
				t.Errorf("%s at %d is in none of %v", f.Code, e.From, ws)
			}
		}
	}
}

// TestAboutSpans: a trace taken for small has not many more spans than its estimate.
func TestAboutSpans(t *testing.T) {
	paths := corpus.Own(t)
	for _, path := range paths {
		_, events := analysistest.Events(t, path)
		var spans int64
		for _, e := range events {
			if e.Kind == parse.KindProc && e.Held() > 0 {
				spans++
			}
		}
		if about := aboutSpans(analysistest.Report(t, path, All...)); spans > about || about > 4*spans+2000 {
			t.Errorf("%s: about %d spans, there are %d", path, about, spans)
		}
	}
}

// TestFair: against a search for the largest part.
func TestFair(t *testing.T) {
	for _, counts := range [][]int{{}, {0}, {5}, {1, 2, 3}, {7, 7, 7}, {100, 1, 50, 3}, {9, 1000, 2000}} {
		for limit := range 300 {
			sum := func(each int) (s int) {
				for _, n := range counts {
					s += min(n, each)
				}
				return s
			}
			want := 0
			for want < 5000 && sum(want+1) <= limit {
				want++
			}
			each, used := fair(slices.Clone(counts), limit)
			if got := min(each, 5000); got != want || used != sum(each) {
				t.Fatalf("%v share %d: %d each, %d in all; want %d, %d", counts, limit, got, used, want, sum(each))
			}
		}
	}
}

// TestEvidenceExact: with few spans for a large trace, what findings point to is exact
// from its begin on, and to its end where that is short.
func TestEvidenceExact(t *testing.T) {
	for _, path := range corpus.Own(t) {
		rep := analysistest.Report(t, path, All...)
		at := func(share float64) int64 { return int64(share * float64(rep.Trace.Duration)) }
		rep.Results = append(rep.Results, &analysis.Result{Name: "planted", Findings: []analysis.Finding{
			{Code: "planted", Severity: analysis.Warning, Evidence: []analysis.Evidence{{From: at(.2), To: at(.6)}, {From: at(.3), To: at(.3)}, {From: at(.5), To: at(.51)}},
				Symptoms: []analysis.Finding{{Code: "planted/too", Evidence: []analysis.Evidence{{From: at(.59), To: at(.7)}}}}},
		}})
		const limit = 400
		ws := Windows(rep, limit)
		if len(ws) < 2 {
			continue // all of it fits
		}
		exact := tableNamed(t, analysistest.Report(t, path, Spans(ws, limit)), "spans.windows")
		spans := tableNamed(t, analysistest.Report(t, path, Spans([]Window{{rep.Trace.First, rep.Trace.First + parse.Time(rep.Trace.To), false, 0}}, math.MaxInt)), "spans.spans")
		places := placesOf(rep.Findings())
		for _, e := range places {
			from, to := max(e.from, rep.Trace.From), min(e.to, rep.Trace.To)
			held, within := false, 0
			for i := range spans.Rows {
				if spans.Cell(i, "to").(int64) > from && spans.Cell(i, "from").(int64) < to {
					within++
				}
			}
			whole := within <= limit*9/10/(4*len(places))
			for i := range exact.Rows {
				a, b := exact.Cell(i, "from").(int64), exact.Cell(i, "to").(int64)
				held = held || a <= from && b > from && (b >= to || !whole)
			}
			if !held && to-from < rep.Trace.Duration/2 {
				t.Errorf("%s: of %d to %d with %d spans is not exact what should be; exact are %v", path, from, to, within, exact.Rows)
			}
		}
	}
}
