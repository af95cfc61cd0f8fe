package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
)

// figures draws where the time of goroutines goes on both sides, and how times are
// distributed that differ.
func (c *comparison) figures(res *analysis.Result) {
	c.timelines(res)
	c.states(res)
	c.distributions(res)
}

func (c *comparison) states(res *analysis.Result) {
	if c.c.Total == nil {
		return
	}
	t := &analysis.Table{Name: "compare.states", Title: "time of goroutines that are at work or held up, by state", Detail: true, N: int64(len(c.c.Parts)), Columns: []analysis.Column{
		{Name: "side", Unit: analysis.Text}, {Name: "running", Unit: analysis.NS}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower},
		{Name: "in calls", Unit: analysis.NS}, {Name: "held up", Unit: analysis.NS, Polarity: analysis.Lower},
	}}
	for i, side := range []string{"old", "new"} {
		cells := []any{side}
		for _, state := range []string{"running", "runnable", "syscall", "waiting"} {
			sum := 0.0
			for _, p := range c.c.Parts {
				if p.State == state {
					sum += []float64{float64(p.Old), float64(p.New)}[i]
				}
			}
			cells = append(cells, int64(sum*1e9))
		}
		t.Add(cells...)
	}
	per := map[string]string{PerSecond: "in each second", PerRequest: "for each request", PerBusy: "for each second of P time of the program"}[c.by]
	old, now := float64(c.c.Total.Old), float64(c.c.Total.New)
	res.Tables = append(res.Tables, t)
	res.Figures = append(res.Figures, analysis.Figure{
		Name: t.Name, Title: fmt.Sprintf("Goroutines are at work or held up for %s %s, before %s", analysis.FormatDuration(int64(now*1e9), 0), per, analysis.FormatDuration(int64(old*1e9), 0)),
		Mark: analysis.Bars, Table: t.Name, X: "side", Y: []string{"running", "runnable", "in calls", "held up"}, Weight: 3,
	})
}

// timelines draws what Ps did over time, in a trace of each side, on one scale.
func (c *comparison) timelines(res *analysis.Result) {
	old, now := c.side[0].Middle(), c.side[1].Middle()
	if old == nil || now == nil || old.Timeline == nil || now.Timeline == nil {
		return
	}
	length := max(old.Duration, now.Duration)
	for i, t := range []*Trace{old, now} {
		side := []string{"before", "after"}[i]
		table := *t.Timeline
		table.Name, table.Title = "compare."+side, "Ps by state over time "+side+", as shares of P time, in "+t.Name
		var states []string
		for _, col := range table.Columns[1:] {
			states = append(states, col.Name)
		}
		if t.Duration < length { // nothing is known of the time after it
			end := make([]any, len(table.Columns))
			end[0] = t.Duration
			table.Rows = append(slices.Clone(table.Rows), end)
		}
		res.Tables = append(res.Tables, &table)
		res.Figures = append(res.Figures, analysis.Figure{
			Name: table.Name, Mark: analysis.Area, Table: table.Name, X: table.Columns[0].Name, Y: states, Weight: analysis.Number(2.9 - .01*float64(i)),
			Title: fmt.Sprintf("%s: Ps ran the program %s of their time", []string{"Before", "After"}[i], analysis.FormatRatio(float64(t.Metrics["procs.share.user"].Value))),
		})
	}
	c.rep.Trace.To = length
}

// mostDistributions is how many distributions are drawn.
const mostDistributions = 4

// has reports whether the values of a distribution are known.
func (s *Side) has(pool string) bool { return s.pools[pool] != nil && s.pools[pool].N() > 0 }

// distributions overlays those of the times whose quantiles differ most.
func (c *comparison) distributions(res *analysis.Result) {
	type pool struct {
		id string
		ch *analysis.Change
	}
	var pools []pool
	for _, ch := range c.differing() {
		dot := strings.LastIndexByte(ch.Name, '.')
		id := ch.Name[:max(dot, 0)]
		if ch.Unit == analysis.NS && ch.Per == "" && !slices.ContainsFunc(pools, func(p pool) bool { return p.id == id }) && c.side[0].has(id) && c.side[1].has(id) {
			pools = append(pools, pool{id, ch})
		}
	}
	for i, p := range pools[:min(len(pools), mostDistributions)] {
		old, now := c.side[0].pools[p.id], c.side[1].pools[p.id]
		t := say.ECDFTable("compare."+p.id, "share of "+p.id+" up to a time, of all traces of a side", "side", old.N()+now.N())
		say.AddECDF(t, "old", old)
		say.AddECDF(t, "new", now)
		fig := analysis.Figure{
			Name: t.Name, Title: fmt.Sprintf("%s: %s, before %s", p.ch.Name, show(p.ch, float64(p.ch.New)), show(p.ch, float64(p.ch.Old))),
			Mark: analysis.ECDF, Table: t.Name, X: "latency", Y: []string{"share"}, Series: "side", Weight: analysis.Number(2 - .1*float64(i)),
		}
		res.Tables = append(res.Tables, t)
		res.Figures = append(res.Figures, fig)
	}
}
