package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// Kinds of the parts of a verdict of a comparison, beside analysis.VerdictCaution.
const (
	verdictWorse  = "worse"
	verdictBetter = "better"
	verdictOther  = "changed"
	verdictSame   = "same"
)

// verdict says what changed, where, and how sure that is.
func (c *comparison) verdict() *analysis.Verdict {
	v := new(analysis.Verdict)
	say := func(kind, format string, args ...any) {
		v.Parts = append(v.Parts, analysis.VerdictPart{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	for _, n := range c.notes {
		say(analysis.VerdictCaution, "%s", n)
	}
	switch {
	case c.identical():
		say(verdictSame, "Both sides are the same in every number.")
	case c.differences(say) == 0:
		c.none(say)
	}
	switch c.basis {
	case analysis.WithinTraces:
		say(analysis.VerdictCaution, "Within these two traces: how much numbers vary is told from stretches of each, not from runs of the program, which may differ by more; %d traces a side and more tell.", minTraces)
	case analysis.Untested:
		if !c.identical() {
			say(analysis.VerdictCaution, "Nothing here is shown to be no chance: %s and %s against each other; %d and more a side tell, or one of %d s and more.",
				counted(len(c.side[0].Traces), "trace"), counted(len(c.side[1].Traces), "trace"), minTraces, minStretches)
		}
	}
	var texts []string
	for _, p := range v.Parts {
		texts = append(texts, p.Text)
	}
	v.Text = strings.Join(texts, " ")
	return v
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// differ is counted with its verb, at the start of a sentence.
func differ(n int, what string) string {
	if n == 1 {
		return "One " + what + " differs"
	}
	return counted(n, what) + " differ"
}

// identical reports whether no number differs.
func (c *comparison) identical() bool {
	same := func(ch analysis.Change) bool { return ch.Old == ch.New }
	for _, all := range [][]analysis.Change{c.c.Metrics, c.c.Parts} {
		if slices.ContainsFunc(all, func(ch analysis.Change) bool { return !same(ch) }) {
			return false
		}
	}
	if slices.ContainsFunc(c.c.Requests, func(r analysis.RequestChange) bool { return !same(r.Mean) }) {
		return false
	}
	return len(c.c.Metrics) > 0
}

// differences says what is worse and what is better, and returns how much it said.
func (c *comparison) differences(say func(kind, format string, args ...any)) (n int) {
	cycles, times := c.cycles()
	said := func(text string) {
		if text != "" {
			say(verdictOther, "%s", text)
			n++
		}
	}
	if times > c.timesLonger() { // it is no effect of the requests
		said(cycles)
		cycles = ""
	}
	for i := range c.c.Requests[:min(len(c.c.Requests), mostParts)] {
		if kind, text := sentence(&c.c.Requests[i]); text != "" {
			say(kind, "%s", text)
			n++
		}
	}
	if c.c.Total != nil {
		first := c.c.Total.Delta() >= 0
		for _, up := range []bool{first, !first} {
			if c.moved(say, up) {
				n++
			}
		}
	}
	var worse, better, other, seems []string
	for _, ch := range c.differing() {
		if ch.Name == cyclesMetric { // it has a sentence of its own
			continue
		}
		text := fmt.Sprintf("%s %s → %s", ch.Name, show(ch, float64(ch.Old)), show(ch, float64(ch.New)))
		switch ch.Judged {
		case analysis.Worse:
			worse = append(worse, text)
		case analysis.Better:
			better = append(better, text)
		case analysis.Changed:
			other = append(other, text)
		case analysis.SeemsWorse, analysis.SeemsBetter:
			seems = append(seems, text)
		}
	}
	few := func(all []string) string {
		more := ""
		if len(all) > 3 {
			more = fmt.Sprintf(" and %d more", len(all)-3)
		}
		return strings.Join(all[:min(3, len(all))], ", ") + more
	}
	said(cycles)
	if len(worse) > 0 {
		say(verdictWorse, "Worse: %s.", few(worse))
		n++
	}
	if len(better) > 0 {
		say(verdictBetter, "Better: %s.", few(better))
		n++
	}
	if len(other) > 0 {
		say(verdictOther, "Other than before: %s.", few(other))
		n++
	}
	if n == 0 && len(seems) > 0 {
		say(analysis.VerdictLook, "It seems to differ: %s.", few(seems))
		n++
	}
	return n
}

// factor is how many times as large one of two values is as the other.
func factor(ch *analysis.Change) float64 {
	low, high := min(float64(ch.Old), float64(ch.New)), max(float64(ch.Old), float64(ch.New))
	switch {
	case high == 0:
		return 1
	case low == 0:
		return math.Inf(1)
	}
	return high / low
}

// timesLonger is the largest factor between the times that requests of a type take.
func (c *comparison) timesLonger() float64 {
	most := 1.
	for i := range c.c.Requests {
		if ch := c.c.Requests[i].Differs(); ch != nil {
			most = max(most, factor(ch))
		}
	}
	return most
}

// cycles says how many times as often, or as rarely, the GC runs, and what begins its cycles.
func (c *comparison) cycles() (text string, times float64) {
	i := slices.IndexFunc(c.c.Metrics, func(ch analysis.Change) bool { return ch.Name == cyclesMetric && rank(ch.Judged) >= 0 })
	if i < 0 {
		return "", 0
	}
	ch := &c.c.Metrics[i]
	text = fmt.Sprintf("The GC runs %s: cycles %s → %s", map[bool]string{true: "more often", false: "more rarely"}[ch.Delta() > 0], show(ch, float64(ch.Old)), show(ch, float64(ch.New)))
	if all := c.starts(); len(all) > 0 && all[0].Delta() > 0 == (ch.Delta() > 0) {
		text += fmt.Sprintf("; most of the difference begins by %s (%s → %s)", all[0].Name, analysis.FormatRate(float64(all[0].Old)), analysis.FormatRate(float64(all[0].New)))
	}
	if !ch.Judged.Shown() {
		text = "It seems: t" + text[1:]
	}
	return text + ".", factor(ch)
}

// mostParts is how many parts a sentence names, leastPart which share of what moved one
// must have.
const (
	mostParts = 3
	leastPart = .1
)

// moved says which parts make the time of goroutines that are at work or held up longer,
// or shorter.
func (c *comparison) moved(say func(kind, format string, args ...any), up bool) bool {
	var parts []*analysis.Change
	all, against := 0.0, 0.0
	shown := false
	for i := range c.c.Parts {
		p := &c.c.Parts[i]
		if p.Delta() > 0 != up || p.Delta() == 0 {
			against += math.Abs(p.Delta())
			continue
		}
		all += math.Abs(p.Delta())
		if rank(p.Judged) >= 0 {
			parts = append(parts, p)
			shown = shown || p.Judged.Shown()
		}
	}
	var named []string
	why := ""
	for _, p := range parts {
		share := math.Abs(p.Delta()) / all
		if len(named) == mostParts || share < leastPart || shown && !p.Judged.Shown() {
			continue
		}
		named = append(named, fmt.Sprintf("%s %s → %s (%s)", p.Name, c.time(float64(p.Old)), c.time(float64(p.New)), analysis.FormatRatio(share)))
		if why == "" && up && p.Why != "" {
			why = " Why: " + p.Why + "."
		}
	}
	if len(named) == 0 || all < leastPart*against {
		return false
	}
	kind, begin := verdictWorse, "More goroutine time goes to "
	if !up {
		kind, begin = verdictBetter, "Less goroutine time goes to "
	}
	if !shown {
		begin = "It seems: " + strings.ToLower(begin[:1]) + begin[1:]
	}
	unit := "in goroutines on average"
	switch c.by {
	case PerRequest:
		unit = "for each request"
	case PerBusy:
		unit = "in seconds of goroutines for each second of P time"
	}
	total := ""
	if t := c.c.Total; up == (t.Delta() >= 0) {
		total = fmt.Sprintf("; all that are at work or held up: %s → %s, %s", c.time(float64(t.Old)), c.time(float64(t.New)), unit)
	}
	say(kind, "%s%s%s.%s", begin, strings.Join(named, ", "), total, why)
	return true
}

// none says that nothing differs, and what would have been seen.
func (c *comparison) none(say func(kind, format string, args ...any)) {
	times := func(share float64) float64 { return 1 / (1 - share) }
	open := 0
	var widths []float64
	for _, ch := range c.c.Metrics {
		if ch.Reason == tooFew {
			open++
		}
		if ch.Lo != nil && ch.Old > 0 && ch.Judged == analysis.Same {
			widths = append(widths, max(float64(*ch.Hi-*ch.Lo)/2/float64(ch.Old), leastChange))
		}
	}
	short := min(c.c.Old.Duration, c.c.New.Duration)
	switch {
	case c.basis == analysis.BetweenTraces && len(widths) > 0:
		say(verdictSame, "No difference that these traces can show; half of the metrics would have shown a change of %s.", analysis.FormatRatio(median(widths)))
	case c.basis != analysis.BetweenTraces && short < leastLength:
		say(verdictSame, "Traces of %s are too short for a difference to be more than chance.", analysis.FormatDuration(short, 0))
	case c.basis == analysis.WithinTraces:
		say(verdictSame, "Nothing differs that two traces can show: what requests take by a factor of %.1f, what goroutines wait for by %.1f, most metrics by %.0f. %s by %s and more, which may be chance.",
			times(requestBar.within), times(waitBar.within), times(metricBar.within), differ(open, "metric"), analysis.FormatRatio(leastChange))
	default:
		requests, waits, all := requestBar.alone, waitBar.alone, ""
		if min(len(c.side[0].Traces), len(c.side[1].Traces)) >= apart {
			requests, waits, all = requestBar.apart, waitBar.apart, ", in all traces of a side"
		}
		say(verdictSame, "Nothing differs that so few traces can show: what requests take by a factor of %.1f, what goroutines wait for by %.1f%s. %s by %s and more, which may be chance%s.",
			times(requests), times(waits), all, differ(open, "metric"), analysis.FormatRatio(leastChange), c.open())
	}
}

// open is the largest difference that may be chance.
func (c *comparison) open() string {
	large := func(ch *analysis.Change, share float64) bool {
		return ch.Reason == tooFew && math.Abs(ch.Delta()) >= share*max(math.Abs(float64(ch.Old)), math.Abs(float64(ch.New)))
	}
	for i := range c.c.Requests {
		if r := &c.c.Requests[i]; large(&r.Mean, requestBar.apart) && (r.P50 == nil || r.P50.Judged != analysis.Same) {
			return fmt.Sprintf(", as may requests %s (%s): mean %s → %s", r.Name, r.Kind, duration(r.Mean.Old), duration(r.Mean.New))
		}
	}
	for i := range c.c.Parts {
		// Goroutines that ran may have another name when they also waited: that moves no time.
		if p := &c.c.Parts[i]; large(p, waitBar.apart) && p.Delta()*c.c.Total.Delta() > 0 && math.Abs(c.c.Total.Delta()) >= math.Abs(p.Delta())/2 {
			return fmt.Sprintf(", as may %s: %s → %s, %s", p.Name, c.time(float64(p.Old)), c.time(float64(p.New)), c.per())
		}
	}
	return ""
}
