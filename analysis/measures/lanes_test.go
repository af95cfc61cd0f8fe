package measures

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// laneWindow is the longest hold at the place whose label begins so.
func laneWindow(t *testing.T, rep *analysis.Report, place string) *LaneWindow {
	t.Helper()
	worst := tableNamed(t, rep, "holders.worst")
	i := analysistest.RowOf(t, worst, "place", place)
	label := worst.Cell(i, "place").(string)
	rep.Results = append(rep.Results, &analysis.Result{Findings: []analysis.Finding{
		{Code: "other", Severity: analysis.Error, Figure: "gc.share", Evidence: []analysis.Evidence{{Func: label}}},
		{Code: "lock-convoy", Severity: analysis.Warning, Figure: "holders.graph", Evidence: []analysis.Evidence{{Func: siteOnly(label) + " (sync.(*Mutex).Lock)"}}},
	}})
	w := LaneWindowOf(rep)
	if w == nil {
		t.Fatal("no window for the finding")
	}
	if since, until := worst.Cell(i, "since").(int64), worst.Cell(i, "until").(int64); int64(w.From-rep.Trace.First) > since || int64(w.To-rep.Trace.First) <= until {
		t.Errorf("the window is from %d to %d, the hold from %d to %d", w.From-rep.Trace.First, w.To-rep.Trace.First, since, until)
	}
	return w
}

// A goroutine holds a lock for 5 ms, asleep; those that wait for it are held up as long, and
// each is woken by one that had the lock.
func TestLanesOfALock(t *testing.T) {
	path := analysistest.Testdata(t, "lock-5ms")
	rep := analysistest.Report(t, path, Kinds, Holders)
	w := laneWindow(t, rep, "main.updateCounter")
	second := analysistest.Report(t, path, Lanes(w))
	lanes := tableNamed(t, second, "lanes.goroutines")
	byLane := make(map[string]map[string]int64)
	end := make(map[string]int64)
	holder, longest := "", int64(0)
	for i := range lanes.Rows {
		name, state := lanes.Cell(i, "goroutine").(string), lanes.Cell(i, "state").(string)
		from, to := lanes.Cell(i, "from").(int64), lanes.Cell(i, "to").(int64)
		if i == 0 {
			holder = name
		}
		if last, known := end[name]; known && from != last {
			t.Errorf("%s: a span begins at %d, the one before ended at %d", name, from, last)
		}
		end[name] = to
		if byLane[name] == nil {
			byLane[name] = make(map[string]int64)
		}
		byLane[name][state] += to - from
		if by, _ := lanes.Cell(i, "woken by").(string); by != "" {
			if state != "held up" && state != "asleep" && state != "waits elsewhere" && state != "network" {
				t.Errorf("%s was woken while %s", name, state)
			}
			if state == "held up" && by == holder {
				longest = max(longest, to-from)
			}
			if byLane[by] == nil && !strings.HasPrefix(by, "main.") {
				t.Errorf("%s was woken by %q, which has no lane", name, by)
			}
		}
	}
	if !strings.HasPrefix(holder, "main.holdNowAndThen, G ") || byLane[holder]["asleep"] < 5e6 {
		t.Errorf("the first lane is %s, asleep for %d ns", holder, byLane[holder]["asleep"])
	}
	waiters := 0
	for name, states := range byLane {
		if strings.HasPrefix(name, "main.updateOften") && states["held up"] > 3e6 {
			waiters++
		}
	}
	if waiters != 4 || longest < 3e6 || longest > 7e6 {
		t.Errorf("%d goroutines wait, and the holder wakes one after %d ns; want 4, and about 5 ms", waiters, longest)
	}
	ShowLanes(rep, w, second.Results[0])
	if f := rep.Results[len(rep.Results)-2].Findings; f[0].Figure != "gc.share" || f[1].Figure != "lanes.goroutines" {
		t.Errorf("the findings show %s and %s", f[0].Figure, f[1].Figure)
	}
	if got := second.Results[0].Figures[0].Title; !strings.Contains(got, "4 goroutines wait at main.updateCounter") {
		t.Errorf("the title is %q", got)
	}
}

func TestLanesLaw(t *testing.T) {
	for _, name := range []string{"lock-5ms", "pool-too-small", "thundering-herd", "mixed-go121", "mutex-starvation"} {
		path := analysistest.Testdata(t, name)
		tr, _ := analysistest.Events(t, path)
		w := &LaneWindow{Window: Window{From: tr.First + 1000, To: tr.First + (tr.Last-tr.First)/2}, Place: "main.updateCounter:106", Holder: 20}
		analysistest.Law(t, path, []*analysis.Analyzer{Lanes(w)})
	}
}

// Of more spans than are kept, those up to a moment are, and those that were open then.
func TestLanesBound(t *testing.T) {
	f := Lanes(&LaneWindow{Window: Window{From: 0, To: 1e9}}).New().(*lanesFold)
	span := func(g, from, to int64) {
		f.Event(&parse.Event{Time: parse.Time(to), Go: &parse.Go{ID: parse.GoID(g), From: parse.GoRunning, Since: parse.Time(from)}})
	}
	for i := range int64(2 * laneSpans) {
		span(1, i, i+1)
	}
	span(2, 5, 2*laneSpans+1)
	span(3, laneSpans+1, 2*laneSpans+2)
	if n := len(f.spans); n != laneSpans+2 { // with the one that reached the limit
		t.Errorf("%d spans are kept", n)
	}
	if f.cut != laneSpans+1 || !slices.ContainsFunc(f.spans, func(s laneSpan) bool { return s.g == 2 }) || slices.ContainsFunc(f.spans, func(s laneSpan) bool { return s.g == 3 }) {
		t.Errorf("cut at %d: want what was open then, and nothing that began later", f.cut)
	}
}
