package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// rounds is how often each goroutine must wait for a tick, on average: who waits once
// waits for a timeout.
const rounds = 3

// loops reports whether the library function that waits is the loop of a goroutine, as
// that of a window: it makes system calls or calls C between the waits, and the goroutine
// does next to nothing outside of it.
func loops(k *measures.GoKind, s *measures.Stay) bool {
	if k.Count != 1 {
		return false
	}
	var calls, outside int64
	for _, o := range k.Stays {
		in := o.Place.Call == s.Place.Call && o.Place.Site.Func == s.Place.Site.Func && o.Place.Site.Line == s.Place.Site.Line
		switch {
		case in && o.State == parse.GoSyscall:
			calls += o.N
		case !in && (o.State == parse.GoSyscall || o.State == parse.GoWaiting):
			outside += o.N
		}
	}
	return 2*calls >= s.N && 10*outside < s.N
}

// paces are the checks that tell of goroutines which wait for those that a timer holds up:
// where the ones that wait most to hand work over do.
func paces(h *measures.HeldPlaces, s *measures.Stay) []string {
	for _, place := range h.Places { // the most waiting first
		if place.Place.Prim != parse.PrimChanSend {
			continue
		}
		c := h.Chain(place)
		if last := c.Steps[len(c.Steps)-1].Place; c.Root.Kind == measures.RootTimer && last.ID == s.PlaceID {
			return []string{"lock-convoy/senders", "saturated-stage"}
		}
		break
	}
	return nil
}

var rateLimiter = &analysis.Analyzer{
	Name: "rate-limiter", Proof: "holders.graph",
	Doc:      say.Page(pages, "rate-limiter"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "rate-limiter.share", Doc: "share of the lives of goroutines in a library function that waits for a timer", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25, Warning: .5},
			Source: "with a quarter of the time in the limiter the program is a third slower than it need be, with half twice",
		},
		{
			Name: "rate-limiter.waits", Doc: "waits in this function", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits",
		},
		{
			Name: "rate-limiter.timer", Doc: "share of the time in this function that a timer ended", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "else it is a wait with a timeout",
		},
		{
			Name: "rate-limiter.time", Doc: "time in this function", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "ten time slices (proc.go:forcePreemptNS)",
		},
		{
			Name: "rate-limiter.sharing", Doc: "goroutines that wait for ticks at one place, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "tickers of their own that come at even distances by chance: one in 25 for three goroutines, one in 600 for five",
		},
		{
			Name: "rate-limiter.even", Doc: "time between ticks there that a tenth is shorter than, over the median or the mean, whichever is longer", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "one ticker: 1; goroutines with tickers of their own that began together: 0, as their ticks come in heaps",
		},
	},
	Run: func(p *analysis.Pass) error {
		ks := measures.KindsOf(p)
		found, any := 0, false
		var near analysis.Gate
		for _, k := range ks.All {
			for _, s := range k.Stays {
				inner := p.Trace.String(s.Place.Inner)
				if s.State != parse.GoWaiting || s.Parked != "" || s.Place.Call == 0 || parse.IsStd(inner) && parse.IsStd(p.Trace.String(s.Place.Call)) || s.Place.Inner == s.Place.Site.Func {
					continue
				}
				timed := s.Ready[parse.ReadyTimer]
				if !p.Met("timer", say.Ratio(timed, s.NS)) || loops(k, s) {
					continue
				}
				any = true
				share := k.Share(s.NS)
				g := p.Gate(analysis.Grades("share", share), analysis.Needs("waits", float64(s.N)), analysis.Needs("time", float64(s.NS)), analysis.Needs("timer", say.Ratio(timed, s.NS)))
				if g.Severity == "" || found == evidence.MaxFindings {
					near = near.Nearer(g.At(s.Label))
					continue
				}
				found++
				p.Find(analysis.Finding{
					Severity: g.Severity, Explains: paces(measures.HoldersOf(p), s),
					Summary: fmt.Sprintf("A limit of the rate holds %s up: %s of %s waiting at %s (%s in %s, longest %s), until a timer ends it; not the CPU, not the network",
						k.Title(), analysis.FormatRatio(share), k.Lives(), s.Label, p.Dur(s.NS), say.Counted(s.N, "wait", "waits"), p.Dur(s.Longest)),
					Cost: evidence.WallTime(p, min(s.NS/max(k.Count, 1), p.Trace.Duration())), Confidence: analysis.Inferred,
					Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(s.Place.Stack), Note: analysis.FormatRatio(share) + " of the lives of " + k.Title(), Stack: p.Stack(s.Place.Stack)})},
					Advice:   "The program waits on purpose: raise the limit if who is behind it can take more, ask less often (a cache, batches, watching instead of polling), or start fewer of these goroutines. kinds.busy should fall.",
					Caveat:   "A retry that waits longer each time (backoff) looks the same: then what fails is the cause.",
				})
			}
		}
		for _, place := range measures.HoldersOf(p).Places {
			if pr := place.Place.Prim; pr != parse.PrimChanReceive && pr != parse.PrimSelect || place.Place.Call != 0 || len(place.Waiters) != 1 || place.Timed() < p.Limit("timer") {
				continue
			}
			k, ticks := place.Waiters[0].Kind, place.Ticks()
			s := k.At(place.ID)
			if s == nil || k.Count < 2 || s.N < rounds*k.Count {
				continue
			}
			any = true
			each := ticks.QuantileAny(.5)
			share, sharing := k.Share(s.NS), say.Ratio(place.Waited, p.Trace.Duration())
			g := p.Gate(analysis.Grades("share", share), analysis.Needs("waits", float64(ticks.N())), analysis.Needs("time", float64(place.Held)),
				analysis.Needs("sharing", sharing), analysis.Needs("even", say.Ratio(ticks.QuantileAny(.1), max(each, place.Held/max(ticks.N(), 1)))))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(s.Label))
				continue
			}
			found++
			p.Find(analysis.Finding{
				Code: "rate-limiter/ticker", Severity: g.Severity,
				Summary: fmt.Sprintf("One ticker paces %s: %s of %s waiting at %s, where each tick, one in %s, lets one of them go on (%s at any time wait, %s)",
					k.Title(), analysis.FormatRatio(share), k.Lives(), s.Label, p.Dur(each), say.Number(sharing), say.Counted(ticks.N(), "tick", "ticks")),
				Cost: evidence.WallTime(p, min(s.NS/k.Count, p.Trace.Duration())), Confidence: analysis.Heuristic,
				Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: analysis.FormatRatio(share) + " of the lives of " + k.Title(), Stack: p.Stack(place.Place.Stack)})},
				Advice:   "If who is behind it can take more, tick more often, or give each goroutine a ticker of its own; else fewer of these goroutines do as much. kinds.parked should fall.",
				Caveat:   "That it is one ticker is told from ticks at even distances, each of which wakes one goroutine. Tickers of their own may come so by chance.",
			})
		}
		switch {
		case found > 0:
		case !any:
			p.NotApplicable("no goroutine waited for a timer in a function of a library, nor several at one place")
		default:
			p.Clear(near)
		}
		return nil
	},
}
