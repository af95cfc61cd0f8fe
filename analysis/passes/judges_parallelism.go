package passes

import "github.com/tracelens/tracelens/analysis"

// parallelismJudges judge whether the Ps are used.
var parallelismJudges = []*analysis.Analyzer{}
