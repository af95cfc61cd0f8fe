package gc

import (
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// gcWindow is what the GC did in a stretch of time.
type gcWindow struct {
	from, to parse.Time
	lanes    [measures.GCLanes]int64
	time     measures.Shares // of Ps
}

func newGCWindow(p *analysis.Pass, c *measures.GCFold, over *sketch.Series, from, to parse.Time) *gcWindow {
	w := &gcWindow{from: from, to: to}
	for lane := range w.lanes {
		w.lanes[lane] = window.Sum(p, c.Time(), lane, from, to)
	}
	for s := range w.time {
		w.time[s] = window.Sum(p, over, s, from, to)
	}
	return w
}

// wall is the length in ns of the buckets in it.
func (w *gcWindow) wall() int64 { return int64(w.to - w.from) }

// taken is P time the GC took from the program: all but idle workers.
func (w *gcWindow) taken() int64 {
	return w.lanes[measures.GCLaneWorkers] + w.lanes[measures.GCLaneAssist] + w.lanes[measures.GCLanePauses]
}

// runtime is P time that the GC took, and the runtime's own goroutines, which sweep in the
// background and give memory back.
func (w *gcWindow) runtime() int64 { return w.taken() + w.time[measures.ShareSystem] }

// used is P time that was used, but for idle workers.
func (w *gcWindow) used() int64 {
	return max(w.taken(), w.time.Sum()-w.time[measures.ShareIdle]-w.lanes[measures.GCLaneIdle])
}

func (w *gcWindow) marking() float64 {
	return min(1, say.Ratio(w.lanes[measures.GCLaneMarking], w.wall()))
}

// gcOf returns the folds that most of the checks read, and the stretch that scores
// highest; w is nil when there was no GC.
func gcOf(p *analysis.Pass, score func(sums []int64, ns int64) float64) (c *measures.GCFold, over *sketch.Series, w *gcWindow) {
	c = measures.GCOf(p).Closed(p)
	if c.Cycles()+c.Cut() == 0 {
		p.NotApplicable(evidence.NoGC(p))
		return c, nil, nil
	}
	over = measures.TimelineOf(p).Sums(p).Over
	worst := window.Worst(p, c.Time(), window.Second, score)
	return c, over, newGCWindow(p, c, over, worst.From, worst.To)
}

func markingScore(sums []int64, ns int64) float64 { return say.Ratio(sums[measures.GCLaneMarking], ns) }

const lessGarbage = "Allocate less at the sites shown (reuse buffers, avoid boxing, size slices), or give the heap room: a higher GOGC, or GOGC=off with a GOMEMLIMIT that leaves memory to spare."

// PausePart is the share of the pauses in what the GC took.
func PausePart(p *analysis.Pass) float64 {
	c := measures.GCOf(p).Closed(p)
	w := newGCWindow(p, c, sketch.NewSeries(int(measures.NumShares)), p.Trace.From, p.Trace.To)
	return say.Ratio(w.lanes[measures.GCLanePauses], w.taken())
}

func mmuIndex(ns int64) int { return slices.Index(measures.MMUWindows[:], ns) }

// StopsExplained is the limit that a grave finding about the GC's stops, or the
// others, explains: when it has most of the time that the world was halted.
func StopsExplained(c *measures.STWFold, s analysis.Severity, gc bool) []string {
	var part, all int64
	for _, k := range c.Kinds() {
		all += k.Halt
		if k.GC == gc {
			part += k.Halt
		}
	}
	if s.Rank() < analysis.Warning.Rank() || float64(part) < evidence.ExplainsFrom*float64(all) {
		return nil
	}
	return []string{"limits/stops"}
}
