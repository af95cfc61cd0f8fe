package passes

import "github.com/tracelens/tracelens/analysis"

// schedulingJudges judge run queues, stealing and preemption.
var schedulingJudges = []*analysis.Analyzer{}
