package sched

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// wakerEvidence are the places where goroutines that waited longest in all were made
// runnable, and the one with more than half of that, "" if there is none.
func wakerEvidence(p *analysis.Pass, most int) (out []analysis.Evidence, top string) {
	var all int64
	f := measures.LatencyOf(p)
	name := func(k measures.LongWaitKey) tally.Label { return tally.Label{say.ReadyName(p, k.Ready, k.Stack)} }
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	wakers := measures.JoinSites(f.Wakers().ByKey(), name, (*measures.LongWaits).Add, func(w *measures.LongWaits) int64 { return w.Total },
		func(a, b measures.LongWaitKey) int {
			return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Ready, b.Ready))
		})
	for _, w := range wakers {
		all += w.V.Total
	}
	for _, w := range wakers[:min(most, len(wakers))] {
		name := name(w.Key)[0]
		if 2*w.V.Total > all {
			if top = name; w.Key.Stack == 0 {
				top = strings.Trim(name, "()")
			}
		}
		out = append(out, analysis.Evidence{From: from, To: to, Func: name,
			Note: fmt.Sprintf("%s of 1 ms or longer after it, %s in all, at most %s", say.Counted(w.V.N, "wait", "waits"), p.Dur(w.V.Total), p.Dur(w.V.Longest)), Stack: p.Stack(w.Key.Stack)})
	}
	return out, top
}

// stealEvidence are the places where most of the goroutines that were stolen had
// become runnable.
func stealEvidence(p *analysis.Pass) (out []analysis.Evidence) {
	f := measures.StealingOf(p)
	for _, s := range stealers(p, f) {
		if len(out) == 5 || s.V.N == 0 {
			break
		}
		out = append(out, evidence.Whole(p, analysis.Evidence{Func: p.FuncName(s.Key.Fn),
			Note: fmt.Sprintf("made runnable at %s, %s stolen", say.ReadyName(p, s.Key.Ready, s.Key.Stack), say.Counted(s.V.N, "start", "starts")), Stack: p.Stack(s.Key.Stack)}))
	}
	return out
}

// stealers are the sites of stolen goroutines, those with most first.
func stealers(p *analysis.Pass, f *measures.StealingFold) []measures.Joined[measures.StealSite, measures.Stolen] {
	return measures.JoinSites(f.Sites().ByKey(), func(k measures.StealSite) tally.Label {
		return tally.Label{say.ReadyName(p, k.Ready, k.Stack), p.FuncName(k.Fn)}
	},
		(*measures.Stolen).Add, func(v *measures.Stolen) int64 { return v.N },
		func(a, b measures.StealSite) int {
			return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Fn, b.Fn), cmp.Compare(a.Ready, b.Ready))
		})
}

// yieldsItself reports whether the program called runtime.Gosched at a stack: the runtime
// does so for goroutines in mark assist and in runtime.GC.
func yieldsItself(tr *parse.Trace, stack parse.StackID) bool {
	for _, f := range tr.Stack(stack) {
		switch fn := tr.String(f.Func); {
		case fn == "runtime.gcAssistAlloc", fn == "runtime.GC":
			return false
		case !strings.HasPrefix(fn, "runtime."):
			return true
		}
	}
	return true
}
