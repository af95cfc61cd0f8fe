package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// A fact of both sides.
type fact struct {
	name string
	text [2]string
}

// A load is how much a program had to do, by one measure.
type load struct {
	name string
	of   func(*Trace) float64 // per second; 0 where it is not known
}

var loads = []load{
	{"requests", func(t *Trace) float64 { return perSecond(t, "requests.count") }},
	{"goroutines created", func(t *Trace) float64 { return perSecond(t, "goroutines.created") }},
	{"Ps at work for the program", func(t *Trace) float64 {
		return float64(t.Metrics["procs.share.user"].Value) * float64(t.Metrics["procs.time"].Value) / float64(max(1, t.Duration))
	}},
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
	numbers := func(name string, show func(float64) string, of func(*Trace) float64) (v [2]float64) {
		f := fact{name: name}
		for i, s := range c.side {
			var all []float64
			for _, t := range s.Traces {
				all = append(all, of(t))
			}
			v[i] = median(all)
			f.text[i] = show(v[i])
		}
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
		}
	}
	counted := fact{name: "traces"}
	for i, s := range c.side {
		counted.text[i] = fmt.Sprint(len(s.Traces))
	}
	c.facts = append(c.facts, counted)
	length := numbers("length", func(v float64) string { return analysis.FormatDuration(int64(v), 0) }, func(t *Trace) float64 { return float64(t.Duration) })
	if low, high := min(length[0], length[1]), max(length[0], length[1]); low*3 < high {
		c.notes = append(c.notes, fmt.Sprintf("The traces differ in length (%s and %s): maxima of the longer ones are larger by that alone.", analysis.FormatDuration(int64(length[0]), 0), analysis.FormatDuration(int64(length[1]), 0)))
	}
	numbers("events", analysis.FormatRate, func(t *Trace) float64 { return float64(t.Events) / (float64(max(1, t.Duration)) / 1e9) })

	served := 0
	var other []string
	for k, l := range loads {
		show := analysis.FormatRate
		if k == len(loads)-1 {
			show = amount
		}
		v := numbers(l.name, show, l.of)
		if k == 0 && v[0] > 0 && v[1] > 0 {
			served = 1
		}
		// What Ps are at work for is an answer of the program, not what it is asked for.
		if k < len(loads)-1 && v[0] > 0 && v[1] > 0 && math.Abs(v[1]-v[0]) > otherLoad*v[0] {
			other = append(other, fmt.Sprintf("%s %s → %s", l.name, show(v[0]), show(v[1])))
		}
	}
	if c.by == "" {
		c.by = PerSecond
		if served == 1 && len(other) > 0 {
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
		switch c.by {
		case PerRequest:
			how = "sums are for each request"
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
