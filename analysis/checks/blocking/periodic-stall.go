package blocking

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var periodicStall = &analysis.Analyzer{
	Name: "periodic-stall", Proof: "blocking.waits",
	Doc:      say.Page(pages, "periodic-stall"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "periodic-stall.share", Doc: "share of the time in which goroutines are held up in stalls that come at one distance", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .1},
			Source: "the least cost of a warning; a tenth of the time is every tenth request",
		},
		{
			Name: "periodic-stall.stalls", Doc: "stretches of 1 ms or longer in which goroutines are held up", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 8}, Source: "of seven distances six are not within a tenth of a multiple of their median by chance but in one of 20,000 traces",
		},
		{
			Name: "periodic-stall.regular", Doc: "share of the distances between stalls that are within a tenth of a multiple of the median", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "of distances at random a fifth is",
		},
		{
			Name: "periodic-stall.apart", Doc: "median distance between stalls over their median length", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "what takes more than a third of the time is how the program works, and no stall",
		},
		{
			Name: "periodic-stall.same", Doc: "share of the stalls in which goroutines of one kind are in the way", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .6}, Source: "as everywhere in this tool: what explains 60 % explains it",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		stalls := joined(h, slices.DeleteFunc(slices.Clone(h.Stalls), func(s measures.Stall) bool { return usual(p, s) }))
		if len(stalls) == 0 {
			p.NotApplicable("no goroutine held another up for a millisecond; record while the program does its work")
			return nil
		}
		period, regular, length := periodOf(stalls)
		holder, n := mostly(stalls)
		var total, here int64
		var longest measures.Stall // of those
		var most parse.Time
		for _, s := range stalls {
			total += int64(s.Until - s.Since)
			most = max(most, s.Until-s.Since)
			if s.Holder == holder && s.Until-s.Since > longest.Until-longest.Since {
				longest = s
			}
		}
		for _, s := range stalls {
			if s.Place == longest.Place {
				here += int64(s.Until - s.Since)
			}
		}
		var explains []string
		if evidence.Causes(here, longest.Place.Held) {
			explains = []string{"lock-convoy/senders"} // nobody waits but in the stalls
		}
		share := say.Ratio(total, p.Trace.Duration())
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("stalls", float64(len(stalls))), analysis.Needs("regular", regular), analysis.Needs("apart", float64(period)/float64(length)), analysis.Needs("same", say.Ratio(n, int64(len(stalls)))))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		chain := h.Chain(longest.Place)
		p.Find(analysis.Finding{
			Severity: g.Severity, Explains: explains,
			Summary: fmt.Sprintf("Stalls come every %s: %s of them, %s at most, %s of the time; %s is in the way in %s of them, at %s: %s",
				p.Dur(period), analysis.FormatCount(int64(len(stalls))), p.Dur(int64(most)), analysis.FormatRatio(share), holder, analysis.FormatCount(n), longest.Place.Label, chain.Text()),
			Cost: evidence.WallTime(p, min(total, p.Trace.Duration())), Confidence: analysis.Inferred,
			Evidence: stallRows(p, stalls),
			Advice:   fmt.Sprintf("Something runs on a timer of %s: spread its work over the time, do it in steps, or without what the others need. hold.time should fall.", p.Dur(period)),
			Caveat:   "The 64 longest stretches in which one goroutine held others up were looked at.",
		})
		return nil
	},
}

// usual reports whether a stall is as long as waits where it is are on average: each
// request waits for its answer so, and comes at a distance of its own. Who waits for a
// lock, to send or for something of a pool met somebody in the way.
func usual(p *analysis.Pass, s measures.Stall) bool {
	at := s.Place
	if at.Place.Prim.Lock() || at.Place.Prim == parse.PrimChanSend || takes(p.Trace.String(at.Place.Inner)) {
		return false
	}
	return 2*at.Busy() >= int64(s.Until-s.Since)*at.Waits
}

// joined puts stalls that overlap, at several places or of several waiters, into one, from
// the start of the first to the end of the last: that of the longest of them, before which
// go those that do not wait over connections of the program to itself, where who answers is
// inferred. Who is in the way is who is at the end of what holds it up.
func joined(h *measures.HeldPlaces, stalls []measures.Stall) (out []measures.Stall) {
	var longest parse.Time
	var inferred bool
	for _, s := range stalls {
		chain := h.Chain(s.Place)
		over := slices.ContainsFunc(chain.Steps, func(s measures.ChainStep) bool { return s.Place.Peer })
		if root := chain.Root.Holder; root != "" && !over && chain.Steps[0].Holder == s.Holder {
			s.Holder = root
		}
		last := len(out) - 1
		if last < 0 || s.Since > out[last].Until {
			longest, inferred = s.Until-s.Since, over
			out = append(out, s)
			continue
		}
		if inferred && !over || inferred == over && s.Until-s.Since > longest {
			longest, inferred = s.Until-s.Since, over
			out[last].Place, out[last].Holder = s.Place, s.Holder
		}
		out[last].Until = max(out[last].Until, s.Until)
	}
	return out
}

// periodOf is the median distance of the starts of stalls, the share of all that are
// within a tenth of it of a multiple, up to three times (one may be too short to be seen),
// and their median length.
func periodOf(stalls []measures.Stall) (period int64, regular float64, length int64) {
	var d, lengths []int64
	for i, s := range stalls {
		lengths = append(lengths, int64(s.Until-s.Since))
		if i > 0 {
			d = append(d, int64(s.Since-stalls[i-1].Since))
		}
	}
	slices.Sort(lengths)
	length = max(lengths[len(lengths)/2], 1)
	if len(d) == 0 {
		return 0, 0, length
	}
	slices.Sort(d)
	period = max(d[len(d)/2], 1)
	n := 0
	for _, v := range d {
		k := (v + period/2) / period
		if off := v - k*period; k >= 1 && k <= 3 && 10*max(off, -off) <= period {
			n++
		}
	}
	return period, float64(n) / float64(len(d)), length
}

// mostly is the kind of goroutines that is in the way in most stalls.
func mostly(stalls []measures.Stall) (holder string, n int64) {
	count := make(map[string]int64)
	for _, s := range stalls {
		count[s.Holder]++
	}
	for name, k := range count {
		if k > n || k == n && name < holder {
			holder, n = name, k
		}
	}
	return holder, n
}

func stallRows(p *analysis.Pass, stalls []measures.Stall) (out []analysis.Evidence) {
	byLength := slices.SortedFunc(slices.Values(stalls), func(a, b measures.Stall) int {
		return cmp.Or(cmp.Compare(b.Until-b.Since, a.Until-a.Since), cmp.Compare(a.Since, b.Since))
	})
	for _, s := range byLength[:min(5, len(byLength))] {
		out = append(out, analysis.Evidence{From: p.Rel(s.Since), To: p.Rel(s.Until), Func: p.SiteName(s.Place.Place.Stack), Note: s.Holder + " is in the way", Stack: p.Stack(s.Place.Place.Stack)})
	}
	return out
}
