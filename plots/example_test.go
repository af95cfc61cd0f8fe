package plots_test

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/plots"
)

// Analyze a trace, and draw the figures that matter.
func Example() {
	trace, err := os.Open("../testdata/traces/heartbeat.trace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer trace.Close()
	report, err := analysis.Analyze(context.Background(), trace, "heartbeat.trace", analysis.Options{}, passes.All())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range report.Results {
		for _, figure := range result.Figures {
			if figure.Weight < 1e12 {
				continue
			}
			for _, table := range result.Tables {
				if table.Name != figure.Table {
					continue
				}
				var svg bytes.Buffer
				o := plots.Options{Format: "svg", From: report.Trace.From, To: report.Trace.To, Quantum: report.Trace.Quantum}
				if err := plots.Draw(&svg, &figure, table, o); err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(figure.Name, bytes.Contains(svg.Bytes(), []byte("<svg")))
			}
		}
	}
	// Output:
	// timeline.lanes true
	// timeline.spans true
}
