package drill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// Names are the kinds of goroutines of a trace, which any reading of it numbers alike.
type Names struct{ kinds *measures.GoKinds }

func (n Names) of(tr *parse.Trace, fn, body parse.StringID) string {
	if n.kinds == nil {
		return tr.String(fn)
	}
	return n.kinds.Name(fn, body)
}

// Goroutine is the life of the goroutines of a number: its spans in order, with places
// and who ended its waits. It sets names, unless that is nil.
func Goroutine(id parse.GoID, page Page, names *Names) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "goroutine",
		Doc:      "goroutine: the spans of one goroutine in order\n",
		Requires: []*analysis.Analyzer{measures.Kinds},
		Kinds:    parse.KindsGo | parse.KindsOf(parse.KindGoLife),
		New:      func() analysis.Collector { return &goFold{id: id, page: page} },
		Run: func(p *analysis.Pass) error {
			if names != nil {
				names.kinds = measures.KindsOf(p)
			}
			return runGoroutine(p)
		},
	}
}

type goFold struct {
	id    parse.GoID
	page  Page
	n     int64
	spans []goSpan // the first ones, up to the end of the page
	lives []parse.GoLife
	until []parse.Time
	by    []parse.GoID // who created it
	below []parse.GoID // the nearest numbers that there are, the nearest first
	above []parse.GoID
}

type goSpan struct {
	since, end  parse.Time
	state       parse.GoState
	ready       parse.Ready
	cause       parse.Cause
	p           parse.ProcID
	stack       parse.StackID
	waker       parse.GoID
	wakerStack  parse.StackID
	incarnation uint32
}

// nearGos is how many numbers on each side are named.
const nearGos = 3

func (f *goFold) Event(e *parse.Event) {
	if e.Kind == parse.KindGoLife {
		if e.GoLife.ID == f.id {
			f.lives = append(f.lives, *e.GoLife)
			f.until = append(f.until, e.Time)
		}
		return
	}
	g := e.Go
	if g.ID != f.id {
		f.pass(g.ID)
		return
	}
	if g.From == parse.GoNotExist {
		f.by = append(f.by, g.Waker)
		return
	}
	s := goSpan{since: g.Since, end: e.Time, state: g.From, p: parse.NoProc, stack: g.FromStack, waker: parse.NoGo, incarnation: g.Incarnation}
	switch g.From {
	case parse.GoRunning:
		s.stack, s.p = g.Stack, g.P
	case parse.GoRunnable:
		s.cause = causeOf(g)
	case parse.GoSyscall:
		s.p = g.P
	case parse.GoWaiting:
		if g.To != parse.GoUndetermined {
			s.ready, s.waker, s.wakerStack = g.Ready, g.Waker, g.WakerStack
		}
	}
	f.add(s)
}

func (f *goFold) add(s goSpan) {
	f.n++
	if len(f.spans) < f.page.end() {
		f.spans = append(f.spans, s)
	}
}

// pass notes a number that is not the one asked for.
func (f *goFold) pass(id parse.GoID) {
	side, nearer := &f.below, func(a, b parse.GoID) int { return int(min(max(b-a, -1), 1)) }
	if id > f.id {
		side, nearer = &f.above, func(a, b parse.GoID) int { return int(min(max(a-b, -1), 1)) }
	}
	if len(*side) == nearGos && nearer(id, (*side)[nearGos-1]) >= 0 {
		return
	}
	if i, ok := slices.BinarySearchFunc(*side, id, nearer); !ok {
		*side = slices.Insert(*side, i, id)
		*side = (*side)[:min(len(*side), nearGos)]
	}
}

func (f *goFold) Merge(next analysis.Collector) {
	o := next.(*goFold)
	for _, s := range o.spans {
		if len(f.spans) < f.page.end() {
			f.spans = append(f.spans, s)
		}
	}
	f.n += o.n
	f.lives, f.until, f.by = append(f.lives, o.lives...), append(f.until, o.until...), append(f.by, o.by...)
	for _, id := range append(o.below, o.above...) {
		f.pass(id)
	}
}

func runGoroutine(p *analysis.Pass) error {
	f, ks := analysis.Fold[*goFold](p), measures.KindsOf(p)
	if f.n == 0 && len(f.lives) == 0 {
		var ids []string
		slices.Reverse(f.below)
		for _, id := range append(f.below, f.above...) {
			ids = append(ids, strconv.FormatInt(int64(id), 10))
		}
		p.NotApplicable(fmt.Sprintf("no goroutine %d in what was read; the nearest are %s", f.id, strings.Join(ids, ", ")))
		return nil
	}
	created := 0
	for i, l := range f.lives {
		who := fmt.Sprintf("Goroutine %d is %s", f.id, ks.Name(l.Func, l.Body))
		if l.BornSeen {
			who += fmt.Sprintf(", started at %s", p.At(l.Born))
			if l.Site != 0 {
				who += " by " + measures.SiteOf(p.Trace, p.Trace.Place(p.Trace.PlaceOf(l.Site)))
			}
			if created < len(f.by) {
				if by := f.by[created]; by != parse.NoGo {
					who += fmt.Sprintf(" in goroutine %d", by)
				}
				created++
			}
		} else {
			who += fmt.Sprintf(", there from before %s", p.At(l.Born))
		}
		if l.Ended {
			who += fmt.Sprintf(", ended at %s", p.At(f.until[i]))
		}
		outside := ""
		if l.Outside > 0 {
			outside = fmt.Sprintf("; its thread is one of C, and was there for %s", p.Dur(l.Outside))
		}
		p.Say("%s: ran %s, waited for a P %s, waited %s, in calls %s%s.", who, p.Dur(l.Spent[parse.GoRunning]), p.Dur(l.Spent[parse.GoRunnable]), p.Dur(l.Spent[parse.GoWaiting]), p.Dur(l.Spent[parse.GoSyscall]-l.Outside), outside)
	}
	t := &analysis.Table{
		Name: "goroutine.spans", Title: fmt.Sprintf("what goroutine %d did, in order", f.id), N: f.n, More: f.n - int64(len(f.spans)),
		Columns: []analysis.Column{
			{Name: "at", Unit: analysis.Moment}, {Name: "length", Unit: analysis.NS}, {Name: "state", Unit: analysis.Text}, {Name: "P", Unit: analysis.P}, {Name: "where", Unit: analysis.Text},
			{Name: "ended by", Unit: analysis.Text}, {Name: "waker", Unit: analysis.G}, {Name: "waker at", Unit: analysis.Text},
		},
	}
	for _, s := range f.spans {
		var proc any
		if s.p != parse.NoProc {
			proc = int64(s.p)
		}
		t.Add(p.Rel(s.since), int64(s.end-s.since), s.state.String(), proc, label(p.Trace, s.state, s.stack, s.cause), ended(s.state, s.ready), goCell(s.waker), wakerAt(p.Trace, s.waker, s.wakerStack))
	}
	p.Table(f.page.of(t))
	return nil
}
