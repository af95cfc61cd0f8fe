package measures

import (
	"encoding/binary"
	"maps"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/parse"
)

// Annotation is a type of task or region, or a category of logs.
type Annotation struct {
	Name   parse.StringID // the name, or the Group of more than namesApart
	Untold bool           // it began before the trace, which does not repeat its type
	Rest   bool           // all beyond groupsApart
}

// Label is what tables call it.
func (a Annotation) Label(p *analysis.Pass) tally.Label {
	switch {
	case a.Untold:
		return tally.Label{BeforeTrace}
	case a.Rest:
		return tally.Label{"(others)"}
	}
	return tally.Label{UserText(p, a.Name)}
}

const (
	// A few names with a number in them, as of stages or queues, are worth telling apart;
	// names with the number of a request are not.
	namesApart  = 16
	groupsApart = 1024
)

// names sums values by the names that a program chose, of which there may be any number.
// Of names that differ in numbers only it tells namesApart from one another; more are
// one. Of such groups it tells groupsApart and fewer, those with the smallest ids, which
// come first in the trace; the rest is one. What is told apart depends on the set of names
// alone, so that parts of a trace merge exactly.
type names[V any] struct {
	apart  int                      // namesApart, or fewer
	most   int                      // groupsApart, or fewer
	groups map[Annotation]*group[V] // by the Group of names
	limit  parse.StringID           // no group has this id or a larger one; 0: any may
	rest   *V                       // of these, nil while there are none
}

type group[V any] struct {
	each map[parse.StringID]*V // at most namesApart
	all  *V                    // instead, once there were more
}

func newNames[V any]() names[V] { return newFewNames[V](namesApart, groupsApart) }

// newFewNames tells fewer apart, where much is held under each.
func newFewNames[V any](apart, most int) names[V] {
	return names[V]{apart: apart, most: most, groups: make(map[Annotation]*group[V])}
}

// at returns what is held under a name, a new zero value if nothing was.
func (n *names[V]) at(name parse.StringID, of Annotation, add func(into, from *V)) *V {
	g := n.group(of, add)
	if g == nil {
		return n.others()
	}
	if g.all != nil {
		return g.all
	}
	v := tally.At(g.each, name)
	if len(g.each) > n.apart {
		g.join(add)
		return g.all
	}
	return v
}

// group returns that of names, nil where it is not told apart.
func (n *names[V]) group(of Annotation, add func(into, from *V)) *group[V] {
	if n.limit != 0 && of.Name >= n.limit {
		return nil
	}
	g := n.groups[of]
	if g != nil {
		return g
	}
	g = &group[V]{each: make(map[parse.StringID]*V)}
	n.groups[of] = g
	for len(n.groups) > n.most {
		if n.limit == 0 {
			n.limit = 1 << 31
		}
		n.limit /= 2
		n.evict(add)
	}
	return n.groups[of]
}

// evict moves what is beyond the limit to the rest.
func (n *names[V]) evict(add func(into, from *V)) {
	for of, g := range n.groups {
		if of.Name < n.limit {
			continue
		}
		delete(n.groups, of)
		if len(g.each) > 0 {
			g.join(add)
		}
		if g.all != nil {
			add(n.others(), g.all)
		}
	}
}

func (n *names[V]) others() *V {
	if n.rest == nil {
		n.rest = new(V)
	}
	return n.rest
}

func (g *group[V]) join(add func(into, from *V)) {
	if g.all == nil {
		g.all = new(V)
	}
	for _, v := range g.each {
		add(g.all, v)
	}
	g.each = nil
}

// merge adds the values of o, sharing none.
func (n *names[V]) merge(o *names[V], add func(into, from *V)) {
	if o.limit != 0 && (n.limit == 0 || o.limit < n.limit) {
		n.limit = o.limit
		n.evict(add)
	}
	if o.rest != nil {
		add(n.others(), o.rest)
	}
	for of, from := range o.groups {
		for name, v := range from.each {
			add(n.at(name, of, add), v)
		}
		if from.all == nil {
			continue
		}
		if g := n.group(of, add); g != nil {
			g.join(add)
			add(g.all, from.all)
		} else {
			add(n.others(), from.all)
		}
	}
}

// byName are the values told apart.
func (n *names[V]) byName() map[Annotation]*V {
	out := make(map[Annotation]*V)
	for of, g := range n.groups {
		for name, v := range g.each {
			of.Name = name
			out[of] = v
		}
		if g.all != nil {
			out[of] = g.all
		}
	}
	if n.rest != nil {
		out[Annotation{Rest: true}] = n.rest
	}
	return out
}

// joined are the groups whose names are summed up.
func (n *names[V]) joined() map[parse.StringID]bool {
	out := make(map[parse.StringID]bool)
	for of, g := range n.groups {
		if g.all != nil {
			out[of.Name] = true
		}
	}
	return out
}

// sayJoined says what names the tables of tasks, regions and logs do not tell apart.
func sayJoined(p *analysis.Pass, f *TasksFold) {
	joined := f.tasks.joined()
	maps.Copy(joined, f.regions.joined())
	maps.Copy(joined, f.logs.joined())
	if len(joined) > 0 {
		counts, most := p.Trace.GroupNames(), parse.StringID(0)
		var all int64
		for g := range joined {
			all += counts[g]
			if most == 0 || counts[g] > counts[most] || counts[g] == counts[most] && g < most {
				most = g
			}
		}
		p.Say("%s names differ in numbers only, most of them in those of %s (%s): each such group is one row, since a name for each request tells no type.", analysis.FormatCount(all), UserText(p, most), analysis.FormatCount(counts[most]))
	}
	if f.tasks.rest != nil || f.regions.rest != nil || f.logs.rest != nil {
		p.Say("There are more than %s types: those that the trace names first have a row of their own, the rest is summed up as (others).", analysis.FormatCount(groupsApart))
	}
}

// IsOf reports whether a name is counted in the row with a label.
func IsOf(p *analysis.Pass, name parse.StringID, label string) bool {
	return label == UserText(p, name) || label == UserText(p, p.Trace.Group(name))
}

// LogText is what a message of runtime/trace.Log says. dd-trace-go writes the ids of its
// spans as they are in memory (ddtrace/tracer: startExecutionTracerTask).
func LogText(tr *parse.Trace, category, message parse.StringID) string {
	s := tr.String(message)
	if len(s) == 8 && tr.String(category) == "datadog.uint64_span_id" {
		return strconv.FormatUint(binary.LittleEndian.Uint64([]byte(s)), 10)
	}
	return s
}
