package analysis

import "math"

// A Comparison is what a report over two sides, before and after a change, comes to.
type Comparison struct {
	Old   ComparedSide `json:"old"`
	New   ComparedSide `json:"new"`
	Basis Basis        `json:"basis"`
	Per   string       `json:"per"` // what sums are divided by: "second", "request" or "busy" (a second of P time of the program)

	Metrics []Change `json:"metrics"`
	// Parts are parts of the time of goroutines that were at work or held up, in
	// goroutines on average (or seconds of them, per what sums are divided by). They add
	// up to Total.
	Parts []Change `json:"parts,omitempty"`
	Total *Change  `json:"total,omitempty"`

	// Requests are the types that both sides serve, those with the largest difference first.
	Requests []RequestChange `json:"requests,omitempty"`
}

// A RequestChange is the requests of one type on both sides, of those that began and were
// done in their traces.
type RequestChange struct {
	Name string   `json:"name"`
	Kind string   `json:"kind"`
	N    [2]int64 `json:"n"`
	Mean Change   `json:"mean"`
	P50  *Change  `json:"p50,omitempty"` // nil where there are too few
	P99  *Change  `json:"p99,omitempty"`
	// Parts are what the mean consists of, those that differ most first. They add up to it.
	Parts []RequestPart `json:"parts"`
}

// Differs is how the requests of a type differ: by their mean, or else their quantiles; nil
// where nothing is said of them.
func (r *RequestChange) Differs() *Change {
	for _, ch := range []*Change{r.P99, &r.Mean, r.P50} {
		if ch != nil && ch.Judged.Shown() {
			return ch
		}
	}
	for _, ch := range []*Change{&r.Mean, r.P50} {
		if ch != nil && ch.Judged.Said() {
			return ch
		}
	}
	return nil
}

// A RequestPart is what requests were at, and what the goroutine did for which they waited:
// its share of their mean, in ns.
type RequestPart struct {
	Name string `json:"name"`
	Old  Number `json:"old_ns"`
	New  Number `json:"new_ns"`
}

// Delta is New - Old.
func (p *RequestPart) Delta() float64 { return float64(p.New - p.Old) }

// A ComparedSide counts the traces of a side.
type ComparedSide struct {
	Name     string `json:"name"`
	Traces   int    `json:"traces"`
	Duration int64  `json:"total_ns"` // of all, one after the other
	Events   int64  `json:"events"`
	Requests int64  `json:"requests,omitempty"` // where the sides are requests of one trace
}

// Basis says what a difference was held against.
type Basis string

const (
	BetweenTraces Basis = "traces"    // the differences between traces of one side
	WithinTraces  Basis = "stretches" // those between stretches of one trace: not what two runs of one program differ by
	Untested      Basis = "none"      // nothing: too few traces, and too short
	Chosen        Basis = "chosen"    // nothing: the sides are requests of one trace, chosen by what differs
)

// A Judged says what a change is.
type Judged string

const (
	Same        Judged = "same" // no difference that can be shown, or none that matters
	Worse       Judged = "worse"
	Better      Judged = "better"
	Changed     Judged = "changed"     // neither way is better
	SeemsWorse  Judged = "seems worse" // a large difference that was not, or could not be, shown to be no chance
	SeemsBetter Judged = "seems better"
	SeemsOther  Judged = "seems changed"
	Unknown     Judged = "cannot tell"
)

// Shown reports whether a difference is there and no chance, as far as the traces tell.
func (j Judged) Shown() bool { return j == Worse || j == Better || j == Changed }

// Said reports whether there is a difference, or seems to be.
func (j Judged) Said() bool { return j != Same && j != Unknown && j != "" }

// A Change is one number on both sides.
type Change struct {
	Name   string      `json:"name"`
	Unit   Unit        `json:"unit"`
	Per    string      `json:"per,omitempty"` // of a sum: what it was divided by
	Old    Number      `json:"old"`           // the median over the traces of the side
	New    Number      `json:"new"`
	N      [2]int      `json:"n"`               // values on each side
	Values [2][]Number `json:"values,omitzero"` // of a metric: one of each trace
	Judged Judged      `json:"judged"`
	Reason string      `json:"reason,omitempty"` // of Unknown
	// P is how probable a difference like this is by chance, adjusted for the number of
	// tests (Benjamini and Hochberg); nil where that was not tested.
	P *Number `json:"p,omitempty"`
	// Lo and Hi are where New - Old lies with 95 %; nil where that is not known.
	Lo *Number `json:"lo,omitempty"`
	Hi *Number `json:"hi,omitempty"`

	// Of a part:
	Kind  string `json:"kind,omitempty"` // of goroutine
	State string `json:"state,omitempty"`
	Place string `json:"place,omitempty"`
	Why   string `json:"why,omitempty"` // they wait there, on the new side
}

// Delta is New - Old.
func (c *Change) Delta() float64 { return float64(c.New - c.Old) }

// Change is by which part of the old value the new one is farther from it, at least 0;
// where the old one is 0, it is 1.
func (c *Change) Change() float64 {
	if c.Old == 0 {
		if c.New == 0 {
			return 0
		}
		return 1
	}
	return math.Abs(c.Delta() / float64(c.Old))
}
