package analysis_test

import (
	"context"
	"fmt"
	"os"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// counter folds events: how many goroutines were created.
type counter struct{ n int64 }

func (c *counter) Event(*parse.Event)            { c.n++ }
func (c *counter) Merge(next analysis.Collector) { c.n += next.(*counter).n }

// An analyzer of one's own, with a metric.
func Example() {
	births := &analysis.Analyzer{
		Name:    "births",
		Doc:     "# births: goroutines that were created\n",
		Metrics: []analysis.MetricDef{{ID: "births.count", Unit: analysis.Count, Scale: analysis.Sum, Confidence: analysis.Measured, Doc: "goroutines created in the trace"}},
		Kinds:   parse.KindsOf(parse.KindGoCreate),
		New:     func() analysis.Collector { return new(counter) },
		Run: func(p *analysis.Pass) error {
			n := analysis.Fold[*counter](p).n
			p.Metric("births.count", n, n)
			p.Say("%s goroutines were created", analysis.FormatCount(n))
			return nil
		},
	}

	trace, err := os.Open("../testdata/traces/heartbeat.trace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer trace.Close()
	report, err := analysis.Analyze(context.Background(), trace, "heartbeat.trace", analysis.Options{}, []*analysis.Analyzer{births})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Results[0].Outcome, report.Results[0].Summary, report.Metrics["births.count"].Value)
	// Output: clear [4 goroutines were created] 4
}
