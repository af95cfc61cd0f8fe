package measures

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/parse"
)

var Kinds = &analysis.Analyzer{
	Name: "kinds",
	Doc:  say.Page(pages, "kinds"),
	Metrics: []analysis.MetricDef{
		{ID: "kinds.{busy,parked}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.GTime, Confidence: analysis.Inferred, Scale: analysis.Sum, Doc: "lives of the program's goroutines: about something they began; waiting for something to do"},
	},
	Figures: []analysis.FigureDef{
		{Name: "kinds.life", Doc: "where the lives of the program's goroutines go, by what they are about"},
		{Name: "kinds.flame", Doc: "where the time of goroutines goes that are at work or held up: by what they are about, state, place and what is called there", Always: 1e10},
	},
	Kinds: parse.KindsOf(parse.KindGoWaiting, parse.KindGoSyscall, parse.KindGoLife, parse.KindGoNamed),
	New:   func() analysis.Collector { return new(KindsFold) },
	Run:   runKinds,
}

// KindsFold holds what goroutines did, by what they are about. The runtime's own count
// where they run the program's functions: finalizers, cleanups.
type KindsFold struct {
	spans tally.Keyed[kindSpan, spent]
	lives tally.Keyed[kindLife, kindLives]
}

// kindID is what tells kinds apart: see parse.Go.
type kindID struct{ fn, body parse.StringID }

func (k kindID) hash() uint32 { return tally.Mix(uint32(k.fn), uint32(k.body)) }

// kindLife is what they turned out to have in common.
type kindLife struct {
	kindID
	common parse.StringID
	site   parse.StackID // of the go statement, where nothing tells what they are about
}

type kindSpan struct {
	kindID
	state parse.GoState // GoWaiting or GoSyscall
	ready parse.Ready   // GoWaiting: what ended it; 0 for the end of the trace
	stack parse.StackID
}

type spent struct {
	n, ns, longest int64
	alone          int64 // GoSyscall: see parse.Go
	whole, wholeNS int64 // of them, that lasted through the whole trace
	open, oldest   int64 // that the end of the trace cut, and the longest of them
}

func (s *spent) add(o *spent) {
	s.n += o.n
	s.ns += o.ns
	s.alone += o.alone
	s.longest = max(s.longest, o.longest)
	s.whole += o.whole
	s.wholeNS += o.wholeNS
	s.open += o.open
	s.oldest = max(s.oldest, o.oldest)
}

// busySteps are the steps of the share of a life that is not waiting for work, for
// goroutines that lived for ten time slices (proc.go:forcePreemptNS) and longer.
const (
	busySteps = 20
	busyLife  = 100e6
)

type kindLives struct {
	n, created, ended int64 // goroutines
	ran, runnable     int64
	alone             int64                    // of ran: see parse.GoLife
	unnamed           [parse.NumGoStates]int64 // what else they did before they were named
	unblocked         int64                    // the longest parse.GoLife.Unblocked
	busy              [busySteps]int64         // those that lived for busyLife and longer, by the share of it not waiting for work
}

func (l *kindLives) add(o *kindLives) {
	l.n += o.n
	l.created += o.created
	l.ended += o.ended
	l.ran += o.ran
	l.runnable += o.runnable
	l.alone += o.alone
	l.unblocked = max(l.unblocked, o.unblocked)
	for s, ns := range o.unnamed {
		l.unnamed[s] += ns
	}
	for i, n := range o.busy {
		l.busy[i] += n
	}
}

func (f *KindsFold) Event(e *parse.Event) {
	if e.Kind == parse.KindGoNamed {
		if l := e.GoLife; l.Class == parse.ClassUser {
			f.life(l).add(&kindLives{unnamed: waitingOf(l)})
		}
		return
	}
	if e.Kind == parse.KindGoLife {
		l := e.GoLife
		if !about(l.Class, l.Body) || l.Outside > 0 && l.Outside == int64(e.Time-l.Born) {
			return // the runtime's own; a thread of C that never called into Go
		}
		add := kindLives{n: 1, ran: l.Spent[parse.GoRunning], runnable: l.Spent[parse.GoRunnable], alone: l.Alone, unblocked: l.Unblocked}
		if l.Func == 0 {
			add.unnamed = waitingOf(l)
		}
		if l.BornSeen {
			add.created = 1
		}
		if life := int64(e.Time - l.Born); life >= busyLife {
			add.busy[min((life-l.Idle)*busySteps/life, busySteps-1)] = 1
		}
		if l.Ended {
			add.ended = 1
		}
		f.life(l).add(&add)
		return
	}
	g := e.Go
	if g.Func == 0 || !about(g.Class, g.Body) || g.Outside && g.From == parse.GoSyscall {
		return // what was told before the name comes with the life
	}
	k := kindSpan{kindID: kindID{g.Func, g.Body}, state: g.From, stack: g.FromStack}
	if g.From == parse.GoWaiting {
		k.ready = g.Ready
	}
	held := int64(e.Time - g.Since)
	s := f.spans.At(k, tally.Mix(k.hash(), uint32(k.stack)<<8|uint32(k.ready)<<4|uint32(k.state)))
	s.n++
	s.ns += held
	if g.From == parse.GoSyscall {
		s.alone += g.Alone
	}
	s.longest = max(s.longest, held)
	if g.To == parse.GoUndetermined {
		s.open++
		s.oldest = max(s.oldest, held)
		if g.Partial {
			s.whole++
			s.wholeNS += held
		}
	}
}

// about reports whether goroutines count: the program's, and those of the runtime that
// run its functions.
func about(c parse.Class, body parse.StringID) bool {
	return c == parse.ClassUser || c != parse.ClassTracer && body != 0
}

// life is where the life of a goroutine counts.
func (f *KindsFold) life(l *parse.GoLife) *kindLives {
	k := kindLife{kindID: kindID{l.Func, l.Body}, common: l.Common}
	if l.Body == 0 {
		k.site = l.Site
	}
	return f.lives.At(k, tally.Mix(k.hash(), uint32(l.Common)^uint32(k.site)<<8))
}

// waitingOf is what a goroutine has done so far but for running and waiting to run, which
// its life tells.
func waitingOf(l *parse.GoLife) (ns [parse.NumGoStates]int64) {
	ns[parse.GoWaiting], ns[parse.GoSyscall] = l.Spent[parse.GoWaiting], l.Spent[parse.GoSyscall]-l.Outside
	return ns
}

func (f *KindsFold) Merge(next analysis.Collector) {
	o := next.(*KindsFold)
	f.spans.Merge(&o.spans, (*spent).add)
	f.lives.Merge(&o.lives, (*kindLives).add)
}

// lifeOf says where the life of a kind goes, in words: the n largest parts of 1 % and more.
func (k *GoKind) lifeOf(n int) string {
	var parts []string
	for _, s := range k.Stays {
		if len(parts) == n || k.Share(s.NS) < .01 {
			break
		}
		parts = append(parts, k.partOf(s))
	}
	return strings.Join(parts, ", ")
}

// mostly is the largest part of the life of a kind, in words, and where that is no work
// that was begun also the largest that is, of 1 % and more. Where most of their lives are
// those of goroutines that wait through the whole trace, it is told of the others.
func (k *GoKind) mostly() string {
	if len(k.Stays) == 0 {
		return ""
	}
	if whole, others := k.others(); others != nil && 2*others.Life < k.Life {
		return say.Numbered(whole, "waits", "wait") + " through the whole trace, of the others' lives " + others.mostly()
	}
	text := k.partOf(k.Stays[0])
	if k.Stays[0].Parked == "" {
		return text
	}
	i := slices.IndexFunc(k.Stays, func(s *Stay) bool { return s.Parked == "" })
	if i < 0 || k.Share(k.Stays[i].NS) < .01 {
		return text
	}
	return text + ", " + k.partOf(k.Stays[i])
}

// others is a kind without those of its goroutines that have nothing to do through the
// whole trace, and how many these are; nil where the others hardly do anything either.
func (k *GoKind) others() (whole int64, others *GoKind) {
	rest := &GoKind{Name: k.Name, Entry: k.Entry}
	for _, s := range k.Stays {
		part := *s
		if s.Parked != "" && s.Whole > 0 {
			whole += s.Whole
			part.NS -= s.WholeNS
			part.N -= s.Whole
			part.Whole, part.WholeNS = 0, 0
			if (s.Parked == ParkedWhole || s.Parked == ParkedBefore) && part.N > 0 && 10*say.Ratio(part.NS, part.N) < 9*say.Ratio(s.WholeNS, s.Whole) {
				part.Parked = partly(s.Place.Prim)
			}
		}
		if part.NS > 0 {
			rest.Life += part.NS
			rest.Stays = append(rest.Stays, &part)
		}
		if part.Parked != "" {
			rest.Parked += part.NS
		}
	}
	if whole == 0 || rest.Busy() == 0 || 20*rest.Busy() < rest.Life {
		return whole, nil
	}
	slices.SortStableFunc(rest.Stays, func(a, b *Stay) int { return cmp.Compare(b.NS, a.NS) })
	return whole, rest
}

// partly is how goroutines are parked that wait for a part of the trace where others of
// their kind wait through all of it.
func partly(p parse.Primitive) Parked {
	switch p {
	case parse.PrimSleep:
		return ParkedTicker
	case parse.PrimChanReceive, parse.PrimSelect, parse.PrimCond:
		return ParkedInput
	}
	return ""
}

// partOf is a part of the life of a kind in words.
func (k *GoKind) partOf(s *Stay) string {
	part := analysis.FormatRatio(k.Share(s.NS)) + " " + s.Label
	if s.Parked != "" && (s.Parked != ParkedBefore || s.PlaceID != 0) {
		part += " (" + s.rest() + ")"
	}
	return part
}
