package tasks

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var HungRequests = &analysis.Analyzer{
	Name: "hung-requests", Proof: "kinds.life",
	Doc:         say.Page(pages, "hung-requests"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Requests, measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "hung-requests.length", Doc: "for how long the oldest of the requests of a type that are open at the end has been", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 20e6, Warning: 100e6, Error: 500e6}, Source: "a tenth of a second is felt by who waits for an answer, after half a second they give up",
		},
		{
			Name: "hung-requests.ratio", Doc: "that over how long the slowest of the others took", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "the next of twenty rarely exceeds the slowest of them by so much",
		},
		{
			Name: "hung-requests.others", Doc: "requests that were done in the trace, of the type, or of its kind", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "as request-path.requests",
		},
	},
	Run: func(p *analysis.Pass) error {
		ts := measures.RequestTypesOf(p)
		var near analysis.Gate
		found, served := 0, 0
		for _, t := range ts.All {
			c := ts.Hung(t)
			if t.Served() || c.Oldest > 0 {
				served++
			}
			if c.N() == 0 || found == evidence.MaxFindings {
				continue
			}
			g := p.Gate(analysis.Grades("length", float64(c.Oldest)), analysis.Needs("ratio", say.Ratio(c.Oldest, max(c.Usual, 1))), analysis.Needs("others", float64(c.Others)))
			if g.Severity == "" {
				near = near.Nearer(g.At(t.Name))
				continue
			}
			found++
			p.Find(hung(p, ts, t, &c, g))
		}
		switch {
		case found > 0:
		case served == 0:
			p.NotApplicable(noRequests)
		default:
			evidence.Clear(p, "no request that is open at the end for longer than others took", near)
		}
		return nil
	},
}

// hung says what requests of a type hang at, and who is in the way.
func hung(p *analysis.Pass, ts *measures.RequestTypes, t *measures.RequestType, c *measures.HungClass, g analysis.Gate) analysis.Finding {
	cause := ts.HungCauses(c)[0]
	oldest := c.Paths()[0]
	f := analysis.Finding{
		Severity: g.Severity, Confidence: analysis.Measured,
		Summary: fmt.Sprintf("%s at the end, for up to %s (%s others took %s at most), %s of their time %s",
			hanging(c, t), p.Dur(c.Oldest), analysis.FormatCount(c.Others), p.Dur(c.Usual), analysis.FormatRatio(say.Ratio(cause.NS, c.Total())), ts.Why(t, cause)),
		Cost:     analysis.Cost{Value: c.Total(), Total: c.Total() + t.Lengths().Sum(), Clock: analysis.GTime},
		Explains: []string{"unfinished-tasks"},
		Advice:   fmt.Sprintf("Find what they wait for, and give that wait a deadline: tracelens show TRACE --goroutine %d has the path of the oldest. kinds.busy should fall.", oldest.G),
		Caveat:   "Requests of different kinds under one type differ by nature.",
	}
	switch {
	case cause.Place.Prim == parse.PrimNetwork:
		f.Advice = peerIsLate + " " + f.Advice
	case cause.Place.Prim == parse.PrimSleep:
		f.Advice = "Bound how long a request may sleep there, or give its client an answer that says to come back. " + f.Advice
	}
	if s := suspectOf(p, ts, c, cause); s != nil {
		f.Confidence = analysis.Inferred
		f.Summary += "; " + s.says
		f.Advice = s.advice + " " + f.Advice
		f.Caveat += " " + s.caveat
		f.Explains = append(f.Explains, "exhausted-pool/hang")
	}
	for _, path := range c.Paths()[:min(len(c.Paths()), 10)] {
		row := analysis.Evidence{From: p.Rel(path.Since), To: p.Rel(path.Until), G: evidence.IDOf(path.G), Func: t.Name, Note: fmt.Sprintf("request %s is open: %s", path.ID(), ts.Mostly(path))}
		if len(f.Evidence) == 0 && cause.Place.Stack != 0 {
			row.Stack = p.Stack(cause.Place.Stack)
		}
		f.Evidence = append(f.Evidence, row)
	}
	return f
}

// hanging says how many requests of a type hang.
func hanging(c *measures.HungClass, t *measures.RequestType) string {
	switch {
	case c.More:
		return analysis.FormatCount(c.N()) + " or more " + t.Of() + " hang"
	case c.N() == 1:
		return t.Counted(1) + " hangs"
	}
	return t.Counted(c.N()) + " hang"
}

// A suspect is who seems to keep requests waiting.
type suspect struct{ says, advice, caveat string }

// suspectOf is who ended such waits before, where that one does something else now; else
// who began something about when the requests began to hang, and has not come back from it.
func suspectOf(p *analysis.Pass, ts *measures.RequestTypes, c *measures.HungClass, cause *measures.RequestCause) *suspect {
	if cause.Leaf.Who != "" || cause.Leaf.State != parse.GoWaiting || !cause.Place.Prim.Mutual() {
		return nil
	}
	id := p.Trace.PlaceOf(cause.Place.Stack)
	hangs := func(k *measures.GoKind) bool { s := k.At(id); return s != nil && s.Open > 0 }
	if at := measures.HoldersOf(p).At(id); at != nil && !cause.Place.Prim.Lock() {
		for _, h := range at.Holders {
			if h.Kind == nil || hangs(h.Kind) {
				break
			}
			does, at := doing(p, h.Kind, c.Oldest)
			if does == "" {
				continue
			}
			s := &suspect{
				says:   fmt.Sprintf("%s, which ended such waits before, %s", h.Kind.Name, does),
				advice: fmt.Sprintf("Make what %s does shorter, or let more goroutines do it.", h.Kind.Name),
				caveat: "That it would end these waits as well is told from those before.",
			}
			if at != nil && at.Place.Prim == parse.PrimNetwork {
				s.advice = peerIsLate
			}
			return s
		}
	}
	holds := "what they wait for"
	if cause.Place.Prim.Lock() {
		holds = "the lock"
		if s := among(ts, c); s != nil {
			return s
		}
	}
	var doers, own []*measures.GoKind // own: methods of the type that has the lock
	owner := evidence.OwnerOf(p.Trace.String(cause.Place.Site.Func))
	for _, k := range measures.KindsOf(p).All {
		if does, _ := doing(p, k, c.Oldest); does == "" || hangs(k) || parse.IsStd(k.Name) {
			continue
		}
		if doers = append(doers, k); owner != "" && evidence.OwnerOf(k.Name) == owner {
			own = append(own, k)
		}
	}
	if len(own) > 0 && cause.Place.Prim.Lock() {
		doers = own
	}
	if len(doers) == 0 {
		return lastSuspect(p, c, cause, id)
	}
	var who, says []string
	for _, k := range doers[:min(len(doers), maxSuspects)] {
		does, _ := doing(p, k, c.Oldest)
		who, says = append(who, k.Name), append(says, k.Title()+" "+does)
	}
	return &suspect{
		says:   "meanwhile " + strings.Join(says, ", and "),
		advice: fmt.Sprintf("See whether %s keeps %s: then do it in steps, or without that.", strings.Join(who, " or "), holds),
		caveat: "Who is in the way is guessed from who has been at something else for as long.",
	}
}

// among is one of the hung requests that has been at something else than the lock for as long.
func among(ts *measures.RequestTypes, c *measures.HungClass) *suspect {
	for _, path := range c.Paths() {
		for _, part := range path.Parts {
			elsewhere := part.State == parse.GoRunning || part.State == parse.GoSyscall || part.State == parse.GoWaiting && part.Place != 0 && !ts.PlaceOf(&part).Prim.Lock()
			if elsewhere && sinceThen(int64(part.To-part.From), c.Oldest) {
				return &suspect{
					says:   "one of them is " + ts.Doing(&part),
					advice: "See whether that one has the lock: then do what it is at without it.",
					caveat: "Who holds a lock is not in the trace.",
				}
			}
		}
	}
	return nil
}

// lastSuspect is what to say where nobody does anything else: goroutines that wait for
// another lock, or a peer.
func lastSuspect(p *analysis.Pass, c *measures.HungClass, cause *measures.RequestCause, id parse.PlaceID) *suspect {
	h := measures.HoldersOf(p)
	if at := h.At(id); at != nil && h.Chain(at).Root.Kind == measures.RootNetwork {
		return &suspect{says: "the network ended such waits before", advice: peerIsLate, caveat: "That it would end these waits as well is told from those before."}
	}
	if !cause.Place.Prim.Lock() {
		return nil
	}
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if s.State == parse.GoWaiting && s.Place.Prim.Lock() && s.Open > 0 && s.PlaceID != id && sinceThen(s.Oldest, c.Oldest) {
				return &suspect{
					says:   fmt.Sprintf("meanwhile %s waits at %s, since %s", k.Title(), s.Label, p.At(p.Trace.To-parse.Time(s.Oldest))),
					advice: fmt.Sprintf("See whether goroutines take these locks in another order (%s and %s), so that they hold one another up.", measures.SiteOf(p.Trace, cause.Place), measures.SiteOf(p.Trace, s.Place)),
					caveat: "Who holds a lock is not in the trace.",
				}
			}
		}
	}
	return nil
}

const peerIsLate = "The peer has not answered: look there, and give the call a deadline that requests can bear."

const (
	maxSuspects = 2
	notAfter    = .9 // of the time that the oldest request hangs: who began later did not hold it up
	notBefore   = 1.5
)

// doing is what goroutines of a kind have been doing since about when requests began to
// hang, and where that is no run; "" where they have not, or wait for others themselves.
func doing(p *analysis.Pass, k *measures.GoKind, hung int64) (does string, at *measures.Stay) {
	if sinceThen(k.Unblocked, hung) {
		return "has run, or could run, for " + p.Dur(k.Unblocked) + " without a wait", nil
	}
	for _, s := range k.Stays {
		outside := s.State == parse.GoSyscall || s.State == parse.GoWaiting && (s.Place.Prim == parse.PrimSleep || s.Place.Prim == parse.PrimNetwork)
		anew := s.Parked == "" || s.Parked == measures.ParkedTicker && s.Open == s.N // not what it did between rounds before
		if outside && anew && s.Open > 0 && sinceThen(s.Oldest, hung) {
			return fmt.Sprintf("has been at %s for %s", s.Label, p.Dur(s.Oldest)), s
		}
	}
	return "", nil
}

// sinceThen reports whether something that has lasted for ns began about when requests
// began to hang.
func sinceThen(ns, hung int64) bool {
	return float64(ns) >= notAfter*float64(hung) && float64(ns) <= notBefore*float64(hung)
}
