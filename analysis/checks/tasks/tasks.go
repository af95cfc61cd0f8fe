package tasks

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All judge user tasks.
var All = []*analysis.Analyzer{SlowTasks, UnfinishedTasks}

//go:embed *.md
var pages embed.FS
