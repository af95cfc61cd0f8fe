package analysis

import (
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/parse"
)

// shortest is how long a stretch is at least: with events of a second or more apart, what
// happens in one says little of the next.
const shortest = 1e9 // ns

// stretched folds the events of a trace by stretches of time. Stretches begin at multiples
// of their length on the trace's clock, so that all readers of a trace cut alike; when
// there are more than most, each two become one.
type stretched struct {
	empty  func() *Partial
	most   int
	length parse.Time
	parts  map[parse.Time]*Partial // by begin / length

	now *Partial
	end parse.Time // of now
}

func newStretched(p *Partial, most int) *stretched {
	return &stretched{empty: p.empty, most: most, length: shortest, parts: make(map[parse.Time]*Partial)}
}

// Event gives e to the collectors of its stretch. An event that tells of the past belongs
// to the stretch in which it is told.
func (s *stretched) Event(e *parse.Event) {
	if e.Time >= s.end || s.now == nil {
		k := e.Time / s.length
		if s.parts[k] == nil {
			s.parts[k] = s.empty()
			for len(s.parts) > s.most {
				s.double()
			}
		}
		k = e.Time / s.length
		s.now, s.end = s.parts[k], (k+1)*s.length
	}
	s.now.Event(e)
}

// double makes each two stretches one.
func (s *stretched) double() {
	s.length *= 2
	parts := make(map[parse.Time]*Partial)
	for _, k := range slices.Sorted(maps.Keys(s.parts)) {
		if before := parts[k/2]; before != nil {
			before.Merge(s.parts[k])
		} else {
			parts[k/2] = s.parts[k]
		}
	}
	s.parts = parts
}

// gather concludes from each stretch that the trace fills, and adds all to p.
func (p *Partial) gather(tr *parse.Trace, all []*stretched, levels map[string]Levels) (out []*Report) {
	var measures []*Analyzer
	for a := range p.Folds {
		measures = append(measures, a)
	}
	slices.SortFunc(measures, func(a, b *Analyzer) int { return strings.Compare(a.Name, b.Name) })
	var length parse.Time
	for _, s := range all {
		length = max(length, s.length)
	}
	whole := make(map[parse.Time]*Partial)
	for _, s := range all {
		for s.length < length {
			s.double()
		}
		for k, part := range s.parts {
			if whole[k] == nil {
				whole[k] = p.empty()
			}
			maps.Copy(whole[k].Folds, part.Folds)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(whole)) {
		from, to := max(k*length, tr.From), min((k+1)*length, tr.To)
		if 10*(to-from) >= 9*length { // the first and the last may be cut short
			some := *tr
			some.From, some.To = from, to
			out = append(out, ByThresholds(&some, "", whole[k], measures, levels))
		}
		p.Merge(whole[k])
	}
	return out
}
