package blocking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var StuckGoroutines = &analysis.Analyzer{
	Name: "stuck-goroutines", Proof: "kinds.flame",
	Doc:      say.Page(pages, "stuck-goroutines"),
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "stuck-goroutines.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6}, Source: "in less time a slow request and one that never ends look alike",
		},
		{
			Name: "stuck-goroutines.grown", Doc: "goroutines that started to wait at one place in the trace and still do at its end", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10, Warning: 20, Error: 1000}, Source: "more than the workers of a pool that starts by and by; a thousand in a trace use up the memory of any machine",
		},
		{
			Name: "stuck-goroutines.growth", Doc: "goroutines that started to wait at one place in the trace and still do, as a share of those that waited there before", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "a large group that changes a little is a pool",
		},
		{
			Name: "stuck-goroutines.ended", Doc: "share of the waits at this place that ended", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .05}, Source: "where goroutines are woken, they wait for work",
		},
		{
			Name: "stuck-goroutines.steady", Doc: "share of the growth that lies in the lesser of the last two thirds of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "an even leak has a third in each; a pool that starts has nearly all in one",
		},
		{
			Name: "stuck-goroutines.lock", Doc: "time that the oldest wait for a lock, for a receiver or for goroutines that have ended has lasted at the end of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6, Warning: 500e6, Error: 1e9}, Source: "half a second is a request that a person waits for; a lock that is held for a second is held over I/O, or for ever",
		},
		{
			Name: "stuck-goroutines.share", Doc: "time that this oldest wait has lasted, as a share of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25, Warning: .25, Error: .5}, Source: "in a long trace the end of one slow request is not a deadlock; half of it is a program that hangs",
		},
		{
			Name: "stuck-goroutines.nil", Doc: "goroutines that use a nil channel", Unit: analysis.Count,
			Levels: analysis.Levels{Warning: 1, Error: 10}, Source: "they can never go on (runtime/chan.go: chansend, chanrecv); ten are as exhausted-pool.waiting",
		},
		{
			Name: "stuck-goroutines.parked", Doc: "goroutines in a select without cases, but for main", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1}, Source: "they can never go on, but somebody wrote select{} on purpose",
		},
	},
	Run: runStuckGoroutines,
}

func runStuckGoroutines(p *analysis.Pass) error {
	tr := p.Trace
	if !p.Met("trace", float64(tr.Duration())) {
		p.NotApplicable(fmt.Sprintf("in %s slow and stuck goroutines look alike; record at least %s, better some seconds, or take two goroutine profiles some minutes apart", p.Dur(tr.Duration()), p.Dur(int64(p.Limit("trace")))))
		return nil
	}
	sites := measures.WaitingSites(p)
	if evidence.NoWaits(p, sites) {
		return nil
	}
	total := evidence.UserTime(p)
	var leaks, forever int
	var locks, sends, groups []*measures.WaitingAt
	var nearLeak, nearLock analysis.Gate
	long := analysis.Needs("trace", float64(tr.Duration()))
	slices.SortStableFunc(sites, func(a, b *measures.WaitingAt) int { return cmp.Compare(b.Open, a.Open) })
	bodies := slices.ContainsFunc(sites, func(w *measures.WaitingAt) bool { return ofBody(p, w) })
	for _, w := range sites {
		if w.Open == 0 {
			break
		}
		end := analysis.Evidence{From: p.Rel(tr.To) - w.Oldest, To: p.Rel(tr.To), Func: w.Label[1], Stack: p.Stack(w.Stack)}
		switch {
		case w.Label[0] == "forever":
			if stuckForever(p, w, end, total) {
				forever++
			}
			continue
		case w.Lock == measures.LockMutex || w.Lock == measures.LockRead || w.Lock == measures.LockWrite:
			if g := lockGate(p, w); g.Severity == "" || handedOn(p, w) {
				if g.Severity != "" {
					g.Said += "; but it is handed on still, after waits as long"
				}
				nearLock = nearLock.Nearer(g.At(w.Label[1]))
			} else {
				locks = append(locks, w)
			}
			continue
		case deserted(p, w) && lockGate(p, w).Severity != "":
			groups = append(groups, w)
			continue
		}
		if w.Label[0] == "network" || w.Label[0] == "sleep" {
			continue
		}
		grown := w.Open - w.Idle
		steady, growth := steadyGrowth(p, w)
		need := []analysis.Condition{analysis.Grades("grown", float64(grown)), analysis.Needs("growth", float64(grown)/float64(max(w.Idle, 1))), analysis.Needs("steady", steady), long}
		if !leftBehind(p, w) {
			need = append(need, analysis.Needs("ended", say.Ratio(w.Spans-w.Open, w.Spans)))
		}
		g := p.Gate(need...)
		if g.Severity == "" || leaks == evidence.MaxFindings || growth <= 0 {
			nearLeak = nearLeak.Nearer(g.At(w.Label[1]))
			if stuckSending(w) && !parse.RunsFinalizers(tr.String(tr.Entry(w.Stack))) && lockGate(p, w).Severity != "" && !works(measures.HoldersOf(p), w) {
				sends = append(sends, w)
			}
			continue
		}
		if bodies && tr.String(tr.Entry(w.Stack)) == "net/http.(*persistConn).writeLoop" {
			continue // of the same connections
		}
		leaks++
		shown := []analysis.Evidence{end}
		from := ""
		if site, n := startedBy(p, goesBy(p, w.Stack)); n > 0 {
			from = fmt.Sprintf("; %s of that function were started at %s and did not end", analysis.FormatCount(n), p.SiteName(site))
			shown = append(shown, analysis.Evidence{From: p.Rel(tr.From), To: p.Rel(tr.To), Func: p.SiteName(site), Note: "where they were started", Stack: p.Stack(site)})
		}
		shown[0].Note = fmt.Sprintf("%s more than at the start", analysis.FormatCount(grown))
		where := w.Label[1]
		if reason := fmt.Sprintf(" (%s)", w.Label[0]); !strings.HasSuffix(where, reason) {
			where += reason
		}
		f := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Goroutines pile up at %s: %s more than at the start (%s), %s of %s waits ended%s",
				where, analysis.FormatCount(grown), analysis.FormatRate(say.PerSecond(grown, tr.Duration())), analysis.FormatCount(w.Spans-w.Open), analysis.FormatCount(w.Spans), from),
			Cost: analysis.Cost{Value: w.Busy(), Total: total, Clock: analysis.GTime}, Confidence: analysis.Inferred,
			Evidence: shown,
			Advice:   "Give each goroutine a way to end: a context, a channel that is closed, a buffer for the one result that nobody may fetch. goroutines.max should stop to grow from trace to trace. Go 1.26 has a profile of leaked goroutines (runtime/pprof, goroutineleak).",
			Caveat:   "The trace shows that they wait, not that nobody can wake them later.",
		}
		switch {
		case ofBody(p, w):
			unclosed(p, &f, grown)
		case strings.HasPrefix(tr.String(tr.Entry(w.Stack)), "context.(*cancelCtx).propagateCancel"):
			f.Advice = "Call the function that context.WithCancel, WithTimeout or WithDeadline returns, with defer: until then a goroutine waits for the parent, where that is a context of a type of its own. " + f.Advice
		case w.Label[0] == "sync.(*Cond).Wait":
			f.Advice = "Signal wakes one goroutine, which need not be the one that what changed is for, and nobody who comes to wait later: use Broadcast, or a channel for each. " + f.Advice
		}
		p.Find(f)
	}
	if len(locks) > 0 {
		stuckOnLocks(p, locks, total)
	}
	if len(sends) > 0 {
		stuckOnChannels(p, sends, total)
	}
	if len(groups) > 0 {
		stuckOnGroups(p, groups, total)
	}
	if leaks+len(locks)+len(sends)+len(groups)+forever > 0 {
		return nil
	}
	evidence.Clear(p, "no goroutine that waits for another one at the end", nearLeak, nearLock)
	return nil
}

// leftBehind reports whether those of a kind that were served at a place have ended, and
// those that live wait there for much longer than any did before: they were forgotten.
func leftBehind(p *analysis.Pass, w *measures.WaitingAt) bool {
	k := measures.KindsOf(p).OfStack(w.Stack)
	return k != nil && k.Ended > 0 && 2*k.Ended >= w.Spans-w.Open && 10*w.Open >= 9*(k.Count-k.Ended) && w.Oldest >= wontEnd*w.Max
}

// ofBody reports whether goroutines wait at a place for the body of a response to be read
// or closed (net/http/transport.go: readLoop).
func ofBody(p *analysis.Pass, w *measures.WaitingAt) bool {
	tr := p.Trace
	return w.Label[0] == "select" && tr.String(tr.Entry(w.Stack)) == "net/http.(*persistConn).readLoop" && tr.String(tr.Place(tr.PlaceOf(w.Stack)).Inner) == "net/http.(*persistConn).readLoop"
}

// unclosed makes a finding about such a place one about who does not close bodies.
func unclosed(p *analysis.Pass, f *analysis.Finding, grown int64) {
	who := ""
	if site := evidence.DialledAt(p); site != 0 {
		who = fmt.Sprintf(", most of them for requests at %s", measures.SiteOf(p.Trace, p.Trace.Place(p.Trace.PlaceOf(site))))
		f.Evidence = append(f.Evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(site), Note: "most of these requests", Stack: p.Stack(site)})
	}
	f.Code, f.Explains = "stuck-goroutines/body", []string{"connection-churn"}
	f.Summary = fmt.Sprintf("Response bodies are not closed: %s more connections of net/http wait for that than at the start (%s)%s",
		analysis.FormatCount(grown), analysis.FormatRate(say.PerSecond(grown, p.Trace.Duration())), who)
	f.Advice = "Read each response body to its end and close it, with defer resp.Body.Close() right after the error is checked: a connection with an open body is neither reused nor closed, and keeps two goroutines. goroutines.max should stop to grow from trace to trace."
	f.Caveat = "Long answers that are still being read look the same."
}

// lockGate is whether goroutines wait for a lock at a place for long at the end.
func lockGate(p *analysis.Pass, w *measures.WaitingAt) analysis.Gate {
	d := p.Trace.Duration()
	return p.Gate(analysis.Grades("lock", float64(w.Oldest)), analysis.Grades("share", say.Ratio(w.Oldest, d)), analysis.Needs("trace", float64(d)))
}

// handedOn reports whether a lock is taken in turn up to the end at a place, after waits
// that were nearly as long as that of who waits there still: a long queue.
func handedOn(p *analysis.Pass, w *measures.WaitingAt) bool {
	place := measures.HoldersOf(p).At(p.Trace.PlaceOf(w.Stack))
	return place != nil && place.Last > 0 && 10*int64(p.Trace.To-place.Last) <= w.Oldest && w.Oldest < wontEnd*w.Max
}

// steadyGrowth is by how much more goroutines waited at the end of w than a third
// into the trace, and which share of the whole growth lies in the lesser of the
// last two thirds.
func steadyGrowth(p *analysis.Pass, w *measures.WaitingAt) (share float64, growth float64) {
	d := p.Trace.Duration()
	level := func(third int64) float64 {
		to := int64(p.Trace.From) + d*third/3
		from := max(to-d/30, int64(p.Trace.From))
		if third == 0 {
			to = from + d/30
		}
		return float64(window.Sum(p, w.OverTime(), 0, parse.Time(from), parse.Time(to))) / float64(max(to-from, 1))
	}
	l := [4]float64{level(0), level(1), level(2), level(3)}
	growth = l[3] - l[1]
	if all := l[3] - float64(w.Idle); all > 0 {
		share = min(l[2]-l[1], l[3]-l[2]) / all
	}
	return share, growth
}

// startedBy returns the go statement with the most goroutines of a function that
// were started in the trace and did not end.
func startedBy(p *analysis.Pass, fn string) (site parse.StackID, n int64) {
	for _, e := range measures.GoroutinesOf(p).Populations().Entries {
		if alive := e.V.Created - e.V.Ended; p.FuncName(e.Key.Fn) == fn && e.Key.Seen && e.Key.Site != 0 && alive > n {
			site, n = e.Key.Site, alive
		}
	}
	return site, n
}

// stuckForever finds waits that cannot end, but for those of main.
func stuckForever(p *analysis.Pass, w *measures.WaitingAt, at analysis.Evidence, total int64) bool {
	empty := false
	for _, f := range p.Trace.Stack(w.Stack) {
		switch fn := p.Trace.String(f.Func); {
		case fn == "runtime.block":
			empty = true
		case fn == "main.main" && empty:
			return false // parks main by intent
		}
	}
	f := analysis.Finding{
		Code: "stuck-goroutines/forever", Severity: p.Gate(analysis.Grades("nil", float64(w.Open))).Severity,
		Summary: fmt.Sprintf("%s for ever on a nil channel at %s", say.Counted(w.Open, "goroutine waits", "goroutines wait"), w.Label[1]),
		Cost:    analysis.Cost{Value: w.Total, Total: total, Clock: analysis.GTime}, Confidence: analysis.Measured,
		Evidence: []analysis.Evidence{at},
		Advice:   "Make the channel before it is used; where a nil channel stands for \"never\", it belongs in a select with another case. goroutines.max should fall.",
		Caveat:   "Nothing can wake them: all they refer to stays in memory.",
	}
	if empty {
		f.Severity = p.Gate(analysis.Grades("parked", float64(w.Open))).Severity
		f.Summary = fmt.Sprintf("%s for ever in select{} at %s", say.Counted(w.Open, "goroutine waits", "goroutines wait"), w.Label[1])
		f.Advice = "If it only keeps the program alive, one in main is enough; else let the goroutine return. goroutines.max should fall."
	}
	p.Find(f)
	return f.Severity != ""
}
