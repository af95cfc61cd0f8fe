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

// A served is one type of requests on both sides.
type served struct {
	name, kind     string
	n              [2]int64
	mean, p50, p99 analysis.Change
	parts          []analysis.Change // of the mean, largest difference first; they add up to it
}

// leastLonger is by how much requests take longer at least for it to matter.
const leastLonger = 20e3 // ns: waking up a thread

// requests compares the types of requests that both sides serve.
func (c *comparison) requests() (all []*served) {
	type key struct{ name, kind string }
	var seen [2]map[key][]*measures.Served
	var samples [2]map[key]map[string][]float64
	for i := range seen {
		seen[i], samples[i] = make(map[key][]*measures.Served), make(map[key]map[string][]float64)
		for _, t := range c.side[i].Traces {
			for _, s := range t.Served {
				if s.N > 0 {
					k := key{s.Name, s.Kind}
					seen[i][k] = append(seen[i][k], s)
				}
			}
		}
		for _, t := range c.samples(i) {
			for _, s := range t.Served {
				if s.N == 0 {
					continue
				}
				k := key{s.Name, s.Kind}
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
	for k, old := range seen[0] {
		now := seen[1][k]
		if len(now) == 0 {
			continue
		}
		s := &served{name: k.name, kind: k.kind}
		parts := make(map[string]*analysis.Change)
		for i, traces := range [][]*measures.Served{old, now} {
			total := 0.0
			for _, t := range traces {
				s.n[i] += t.N
				total += float64(t.Total)
			}
			for _, t := range traces {
				for part, share := range t.Parts {
					if parts[part] == nil {
						parts[part] = &analysis.Change{Name: part, Unit: analysis.NS}
					}
					ns := analysis.Number(share * float64(t.Total) / float64(s.n[i]))
					if i == 0 {
						parts[part].Old += ns
					} else {
						parts[part].New += ns
					}
				}
			}
			if mean := analysis.Number(total / float64(s.n[i])); i == 0 {
				s.mean.Old = mean
			} else {
				s.mean.New = mean
			}
		}
		for _, p := range parts {
			s.parts = append(s.parts, *p)
		}
		slices.SortFunc(s.parts, func(a, b analysis.Change) int {
			return cmp.Or(cmp.Compare(math.Abs(b.Delta()), math.Abs(a.Delta())), strings.Compare(a.Name, b.Name))
		})
		for name, ch := range map[string]*analysis.Change{"mean": &s.mean, "p50": &s.p50, "p99": &s.p99} {
			v := sides{samples[0][k][name], samples[1][k][name]}
			ch.Name, ch.Unit, ch.N = name+" of "+k.name, analysis.NS, [2]int{len(v[0]), len(v[1])}
			if name != "mean" {
				ch.Old, ch.New = analysis.Number(median(v[0])), analysis.Number(median(v[1]))
			}
			c.test(ch, v, v)
			tested, of = append(tested, ch), append(of, v)
		}
		all = append(all, s)
	}
	adjust(tested)
	for i, ch := range tested {
		c.judge(ch, of[i], analysis.Lower, leastLonger)
	}
	slices.SortFunc(all, func(a, b *served) int {
		weight := func(s *served) float64 { return math.Abs(s.mean.Delta()) * float64(s.n[1]) }
		return cmp.Or(cmp.Compare(weight(b), weight(a)), strings.Compare(a.name, b.name))
	})
	return all
}

// differs is how the requests of a type differ: by their mean, or else their quantiles.
func (s *served) differs() *analysis.Change {
	for _, ch := range []*analysis.Change{&s.p99, &s.mean, &s.p50} {
		if ch.Judged.Shown() {
			return ch
		}
	}
	for _, ch := range []*analysis.Change{&s.mean, &s.p50} {
		if rank(ch.Judged) >= 0 {
			return ch
		}
	}
	return nil
}

// cause is what requests were at that moved their mean most, up or down, and the largest
// part of it.
func (s *served) cause(up bool) (p *analysis.Change, most string) {
	at := make(map[string]*analysis.Change)
	of := make(map[string]string)
	for _, part := range s.parts { // the largest first
		name, _, _ := strings.Cut(part.Name, " for ")
		if at[name] == nil {
			at[name] = &analysis.Change{Name: name}
			of[name] = part.Name
		}
		at[name].Old += part.Old
		at[name].New += part.New
	}
	for _, c := range at {
		if c.Delta() > 0 == up && (p == nil || math.Abs(c.Delta()) > math.Abs(p.Delta()) || c.Delta() == p.Delta() && c.Name < p.Name) {
			p, most = c, of[c.Name]
		}
	}
	return p, most
}

// sentence says how the requests of a type differ, and by what.
func (s *served) sentence() (kind, text string) {
	ch := s.differs()
	if ch == nil {
		return "", ""
	}
	d := s.mean.Delta()
	kind = verdictWorse
	if ch.Delta() < 0 {
		kind = verdictBetter
	}
	dur := func(v analysis.Number) string { return analysis.FormatDuration(int64(v), 0) }
	how, _, _ := strings.Cut(ch.Name, " ")
	text = fmt.Sprintf("requests %s (%s): %s %s → %s", s.name, s.kind, how, dur(ch.Old), dur(ch.New))
	if ch.Judged.Shown() {
		text = "R" + text[1:]
	} else {
		text = "It seems: " + text
	}
	difference := "the difference"
	if how != "mean" {
		text += fmt.Sprintf(", mean %s → %s", dur(s.mean.Old), dur(s.mean.New))
		difference += " of the mean"
	}
	if p, most := s.cause(d > 0); p != nil && math.Abs(p.Delta()) >= leastPart*math.Abs(d) {
		text += fmt.Sprintf("; %s of %s: %s (%s → %s)", analysis.FormatRatio(p.Delta()/d), difference, p.Name, dur(p.Old), dur(p.New))
		if _, whom, other := strings.Cut(most, " for "); other {
			text += ", mostly for " + whom
		}
	}
	return kind, text + "."
}

// requestsTable is the types of requests on both sides.
func (c *comparison) requestsTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.requests", Title: "requests by type that both sides serve", N: int64(len(c.served)), Columns: []analysis.Column{
		{Name: "requests", Unit: analysis.Text}, {Name: "old n", Unit: analysis.Count}, {Name: "new n", Unit: analysis.Count}, {Name: "mean old", Unit: analysis.NS}, {Name: "mean new", Unit: analysis.NS},
		{Name: "p50 old", Unit: analysis.NS}, {Name: "p50 new", Unit: analysis.NS}, {Name: "p99 old", Unit: analysis.NS}, {Name: "p99 new", Unit: analysis.NS}, {Name: "judged", Unit: analysis.Text},
	}}
	cell := func(v analysis.Number) any {
		if v == 0 {
			return nil
		}
		return int64(v)
	}
	for _, s := range c.served {
		judged := string(analysis.Same)
		if ch := s.differs(); ch != nil {
			judged = string(ch.Judged)
		}
		t.Add(s.name, s.n[0], s.n[1], cell(s.mean.Old), cell(s.mean.New), cell(s.p50.Old), cell(s.p50.New), cell(s.p99.Old), cell(s.p99.New), judged)
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
	for i, s := range c.served {
		t.N += int64(len(s.parts))
		if i >= types || s.differs() == nil {
			continue
		}
		rest := s.mean
		for k, p := range s.parts {
			if k == parts {
				break
			}
			rest.Old -= p.Old
			rest.New -= p.New
			t.Add(s.name, int64(p.Old), int64(p.New), changeOf(float64(p.Old), float64(p.New)), p.Name)
		}
		if n := len(s.parts) - parts; n > 0 {
			t.Add(s.name, int64(rest.Old), int64(rest.New), changeOf(float64(rest.Old), float64(rest.New)), counted(n, "other part"))
		}
	}
	return t
}
