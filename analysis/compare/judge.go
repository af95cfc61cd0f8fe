package compare

import (
	"math"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// leastChange is what a difference must be to matter, as a share of the larger value.
const leastChange = .05

// A bar is what a difference must be to be spoken of where traces are not held against others
// of their side: larger than what runs of one program differ by. That is what the machine and
// the scheduler make of it for most metrics, however large; less for what requests take and
// wait for.
type bar struct {
	least float64 // of a number; of a sum in a second
	// Shares of the larger value: of few traces a side of which no two overlap, of one or two
	// a side, and of one a side whose stretches differ.
	apart, alone, within float64
	// counted: events are those that make the difference, so that few of them are no chance
	// however small it is.
	counted bool
}

// The values are those of testdata/gen/compare/sets.sh; see TestFalseAlarms.
var (
	metricBar  = bar{apart: never, alone: never, within: .8}
	cyclesBar  = bar{apart: .33, alone: .67, within: .33, counted: true}
	requestBar = bar{least: leastLonger, apart: .2, alone: .4, within: .2}
	waitBar    = bar{least: .01, apart: .25, alone: .5, within: .25}
	stateBar   = bar{least: .01, apart: .5, alone: .8, within: .67}
)

// cyclesMetric counts GC cycles, which hardly differ between runs.
const cyclesMetric = "gc.cycles"

const (
	never      = 2. // no share is that large
	leastApart = 5  // times least
	leastAlone = 10 // likewise
)

// moreOf is how many more GC cycles the traces of one side have, and no bound for what is
// not counted in them.
func (c *comparison) moreOf(id string) float64 {
	if id != cyclesMetric {
		return math.Inf(1)
	}
	var mean [2]float64
	for i, s := range c.side {
		for _, t := range s.Traces {
			mean[i] += float64(t.Metrics[id].Value) / float64(len(s.Traces))
		}
	}
	return math.Abs(mean[1]-mean[0]) * float64(min(len(c.side[0].Traces), len(c.side[1].Traces)))
}

// barOf is that of a metric.
func barOf(ch *analysis.Change) bar {
	b := metricBar
	switch {
	case ch.Name == cyclesMetric:
		b = cyclesBar
	case ch.Name == "requests.duration.p50":
		b = requestBar
	}
	b.least = least(ch)
	return b
}

// least is the difference of a number that matters, whatever share of it that is.
func least(ch *analysis.Change) float64 {
	sum := ch.Per != ""
	switch ch.Unit {
	case analysis.NS:
		if sum {
			return 10e6 // a hundredth of a goroutine, or of a P
		}
		return 50e3 // wake-ups of threads differ by that
	case analysis.Count:
		return 1
	case analysis.Bytes:
		return 1 << 20
	case analysis.Ratio:
		return .01
	}
	return 1 // per second
}

// extreme reports whether one event alone makes the number.
func extreme(ch *analysis.Change) bool {
	return strings.HasSuffix(ch.Name, ".max") || strings.HasPrefix(ch.Name, "gc.mmu.")
}

// tooFew is why nothing is said of a difference.
const tooFew = "so few traces do not tell how much it differs between runs"

// From how many events on, and which length of a side, traces say how much time goes to
// something: what else a machine does changes within tenths of a second.
const (
	fewEvents   = 10
	leastLength = 5e8 // ns
)

// judge says what a change is. The events are those of a side that make it.
func (c *comparison) judge(ch *analysis.Change, v sides, polarity analysis.Polarity, b bar, events float64) {
	if ch.Judged == analysis.Unknown {
		return
	}
	ch.Judged = analysis.Same
	if ch.Per != "" {
		b.least *= c.seconds
	}
	larger := max(math.Abs(float64(ch.Old)), math.Abs(float64(ch.New)))
	reaches := func(least, share float64) bool {
		return math.Abs(ch.Delta()) >= max(least, share*larger)
	}
	chance := ch.P != nil && float64(*ch.P) > alpha
	between := ch.P != nil && c.basis == analysis.BetweenTraces
	if !reaches(b.least, leastChange) || between && chance {
		return
	}
	enough := events >= fewEvents && min(c.c.Old.Duration, c.c.New.Duration) >= leastLength
	times := func(n float64) float64 {
		if b.counted {
			return b.least
		}
		return n * b.least
	}
	isApart := separate(v) && c.basis != analysis.WithinTraces && reaches(times(leastApart), b.apart)
	shown := between || ch.P != nil && !chance && enough && reaches(b.least, b.within)
	seems := enough && !extreme(ch) && (isApart || reaches(times(leastAlone), b.alone))
	if !shown && !seems {
		ch.Judged, ch.Reason = analysis.Unknown, tooFew
		return
	}
	up := ch.Delta() > 0
	how := []analysis.Judged{analysis.Changed, analysis.Worse, analysis.Better}
	if !shown {
		how = []analysis.Judged{analysis.SeemsOther, analysis.SeemsWorse, analysis.SeemsBetter}
	}
	switch {
	case polarity == analysis.Neutral || polarity == "":
		ch.Judged = how[0]
	case up == (polarity == analysis.Lower):
		ch.Judged = how[1]
	default:
		ch.Judged = how[2]
	}
}
