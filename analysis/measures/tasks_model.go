package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// TasksOf is the fold of tasks, for an analyzer that requires it.
func TasksOf(p *analysis.Pass) *TasksFold { return analysis.FoldOf[*TasksFold](p, Tasks) }

// Tasks are the user tasks by type.
func (f *TasksFold) Tasks() map[Annotation]*Annotated { return f.tasks.byName() }

// Regions are the user regions by type.
func (f *TasksFold) Regions() map[Annotation]*Annotated { return f.regions.byName() }

// Slowest are the longest whole tasks.
func (f *TasksFold) Slowest() *sketch.Top[slowTask] { return f.slowest }

// Oldest are the longest of the tasks that started in the trace and are open at its end.
func (f *TasksFold) Oldest() *sketch.Top[slowTask] { return f.oldest }

// Written counts the events that the program's own annotations wrote, and names what wrote
// most: "region item".
func (f *TasksFold) Written(p *analysis.Pass) (n int64, most string) {
	var of int64
	add := func(kind string, a Annotation, events int64) {
		n += events
		if name := kind + " " + a.Label(p)[0]; events > of || events == of && name < most {
			of, most = events, name
		}
	}
	for a, v := range f.Tasks() {
		add("task", a, 2*v.all-v.Unfinished)
	}
	for a, v := range f.Regions() {
		add("region", a, 2*v.all-v.Unfinished)
	}
	for a, v := range f.logs.byName() {
		add("log", a, *v)
	}
	return n, most
}
