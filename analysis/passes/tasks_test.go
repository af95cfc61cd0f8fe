package passes

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestTasksLaw(t *testing.T) {
	for _, name := range []string{"annotations", "flight-recorder", "mixed-go121"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{tasks})
	}
}

// annotations.json: 24 request tasks in 61,391,275 ns, the longest 21,431,963 ns
// by the program's own clock; 48 query tasks; one never ended; 24 decode and
// validate and 48 execute regions; 24 logs id, 48 rows.
func TestTasksAnnotations(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "annotations"), tasks)
	tb := resultTable(t, rep, "tasks.tasks")
	whole, unfinished := cells[int64](t, tb, "whole"), cells[int64](t, tb, "unfinished")
	for name, want := range map[string][2]int64{"request": {24, 0}, "query": {48, 0}, "forgotten": {0, 1}} {
		if i := rowOf(t, tb, "task", name); whole[i] != want[0] || unfinished[i] != want[1] {
			t.Errorf("task %s: %d whole, %d unfinished, want %v", name, whole[i], unfinished[i], want)
		}
	}
	i := rowOf(t, tb, "task", "request")
	within(t, "time in requests", cells[int64](t, tb, "total")[i], 61_391_275, .02)
	within(t, "longest request", cells[int64](t, tb, "max")[i], 21_431_963, .02)

	rt := resultTable(t, rep, "tasks.regions")
	whole = cells[int64](t, rt, "whole")
	for name, want := range map[string]int64{"decode": 24, "validate": 24, "execute": 48} {
		if got := whole[rowOf(t, rt, "region", name)]; got != want {
			t.Errorf("region %s: %d, want %d", name, got, want)
		}
	}
	// main.query sleeps, decode computes.
	running := cells[float64](t, rt, "running")
	if sleeps, computes := running[rowOf(t, rt, "region", "execute")], running[rowOf(t, rt, "region", "decode")]; sleeps > .2 || computes < .8 {
		t.Errorf("running: execute %.2f, decode %.2f", sleeps, computes)
	}
	lt := resultTable(t, rep, "tasks.logs")
	logs := cells[int64](t, lt, "logs")
	for name, want := range map[string]int64{"id": 24, "rows": 48} {
		if got := logs[rowOf(t, lt, "category", name)]; got != want {
			t.Errorf("logs %s: %d, want %d", name, got, want)
		}
	}
	// The slowest query is the child of the slowest request.
	st := resultTable(t, rep, "tasks.slowest")
	names, ids, parents := cells[string](t, st, "task"), cells[int64](t, st, "id"), cells[int64](t, st, "parent")
	if names[0] != "request" || names[1] != "query" || parents[1] != ids[0] {
		t.Errorf("slowest: %v", st.Rows[:2])
	}
}

func TestTasksCorpus(t *testing.T) {
	// user/tasks-regions.truth.json: 306 tasks, 714 regions, 204 logs without marks.
	rep := analysistest.Report(t, analysistest.Corpus(t, "user/tasks-regions"), tasks)
	var tasksN, regionsN, logsN int64
	for _, n := range cells[int64](t, resultTable(t, rep, "tasks.tasks"), "whole") {
		tasksN += n
	}
	for _, n := range cells[int64](t, resultTable(t, rep, "tasks.regions"), "whole") {
		regionsN += n
	}
	lt := resultTable(t, rep, "tasks.logs")
	for i, c := range cells[string](t, lt, "category") {
		if c != "mark" {
			logsN += cells[int64](t, lt, "logs")[i]
		}
	}
	if tasksN != 306 || regionsN != 714 || logsN != 204 {
		t.Errorf("%d tasks, %d regions, %d logs, want 306, 714, 204", tasksN, regionsN, logsN)
	}
	i := rowOf(t, resultTable(t, rep, "tasks.tasks"), "task", "order")
	within(t, "time in orders", cells[int64](t, resultTable(t, rep, "tasks.tasks"), "total")[i], 708_307_351, .02)
}

func TestTasksNone(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "idle"), tasks)
	r := rep.Results[0]
	if r.Outcome != analysis.NotApplicable || !strings.Contains(r.Reason, "no runtime/trace annotations") {
		t.Errorf("%+v", r)
	}
}

func TestTasksEvents(t *testing.T) {
	f := tasks.New().(*tasksFold)
	end := func(r parse.Range) { f.Event(&parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, Range: &r}) }
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 7, Since: 10, Until: 30})
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 8, Since: 20, Until: 90, Unfinished: true})
	end(parse.Range{Kind: parse.RangeTask, Name: 1, ID: 6, Since: 0, Until: 40, Partial: true}) // cut by a window
	end(parse.Range{Kind: parse.RangeTask, ID: 5, Since: 0, Until: 50, Partial: true})          // begun before the trace
	end(parse.Range{Kind: parse.RangeTask, ID: 9, Since: 40, Until: 45})                        // named ""
	end(parse.Range{Kind: parse.RangeRegion, Name: 1, Since: 10, Until: 20, CPU: 4})
	end(parse.Range{Kind: parse.RangeSTW, Name: 1, Since: 10, Until: 20})
	f.Event(&parse.Event{Kind: parse.KindLog, Log: parse.Log{Category: 3}})

	a := f.tasks[annotation{name: 1}]
	if a == nil || a.all != 3 || a.total != 20+70+40 || a.unfinished != 1 || a.lengths.N() != 1 || a.lengths.Max() != 20 {
		t.Errorf("tasks of type 1: %+v", a)
	}
	if before, unnamed := f.tasks[annotation{untold: true}], f.tasks[annotation{}]; before == nil || unnamed == nil || before.total != 50 || unnamed.total != 5 {
		t.Errorf("begun before the trace %+v, named \"\" %+v", before, unnamed)
	}
	if r := f.regions[annotation{name: 1}]; len(f.regions) != 1 || r == nil || r.cpu != 4 || r.total != 10 {
		t.Errorf("regions %+v", r)
	}
	if top := f.slowest.Items(); len(top) != 2 || top[0].ID != 7 || top[1].ID != 9 {
		t.Errorf("slowest %+v", top)
	}
	if n := f.logs[3]; n == nil || *n != 1 {
		t.Errorf("logs %v", n)
	}
}
