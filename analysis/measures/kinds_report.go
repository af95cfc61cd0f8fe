package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

func runKinds(p *analysis.Pass) error {
	ks := kindsOf(p, analysis.Fold[*KindsFold](p))
	var life, busy, parked int64
	for _, k := range ks.All {
		life += k.Life
		busy += k.Busy()
		parked += k.Parked
	}
	if life == 0 {
		p.NotApplicable("no goroutine of the program existed in the trace")
		return nil
	}
	p.Metric("kinds.busy", busy, int64(len(ks.All)))
	p.Metric("kinds.parked", parked, int64(len(ks.All)))
	p.Say("Goroutines of the program lived for %s in all, %s of it with nothing to do (waiting for input, connections, tickers, or through the whole trace).",
		p.Dur(life), analysis.FormatRatio(say.Ratio(parked, life)))
	lead := func(k *GoKind, held int64) {
		text := k.Title() + ": " + k.mostly()
		if s := k.Stays[0]; s.Parked == "" && (s.State == parse.GoWaiting || s.State == parse.GoSyscall) {
			text += calledBy(p.Trace, s.Place.Stack, k.Name)
		}
		p.Lead(analysis.Leading{Kind: analysis.VerdictTime, Text: text, Place: k.Name, Held: held, Lives: say.Ratio(k.Busy(), k.Life)})
	}
	idle := 50*ks.All[0].Busy() < p.Trace.Duration()
	for i, k := range ks.All {
		if i == 5 || 20*k.Busy() < busy {
			break
		}
		if i < 2 {
			p.Say("%s: %s.", k.Title(), k.lifeOf(3))
		}
		if k.Name != Unnamed && !idle {
			lead(k, k.Busy())
		}
	}
	if idle { // then that they have nothing to do
		byLife := slices.Clone(ks.All)
		slices.SortStableFunc(byLife, func(a, b *GoKind) int { return cmp.Compare(b.Life, a.Life) })
		for _, k := range byLife[:min(3, len(byLife))] {
			if k.Name != Unnamed {
				lead(k, k.Life)
			}
		}
	}
	if p.Bare() {
		return nil
	}
	if p.Brief() {
		p.Table(staysTable(ks)) // LivesOf reads it
		return nil
	}
	p.Table(kindsTable(ks))
	p.Table(staysTable(ks))
	figure := kindsFigure(p, ks)
	p.Table(figure)
	p.Figure(analysis.Figure{
		Name: "kinds.life", Title: kindsTitle(p, ks, busy), Mark: analysis.Bars, Table: figure.Name, X: "goroutines",
		Y: []string{"running", "runnable", "in calls", "held up", "parked"},
	})
	if busy > 0 {
		flame := flameTable(ks)
		p.Table(flame)
		p.Figure(analysis.Figure{
			Name: flame.Name, Title: kindsTitle(p, ks, busy), Mark: analysis.Flame, Table: flame.Name, X: "total",
			Y: []string{"goroutines", "state", "place", "there"}, Series: "state",
		})
	}
	return nil
}

// flameTable is the parts of lives in which goroutines were at work or held up, with the
// place and what was called or waited for there.
func flameTable(ks *GoKinds) *analysis.Table {
	t := &analysis.Table{
		Name: "kinds.flame", Title: "time of the program's goroutines that were at work or held up", Detail: true, N: int64(len(ks.All)),
		Columns: []analysis.Column{
			{Name: "goroutines", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "place", Unit: analysis.Text}, {Name: "there", Unit: analysis.Text},
			{Name: "total", Unit: analysis.NS},
		},
	}
	for _, k := range ks.All {
		for _, s := range k.Stays {
			if s.Parked != "" || s.NS == 0 {
				continue
			}
			var place, there any
			if at, more, called := strings.Cut(s.Label, " → "); called {
				place, there = at, more
			} else if at, prim, ok := strings.Cut(strings.TrimSuffix(s.Label, ")"), " ("); ok {
				place, there = at, prim
			} else if s.Label != s.State.String() {
				place = s.Label
			}
			t.Add(k.Title(), s.State.String(), place, there, s.NS)
		}
	}
	t.Limit(1000)
	return t
}

// kindsTable is a row for each kind, with where its life goes.
func kindsTable(ks *GoKinds) *analysis.Table {
	t := &analysis.Table{
		Name: "kinds.life", Title: "where goroutine time goes: the program's goroutines by what they are about; shares of their lives", N: int64(len(ks.All)),
		Columns: []analysis.Column{
			{Name: "function", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count}, {Name: "life", Unit: analysis.NS}, {Name: "busy", Unit: analysis.Ratio},
			{Name: "where", Unit: analysis.Text},
		},
	}
	for _, k := range ks.All {
		if k.Life > 0 {
			t.Add(k.Name, k.Count, k.Life, say.RatioCell(k.Busy(), k.Life), k.lifeOf(3))
		}
	}
	t.Limit(10)
	return t
}

// staysTable is every part of every kind's life.
func staysTable(ks *GoKinds) *analysis.Table {
	t := &analysis.Table{
		Name: "kinds.places", Title: "the program's goroutines by what they are about, state and place", Detail: true,
		Columns: []analysis.Column{
			{Name: "function", Unit: analysis.Text}, {Name: "entry", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count},
			{Name: "state", Unit: analysis.Text}, {Name: "place", Unit: analysis.Text}, {Name: "spans", Unit: analysis.Count},
			{Name: "total", Unit: analysis.NS}, {Name: "of life", Unit: analysis.Ratio}, {Name: "longest", Unit: analysis.NS}, {Name: "parked", Unit: analysis.Text},
		},
	}
	for _, k := range ks.All {
		for _, s := range k.Stays {
			t.N += s.N
			entry := k.Entry
			if entry == "" {
				entry = k.Name
			}
			var parked any
			if s.Parked != "" {
				parked = string(s.Parked)
			}
			t.Add(k.Name, entry, k.Count, s.State.String(), s.Label, s.N, s.NS, say.RatioCell(s.NS, k.Life), s.Longest, parked)
		}
	}
	t.Limit(1000)
	return t
}

// kindsFigure is the life of the busiest kinds by state.
func kindsFigure(p *analysis.Pass, ks *GoKinds) *analysis.Table {
	t := &analysis.Table{
		Name: "kinds.states", Title: "lives of the program's goroutines by state: parked is waiting for something to do", Detail: true, N: int64(len(ks.All)),
		Columns: []analysis.Column{
			{Name: "goroutines", Unit: analysis.Text}, {Name: "running", Unit: analysis.NS}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "in calls", Unit: analysis.NS}, {Name: "held up", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "parked", Unit: analysis.NS},
		},
	}
	for _, k := range ks.All {
		if k.Life > 0 {
			t.Add(k.Title(), k.State[parse.GoRunning], k.State[parse.GoRunnable], k.State[parse.GoSyscall], k.State[parse.GoWaiting]-k.Parked, k.Parked)
		}
	}
	t.Limit(12)
	return t
}

func kindsTitle(p *analysis.Pass, ks *GoKinds, busy int64) string {
	k := ks.All[0]
	if busy == 0 {
		return "The program's goroutines had nothing to do"
	}
	return fmt.Sprintf("Goroutines of the program were busy for %s in all, %s of it those of %s", p.Dur(busy), analysis.FormatRatio(say.Ratio(k.Busy(), busy)), say.Brief(k.Name))
}
