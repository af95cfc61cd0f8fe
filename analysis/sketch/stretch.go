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
	on       bool  // the condition in the last interval
	whole    bool  // it was on in all of them: head is not used
	head     run   // the run at the left edge, if any
	last     run   // while on, the run at the right edge, which ends at to
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
// of a run is the sum of those of its intervals. Nothing is added when from ≥ to.
func (s *Stretch) Add(from, to int64, on bool, mass int64) {
	if from >= to {
		return
	}
	if !s.some || from != s.to {
		next := Stretch{min: s.min, some: true, from: from, to: to, on: on, whole: on}
		if on {
			next.last = run{from: from, mass: mass}
		}
		s.Merge(&next)
		return
	}
	switch {
	case !on:
		s.end()
	case s.on:
		s.last.mass += mass
	default:
		s.last = run{from: from, mass: mass}
	}
	s.on, s.to = on, to
}

// end ends the run at the right edge, if any.
func (s *Stretch) end() {
	switch {
	case s.whole:
		s.head = s.tail()
	case s.on:
		s.inner.end(s.tail(), s.min)
	}
	s.whole, s.on, s.last = false, false, run{}
}

// tail is the run at the right edge, if any.
func (s *Stretch) tail() run {
	if !s.on {
		return run{}
	}
	return run{s.last.from, s.to, s.last.mass}
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
	first := o.head // the run at the left edge of o
	if o.whole {
		first = o.tail()
	}
	switch {
	case s.to != o.from || first == run{}:
		s.end()
	case s.on: // one run, on both sides of the seam
		first.from, first.mass = s.last.from, s.last.mass+first.mass
		if s.whole && !o.whole {
			s.whole, s.head, first = false, first, run{}
		}
		s.on, s.last = false, run{}
	}
	s.whole = s.whole && o.whole
	s.inner.add(o.inner)
	s.on, s.last, s.to = o.on, o.last, o.to
	if o.whole {
		s.last.from, s.last.mass = first.from, first.mass
	} else {
		s.inner.end(first, s.min)
	}
}

// Result returns the number of runs, their total length and mass, and the length
// and start of the longest one (the earliest of equals); all 0 when no run is
// long enough.
func (s *Stretch) Result() (count, length, mass, longest, longestStart int64) {
	all := s.inner
	all.end(s.head, s.min)
	all.end(s.tail(), s.min)
	return all.count, all.length, all.mass, all.longest.length(), all.longest.from
}
