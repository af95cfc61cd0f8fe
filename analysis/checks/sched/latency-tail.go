package sched

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
)

// waitEvidence are the longest waits of user goroutines for a P.
func waitEvidence(p *analysis.Pass, most int) (out []analysis.Evidence) {
	for _, e := range measures.LatencyOf(p).Worst().Items() {
		if len(out) == most {
			break
		}
		w := &e.Item
		c, _ := measures.Largest(&w.Parts)
		from := p.Rel(w.Since)
		out = append(out, analysis.Evidence{From: from, To: from + e.Value, P: evidence.IDOf(w.P), G: evidence.IDOf(w.G), Func: p.FuncName(w.Fn),
			Note: fmt.Sprintf("waited %s (%s), mostly %s", p.Dur(e.Value), say.ReadyWord(w.Ready), measures.CauseTexts[c]), Stack: p.Stack(w.Waker)})
	}
	return out
}

var LatencyTail = &analysis.Analyzer{
	Name:   "latency-tail",
	Doc:    say.Page(pages, "latency-tail"),
	Covers: []string{"limits/waits"},
	Thresholds: []analysis.Threshold{
		{
			Name: "latency-tail.p99", Doc: "p99 of the waits of user goroutines for a P, in the trace or its worst second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 10e6},
			Source: "10 ms is a whole time slice (proc.go:forcePreemptNS), 5 ms half of one; 1 ms the runtime's own limit for a starving mutex. Healthy services on a machine with too few CPUs have 1.2 ms, a sound mixed load on one P 3.3 ms",
		},
		{
			Name: "latency-tail.share", Doc: "waiting for a P, as a share of running and waiting for one, of user goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01}, Source: "less is not felt",
		},
		{
			Name: "latency-tail.waits", Doc: "waits, of the trace or of its worst second", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000},
			Source: "ten values lie beyond the p99",
		},
		{
			Name: "latency-tail.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer it is a note", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "where next to nobody comes from outside, as in a batch job, nobody minds who waits",
		},
		{
			Name: "latency-tail.moment", Doc: "share of the waits of 1 ms or longer that ended in the worst 100 ms, of traces of 1 s and more", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .8, Error: .8}, Source: "what happens once, such as a start, makes no tail for those who come later",
		},
	},
	Requires: []*analysis.Analyzer{measures.Parallelism, measures.Latency, measures.Waits},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.LatencyOf(p)
		user := f.Headline()
		n := user.N()
		if !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s of user goroutines for a P, longest %s: a p99 needs %.0f; record longer or under more load", say.Counted(n, "wait", "waits"), p.Dur(user.Max()), p.Limit("waits")))
			return nil
		}
		p99 := user.QuantileAny(.99)
		w, least := worstLatency(p, f)
		severity := p.Severity("p99", float64(p99))
		if s := p.Severity("p99", float64(least)); s.Rank() > severity.Rank() {
			severity = s
		}
		moment, inMoment := evidence.WorstMoment(p, f)
		severity = analysis.Least(severity, p.Severity("moment", inMoment))
		if severity != "" && !p.Met("outside", evidence.WokenFromOutside(p)) {
			severity = analysis.Note
		}
		cost := evidence.ActiveTime(p, user.Sum())
		if severity == "" || !p.Met("share", cost.Share()) {
			p.Say("p99 %s of %s waits for a P, %s or more in the worst second; limit %s",
				p.Dur(p99), analysis.FormatCount(n), p.Dur(least), p.Dur(int64(p.Limit("p99"))))
			return nil
		}
		text := fmt.Sprintf("User goroutines waited long for a P: p99 %s, longest %s (n=%s); waiting is %s of their running and waiting",
			p.Dur(p99), p.Dur(user.Max()), analysis.FormatCount(n), analysis.FormatRatio(cost.Share()))
		if least > p99 {
			text += fmt.Sprintf("; p99 %s or more in the worst second", p.Dur(least))
		}
		if inMoment > .5 {
			text += fmt.Sprintf("; %s of those of 1 ms or longer ended in the 100 ms from %s", analysis.FormatRatio(inMoment), p.At(moment.From))
		}
		if t := p.TableOf(measures.Waits, "waits.cause"); len(t.Rows) > 0 {
			share, _ := t.Cell(0, "share").(float64)
			text += fmt.Sprintf("; %s of it: %v", analysis.FormatRatio(share), t.Cell(0, "cause"))
		}
		wakers, top := wakerEvidence(p, 3)
		if top != "" {
			text += "; most of the long ones after " + top
		}
		shown := append(waitEvidence(p, 5), wakers...)
		if w.Den > 0 {
			from, to := w.Clip(p)
			shown = append(shown, analysis.Evidence{From: from, To: to, Note: "the worst second"})
		}
		p.Find(analysis.Finding{
			Severity: severity, Summary: text, Confidence: analysis.Measured, Cost: cost, Evidence: shown, Figure: "latency.time",
			Advice: "See under waits who held the Ps: make those runs shorter, wake fewer goroutines at once, or add Ps. sched.latency.user.p99 should fall.",
			Caveat: "Yields and coroutine switches are left out. On an oversubscribed machine the operating system's queue is part of it.",
		})
		return nil
	},
}

// worstLatency is the second with the longest p99 among those with enough waits, and
// the lower edge of that p99's class.
func worstLatency(p *analysis.Pass, f *measures.LatencyFold) (w window.WorstWindow, least int64) {
	s := f.OverTime()
	k := min(max(int(window.SchedWindow/s.Width()), 1), s.Len())
	if k == 0 {
		return w, 0
	}
	sums := make([]int64, s.Lanes())
	var n int64
	for b := range s.Len() {
		for lane := range sums {
			v := s.At(b, lane)
			if b >= k {
				v -= s.At(b-k, lane)
			}
			sums[lane] += v
			n += v
		}
		if b < k-1 || !p.Met("waits", float64(n)) {
			continue
		}
		lane := len(sums) - 1
		for beyond := sums[lane]; beyond*100 < n && lane > 0; beyond += sums[lane] {
			lane--
		}
		if from, _ := measures.LatencyClass(lane); from > least {
			at := s.Start() + int64(b-k+1)*s.Width()
			w, least = window.WorstWindow{From: at, To: at + int64(k)*s.Width(), Num: sums[lane], Den: n}, from
		}
	}
	return w, least
}
