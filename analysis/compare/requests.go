package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
)

// unknownPart is what begins the words for time of which a trace does not tell.
const unknownPart = "not known"

// splitPart tells what requests were at from for whom they waited, and from the place up to
// which they ran or at which they assisted the GC: of rest most is named.
func splitPart(name string) (what, rest string) {
	if at := strings.Index(name, ", which was "); at >= 0 {
		if i := strings.LastIndex(name[:at], " for "); i >= 0 {
			return name[:i], name[i+1:]
		}
	}
	for _, run := range []string{"running", "in mark assist"} {
		if rest, ok := strings.CutPrefix(name, run+" "); ok {
			return run, rest
		}
	}
	return name, ""
}

// leastLonger is by how much requests take longer at least for it to matter.
const leastLonger = 20e3 // ns: waking up a thread

// typeKey is a type of requests.
type typeKey struct{ name, kind string }

// requests compares the types of requests that both sides serve.
func (c *comparison) requests() (all []analysis.RequestChange) {
	var seen [2]map[typeKey][]*measures.Served
	var samples [2]map[typeKey]map[string][]float64
	for i := range seen {
		seen[i], samples[i] = make(map[typeKey][]*measures.Served), make(map[typeKey]map[string][]float64)
		for _, t := range c.side[i].Traces {
			for _, s := range t.Served {
				if s.N > 0 {
					k := typeKey{s.Name, s.Kind}
					seen[i][k] = append(seen[i][k], s)
				}
			}
		}
		for _, t := range c.samples(i) {
			for _, s := range t.Served {
				if s.N == 0 {
					continue
				}
				k := typeKey{s.Name, s.Kind}
				if samples[i][k] == nil {
					samples[i][k] = make(map[string][]float64)
				}
				values := samples[i][k]
				values["mean"] = append(values["mean"], float64(s.Total)/float64(s.N))
				for name, v := range map[string]int64{"p50": s.P50, "p99": s.P99} {
					if v > 0 {
						values[name] = append(values[name], float64(v))
					}
				}
			}
		}
	}
	var tested []*analysis.Change
	var of []sides
	var changes []*analysis.RequestChange
	for k, old := range seen[0] {
		if len(seen[1][k]) == 0 {
			continue
		}
		r := requestChange(k.name, k.kind, old, seen[1][k])
		for name, ch := range map[string]*analysis.Change{"mean": &r.Mean, "p50": new(analysis.Change), "p99": new(analysis.Change)} {
			v := sides{samples[0][k][name], samples[1][k][name]}
			ch.Name, ch.Unit, ch.N = name+" of "+k.name, analysis.NS, [2]int{len(v[0]), len(v[1])}
			if name != "mean" {
				if len(v[0]) == 0 || len(v[1]) == 0 {
					continue
				}
				ch.Old, ch.New = analysis.Number(median(v[0])), analysis.Number(median(v[1]))
			}
			switch name {
			case "p50":
				r.P50 = ch
			case "p99":
				r.P99 = ch
			}
			c.test(ch, v, v)
			tested, of = append(tested, ch), append(of, v)
		}
		changes = append(changes, r)
	}
	adjust(tested)
	for i, ch := range tested {
		c.judge(ch, of[i], analysis.Lower, requestBar, math.Inf(1))
	}
	for _, r := range changes {
		// A few that take long by chance make the mean and the slow ones.
		if c.basis != analysis.BetweenTraces && (r.P50 == nil || rank(r.P50.Judged) < 0) {
			for _, ch := range []*analysis.Change{&r.Mean, r.P99} {
				if ch != nil && rank(ch.Judged) >= 0 {
					ch.Judged, ch.Reason = analysis.Unknown, tooFew
				}
			}
		}
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b analysis.RequestChange) int {
		weight := func(r *analysis.RequestChange) float64 { return math.Abs(r.Mean.Delta()) * float64(r.N[1]) }
		return cmp.Or(cmp.Compare(weight(&b), weight(&a)), strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
	})
	return all
}

// requestChange holds the mean of requests on both sides, and its parts.
func requestChange(name, kind string, old, now []*measures.Served) *analysis.RequestChange {
	r := &analysis.RequestChange{Name: name, Kind: kind}
	parts := make(map[string]*analysis.RequestPart)
	for i, all := range [][]*measures.Served{old, now} {
		total := 0.0
		for _, s := range all {
			r.N[i] += s.N
			total += float64(s.Total)
		}
		sums := make(map[string]float64)
		for _, s := range all {
			for part, ns := range s.Parts {
				sums[part] += ns
			}
		}
		mean := func(ns float64) analysis.Number { return analysis.Number(ns / float64(r.N[i])) }
		for part, ns := range sums {
			if parts[part] == nil {
				parts[part] = &analysis.RequestPart{Name: part}
			}
			if i == 0 {
				parts[part].Old = mean(ns)
			} else {
				parts[part].New = mean(ns)
			}
		}
		if i == 0 {
			r.Mean.Old = mean(total)
		} else {
			r.Mean.New = mean(total)
		}
	}
	for _, p := range parts {
		r.Parts = append(r.Parts, *p)
	}
	slices.SortFunc(r.Parts, func(a, b analysis.RequestPart) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Delta()), math.Abs(a.Delta())), strings.Compare(a.Name, b.Name))
	})
	return r
}

// cause is what requests were at that moved their mean most, up or down, and the largest
// part of it.
func cause(r *analysis.RequestChange, up bool) (p *analysis.RequestPart, most string) {
	at := make(map[string]*analysis.RequestPart)
	of := make(map[string]string)
	for _, part := range r.Parts { // the largest first
		name, _ := splitPart(part.Name)
		if at[name] == nil {
			at[name] = &analysis.RequestPart{Name: name}
			of[name] = part.Name
		}
		at[name].Old += part.Old
		at[name].New += part.New
	}
	for _, c := range at {
		if strings.HasPrefix(c.Name, unknownPart) {
			continue
		}
		if c.Delta() > 0 == up && (p == nil || math.Abs(c.Delta()) > math.Abs(p.Delta()) || c.Delta() == p.Delta() && c.Name < p.Name) {
			p, most = c, of[c.Name]
		}
	}
	return p, most
}

// sentence says how the requests of a type differ, and by what.
func sentence(r *analysis.RequestChange) (kind, text string) {
	ch := r.Differs()
	if ch == nil {
		return "", ""
	}
	kind = verdictWorse
	if ch.Delta() < 0 {
		kind = verdictBetter
	}
	how, _, _ := strings.Cut(ch.Name, " ")
	text = fmt.Sprintf("requests %s (%s): %s %s → %s", r.Name, r.Kind, how, duration(ch.Old), duration(ch.New))
	if ch.Judged.Shown() {
		text = "R" + text[1:]
	} else {
		text = "It seems: " + text
	}
	difference := "the difference"
	if how != "mean" {
		text += fmt.Sprintf(", mean %s → %s", duration(r.Mean.Old), duration(r.Mean.New))
		difference += " of the mean"
	}
	if most := mostly(r, difference); most != "" {
		text += "; " + most
	}
	return kind, text + "."
}

// mostly says what most of the difference of the mean is, "" where nothing is much of it.
func mostly(r *analysis.RequestChange, difference string) string {
	d := r.Mean.Delta()
	p, most := cause(r, d > 0)
	if p == nil || math.Abs(p.Delta()) < leastPart*math.Abs(d) {
		return ""
	}
	text := fmt.Sprintf("%s of %s: %s (%s → %s)", analysis.FormatRatio(p.Delta()/d), difference, p.Name, duration(p.Old), duration(p.New))
	if _, rest := splitPart(most); rest != "" {
		text += ", mostly " + rest
	}
	return text
}

func duration(v analysis.Number) string { return analysis.FormatDuration(int64(v), 0) }

// requestsTable is the types of requests on both sides.
func (c *comparison) requestsTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.requests", Title: "requests by type that both sides serve", N: int64(len(c.c.Requests)), Columns: []analysis.Column{
		{Name: "requests", Unit: analysis.Text}, {Name: "old n", Unit: analysis.Count}, {Name: "new n", Unit: analysis.Count}, {Name: "mean old", Unit: analysis.NS}, {Name: "mean new", Unit: analysis.NS},
		{Name: "p50 old", Unit: analysis.NS}, {Name: "p50 new", Unit: analysis.NS}, {Name: "p99 old", Unit: analysis.NS}, {Name: "p99 new", Unit: analysis.NS}, {Name: "judged", Unit: analysis.Text},
	}}
	cell := func(v analysis.Number) any {
		if v == 0 {
			return nil
		}
		return int64(v)
	}
	for i := range c.c.Requests {
		r := &c.c.Requests[i]
		judged := analysis.Same
		if ch := r.Differs(); ch != nil {
			judged = ch.Judged
		} else if r.Mean.Judged == analysis.Unknown {
			judged = analysis.Unknown
		}
		row := []any{r.Name, r.N[0], r.N[1]}
		for _, ch := range []*analysis.Change{&r.Mean, r.P50, r.P99} {
			if ch == nil {
				ch = new(analysis.Change)
			}
			row = append(row, cell(ch.Old), cell(ch.New))
		}
		t.Add(append(row, string(judged))...)
	}
	t.Limit(shown)
	return t
}

// causesTable is where the time of a request goes on both sides, of the types that differ
// most; the rows of a type add up to the difference of its mean.
func (c *comparison) causesTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.causes", Title: "where the mean time of a request goes; the rows of a type add up", Columns: []analysis.Column{
		{Name: "requests", Unit: analysis.Text}, {Name: "old", Unit: analysis.NS}, {Name: "new", Unit: analysis.NS}, {Name: "change", Unit: analysis.Text}, {Name: "what they were at", Unit: analysis.Text},
	}}
	const types, parts = 3, 5
	for i := range c.c.Requests {
		r := &c.c.Requests[i]
		t.N += int64(len(r.Parts))
		if i >= types || r.Differs() == nil {
			continue
		}
		rest := r.Mean
		for _, p := range r.Parts[:min(len(r.Parts), parts)] {
			rest.Old -= p.Old
			rest.New -= p.New
			t.Add(r.Name, int64(p.Old), int64(p.New), changeOf(float64(p.Old), float64(p.New)), p.Name)
		}
		if n := len(r.Parts) - parts; n > 0 {
			// What is left of a side without these parts is not 0 by rounding.
			t.Add(r.Name, int64(rest.Old), int64(rest.New), changeOf(math.Round(float64(rest.Old)), math.Round(float64(rest.New))), counted(n, "other part"))
		}
	}
	return t
}
