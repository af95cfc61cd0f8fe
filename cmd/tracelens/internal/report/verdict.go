package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracelens/tracelens/analysis"
)

// lost says what is missing of the trace, or of the fleet, "" if nothing.
func lost(rep *analysis.Report) string {
	if f := rep.Fleet; f != nil {
		stopped := ""
		if f.Interrupted != nil {
			stopped = "INTERRUPTED: this report is about " + fmt.Sprintf("%d of %s. ", f.Interrupted.Done, counted(int64(f.Interrupted.Of), "input"))
		}
		if f.Failed+f.Partial+f.Odd == 0 {
			return strings.TrimSpace(stopped)
		}
		return stopped + fmt.Sprintf("%s could not be read, %s in part only, %s themselves: see the failures.", counted(int64(f.Failed), "input"), counted(int64(f.Partial), "trace"), contradict(f.Odd))
	}
	s := &rep.Trace
	if s.Fault == "" {
		return ""
	}
	lost := "INCOMPLETE: " + s.Fault + ". "
	if s.FaultKind == "io" {
		lost = "INCOMPLETE: reading it failed: " + s.Fault + ". "
	}
	if s.Generations > 0 {
		return lost + fmt.Sprintf("What follows is about the %s before it.", analysis.FormatMoment(s.To))
	}
	return lost + fmt.Sprintf("No generation could be read whole; what follows is about the %s of events before it.", analysis.FormatMoment(s.To))
}

// facts say which trace or fleet it is.
func facts(rep *analysis.Report) []string {
	s := &rep.Trace
	if c := rep.Comparison; c != nil {
		side := func(s *analysis.ComparedSide) string {
			return fmt.Sprintf("%s of %s, %s", counted(int64(s.Traces), "trace"), analysis.FormatDuration(s.Duration, 1), counted(s.Events, "event"))
		}
		if c.Basis == analysis.Chosen {
			return []string{"chosen: " + counted(c.New.Requests, "request"), "others: " + counted(c.Old.Requests, "request"), analysis.FormatDuration(c.New.Duration, 1)}
		}
		return []string{"old: " + side(&c.Old), "new: " + side(&c.New)}
	}
	if f := rep.Fleet; f != nil {
		return []string{
			counted(int64(f.Traces), "trace") + " of " + counted(int64(f.Inputs), "input"), analysis.FormatBytes(f.Bytes),
			counted(f.Events, "event"), analysis.FormatDuration(f.Duration, s.Quantum) + " in all",
		}
	}
	format := formatName(s)
	if s.Compression != "" {
		format += " in " + s.Compression
	}
	facts := []string{format}
	duration := analysis.FormatDuration(s.Duration, s.Quantum)
	if s.Window {
		facts = append(facts, fmt.Sprintf("%s from %s to %s", duration, analysis.FormatMoment(s.From), analysis.FormatMoment(s.To)))
	} else {
		generation := "generation"
		if !s.Complete {
			generation = "whole generation"
		}
		facts = append(facts, duration, counted(s.Events, "event"), counted(int64(s.Generations), generation))
	}
	if s.Odd["clock_undivided"] > 0 {
		facts = append(facts, "times 256 times those of the file, whose clock is told wrong (golang/go#65997)")
	}
	if s.Procs > 0 {
		facts = append(facts, fmt.Sprintf("GOMAXPROCS %d", s.Procs))
	}
	if at, err := time.Parse(time.RFC3339Nano, s.Start); err == nil {
		facts = append(facts, "began "+at.Format("2006-01-02 15:04:05 MST"))
	}
	return facts
}

// formatName is that of the format, which several versions of Go may write.
func formatName(s *analysis.Summary) string {
	return strings.Replace(s.Format, "go", "Go", 1) + " format"
}

func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return analysis.FormatCount(n) + " " + what
}

// shownWhole is how many findings stand with their proof where the report is brief.
const shownWhole = 3

// verdictLines are the sentences of the verdict, and the state of the program in
// numbers; nil of many traces.
func verdictLines(rep *analysis.Report) (lines []string) {
	if rep.Verdict == nil {
		return nil
	}
	for _, p := range rep.Verdict.Parts {
		lines = append(lines, p.Text)
	}
	for _, res := range rep.Results {
		if res.Leads && len(res.Summary) > 0 {
			lines = append(lines, "In numbers: "+strings.Join(res.Summary, " "))
		}
	}
	return lines
}

// cannot is a reason for which a trace cannot tell something.
type cannot struct {
	Reason string
	Names  []string // of checks
}

// checks returns those that looked and found nothing, and why others could not look.
func checks(rep *analysis.Report) (clear []*analysis.Result, unable []cannot) {
	for _, res := range rep.Results {
		if !res.Check || res.Leads {
			continue
		}
		switch res.Outcome {
		case analysis.Clear:
			clear = append(clear, res)
		case analysis.NotApplicable, analysis.Failed:
			i := slices.IndexFunc(unable, func(c cannot) bool { return c.Reason == res.Reason })
			if i < 0 {
				i = len(unable)
				unable = append(unable, cannot{Reason: res.Reason})
			}
			unable[i].Names = append(unable[i].Names, res.Name)
		}
	}
	return clear, unable
}

// switchedOff says which checks a configuration switches off, "" if none.
func switchedOff(rep *analysis.Report) string {
	c := rep.Config
	if c == nil || len(c.Off) == 0 {
		return ""
	}
	by := c.File
	if c.Preset != "" {
		by += ", preset " + c.Preset
	}
	return strings.Join(c.Off, ", ") + " (off in " + by + ")"
}

// suppressed says which findings are, and why, each once.
func suppressed(rep *analysis.Report) string {
	var why []string
	for i := range rep.Suppressed {
		s := &rep.Suppressed[i]
		if say := fmt.Sprintf("%s (%s)", s.Code, s.Reason); !slices.Contains(why, say) {
			why = append(why, say)
		}
	}
	return strings.Join(why, ", ")
}

// cost says what a finding costs.
func cost(f *analysis.Finding, quantum int64) string {
	c := f.Cost
	if c.Total <= 0 {
		return "cost not known"
	}
	return fmt.Sprintf("cost %s %s, %s of %s", analysis.FormatDuration(c.Value, quantum), c.Clock, analysis.FormatRatio(c.Share()), analysis.FormatDuration(c.Total, quantum))
}

func contradict(n int) string {
	if n == 1 {
		return "1 contradicts"
	}
	return fmt.Sprintf("%d contradict", n)
}
