// Command analyzer is a program of somebody else: an analyzer with a metric and a
// figure, run over a trace, and drawn.
package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/plots"
)

// naps measures how long goroutines sleep, by where.
var naps = &analysis.Analyzer{
	Name:    "naps",
	Doc:     "# naps: how long goroutines sleep\n",
	Metrics: []analysis.MetricDef{{ID: "naps.length.{p50,max}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "lengths of sleeps"}},
	Figures: []analysis.FigureDef{{Name: "naps.sites", Doc: "sleeping time by site", Always: 1}},
	Kinds:   parse.KindsOf(parse.KindGoWaiting),
	New:     func() analysis.Collector { return &fold{sites: make(map[parse.StackID]int64)} },
	Run:     run,
}

type fold struct {
	lengths sketch.Histogram
	sites   map[parse.StackID]int64
}

func (f *fold) Event(e *parse.Event) {
	if g := e.Go; g.To == parse.GoRunnable && g.Ready == parse.ReadyTimer {
		held := int64(e.Time - g.Since)
		f.lengths.Add(held)
		f.sites[g.FromStack] += held
	}
}

func (f *fold) Merge(next analysis.Collector) {
	o := next.(*fold)
	f.lengths.Merge(&o.lengths)
	for k, v := range o.sites {
		f.sites[k] += v
	}
}

func run(p *analysis.Pass) error {
	f := analysis.Fold[*fold](p)
	p.Quantiles("naps.length", &f.lengths)
	p.Say("%d sleeps", f.lengths.N())
	t := &analysis.Table{Name: "naps.sites", Title: "sleeps by site", N: f.lengths.N(), Columns: []analysis.Column{{Name: "site", Unit: analysis.Text}, {Name: "total", Unit: analysis.NS}}}
	for _, k := range slices.SortedFunc(maps.Keys(f.sites), func(a, b parse.StackID) int { return cmp.Or(cmp.Compare(f.sites[b], f.sites[a]), cmp.Compare(a, b)) }) {
		t.Add(p.SiteName(k), f.sites[k])
	}
	t.Limit(10)
	p.Table(t)
	p.Figure(analysis.Figure{Name: "naps.sites", Title: "Where goroutines sleep", Mark: analysis.Bars, Table: t.Name, X: "site", Y: []string{"total"}})
	return nil
}

func main() {
	in, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	rep, err := analysis.Analyze(context.Background(), in, os.Args[1], analysis.Options{}, []*analysis.Analyzer{naps})
	if err != nil {
		panic(err)
	}
	res := rep.Results[0]
	m := rep.Metrics["naps.length.max"]
	fmt.Println(res.Outcome, res.Summary[0], "longest", analysis.Format(m.Value, m.Unit, rep.Trace.Quantum), "n", m.N, "weight", res.Figures[0].Weight)
	out, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	if err := plots.Draw(out, &res.Figures[0], res.Tables[0], plots.Options{Format: "png", From: rep.Trace.From, To: rep.Trace.To, Quantum: rep.Trace.Quantum}); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
}
