package passes

import "github.com/tracelens/tracelens/analysis"

// syscallJudges judge system and cgo calls.
var syscallJudges = []*analysis.Analyzer{}
