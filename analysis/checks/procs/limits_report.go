package procs

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
)

// limitTable is the state of the program as a table: what stands first on a page.
func limitTable(p *analysis.Pass) {
	t := &analysis.Table{
		Name: "limits.numbers", Role: analysis.RoleNumbers, Title: "the state of the program in numbers", Detail: true,
		Columns: []analysis.Column{
			{Name: "of", Unit: analysis.Text}, {Name: "what", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}, {Name: "share", Unit: analysis.Ratio},
			{Name: "at", Unit: analysis.Moment}, {Name: "length", Unit: analysis.NS},
		},
	}
	add := func(of, what, value string) { t.Add(of, what, value, nil, nil, nil) }
	share := func(of, what, value string, v float64) { t.Add(of, what, value, v, nil, nil) }

	shares := measures.TimelineOf(p).Sums(p).Total
	if all := shares.Sum(); all > 0 {
		for s, ns := range shares {
			v := float64(ns) / float64(all)
			share("P time", measures.Share(s).String(), analysis.FormatRatio(v), v)
		}
	}

	const wait = "wait of user goroutines for a P"
	user := measures.LatencyOf(p).Headline(p)
	for _, q := range []struct {
		name string
		q    float64
	}{{"p99", .99}, {"p50", .5}} {
		if v, ok := user.Quantile(q.q); ok {
			add(wait, q.name, p.Dur(v))
		}
	}
	if user.N() > 0 {
		add(wait, "longest", p.Dur(user.Max()))
		add(wait, "waits", analysis.FormatCount(user.N()))
	}

	value := func(id string) int64 { v, _ := p.Value(id); return int64(v) }
	if all := shares.Sum(); all > 0 {
		add("GC", "of P time", analysis.FormatRatio(float64(shares[measures.ShareWorker]+shares[measures.ShareAssist])/float64(all)))
		add("GC", "cycles", analysis.FormatCount(value("gc.cycles")))
		add("GC", "in mark assists", p.Dur(value("gc.assist.wall")))
	}

	const stop = "longest stop of the world"
	if worst := measures.STWOf(p).Worst().Items(); len(worst) > 0 {
		r := worst[0].Item
		halt := measures.STWHalt(&r)
		t.Add(stop, "at once", p.Dur(halt), nil, p.Rel(r.Since), halt)
		if r.Name != 0 {
			add(stop, "", p.Trace.String(r.Name))
		}
		add(stop, "of GC, together", p.Dur(value("stw.gc.total.total")))
	} else {
		add(stop, "seen", "none")
	}

	blocked := measures.BlockedBy(p)
	all := int64(0)
	for _, b := range blocked {
		all += b.NS
	}
	for _, b := range blocked {
		share("user goroutines blocked", b.What, p.Dur(b.NS), float64(b.NS)/float64(all))
	}
	p.Table(t)
}
