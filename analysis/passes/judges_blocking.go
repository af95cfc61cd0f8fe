package passes

import "github.com/tracelens/tracelens/analysis"

// blockingJudges judge locks, channels, the network and tasks.
var blockingJudges = []*analysis.Analyzer{}
