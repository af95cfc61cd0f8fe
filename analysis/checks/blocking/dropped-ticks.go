package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var droppedTicks = &analysis.Analyzer{
	Name: "dropped-ticks", Proof: "blocking.waits",
	Doc: say.Page(pages, "dropped-ticks"),
	Thresholds: []analysis.Threshold{
		{
			Name: "dropped-ticks.lost", Doc: "share of the time by which rounds of a loop that a ticker wakes are longer than its period", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .1}, Source: "the least cost of a warning; one tick in ten that does not come",
		},
		{
			Name: "dropped-ticks.periods", Doc: "periods of the ticker from which on a round is late", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "a ticker keeps one tick for who is late, and drops the next (time.NewTicker)",
		},
		{
			Name: "dropped-ticks.regular", Doc: "share of the ticks that come at a multiple of the period, but for a tenth of it", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "as periodic-stall.regular: of distances at random a fifth is",
		},
		{
			Name: "dropped-ticks.chance", Doc: "chance that the ticks after late rounds come as near to multiples of the period, if they come at random", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .02}, Source: "one in fifty; a timer that is set anew in each round, such as a timeout, is not late",
		},
		{
			Name: "dropped-ticks.early", Doc: "rounds, late ones where only timers wake the loop, after which a tick comes within nine tenths of what nine in ten waits for ticks take (where it is met, the two before are not needed)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1}, Source: "a timeout begins with the wait and takes as long each time, and longer on a busy machine; a ticker has begun before",
		},
		{
			Name: "dropped-ticks.ticks", Doc: "ticks that the loop got", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "population: the period is told from their distances",
		},
		{
			Name: "dropped-ticks.own", Doc: "share of the late rounds in which it waited neither for another goroutine nor for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .6}, Source: "as everywhere in this tool; else the loop is not what is in the way",
		},
	},
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Kinds, measures.Goroutines},
	Run: func(p *analysis.Pass) error {
		loops := measures.TickLoopsOf(p, p.Limit("periods"))
		if evidence.NoTime(p) {
			return nil
		}
		if len(loops) == 0 {
			p.NotApplicable("no ticker woke a goroutine twice in the trace; record for some of its periods")
			return nil
		}
		found := 0
		var near analysis.Gate
		for _, l := range loops {
			g := p.Gate(analysis.Grades("lost", say.Ratio(l.Lost, p.Trace.Duration())),
				analysis.Either(analysis.Needs("early", float64(l.Early)), analysis.Both(analysis.Needs("regular", l.Regular), analysis.Needs("chance", l.Chance))),
				analysis.Needs("ticks", float64(l.Ticks)), analysis.Needs("own", l.Own))
			if g.Severity == "" || len(l.Late) == 0 || found == evidence.MaxFindings {
				near = near.Nearer(g.At(l.Label))
				continue
			}
			found++
			p.Find(lateLoop(p, l, g.Severity))
		}
		if found == 0 {
			p.Clear(near)
		}
		return nil
	},
}

func lateLoop(p *analysis.Pass, l *measures.TickLoop, s analysis.Severity) analysis.Finding {
	took := "took "
	if len(l.Late) > 1 {
		took = "took up to "
	}
	took += p.Dur(l.Late[0].NS) + ", "
	if len(l.Late) > 1 {
		took += "mostly "
	}
	by := evidence.CalledBy(p, l.At)
	f := analysis.Finding{
		Severity: s, Confidence: analysis.Inferred,
		Summary: fmt.Sprintf("%s misses ticks: one should wake it every %s, but %s of its %s %s%s%s",
			l.Kind, p.Dur(l.Period), analysis.FormatCount(int64(len(l.Late))), say.Counted(l.Rounds, "round", "rounds"), took, l.Why, by),
		Cost:   evidence.GoTime(p, l.Lost),
		Advice: "Do that in a goroutine of its own, so that the loop is back for the next tick, or make it shorter. The lateness that the program itself can measure (time.Since of the last round) should fall.",
		Caveat: "Ticks that come while it is not waiting do not show in a trace: the period is told from those that woke it.",
	}
	for _, r := range l.Late[:min(evidence.EvidenceRows, len(l.Late))] {
		site := p.SiteName(r.Site)
		if r.Site == 0 {
			site = l.Label
		}
		f.Evidence = append(f.Evidence, analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Until), G: evidence.IDOf(r.G), Func: site, Note: fmt.Sprintf("%s without a tick: %s", p.Dur(r.NS), r.What), Stack: p.Stack(r.Site)})
	}
	return f
}
