package drill

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Moment is what all Ps and goroutines did at a moment, relative to the first event of
// the trace, which must be read from its start.
func Moment(at time.Duration, page Page) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "moment",
		Doc:      "moment: who ran and who waited for what at one moment\n",
		Requires: []*analysis.Analyzer{measures.Kinds},
		Kinds:    parse.KindsGo | parse.KindsOf(parse.KindProc, parse.KindGeneration),
		New: func() analysis.Collector {
			return &momentFold{after: at, page: page, stays: make(map[momentKey]*momentSum), longest: sketch.NewTop[momentGo](page.end())}
		},
		Run: runMoment,
	}
}

type momentFold struct {
	after   time.Duration
	page    Page
	started bool
	at      parse.Time
	procs   []procSpan
	stays   map[momentKey]*momentSum
	n       int64
	longest *sketch.Top[momentGo] // those that are in their state for the longest time
}

type procSpan struct {
	id         parse.ProcID
	since, end parse.Time
	state      parse.ProcState
	g          parse.GoID
	fn         parse.StringID
	stack      parse.StackID
}

type momentKey struct {
	fn, body parse.StringID
	state    parse.GoState
	stack    parse.StackID
	cause    parse.Cause
}

type momentSum struct{ n, longest, left int64 }

type momentGo struct {
	momentKey
	id    parse.GoID
	since parse.Time
	end   parse.Time
	ready parse.Ready
	waker parse.GoID
}

// in reports whether the moment lies in the span that an event ends.
func (f *momentFold) in(since, end parse.Time, open bool) bool {
	return since <= f.at && (f.at < end || open && f.at == end)
}

func (f *momentFold) Event(e *parse.Event) {
	switch {
	case e.Kind == parse.KindGeneration:
		if !f.started {
			f.started, f.at = true, e.Time+parse.Time(f.after)
		}
	case e.Kind == parse.KindProc:
		if p := e.Proc; p.From != parse.ProcNotExist && f.in(p.Since, e.Time, p.To == parse.ProcUndetermined) {
			f.procs = append(f.procs, procSpan{p.ID, p.Since, e.Time, p.From, p.G, p.Func, p.Stack})
		}
	case e.Go.From != parse.GoNotExist && !(e.Go.From == parse.GoSyscall && e.Go.Outside) && f.in(e.Go.Since, e.Time, e.Go.To == parse.GoUndetermined):
		g := e.Go
		k := momentKey{g.Func, g.Body, g.From, g.FromStack, 0}
		m := momentGo{id: g.ID, since: g.Since, end: e.Time, waker: parse.NoGo}
		switch g.From {
		case parse.GoRunning:
			k.stack = g.Stack
		case parse.GoRunnable:
			k.stack, k.cause = 0, causeOf(g)
		case parse.GoWaiting:
			if g.To != parse.GoUndetermined {
				m.ready, m.waker = g.Ready, g.Waker
			}
		}
		m.momentKey = k
		f.add(k, momentSum{1, int64(f.at - g.Since), int64(e.Time - f.at)})
		rank := int64(f.at - g.Since)
		if g.Class != parse.ClassUser {
			rank -= math.MaxInt64 / 2 // the program's own first
		}
		f.longest.Add(sketch.Key{Value: rank, Time: int64(g.Since), ID: int64(g.ID)}, m)
	}
}

func (f *momentFold) add(k momentKey, v momentSum) {
	s := f.stays[k]
	if s == nil {
		s = new(momentSum)
		f.stays[k] = s
	}
	s.n += v.n
	s.longest, s.left = max(s.longest, v.longest), max(s.left, v.left)
	f.n += v.n
}

func (f *momentFold) Merge(next analysis.Collector) {
	o := next.(*momentFold)
	if !f.started {
		f.started, f.at = o.started, o.at
	}
	f.procs = append(f.procs, o.procs...)
	for k, v := range o.stays {
		f.add(k, *v)
	}
	f.longest.Merge(o.longest)
}

func runMoment(p *analysis.Pass) error {
	f, ks, tr := analysis.Fold[*momentFold](p), measures.KindsOf(p), p.Trace
	if f.at > tr.To || f.n == 0 && len(f.procs) == 0 {
		p.NotApplicable(fmt.Sprintf("%v is not in what was read: that is from %s to %s", f.after, p.At(tr.From), p.At(tr.To)))
		return nil
	}
	slices.SortStableFunc(f.procs, func(a, b procSpan) int { return cmp.Compare(a.id, b.id) })
	procs := &analysis.Table{
		Name: "moment.ps", Title: "what each P did at " + p.At(f.at), N: int64(len(f.procs)),
		Columns: []analysis.Column{{Name: "P", Unit: analysis.P}, {Name: "state", Unit: analysis.Text}, {Name: "since", Unit: analysis.NS}, {Name: "for another", Unit: analysis.NS}, {Name: "G", Unit: analysis.G}, {Name: "function", Unit: analysis.Text}, {Name: "up to", Unit: analysis.Text}},
	}
	running := 0
	for _, s := range f.procs {
		var fn, at any
		if s.g != parse.NoGo {
			running++
			fn = p.FuncName(s.fn)
			if s.stack != 0 {
				at = measures.PlaceName(tr, tr.PlaceOf(s.stack))
			}
		}
		procs.Add(int64(s.id), s.state.String(), int64(f.at-s.since), int64(s.end-f.at), goCell(s.g), fn, at)
	}

	type row struct {
		kind, label string
		state       parse.GoState
		momentSum
	}
	rows := make(map[row]*row)
	states := make(map[parse.GoState]int64)
	for k, v := range f.stays {
		key := row{kind: ks.Name(k.fn, k.body), label: label(tr, k.state, k.stack, k.cause), state: k.state}
		r := rows[key]
		if r == nil {
			r = new(key)
			rows[key] = r
		}
		r.n += v.n
		r.longest, r.left = max(r.longest, v.longest), max(r.left, v.left)
		states[k.state] += v.n
	}
	var sorted []*row
	for _, r := range rows {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(b.longest, a.longest), cmp.Compare(a.kind, b.kind), cmp.Compare(a.label, b.label), cmp.Compare(a.state, b.state))
	})
	kinds := &analysis.Table{
		Name: "moment.kinds", Title: "goroutines at " + p.At(f.at) + ", by what they are about and where they were", N: f.n,
		Columns: []analysis.Column{{Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count}, {Name: "since", Unit: analysis.NS}, {Name: "for another", Unit: analysis.NS}},
	}
	for _, r := range sorted {
		kinds.Add(r.kind, r.state.String(), r.label, r.n, r.longest, r.left)
	}
	list := &analysis.Table{
		Name: "moment.goroutines", Title: "goroutines at " + p.At(f.at) + ": the program's first, those before that were in their state the longest", N: f.n,
		Columns: []analysis.Column{{Name: "G", Unit: analysis.G}, {Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "since", Unit: analysis.NS}, {Name: "for another", Unit: analysis.NS}, {Name: "where", Unit: analysis.Text}, {Name: "ended by", Unit: analysis.Text}, {Name: "waker", Unit: analysis.G}},
	}
	for _, e := range f.longest.Items() {
		g := e.Item
		list.Add(int64(g.id), ks.Name(g.fn, g.body), g.state.String(), int64(f.at-g.since), int64(g.end-f.at), label(tr, g.state, g.stack, g.cause), ended(g.state, g.ready), goCell(g.waker))
	}
	list.More = f.n - int64(len(list.Rows))
	p.Say("At %s: %d of %d Ps with a goroutine; of %d goroutines %d ran, %d waited for a P, %d were in calls, %d waited.", p.At(f.at), running, len(f.procs), f.n,
		states[parse.GoRunning], states[parse.GoRunnable], states[parse.GoSyscall], states[parse.GoWaiting])
	p.Table(f.page.of(procs))
	p.Table(f.page.of(kinds))
	p.Table(f.page.of(list))
	return nil
}
