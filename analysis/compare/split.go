package compare

import (
	"fmt"
	"math"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
)

// Split compares requests of one type of a trace that a condition chooses with all others
// of the type. The slowest are a table of the chosen ones, or nil.
func Split(trace analysis.Summary, condition string, chosen, others *measures.Served, slowest *analysis.Table) *analysis.Report {
	r := requestChange(chosen.Name, chosen.Kind, []*measures.Served{others}, []*measures.Served{chosen})
	change := func(name string, old, now int64) *analysis.Change {
		if old == 0 || now == 0 {
			return nil
		}
		return &analysis.Change{Name: name + " of " + r.Name, Unit: analysis.NS, Old: analysis.Number(old), New: analysis.Number(now), Judged: analysis.Unknown, Reason: chosenReason}
	}
	mean := r.Mean
	r.Mean = analysis.Change{Name: "mean of " + r.Name, Unit: analysis.NS, Old: mean.Old, New: mean.New, Judged: analysis.Unknown, Reason: chosenReason}
	r.P50, r.P99 = change("p50", others.P50, chosen.P50), change("p99", others.P99, chosen.P99)
	side := func(name string, n int64) analysis.ComparedSide {
		return analysis.ComparedSide{Name: name, Traces: 1, Duration: trace.Duration, Events: trace.Events, Requests: n}
	}
	c := &analysis.Comparison{
		Old: side("the others", r.N[0]), New: side(condition, r.N[1]), Basis: analysis.Chosen, Per: PerRequest,
		Requests: []analysis.RequestChange{*r},
	}
	rep := &analysis.Report{Schema: analysis.Schema, Metrics: make(map[string]analysis.Metric), Trace: trace, Comparison: c}
	rep.Trace.Name = trace.Name + ", " + condition
	res := &analysis.Result{Name: "compare", Title: "what chosen requests differ by", Outcome: analysis.Clear, Tables: []*analysis.Table{splitTable(r)}}
	if slowest != nil && len(slowest.Rows) > 0 {
		res.Tables = append(res.Tables, slowest)
	}
	composition(res, r)
	rep.Results = []*analysis.Result{res}
	rep.Verdict = splitVerdict(r, condition)
	return rep
}

const chosenReason = "the requests are chosen by how long they take"

func splitVerdict(r *analysis.RequestChange, condition string) *analysis.Verdict {
	all := r.N[0] + r.N[1]
	text := fmt.Sprintf("%s of %d requests (%s) are chosen, %s: mean %s, of the others %s", analysis.FormatCount(r.N[1]), all, analysis.FormatRatio(float64(r.N[1])/float64(all)), condition, duration(r.Mean.New), duration(r.Mean.Old))
	if most := mostly(r, "the difference"); most != "" {
		text += "; " + most
	}
	kind := verdictWorse
	if r.Mean.Delta() < 0 {
		kind = verdictBetter
	}
	text += "."
	return &analysis.Verdict{Text: text, Parts: []analysis.VerdictPart{{Kind: kind, Text: text}}}
}

// leastRow is of which share of the difference a part has a row of its own.
const leastRow = .005

// splitTable is where the time of a request goes on both sides; the rows add up.
func splitTable(r *analysis.RequestChange) *analysis.Table {
	t := &analysis.Table{
		Name: "compare.split", Title: "where the mean time of a request goes; the rows add up to the first", N: r.N[0] + r.N[1],
		Columns: []analysis.Column{
			{Name: "what requests were at", Unit: analysis.Text}, {Name: "others", Unit: analysis.NS}, {Name: "chosen", Unit: analysis.NS}, {Name: "difference", Unit: analysis.NS}, {Name: "of the difference", Unit: analysis.Ratio},
		},
	}
	d := r.Mean.Delta()
	row := func(name string, old, now analysis.Number) {
		var share any
		if d != 0 {
			share = float64(now-old) / d
		}
		t.Add(name, int64(math.Round(float64(old))), int64(math.Round(float64(now))), int64(math.Round(float64(now-old))), share)
	}
	row("all", r.Mean.Old, r.Mean.New)
	rest, n := analysis.RequestPart{}, 0
	for i, p := range r.Parts {
		if i < shown && math.Abs(p.Delta()) >= leastRow*math.Abs(d) {
			row(p.Name, p.Old, p.New)
			continue
		}
		n++
		rest.Old += p.Old
		rest.New += p.New
	}
	if n > 0 {
		row(counted(n, "other part"), rest.Old, rest.New)
	}
	return t
}

// mostCauses is how many things are drawn apart.
const mostCauses = 6

// composition draws what the mean of both sides consists of.
func composition(res *analysis.Result, r *analysis.RequestChange) {
	t := &analysis.Table{
		Name: "compare.composition", Title: "what the mean time of a request consists of", Detail: true, N: r.N[0] + r.N[1],
		Columns: []analysis.Column{{Name: "requests", Unit: analysis.Text}, {Name: "at", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}},
	}
	for i, side := range []string{"others", "chosen"} {
		of := func(p *analysis.RequestPart) int64 {
			return int64([]analysis.Number{p.Old, p.New}[i])
		}
		var rest int64
		for k := range r.Parts {
			if p := &r.Parts[k]; k < mostCauses {
				t.Add(side, p.Name, of(p))
			} else {
				rest += of(p)
			}
		}
		if len(r.Parts) > mostCauses {
			t.Add(side, "other parts", rest)
		}
	}
	res.Tables = append(res.Tables, t)
	res.Figures = append(res.Figures, analysis.Figure{
		Name: t.Name, Mark: analysis.Bars, Table: t.Name, X: "requests", Y: []string{"time"}, Series: "at", Weight: 3,
		Title: fmt.Sprintf("The chosen requests take %s, the others %s", duration(r.Mean.New), duration(r.Mean.Old)),
	})
}
