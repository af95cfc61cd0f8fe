package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var RwmutexWriterStall = &analysis.Analyzer{
	Name: "rwmutex-writer-stall", Proof: "holders.graph",
	Doc:      say.Page(pages, "rwmutex-writer-stall"),
	Covers:   []string{"limits/contention"},
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Kinds, measures.Holders, measures.Preemption},
	Thresholds: []analysis.Threshold{
		{
			Name: "rwmutex-writer-stall.readers", Doc: "readers waiting at one place, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .5, Warning: 4, Error: 16},
			Source: "as lock-convoy.waiters; a note from half of the time on, since readers are not meant to wait at all",
		},
		{
			Name: "rwmutex-writer-stall.length", Doc: "length that the waits there with the longest tenth of the waiting time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 4e6, Error: 100e6}, Source: "as lock-convoy.length",
		},
		{
			Name: "rwmutex-writer-stall.waits", Doc: "waits of readers at that place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "ten values before a quantile is said",
		},
		{
			Name: "rwmutex-writer-stall.behind", Doc: "share of the readers' waiting time in which a writer waited for readers to leave; with more the finding names slow readers", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25},
			Source: "a writer that waits keeps new readers out (sync/rwmutex.go: Lock); tells slow readers from long writes, which need other advice",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := measures.WaitingSites(p)
		if evidence.NoWaits(p, sites) {
			return nil
		}
		h := measures.HoldersOf(p)
		found := 0
		var near analysis.Gate
		for _, r := range sites {
			if r.Lock != measures.LockRead {
				continue
			}
			at, long, n := window.Worst(p, r.OverTime(), window.Moment, window.Mean(0)), r.Long(), r.Spans-r.Idle
			g := p.Gate(analysis.Grades("readers", at.Score), analysis.Grades("length", float64(long)), analysis.Needs("waits", float64(n)))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(r.Label[1]))
				continue
			}
			found++
			writer, behind := writerBefore(p, r, sites)
			shown := r.Evidence(p, at, say.Number(at.Score)+" readers waiting on average")
			why := "a writer held the lock"
			advice := "Make the write shorter: prepare the new value before the lock is taken and only swap it under it, or keep it in an atomic.Pointer that readers load. block.sync.total should fall."
			if writer != nil && p.Met("behind", behind) {
				why = fmt.Sprintf("%s of that while a writer waited at %s for slow readers to leave", analysis.FormatRatio(behind), writer.Label[1])
				shown = append(shown, writer.Evidence(p, window.Worst(p, writer.OverTime(), window.Moment, window.Mean(0)), "the writer, and below the readers it waited for")...)
				advice = "Shorten what readers do under the lock: one that is slow makes the writer wait, and a waiting writer keeps all new readers out. Or let readers load an atomic.Pointer. block.sync.total should fall."
			}
			p.Find(held(p, h, r, analysis.Finding{
				Severity: g.Severity,
				Summary: fmt.Sprintf("Readers of a sync.RWMutex wait at %s: %s waiting on average %s, %s in %s, longest %s; %s",
					r.Label[1], say.Number(at.Score), window.In(p, at.From, at.To), p.Dur(r.Busy()), say.Counted(n, "wait", "waits"), p.Dur(r.Max), why),
				Cost: evidence.GoTime(p, r.Busy()), Confidence: analysis.Inferred,
				Evidence: shown, Advice: advice,
				Caveat: "Which lock it is is not in the trace: reader and writer are taken for a pair because the function of one ends the waits of the other.",
			}))
		}
		if found == 0 {
			evidence.Clear(p, "no wait of a user goroutine to read under a sync.RWMutex", near)
		}
		return nil
	},
}

// writerBefore returns the waiting writer that fits readers best, in a function
// that also ends their waits, and the share of their time that it waited too, as
// if both were spread evenly in each bucket.
func writerBefore(p *analysis.Pass, r *measures.WaitingAt, sites []*measures.WaitingAt) (writer *measures.WaitingAt, share float64) {
	for _, w := range sites {
		if w.Lock != measures.LockWrite || !measures.Releases(p, w, r) {
			continue
		}
		var both, all float64
		for i := range r.OverTime().Len() {
			t := r.OverTime().Start() + int64(i)*r.OverTime().Width()
			v := float64(r.OverTime().At(i, 0))
			all += v
			both += v * min(1, float64(window.Sum(p, w.OverTime(), 0, parse.Time(t), parse.Time(t+r.OverTime().Width())))/float64(r.OverTime().Width()))
		}
		if all > 0 && both/all > share {
			writer, share = w, both/all
		}
	}
	return writer, share
}
