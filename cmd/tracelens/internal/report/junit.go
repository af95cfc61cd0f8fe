package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

type (
	junitSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"` // no skipped: Jenkins refuses it here
		Suite    junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *junitMessage `xml:"skipped"`
		Error   *junitMessage `xml:"error"`
		Failure *junitMessage `xml:"failure"`
		Out     *junitOutput  `xml:"system-out"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",cdata"`
	}
	junitOutput struct {
		Text string `xml:",cdata"`
	}
)

// JUnit writes a test for each check: it fails with findings at or above
// Options.FailOn, and is skipped where the trace cannot tell.
func JUnit(w io.Writer, rep *analysis.Report, opt Options) error {
	failOn := opt.FailOn
	if failOn == "" {
		failOn = analysis.Warning
	}
	s := junitSuite{Name: "tracelens", Time: "0", Properties: []junitProperty{
		{"tool", Clean(rep.Tool)}, {"trace", Clean(rep.Trace.Name)}, {"format", Clean(rep.Trace.Format)},
		{"duration_ns", fmt.Sprint(rep.Trace.Duration)}, {"events", fmt.Sprint(rep.Trace.Events)},
		{"complete", fmt.Sprint(rep.Trace.Complete)}, {"fail-on", string(failOn)},
	}}
	if rep.Trace.Fault != "" {
		s.Properties = append(s.Properties, junitProperty{"fault", Clean(rep.Trace.Fault)})
	}
	if at, _, ok := strings.Cut(rep.Trace.Start, "."); ok {
		s.Timestamp = Clean(at) // xs:dateTime, which common schemas want without zone
	}
	for _, res := range rep.Results {
		if !res.Check && len(res.Findings) == 0 {
			continue
		}
		c := junitCase{Name: Clean(res.Name), Class: Clean(rep.Trace.Name), Time: "0"}
		switch res.Outcome {
		case analysis.NotApplicable:
			c.Skipped = &junitMessage{Message: Clean(res.Reason)}
			s.Skipped++
		case analysis.Failed:
			c.Error = &junitMessage{Message: Clean(res.Reason), Type: "internal"}
			s.Errors++
		}
		var failures, others []*analysis.Finding
		for i := range res.Findings {
			if f := &res.Findings[i]; f.Severity.Rank() >= failOn.Rank() {
				failures = append(failures, f)
			} else {
				others = append(others, f)
			}
		}
		if len(failures) > 0 {
			// One for all of a check: several in a test are read by few.
			worst := failures[0]
			for _, f := range failures {
				if f.Severity.Rank() > worst.Severity.Rank() {
					worst = f
				}
			}
			c.Failure = &junitMessage{Clean(worst.Summary), string(worst.Severity), junitText(failures, rep.Trace.Quantum)}
			s.Failures++
		}
		out := junitText(others, rep.Trace.Quantum)
		for _, f := range rep.Findings() {
			for i := range f.Symptoms {
				if s := &f.Symptoms[i]; isOf(s, res) {
					out += fmt.Sprintf("explained by %s: %s (%s)\n", Clean(f.Code), Clean(s.Summary), Clean(s.Code))
				}
			}
		}
		for i := range rep.Suppressed {
			if f := &rep.Suppressed[i]; isOf(&f.Finding, res) {
				out += fmt.Sprintf("suppressed (%s): %s (%s)\n", Clean(f.Reason), Clean(f.Summary), Clean(f.Code))
			}
		}
		if out != "" {
			c.Out = &junitOutput{out}
		}
		s.Cases = append(s.Cases, c)
	}
	s.Tests = len(s.Cases)

	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Suite: s}); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// isOf tells whether a finding is one of an analyzer.
func isOf(f *analysis.Finding, res *analysis.Result) bool {
	return f.Code == res.Name || strings.HasPrefix(f.Code, res.Name+"/")
}

// junitText writes findings as the text report does.
func junitText(findings []*analysis.Finding, quantum int64) string {
	p := newPrinter(Options{Width: maxProse}, quantum)
	for _, f := range findings {
		p.finding("", f)
	}
	return p.b.String()
}
