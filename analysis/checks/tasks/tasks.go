package tasks

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check user tasks.
var All = []*analysis.Analyzer{SlowTasks, UnfinishedTasks}

//go:embed *.md
var pages embed.FS
