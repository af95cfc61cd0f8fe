package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// TasksOf is the fold of tasks, for an analyzer that requires it.
func TasksOf(p *analysis.Pass) *TasksFold { return analysis.FoldOf[*TasksFold](p, Tasks) }

// Tasks is TODO.
func (f *TasksFold) Tasks() map[Annotation]*Annotated { return f.tasks }

// Regions is TODO.
func (f *TasksFold) Regions() map[Annotation]*Annotated { return f.regions }

// Slowest is of the whole tasks.
func (f *TasksFold) Slowest() *sketch.Top[slowTask] { return f.slowest }

// Oldest is of those open at the end, but begun in the trace.
func (f *TasksFold) Oldest() *sketch.Top[slowTask] { return f.oldest }
