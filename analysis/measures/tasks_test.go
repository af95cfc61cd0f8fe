package measures

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestTaskSpans(t *testing.T) {
	var whole, a, b TaskSpans
	var h sketch.Histogram
	for i := range int64(400) {
		r := checktest.Task(i*i*1000, 5, map[parse.GoState]int64{parse.GoWaiting: i}).Range
		held := int64(r.Until - r.Since)
		h.Add(held)
		whole.add(r, held)
		if i < 170 {
			a.add(r, held)
		} else {
			b.add(r, held)
		}
	}
	if a.merge(&b); !reflect.DeepEqual(a, whole) {
		t.Error("merged sums differ from the sequential ones")
	}
}

func TestTasksLaw(t *testing.T) {
	for _, name := range []string{"annotations", "flight-recorder", "mixed-go121"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Tasks})
	}
}

// annotations.json: 24 request tasks in 61,391,275 ns, the longest 21,431,963 ns
// by the program's own clock; 48 query tasks; one never ended; 24 decode and
// validate and 48 execute regions; 24 logs id, 48 rows.
func TestTasksAnnotations(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "annotations"), Tasks)
	tb := analysistest.ResultTable(t, rep, "tasks.tasks")
	whole, unfinished := analysistest.Cells[int64](t, tb, "whole"), analysistest.Cells[int64](t, tb, "unfinished")
	for name, want := range map[string][2]int64{"request": {24, 0}, "query": {48, 0}, "forgotten": {0, 1}} {
		if i := analysistest.RowOf(t, tb, "task", name); whole[i] != want[0] || unfinished[i] != want[1] {
			t.Errorf("task %s: %d whole, %d unfinished, want %v", name, whole[i], unfinished[i], want)
		}
	}
	i := analysistest.RowOf(t, tb, "task", "request")
	analysistest.Within(t, "time in requests", analysistest.Cells[int64](t, tb, "total")[i], 61_391_275, .02)
	analysistest.Within(t, "longest request", analysistest.Cells[int64](t, tb, "max")[i], 21_431_963, .02)

	rt := analysistest.ResultTable(t, rep, "tasks.regions")
	whole = analysistest.Cells[int64](t, rt, "whole")
	for name, want := range map[string]int64{"decode": 24, "validate": 24, "execute": 48} {
		if got := whole[analysistest.RowOf(t, rt, "region", name)]; got != want {
			t.Errorf("region %s: %d, want %d", name, got, want)
		}
	}
	// main.query sleeps, decode computes.
	running := analysistest.Cells[float64](t, rt, "running")
	if sleeps, computes := running[analysistest.RowOf(t, rt, "region", "execute")], running[analysistest.RowOf(t, rt, "region", "decode")]; sleeps > .2 || computes < .8 {
		t.Errorf("running: execute %.2f, decode %.2f", sleeps, computes)
	}
	lt := analysistest.ResultTable(t, rep, "tasks.logs")
	logs := analysistest.Cells[int64](t, lt, "logs")
	for name, want := range map[string]int64{"id": 24, "rows": 48} {
		if got := logs[analysistest.RowOf(t, lt, "category", name)]; got != want {
			t.Errorf("logs %s: %d, want %d", name, got, want)
		}
	}
	// The slowest query is the child of the slowest request.
	st := analysistest.ResultTable(t, rep, "tasks.slowest")
	names, ids, parents := analysistest.Cells[string](t, st, "task"), analysistest.Cells[int64](t, st, "id"), analysistest.Cells[int64](t, st, "parent")
	if names[0] != "request" || names[1] != "query" || parents[1] != ids[0] {
		t.Errorf("slowest: %v", st.Rows[:2])
	}
}

func TestTasksCorpus(t *testing.T) {
	// user/tasks-regions.truth.json: 306 tasks, 714 regions, 204 logs without marks.
	rep := analysistest.Report(t, corpus.Trace(t, "user/tasks-regions"), Tasks)
	var tasksN, regionsN, logsN int64
	for _, n := range analysistest.Cells[int64](t, analysistest.ResultTable(t, rep, "tasks.tasks"), "whole") {
		tasksN += n
	}
	for _, n := range analysistest.Cells[int64](t, analysistest.ResultTable(t, rep, "tasks.regions"), "whole") {
		regionsN += n
	}
	lt := analysistest.ResultTable(t, rep, "tasks.logs")
	for i, c := range analysistest.Cells[string](t, lt, "category") {
		if c != "mark" {
			logsN += analysistest.Cells[int64](t, lt, "logs")[i]
		}
	}
	if tasksN != 306 || regionsN != 714 || logsN != 204 {
		t.Errorf("%d tasks, %d regions, %d logs, want 306, 714, 204", tasksN, regionsN, logsN)
	}
	i := analysistest.RowOf(t, analysistest.ResultTable(t, rep, "tasks.tasks"), "task", "order")
	analysistest.Within(t, "time in orders", analysistest.Cells[int64](t, analysistest.ResultTable(t, rep, "tasks.tasks"), "total")[i], 708_307_351, .02)
}

func TestTasksNone(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "idle"), Tasks)
	r := rep.Results[0]
	if r.Outcome != analysis.NotApplicable || !strings.Contains(r.Reason, "no runtime/trace annotations") {
		t.Errorf("%+v", r)
	}
}

func TestTasksEvents(t *testing.T) {
	f := Tasks.New().(*TasksFold)
	end := func(r parse.Range) { f.Event(&parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, Range: &r}) }
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 7, Since: 10, Until: 30})
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 8, Since: 20, Until: 90, Unfinished: true})
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 6, Since: 0, Until: 40, Partial: true}) // cut by a window
	end(parse.Range{Kind: parse.RangeTask, ID: 5, Since: 0, Until: 50, Partial: true})          // begun before the trace
	end(parse.Range{Kind: parse.RangeTask, ID: 9, Since: 40, Until: 45})                        // named ""
	end(parse.Range{Kind: parse.RangeRegion, Name: 1, Since: 10, Until: 20, CPU: 4})
	end(parse.Range{Kind: parse.RangeSTW, Name: 1, Since: 10, Until: 20})
	f.Event(&parse.Event{Kind: parse.KindLog, Log: parse.Log{Category: 3}})

	tasks, regions := f.Tasks(), f.Regions()
	a := tasks[Annotation{Name: 1}]
	if a == nil || a.all != 3 || a.Total != 20+70+40 || a.Unfinished != 1 || a.Lengths.N() != 1 || a.Lengths.Max() != 20 {
		t.Errorf("tasks of type 1: %+v", a)
	}
	if before, unnamed := tasks[Annotation{Untold: true}], tasks[Annotation{}]; before == nil || unnamed == nil || before.Total != 50 || unnamed.Total != 5 {
		t.Errorf("begun before the trace %+v, named \"\" %+v", before, unnamed)
	}
	if r := regions[Annotation{Name: 1}]; len(regions) != 1 || r == nil || r.cpu != 4 || r.Total != 10 {
		t.Errorf("regions %+v", r)
	}
	if top := f.slowest.Items(); len(top) != 2 || top[0].ID != 7 || top[1].ID != 9 {
		t.Errorf("slowest %+v", top)
	}
	if n := f.logs.byName()[Annotation{Name: 3}]; n == nil || *n != 1 {
		t.Errorf("logs %v", n)
	}
}
