package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Place is what happened at the places of the program whose name has pattern in it: who
// waited there, who held them up, and the longest times. Where the pattern is a function
// with a line and a place is of just that line, only such places count.
func Place(pattern string, page Page) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "place",
		Doc:      "place: what happened at one place of the program\n",
		Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
		Kinds:    parse.KindsOf(parse.KindGoWaiting, parse.KindGoSyscall, parse.KindGoRunning),
		New: func() analysis.Collector {
			return &placeFold{pattern: pattern, page: page, stays: make(map[stayKey]*placeStay)}
		},
		Run: runPlace,
	}
}

type placeFold struct {
	pattern string
	page    Page
	stays   map[stayKey]*placeStay
}

type stayKey struct {
	stack    parse.StackID
	state    parse.GoState
	fn, body parse.StringID
}

type placeStay struct {
	n, ns, longest int64
	open           int64 // that the end of the trace cut
	ready          [parse.NumReady]int64
	worst          *sketch.Top[placeWait]
}

type placeWait struct {
	g          parse.GoID
	ready      parse.Ready
	waker      parse.GoID
	wakerStack parse.StackID
	open       bool
}

// mostWorst is how many of the longest times at each stack are kept.
const mostWorst = 32

func (f *placeFold) Event(e *parse.Event) {
	g := e.Go
	k := stayKey{g.FromStack, g.From, g.Func, g.Body}
	if g.From == parse.GoRunning {
		k.stack = g.Stack
	}
	if k.stack == 0 {
		return
	}
	s := f.at(k)
	held := e.Held()
	s.n++
	s.ns += held
	s.longest = max(s.longest, held)
	w := placeWait{g: g.ID, waker: parse.NoGo, open: g.To == parse.GoUndetermined}
	if w.open {
		s.open++
	}
	if g.From == parse.GoWaiting && !w.open {
		w.ready, w.waker, w.wakerStack = g.Ready, g.Waker, g.WakerStack
		s.ready[g.Ready] += held
	}
	if g.From != parse.GoRunning && s.worst.Wants(held) {
		s.worst.Add(sketch.Key{Value: held, Time: int64(g.Since), ID: int64(g.ID)}, w)
	}
}

func (f *placeFold) at(k stayKey) *placeStay {
	s := f.stays[k]
	if s == nil {
		s = &placeStay{worst: sketch.NewTop[placeWait](min(f.page.end(), mostWorst))}
		f.stays[k] = s
	}
	return s
}

func (f *placeFold) Merge(next analysis.Collector) {
	for k, v := range next.(*placeFold).stays {
		s := f.at(k)
		s.add(v)
		s.worst.Merge(v.worst)
	}
}

// add adds the sums of o.
func (s *placeStay) add(o *placeStay) {
	s.n += o.n
	s.ns += o.ns
	s.open += o.open
	s.longest = max(s.longest, o.longest)
	for r, ns := range o.ready {
		s.ready[r] += ns
	}
}

// matching are the places that a pattern names, and the names of all.
func (f *placeFold) matching(tr *parse.Trace) (places map[parse.PlaceID]bool, names []string) {
	exact, within := make(map[parse.PlaceID]bool), make(map[parse.PlaceID]bool)
	seen := make(map[parse.PlaceID]bool)
	for k := range f.stays {
		id := tr.PlaceOf(k.stack)
		if id == 0 || seen[id] {
			continue
		}
		seen[id] = true
		site, name := measures.SiteOf(tr, tr.Place(id)), measures.PlaceName(tr, id)
		names = append(names, site)
		if site == f.pattern || name == f.pattern {
			exact[id] = true
		}
		if strings.Contains(name, f.pattern) {
			within[id] = true
		}
	}
	if len(exact) > 0 {
		return exact, names
	}
	return within, names
}

func runPlace(p *analysis.Pass) error {
	f, ks, held, tr := analysis.Fold[*placeFold](p), measures.KindsOf(p), measures.HoldersOf(p), p.Trace
	places, names := f.matching(tr)
	if len(places) == 0 {
		reason := fmt.Sprintf("no place in what was read has %q in its name", f.pattern)
		if n := near(f.pattern, names); n != "" {
			reason += "; near are " + n
		}
		p.NotApplicable(reason)
		return nil
	}
	type key struct {
		place parse.PlaceID
		state parse.GoState
		kind  string
	}
	sums := make(map[key]*placeStay)
	type wait struct {
		key
		sketch.Key
		placeWait
		stack parse.StackID
	}
	var worst []wait
	for k, v := range f.stays {
		if id := tr.PlaceOf(k.stack); places[id] {
			to := key{id, k.state, ks.Name(k.fn, k.body)}
			if sums[to] == nil {
				sums[to] = new(placeStay)
			}
			for _, e := range v.worst.Items() {
				worst = append(worst, wait{to, e.Key, e.Item, k.stack})
			}
			sums[to].add(v)
		}
	}
	var keys []key
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(sums[b].ns, sums[a].ns), cmp.Compare(a.place, b.place), cmp.Compare(a.kind, b.kind), cmp.Compare(a.state, b.state))
	})
	stays := &analysis.Table{
		Name: "place.stays", Title: fmt.Sprintf("what goroutines did at %q, by kind", f.pattern), N: int64(len(keys)),
		Columns: []analysis.Column{{Name: "place", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "times", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS}, {Name: "longest", Unit: analysis.NS}, {Name: "open", Unit: analysis.Count}, {Name: "ended by", Unit: analysis.Text}},
	}
	for _, k := range keys {
		s := sums[k]
		stays.Add(measures.PlaceName(tr, k.place), k.kind, k.state.String(), s.n, s.ns, s.longest, s.open, mostly(k.state, s))
	}
	slices.SortFunc(worst, func(a, b wait) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
	})
	longest := &analysis.Table{
		Name: "place.worst", Title: fmt.Sprintf("the longest waits and calls at %q", f.pattern), N: int64(len(worst)),
		Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "length", Unit: analysis.NS}, {Name: "G", Unit: analysis.G}, {Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "ended by", Unit: analysis.Text}, {Name: "waker", Unit: analysis.G}, {Name: "waker at", Unit: analysis.Text}},
	}
	for _, w := range worst[:min(len(worst), f.page.end())] {
		longest.Add(p.Rel(parse.Time(w.Time)), w.Value, int64(w.g), w.kind, w.state.String(), ended(w.state, w.ready), goCell(w.waker), wakerAt(tr, w.waker, w.wakerStack))
	}
	holders := &analysis.Table{
		Name: "place.holders", Title: fmt.Sprintf("what those did who ended the next wait at %q", f.pattern),
		Columns: []analysis.Column{{Name: "place", Unit: analysis.Text}, {Name: "holder", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text}, {Name: "total", Unit: analysis.NS}, {Name: "of held", Unit: analysis.Ratio}},
	}
	for _, place := range held.Places {
		if !places[place.ID] {
			continue
		}
		c := held.Chain(place)
		p.Say("%s ← %s.", place.Waiting(), c.Text())
		for _, part := range place.Parts {
			holders.N++
			var holder, where any
			if part.Holder != "" {
				holder = part.Holder
			}
			if part.Label != "" {
				where = part.Label
			}
			holders.Add(place.Label, holder, part.StateWord(), where, part.NS, float64(part.NS)/float64(max(place.Held, 1)))
		}
	}
	p.Table(f.page.of(stays))
	if len(holders.Rows) > 0 {
		p.Table(f.page.of(holders))
	}
	if len(longest.Rows) > 0 {
		p.Table(f.page.of(longest))
	}
	return nil
}

// mostly is what ended most of the waiting.
func mostly(state parse.GoState, s *placeStay) any {
	if state != parse.GoWaiting {
		return nil
	}
	most := parse.ReadyUnknown
	for r, ns := range s.ready {
		if ns > s.ready[most] {
			most = parse.Ready(r)
		}
	}
	return ended(state, most)
}
