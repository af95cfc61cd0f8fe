package report

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// label is a value of a label as OpenMetrics writes it.
func label(s string) string { return `"` + escaped(s) + `"` }

func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(Clean(s))
}

// labelRune makes the runes of a metric's id those that a name may have.
func labelRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

// OpenMetrics writes the metrics of a trace, or of many the counts, the distributions
// of the metrics over traces and the findings, as text of OpenMetrics 1.0. Times are in
// seconds.
func OpenMetrics(w io.Writer, rep *analysis.Report, opt Options) error {
	var b strings.Builder
	family := func(name, help string) {
		fmt.Fprintf(&b, "# TYPE %s gauge\n# HELP %s %s\n", name, name, help)
	}
	if f := rep.Fleet; f != nil {
		family("tracelens_inputs", "Inputs of the audit by what they came to.")
		for _, s := range []struct {
			what string
			n    int
		}{{"whole", f.Traces - f.Partial}, {"partial", f.Partial}, {"failed", f.Failed}} {
			fmt.Fprintf(&b, "tracelens_inputs{state=%q} %d\n", s.what, s.n)
		}
		if i := f.Interrupted; i != nil {
			family("tracelens_interrupted_inputs", "Inputs of an interrupted audit that were not read.")
			fmt.Fprintf(&b, "tracelens_interrupted_inputs %d\n", i.Of-i.Done)
		}
	}
	sample := func(cell any, u analysis.Unit, name string, labels ...string) {
		v, ok := number(cell)
		if !ok {
			return
		}
		if u == analysis.NS {
			v /= 1e9
		}
		fmt.Fprintf(&b, "%s{%s} %s\n", name, strings.Join(labels, ","), strconv.FormatFloat(v, 'g', -1, 64))
	}
	for _, id := range slices.Sorted(maps.Keys(rep.Metrics)) {
		m := rep.Metrics[id]
		if math.IsNaN(float64(m.Value)) {
			continue
		}
		name, value := "tracelens_"+strings.Map(labelRune, id), float64(m.Value)
		switch m.Unit {
		case analysis.NS, analysis.Moment:
			name, value = name+"_seconds", value/1e9
		case analysis.Bytes:
			name += "_bytes"
		case analysis.Ratio:
			name += "_ratio"
		case analysis.PerS:
			name += "_per_second"
		}
		family(name, escaped(opt.MetricDocs[id]))
		fmt.Fprintf(&b, "%s{trace=%s} %s\n", name, label(rep.Trace.Name), strconv.FormatFloat(value, 'g', -1, 64))
	}
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			kind, isDistribution := strings.CutPrefix(t.Name, "distributions.")
			switch {
			case isDistribution:
				name := "tracelens_" + strings.Map(labelRune, kind)
				if kind == "times" {
					name += "_seconds"
				}
				family(name, "Metrics over traces: one value a trace.")
				for i := range t.Rows {
					for _, col := range t.Columns {
						cell := t.Cell(i, col.Name)
						if col.Name == "metric" || col.Name == "worst" || col.Name == "traces" {
							continue
						}
						sample(cell, col.Unit, name, "metric="+label(plain(t.Cell(i, "metric"))), "quantile="+label(col.Name))
					}
				}
			case t.Name == "findings":
				family("tracelens_finding_traces", "Traces in which a finding fires.")
				for i := range t.Rows {
					sample(t.Cell(i, "traces"), analysis.Count, "tracelens_finding_traces", "finding="+label(plain(t.Cell(i, "finding"))), "level="+label(plain(t.Cell(i, "level"))))
				}
			}
		}
	}
	b.WriteString("# EOF\n")
	_, err := io.WriteString(w, b.String())
	return err
}
