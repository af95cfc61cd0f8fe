package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
)

// A fact of both sides.
type fact struct {
	name string
	text [2]string
}

// A load is how much a program had to do, by one measure.
type load struct {
	name  string
	of    func(*Trace) float64 // per second; 0 where it is not known
	tells bool                 // that the load is another
}

// loads are measures of it. Where both sides serve a type of requests, how many of the one
// that takes most of their time there are decides, since what else comes and goes is what the
// program does for them.
func (c *comparison) loads() []load {
	all := []load{
		{"requests", func(t *Trace) float64 { return perSecond(t, "requests.count") }, c.main == nil},
		{"goroutines created", func(t *Trace) float64 { return perSecond(t, "goroutines.created") }, c.main == nil},
		// What Ps are at work for is an answer of the program, not what it is asked for.
		{"Ps at work for the program", atWork, false},
	}
	if c.main != nil {
		name := "requests " + c.main.name
		if c.main.name == "" {
			name = c.main.kind + " requests"
		}
		all = append([]load{{name, func(t *Trace) float64 { return c.mainRequests(t) / (float64(max(1, t.Duration)) / 1e9) }, true}}, all...)
	}
	return all
}

// atWork is how many Ps run user code on average.
func atWork(t *Trace) float64 {
	return float64(t.Metrics["procs.share.user"].Value) * float64(t.Metrics["procs.time"].Value) / float64(max(1, t.Duration))
}

// findMain finds the type of requests that both sides serve and spend most time on.
func (c *comparison) findMain() {
	var total [2]map[typeKey]int64
	for i, s := range c.side {
		total[i] = make(map[typeKey]int64)
		for _, t := range s.Traces {
			for _, v := range t.Served {
				if v.N > 0 && v.Whole() {
					total[i][typeKey{v.Name, v.Kind}] += v.Total
				}
			}
		}
	}
	most := int64(0)
	for _, k := range slices.SortedFunc(maps.Keys(total[0]), func(a, b typeKey) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.kind, b.kind))
	}) {
		if there := total[1][k]; there > 0 && total[0][k]+there > most {
			c.main, most = &k, total[0][k]+there
		}
	}
	if c.main == nil {
		return
	}
	for _, all := range total {
		for k := range all {
			if k.kind == c.main.kind && k.name == measures.UntoldHandler { // some of its requests are of that
				c.main = &typeKey{"", k.kind}
			}
		}
	}
}

// mainRequests is how many requests of that type a trace has, or of its kind where it has no name.
func (c *comparison) mainRequests(t *Trace) (n float64) {
	for _, v := range t.Served {
		if v.Kind == c.main.kind && (v.Name == c.main.name || c.main.name == "") {
			n += float64(v.N)
		}
	}
	return n
}

func perSecond(t *Trace, id string) float64 {
	return float64(t.Metrics[id].Value) / (float64(max(1, t.Duration)) / 1e9)
}

// otherLoad is from which difference on the load is not the same.
const otherLoad = .1

// comparable says what both sides are, what of it differs, and chooses what sums are
// divided by.
func (c *comparison) comparable() {
	texts := func(name string, of func(*Trace) string) {
		f := fact{name: name}
		for i, s := range c.side {
			different := make(map[string]bool)
			for _, t := range s.Traces {
				if text := of(t); text != "" {
					different[text] = true
				}
			}
			f.text[i] = strings.Join(slices.Sorted(maps.Keys(different)), ", ")
		}
		c.facts = append(c.facts, f)
	}
	medians := func(of func(*Trace) float64) (v [2]float64) {
		for i, s := range c.side {
			var all []float64
			for _, t := range s.Traces {
				all = append(all, of(t))
			}
			v[i] = median(all)
		}
		return v
	}
	numbers := func(name string, show func(float64) string, of func(*Trace) float64) (v [2]float64) {
		v = medians(of)
		f := fact{name: name, text: [2]string{show(v[0]), show(v[1])}}
		if v[0] != 0 || v[1] != 0 {
			c.facts = append(c.facts, f)
		}
		return v
	}
	texts("format", func(t *Trace) string { return t.Format })
	texts("GOMAXPROCS", func(t *Trace) string {
		if t.Procs == 0 {
			return ""
		}
		return fmt.Sprint(t.Procs)
	})
	for _, f := range c.facts {
		if f.text[0] != f.text[1] && f.text[0] != "" && f.text[1] != "" {
			what := map[string]string{
				"format":     "The versions of Go differ (%s and %s as formats): events that only one of them writes make a difference of their own.",
				"GOMAXPROCS": "GOMAXPROCS differs (%s and %s): shares of P time are of different totals.",
			}[f.name]
			c.notes = append(c.notes, fmt.Sprintf(what, f.text[0], f.text[1]))
			if ps := medians(atWork); f.name == "GOMAXPROCS" && ps[0] > 0 && ps[1] > 0 {
				c.notes[len(c.notes)-1] += fmt.Sprintf(" The program keeps %s and %s of the Ps at work.", amount(ps[0]), amount(ps[1]))
			}
		}
	}
	counted := fact{name: "traces"}
	for i, s := range c.side {
		counted.text[i] = fmt.Sprint(len(s.Traces))
	}
	c.facts = append(c.facts, counted)
	length := numbers("length", func(v float64) string { return analysis.FormatDuration(int64(v), 0) }, func(t *Trace) float64 { return float64(t.Duration) })
	if low, high := min(length[0], length[1]), max(length[0], length[1]); low*2 < high {
		c.notes = append(c.notes, fmt.Sprintf("The traces differ in length (%s and %s): if each is of the same work, from its begin to its end, that is what it takes, which sums per second do not show; else maxima of the longer ones are larger by that alone.", analysis.FormatDuration(int64(length[0]), 0), analysis.FormatDuration(int64(length[1]), 0)))
	}
	numbers("events", analysis.FormatRate, func(t *Trace) float64 { return float64(t.Events) / (float64(max(1, t.Duration)) / 1e9) })

	c.findMain()
	served := false
	var other []string
	loads := c.loads()
	for k, l := range loads {
		show := analysis.FormatRate
		if k == len(loads)-1 {
			show = amount
		}
		v := numbers(l.name, show, l.of)
		if l.name == "requests" && v[0] > 0 && v[1] > 0 {
			served, c.counted = true, true
		}
		if l.tells && v[0] > 0 && v[1] > 0 && math.Abs(v[1]-v[0]) > otherLoad*v[0] {
			other = append(other, fmt.Sprintf("%s %s → %s", l.name, show(v[0]), show(v[1])))
			c.times = v[1] / v[0]
		}
	}
	if c.by == "" {
		c.by = PerSecond
		if served && len(other) > 0 {
			c.by = PerRequest
		}
	}
	for _, s := range c.side {
		if i := slices.IndexFunc(s.Traces, func(t *Trace) bool { return c.unit(t) == 0 }); i >= 0 && c.by != PerSecond {
			what := map[string]string{PerRequest: "requests", PerBusy: "P time of the program"}[c.by]
			c.notes = append(c.notes, fmt.Sprintf("%s tells no %s, so that sums are per second.", s.Traces[i].Name, what))
			c.by = PerSecond
		}
	}
	c.c.Per = c.by
	if len(other) > 0 {
		how := "sums are per second, which more load alone makes larger; --per busy divides them by the P time of the program"
		if c.main != nil && !c.counted {
			how = "sums are per second, which more load alone makes larger; --per request divides them by these"
		}
		switch c.by {
		case PerRequest:
			how = "sums are for each request"
			if !c.counted {
				how = "sums are for each of them"
			}
		case PerBusy:
			how = "sums are for each second of P time that the program takes"
		}
		c.notes = append(c.notes, fmt.Sprintf("The load differs: %s; %s.", strings.Join(other, ", "), how))
	}
}

// uncompared says which metrics only one side has, where the sides are not alike.
func (c *comparison) uncompared() {
	alike := c.facts[0].text[0] == c.facts[0].text[1]
	for _, s := range c.side {
		alike = alike && !slices.ContainsFunc(s.Traces, func(t *Trace) bool { return !t.Sound() })
	}
	var names []string
	for _, ch := range c.c.Metrics {
		if ch.Judged == analysis.Unknown && ch.Reason != tooFew {
			names = append(names, ch.Name)
		}
	}
	if !alike && len(names) > 0 {
		some := strings.Join(names[:min(len(names), 3)], ", ")
		if n := len(names) - 3; n > 0 {
			some += fmt.Sprintf(" and %d more", n)
		}
		c.notes = append(c.notes, fmt.Sprintf("Not compared, since one side does not have them: %s.", some))
	}
}
