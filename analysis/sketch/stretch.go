package sketch

import "fmt"

// Stretch measures how long a condition held without a break. Intervals are
// added in time order; a run is a maximal sequence of intervals with the
// condition on, each beginning where the one before ends. Only runs of a minimum
// length count. An interval that does not begin at the end of the one before
// (a gap, or a step back) ends a run.
//
// Cutting an interval in two does not change anything either: a run is open as
// long as it touches an edge of what was added, and Merge joins the two runs at
// a seam.
type Stretch struct {
	min      int64
	some     bool  // an interval was added
	from, to int64 // where the first interval begins and the last one ends
	whole    bool  // head reaches from edge to edge, and tail is not used
	head     run   // the run at the left edge, if any
	tail     run   // the run at the right edge, if any
	inner    runs  // the runs in between that are long enough
}

type run struct{ from, to, mass int64 }

func (r run) length() int64 { return r.to - r.from }

// longer orders runs by length, and equally long ones by time.
func (r run) longer(o run) bool {
	return r.length() > o.length() || r.length() == o.length() && r.from < o.from
}

// runs sums runs that have an end.
type runs struct {
	count, length, mass int64
	longest             run
}

func (s *runs) add(o runs) {
	if o.count == 0 {
		return
	}
	if s.count == 0 || o.longest.longer(s.longest) {
		s.longest = o.longest
	}
	s.count += o.count
	s.length += o.length
	s.mass += o.mass
}

func (s *runs) end(r run, min int64) {
	if r.length() > 0 && r.length() >= min {
		s.add(runs{1, r.length(), r.mass, r})
	}
}

// NewStretch returns an empty Stretch that counts runs of at least min ns.
func NewStretch(min int64) *Stretch { return &Stretch{min: min} }

// Add adds the interval from…to, in which the condition was on or off. The mass
// of a run is the sum of weight × length of its intervals. Nothing is added when
// from ≥ to.
func (s *Stretch) Add(from, to int64, on bool, weight int64) {
	if !on && from == s.to && from < to && !s.whole && s.tail.length() == 0 && s.some {
		s.to = to // most intervals
		return
	}
	if from >= to {
		return
	}
	if !s.some || from != s.to {
		next := Stretch{min: s.min, some: true, from: from, to: to, whole: on}
		if on {
			next.head = run{from, to, weight * (to - from)}
		}
		s.Merge(&next)
		return
	}
	// Most others follow the one before, and so join or end one run.
	s.to = to
	last := &s.tail
	if s.whole {
		last = &s.head
	}
	switch {
	case !on && s.whole:
		s.whole = false
	case !on && *last != run{}:
		s.inner.end(*last, s.min)
		*last = run{}
	case !on:
	case *last == run{}:
		*last = run{from, to, weight * (to - from)}
	default:
		last.to = to
		last.mass += weight * (to - from)
	}
}

// Merge adds the intervals of o, which come after those of s. Both must have the
// same minimum.
func (s *Stretch) Merge(o *Stretch) {
	if s.min != o.min {
		panic(fmt.Sprintf("sketch: merge of a Stretch with minimum %d with one of %d", s.min, o.min))
	}
	if !o.some {
		return
	}
	if !s.some {
		*s = *o
		return
	}
	left, right := s.tail, o.head // the runs at the seam
	if s.whole {
		left = s.head
	}
	if s.to == o.from && left != (run{}) && right != (run{}) {
		// One run, on both sides.
		left = run{left.from, right.to, left.mass + right.mass}
		right = left
		switch {
		case s.whole && o.whole:
			s.head = left
			s.to = o.to
			return
		case !s.whole && !o.whole:
			s.inner.end(left, s.min)
		}
	} else {
		if !s.whole {
			s.inner.end(left, s.min)
		}
		if !o.whole {
			s.inner.end(right, s.min)
		}
	}
	if s.whole {
		s.head = left
	}
	s.tail = o.tail
	if o.whole {
		s.tail = right
	}
	s.whole = false
	s.inner.add(o.inner)
	s.to = o.to
}

// Result returns the number of runs, their total length and mass, and the length
// and start of the longest one (the earliest of equals); all 0 when no run is
// long enough.
func (s *Stretch) Result() (count, length, mass, longest, longestStart int64) {
	all := s.inner
	all.end(s.head, s.min)
	all.end(s.tail, s.min)
	return all.count, all.length, all.mass, all.longest.length(), all.longest.from
}
