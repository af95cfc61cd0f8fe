// Package verdict says what a report comes to: the few sentences that stand first in
// every format. It is made from findings and from what measures lead with, by one
// currency, and never by the absence of findings.
package verdict

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
)

const (
	most     = 3     // limits
	tooShort = 100e6 // ns: ten time slices (proc.go:forcePreemptNS)
	longest  = 260   // characters of what a sentence takes over from a finding
	worth    = .02   // of wall: the floor of a warning
	busyCPU  = .5    // of P time: from here on it matters what running is
	fullPs   = .1    // of P time idle: below, with goroutines that wait for a P, there are too few Ps or each does too much
	queued   = .1    // goroutines that wait for a P on average: below, the scheduler holds nobody up
	half     = .5    // of wall: so much lets a note lead where there is no warning
	felt     = .5    // of the lives of those who wait: with less, and no finding, it is how such programs work
)

// Of makes the verdict of a report over one trace, nil for a report over many. It is to
// be made again when findings were suppressed or graded otherwise.
func Of(rep *analysis.Report) *analysis.Verdict {
	if rep.Many() {
		return nil
	}
	v := new(analysis.Verdict)
	say := func(kind, text string) { v.Parts = append(v.Parts, analysis.VerdictPart{Kind: kind, Text: text}) }
	if wrong := rep.Trace.Odd.Wrong(); wrong != "" {
		say(analysis.VerdictCaution, "The trace contradicts itself, so that numbers may be wrong: "+wrong+".")
	}
	if d := rep.Trace.Duration; d < tooShort {
		say(analysis.VerdictCaution, fmt.Sprintf("The trace is only %s long: rates and worst cases in it may be chance.", analysis.FormatDuration(d, rep.Trace.Quantum)))
	}
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			if l.Kind == analysis.VerdictEnd {
				say(analysis.VerdictEnd, l.Text+".")
			}
		}
	}
	limits, host, first := limits(rep)
	if first {
		say(analysis.VerdictHost, host)
	}
	v.Parts = append(v.Parts, limits...)
	held, spent := leading(rep, most-len(limits), limits)
	for _, t := range held {
		say(analysis.VerdictTime, t)
	}
	if text := distorted(rep); text != "" {
		say(analysis.VerdictCaution, text)
	}
	if host != "" && !first {
		say(analysis.VerdictHost, host)
	}
	if ended := slices.ContainsFunc(v.Parts, func(p analysis.VerdictPart) bool { return p.Kind == analysis.VerdictEnd }); spent != "" && !ended {
		say(analysis.VerdictTime, spent)
	}
	if out := ruledOut(rep, host != ""); out != "" {
		say(analysis.VerdictRuledOut, out)
	}
	var texts []string
	for _, p := range v.Parts {
		texts = append(texts, p.Text)
	}
	v.Text = strings.Join(texts, " ")
	return v
}

// limits are the findings that cost most, and what is to be said of the host; first, where
// it keeps the whole program from running for longer than they cost.
func limits(rep *analysis.Report) (parts []analysis.VerdictPart, host string, first bool) {
	wall := rep.Trace.Duration
	var hosts float64
	about := make(map[string]analysis.Subject)
	for _, res := range rep.Results {
		about[res.Name] = res.About
	}
	var look, note *analysis.VerdictPart
	for _, f := range rep.Findings() {
		check, _, _ := strings.Cut(f.Code, "/")
		switch {
		case f.Severity.Rank() < analysis.Warning.Rank():
			if rate := f.Cost.Rate(wall); f.Cost.Clock == analysis.Wall && rate >= half && about[check] == "" && (note == nil || rate > note.Held) {
				note = &analysis.VerdictPart{Kind: analysis.VerdictLimit, Text: sentence(f, wall), Code: f.Code, Held: rate}
			}
		case about[check] == analysis.Host && host == "":
			if host = sentence(f, wall); f.Cost.Clock == analysis.Wall {
				hosts = held(f, wall)
			}
		case about[check] != "" || len(parts) == most || again(f, parts):
		default:
			part := analysis.VerdictPart{Kind: analysis.VerdictLimit, Text: sentence(f, wall), Code: f.Code, Held: held(f, wall)}
			if part.Held < worth {
				if look == nil {
					part.Kind, part.Text = analysis.VerdictLook, "Worth a look: "+part.Text
					look = &part
				}
				continue
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 && note != nil {
		return []analysis.VerdictPart{*note}, host, hosts > note.Held
	}
	first = hosts > 0 && !slices.ContainsFunc(parts, func(p analysis.VerdictPart) bool { return p.Held >= hosts })
	if look != nil && len(parts) < most {
		parts = append(parts, *look)
	}
	return parts, host, first
}

// distorted says that the trace cost so much that its times are not those of the program.
func distorted(rep *analysis.Report) string {
	for _, res := range rep.Results {
		for i := range res.Findings {
			if f := &res.Findings[i]; res.About == analysis.File && f.Severity.Rank() >= analysis.Warning.Rank() && f.Cost.Clock == analysis.PTime {
				return sentence(f, rep.Trace.Duration)
			}
		}
	}
	return ""
}

// again reports whether the steps that led to what a finding says have been said.
func again(f *analysis.Finding, parts []analysis.VerdictPart) bool {
	_, chain, ok := strings.Cut(f.Summary, analysis.Why)
	return ok && slices.ContainsFunc(parts, func(p analysis.VerdictPart) bool { return strings.Contains(brief(p.Text), brief(chain)) })
}

// held is what a finding costs, or the costliest of what it explains.
func held(f *analysis.Finding, wall int64) float64 {
	rate := max(f.Cost.Rate(wall), f.Cost.Share())
	for i := range f.Symptoms {
		rate = max(rate, held(&f.Symptoms[i], wall))
	}
	return rate
}

// sentence says what a finding says, what it costs, why it is, where another knows, and
// what to do.
func sentence(f *analysis.Finding, wall int64) string {
	text := claim(f)
	if held := cost(f.Cost, wall); held != "" && !strings.Contains(text, held) {
		if open, ok := strings.CutSuffix(text, ")"); ok {
			text = open + "; " + held + ")"
		} else {
			text += " (" + held + ")"
		}
	}
	if i := slices.IndexFunc(f.Symptoms, chained); i >= 0 && !explained(f) {
		f = &f.Symptoms[i]
		text += ". Because: " + claim(f)
	}
	advice := f.Advice
	if utf8.RuneCountInString(advice) > longest {
		advice = brief(advice)
	}
	return text + ". " + firstStep(advice) + "."
}

// chained reports whether a symptom is why its finding is, step by step to an end.
func chained(s analysis.Finding) bool {
	return s.Reason && explained(&s) && !strings.HasSuffix(s.Summary, " "+analysis.Untold)
}

func explained(f *analysis.Finding) bool { return strings.Contains(f.Summary, analysis.Why) }

// claim is what a finding says, with the steps that led to it.
func claim(f *analysis.Finding) string {
	summary := f.Summary
	if utf8.RuneCountInString(summary) > longest {
		summary = brief(summary)
	}
	text, chain, ok := strings.Cut(summary, analysis.Why)
	if !ok {
		return clauses(text, longest)
	}
	text, _, _ = strings.Cut(text, ": ")
	if first, rest, ok := strings.Cut(chain, " ← "); ok {
		next, _, _ := strings.Cut(rest, " ← ")
		if _, at, ok := strings.Cut(first, " at "); ok && strings.Contains(text, at) && (strings.Contains(next, " holds it") || strings.Contains(next, " waits before them")) {
			chain = rest // the place is said
		}
	}
	return text + ": " + chain
}

// modulePath is the part of an import path before its last element, of modules that
// others can fetch; a major version stays with the element before it.
var modulePath = regexp.MustCompile(`\b[\w-]+(?:\.[\w-]+)+/(?:[\w.~-]+/)*?((?:[\w.~-]+/v\d+|[\w~-]+)\.[\w(\[])`)

// brief leaves out of names of functions what makes them too long to read.
func brief(s string) string { return modulePath.ReplaceAllString(s, "$1") }

// firstStep is the first thing that an advice says to do.
func firstStep(advice string) string {
	if ends := breaks(advice, ". ", "; "); len(ends) > 0 {
		advice = advice[:ends[0]]
	}
	return strings.TrimSuffix(clauses(advice, longest), ".")
}

// clauses is a text up to the last clause that fits.
func clauses(s string, limit int) string {
	ends := breaks(s, "; ", ", ", " ← ", " (")
	for i := len(ends) - 1; i >= 0 && utf8.RuneCountInString(s) > limit && ends[i] >= limit/3; i-- {
		s = s[:ends[i]]
	}
	return s
}

// breaks is where a text has one of some separators, but for remarks in brackets.
func breaks(s string, separators ...string) (at []int) {
	depth := 0
	for i, c := range []byte(s) {
		if depth == 0 && slices.ContainsFunc(separators, func(sep string) bool { return strings.HasPrefix(s[i:], sep) }) {
			at = append(at, i)
		}
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
	}
	return at
}

// cost says what a finding costs, in the currency of all.
func cost(c analysis.Cost, wall int64) string {
	rate := c.Rate(wall)
	switch {
	case rate == 0:
		return ""
	case c.Clock == analysis.GTime:
		if rate < 1 {
			return "a goroutine held up " + analysis.FormatRatio(rate) + " of the time"
		}
		return counted(rate, "goroutine", "goroutines") + " held up at any time"
	case c.Clock == analysis.PTime:
		if rate < 1 {
			return analysis.FormatRatio(rate) + " of one P"
		}
		return counted(rate, "P", "Ps") + " at any time"
	}
	return analysis.FormatRatio(min(rate, 1)) + " of the time"
}

// counted is a mean number of something.
func counted(v float64, one, many string) string {
	if s := amount(v); s != "1" && s != "1.0" {
		return s + " " + many
	}
	return "1 " + one
}

// amount writes a mean number.
func amount(v float64) string {
	if v < .01 {
		return "under 0.01"
	}
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// leading says where goroutines wait for one another, as far as the limits leave room and
// do not speak of the same place, and where their time goes if nothing else is said.
func leading(rep *analysis.Report, room int, limits []analysis.VerdictPart) (texts []string, time string) {
	wall := rep.Trace.Duration
	said := func(place string) bool {
		at, _, _ := strings.Cut(place, " ")
		return slices.ContainsFunc(limits, func(p analysis.VerdictPart) bool {
			return at != "" && (strings.Contains(p.Text, at) || strings.Contains(p.Text, brief(at)))
		})
	}
	var held, outside, spent, roots []string
	limited := slices.ContainsFunc(limits, func(p analysis.VerdictPart) bool { return p.Kind == analysis.VerdictLimit })
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			switch {
			case l.Kind == analysis.VerdictEnd:
			case said(l.Place) || said(l.Root) || float64(l.Held) < worth*float64(wall):
			case l.Kind != analysis.VerdictLimit:
				spent = append(spent, l.Text)
			case l.Lives < felt:
			case limited && l.Outside: // less than what is said already
			case l.Root != "" && slices.Contains(roots, l.Root): // waits in a row for one thing
			case l.Outside:
				outside = append(outside, l.Text)
				roots = append(roots, l.Root)
			default:
				held = append(held, l.Text)
				roots = append(roots, l.Root)
			}
		}
	}
	held = append(held, outside...)
	for _, t := range held[:min(len(held), max(room, 0))] {
		texts = append(texts, "Held up: "+t+".")
	}
	if !limited && len(texts) == 0 && len(spent) > 0 {
		time = "Goroutine time goes to: " + strings.Join(spent[:min(len(spent), most)], "; ") + "."
	}
	return texts, time
}

// unsampled reports whether the trace has no CPU samples, as its measure says.
func unsampled(rep *analysis.Report) bool {
	return slices.ContainsFunc(rep.Results, func(r *analysis.Result) bool { return r.Name == "samples" && r.Outcome == analysis.NotApplicable })
}

// ruledOut says which of CPU, scheduler and GC the numbers clear; where user code fills
// the Ps, that this is the limit, if the host does not take CPUs away; where it fills them
// together with calls, GC and the rest of the runtime, that Ps are full.
func ruledOut(rep *analysis.Report, host bool) string {
	value := func(id string) (float64, bool) {
		m, ok := rep.Metrics[id]
		return float64(m.Value), ok
	}
	user, ok := value("procs.share.user")
	if !ok || rep.Trace.Duration <= 0 {
		return ""
	}
	worker, _ := value("procs.share.gcworker")
	assist, _ := value("procs.share.assist")
	stopped, _ := value("procs.share.stw")
	gc := worker + assist + stopped
	idle, known := value("procs.share.idle")
	wait, waits := value("sched.latency.user.total")
	wait /= float64(rep.Trace.Duration) // goroutines on average
	taken := user < busyCPU && known && idle < fullPs && wait > queued
	full, share, unknown := "", analysis.FormatRatio(user), unsampled(rep)
	switch {
	case taken:
		full = fmt.Sprintf("The Ps are full: idle for %s of their time, while %s goroutines wait for one on average. ", analysis.FormatRatio(idle), amount(wait))
	case user >= .9 && !host:
		full = fmt.Sprintf("The CPU is the limit: user code ran %s of P time. ", share)
	case user >= .9 && unknown:
		full = fmt.Sprintf("User code held %s of P time; for how much of it it was on a CPU the trace does not tell. ", share)
	case user >= .9:
		full = fmt.Sprintf("User code held %s of P time, not all of it on a CPU. ", share)
	case user >= busyCPU && !host && unknown:
		full = fmt.Sprintf("User code ran %s of P time. ", share)
	}
	if user >= busyCPU && !host && unknown {
		full += "That is time on Ps: page faults, swapped memory and waits for a CPU are in it, which only a CPU profile beside the trace tells apart. "
	}
	var out []string
	if user < busyCPU && !taken {
		out = append(out, fmt.Sprintf("CPU (user code has %s of P time)", share))
	}
	if waits && wait < queued {
		out = append(out, fmt.Sprintf("the scheduler (%s goroutines wait for a P on average)", amount(wait)))
	}
	if gc < .05 {
		out = append(out, fmt.Sprintf("GC (%s of P time, with all stops of the world)", analysis.FormatRatio(gc)))
	}
	if len(out) == 0 {
		return strings.TrimSpace(full)
	}
	return full + "Not the limit: " + strings.Join(out, ", ") + "."
}
