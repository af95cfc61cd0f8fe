package report

import (
	"bufio"
	"fmt"
	"io"

	"github.com/tracelens/tracelens/analysis"
)

// Benchfmt writes the values of a comparison as Go benchmarks have them
// (golang.org/design/14313-benchmark-format), a result for each trace and metric, under the
// key "side".
func Benchfmt(w io.Writer, rep *analysis.Report, _ Options) error {
	b := bufio.NewWriter(w)
	c := rep.Comparison
	for i, side := range []string{"old", "new"} {
		fmt.Fprintf(b, "side: %s\n", side)
		for k := range c.Metrics {
			ch := &c.Metrics[k]
			for _, v := range ch.Values[i] {
				fmt.Fprintf(b, "Benchmark%s 1 %v %s\n", ch.Name, float64(v), benchUnit(ch))
			}
		}
	}
	return b.Flush()
}

// benchUnit is a unit as benchstat knows it.
func benchUnit(ch *analysis.Change) string {
	unit := map[analysis.Unit]string{analysis.NS: "ns", analysis.Bytes: "B", analysis.Count: "count", analysis.Ratio: "ratio", analysis.PerS: "count/s"}[ch.Unit]
	switch {
	case ch.Per == "second":
		unit += "/s"
	case ch.Per != "":
		unit += "/" + ch.Per
	case ch.Unit == analysis.NS:
		unit = "ns/op"
	}
	return unit
}
