// Package tasks holds the checks of requests and user tasks: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package tasks

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{RequestPath, HungRequests, SlowTasks, UnfinishedTasks}

//go:embed *.md
var pages embed.FS

// noRequests is why checks of requests have nothing to look at.
const noRequests = "no requests: the program has no runtime/trace tasks, and serves none with net/http or google.golang.org/grpc in the trace"
