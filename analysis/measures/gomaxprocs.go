package measures

import "github.com/tracelens/tracelens/parse"

const keptSteps = 512 // changes of GOMAXPROCS

// GomaxprocsSteps is GOMAXPROCS over time: the first steps, how many there are,
// and the extremes of all.
type GomaxprocsSteps struct {
	N        int64
	min, Max int64
	Last     int64
	First    []gomaxprocsStep
}

type gomaxprocsStep struct {
	At    parse.Time
	Procs int64
}

func (s *GomaxprocsSteps) set(at parse.Time, procs int64) {
	if s.N > 0 && procs == s.Last {
		return
	}
	s.add(GomaxprocsSteps{N: 1, min: procs, Max: procs, Last: procs}, []gomaxprocsStep{{at, procs}})
}

func (s *GomaxprocsSteps) merge(o *GomaxprocsSteps) {
	if o.N == 0 {
		return
	}
	next, first := *o, o.First
	if s.N > 0 && s.Last == first[0].Procs {
		next.N--
		first = first[1:]
	}
	s.add(next, first)
}

// add appends steps. A part keeps as many as the whole does, so that losing its
// first one to the part before costs none of those that the whole keeps.
func (s *GomaxprocsSteps) add(o GomaxprocsSteps, first []gomaxprocsStep) {
	if s.N == 0 {
		s.min, s.Max = o.min, o.Max
	} else {
		s.min, s.Max = min(s.min, o.min), max(s.Max, o.Max)
	}
	s.N += o.N
	s.Last = o.Last
	s.First = append(s.First, first[:min(len(first), keptSteps-len(s.First))]...)
}
