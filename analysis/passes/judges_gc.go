package passes

import "github.com/tracelens/tracelens/analysis"

// gcJudges judge the garbage collector, its stops and the heap.
var gcJudges = []*analysis.Analyzer{}
