package gc

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var liveHeapGrowth = &analysis.Analyzer{
	Name: "live-heap-growth", Proof: "gc.heap",
	Doc:      say.Page(pages, "live-heap-growth"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "live-heap-growth.cycles", Doc: "GC cycles in the last rise of the live heap, one after the other up to the end of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4, Warning: 5}, Source: "by chance one in 120 orders of five values rises throughout, and one in 720 of six; where all that is allocated lives, a heap of 4 MiB (the least) is 64 MiB after four cycles"},
		{Name: "live-heap-growth.trend", Doc: "trend of the live heap after all cycles kept (z of Mann and Kendall's test)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.96}, Source: "two-sided 5 %: the interval of Theil and Sen's slope is above 0"},
		{Name: "live-heap-growth.few", Doc: "cycles in that rise, where it is the whole trace and nearly all that is allocated lives", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3, Warning: 3}, Source: "then each cycle comes at twice the heap of the one before, so that a leak has few: a heap of 20 MiB is 160 MiB after three"},
		{Name: "live-heap-growth.kept", Doc: "what lives of what was allocated between two cycles of that rise, the least of them", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "a program at work keeps next to nothing: four fifths, three times in a row, are what it collects"},
		{Name: "live-heap-growth.share", Doc: "growth of the live heap in its last rise", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2}, Source: "a fifth: GOGC=100 pays it twice, in memory"},
		{Name: "live-heap-growth.bytes", Doc: "growth of the live heap in its last rise, in bytes", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 16 << 20, Warning: 64 << 20}, Source: "four minimal heaps (4 MiB): less is a program that starts; four times that is no buffer that fills once"},
		{Name: "live-heap-growth.time", Doc: "length of the last rise of the live heap", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6, Warning: 1e9}, Source: "what is read at a start takes less than a second; a leak goes on"},
		{Name: "live-heap-growth.steady", Doc: "growth per second in the second half of that rise, as a share of that in the first; with less it is a note", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "a cache that fills grows ever more slowly, a leak as fast as before"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		floors := heapFloors(c)
		if len(floors) < 2 {
			p.NotApplicable(fmt.Sprintf("the live heap after a cycle is told %s; record longer, until there are five cycles or more", say.Counted(int64(len(floors)), "time", "times")))
			return nil
		}
		first := len(floors) - 1
		for first > 0 && floors[first-1].bytes < floors[first].bytes {
			first--
		}
		from, to := floors[first], floors[len(floors)-1]
		rises := int64(len(floors) - 1 - first)
		grown, z := to.bytes-from.bytes, mannKendall(floors)
		few := rises
		if first > 0 { // it fell before, and may again
			few = 0
		}
		g := p.Gate(analysis.Grades("time", float64(to.at-from.at)), analysis.Grades("bytes", float64(grown)), analysis.Either(analysis.Both(analysis.Grades("cycles", float64(rises)), analysis.Needs("trend", z)), analysis.Both(analysis.Grades("few", float64(few)), analysis.Needs("kept", keptOf(floors[first:])))), analysis.Needs("share", say.Ratio(grown, from.bytes)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if !p.Met("steady", steadyOf(floors[first:])) {
			severity = analysis.Note
		}
		slope := senSlope(floors[first:])
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("The live heap grew from %s to %s over the last %s of the trace, in %s; at this rate it doubles in %s",
				analysis.FormatBytes(from.bytes), analysis.FormatBytes(to.bytes), say.Counted(rises, "cycle", "cycles"), p.Dur(int64(to.at-from.at)), p.Dur(int64(float64(to.bytes)/max(slope, 1e-9)))) + evidence.AllocatedAt(p, c),
			Confidence: analysis.Inferred,
			Advice:     "Compare two heap profiles (inuse_space) some minutes apart; look for maps and caches without bound and for goroutines that never end. heap.live.max should stop rising.",
			Caveat:     "It is so in this trace: caches that warm up and batches that build a result look the same. What was allocated while a cycle marked counts as live. Sites are where cycles began and goroutines assisted: where much is allocated, not what holds it. It costs memory, no time: the finding has no cost.",
		}
		rows := floors[first:]
		for _, i := range []int{0, len(rows) / 2, len(rows) - 1} {
			at := p.Rel(rows[i].at)
			finding.Evidence = append(finding.Evidence, analysis.Evidence{From: at, To: at, Note: analysis.FormatBytes(rows[i].bytes) + " live after the cycle"})
		}
		finding.Evidence = append(finding.Evidence, evidence.LimitRows(evidence.AllocationSites(p, c, from.at, to.at), evidence.EvidenceRows)...)
		p.Find(finding)
		return nil
	},
}

// heapFloor is what was live after a cycle.
type heapFloor struct {
	at            parse.Time
	bytes, before int64 // before: when the cycle began, 0 where that is not told
}

// keptOf is the least share that lives of what was allocated between two cycles.
func keptOf(v []heapFloor) float64 {
	least := 1.0
	for i := 1; i < len(v); i++ {
		kept := 0.0
		if allocated := v[i].before - v[i-1].bytes; allocated > 0 {
			kept = say.Ratio(v[i].bytes-v[i-1].bytes, allocated)
		}
		least = min(least, kept)
	}
	return least
}

// steadyOf is how fast the live heap grew in the second half of some cycles, as a share of how
// fast it did in the first.
func steadyOf(v []heapFloor) float64 {
	mid := len(v) / 2
	rate := func(from, to heapFloor) float64 { return say.Ratio(to.bytes-from.bytes, int64(to.at-from.at)) }
	first := rate(v[0], v[mid])
	if first <= 0 {
		return 1
	}
	return rate(v[mid], v[len(v)-1]) / first
}

// heapFloors is what was live after each whole cycle of which details are kept, in
// the order of time.
func heapFloors(c *measures.GCFold) (out []heapFloor) {
	for _, it := range c.Longest().Items() {
		if it.Item.Unfinished {
			continue
		}
		for _, d := range c.Details() {
			if d.Since == it.Item.Since && d.LiveAt > 0 {
				before, _ := d.Before()
				out = append(out, heapFloor{parse.Time(d.LiveAt), d.LastLive, before})
			}
		}
	}
	slices.SortFunc(out, func(a, b heapFloor) int { return cmp.Compare(a.at, b.at) })
	return out
}

// mannKendall is the z of Mann and Kendall's test for a trend.
func mannKendall(v []heapFloor) float64 {
	s := 0.0
	for i := range v {
		for j := range i {
			s += float64(cmp.Compare(v[i].bytes, v[j].bytes))
		}
	}
	n := float64(len(v))
	sigma := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	switch {
	case s > 0:
		return (s - 1) / sigma
	case s < 0:
		return (s + 1) / sigma
	}
	return 0
}

// senSlope is Theil and Sen's slope in bytes per ns: the median over all pairs.
func senSlope(v []heapFloor) float64 {
	var slopes []float64
	for i := range v {
		for j := range i {
			slopes = append(slopes, float64(v[i].bytes-v[j].bytes)/float64(max(1, v[i].at-v[j].at)))
		}
	}
	slices.Sort(slopes)
	if len(slopes) == 0 {
		return 0
	}
	return slopes[len(slopes)/2]
}
