package blocking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var saturatedStage = &analysis.Analyzer{
	Name: "saturated-stage", Proof: "holders.graph",
	Doc:      say.Page(pages, "saturated-stage"),
	Covers:   []string{"lock-convoy/senders"},
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Kinds, measures.Holders, measures.Preemption},
	Thresholds: []analysis.Threshold{
		{
			Name: "saturated-stage.busy", Doc: "share of the lives of the goroutines of a stage in which they do not wait for work", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .97}, Source: "a server that is busy for 97 % has 32 requests waiting on average (M/M/1: ρ/(1-ρ)); with less the next one is nearly free",
		},
		{
			Name: "saturated-stage.waiting", Doc: "goroutines that wait to hand their work to a stage, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .25, Warning: .5, Error: 16},
			Source: "somebody waits for a quarter of the time: what is behind could be a third faster; for half of it, twice as fast; sixteen at any time as lock-convoy.queue",
		},
		{
			Name: "saturated-stage.waits", Doc: "waits to hand work to it", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits",
		},
		{
			Name: "saturated-stage.receiver", Doc: "share of the time of these waits that goroutines of the stage ended", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .6}, Source: "as everywhere in this tool: what explains 60 % explains it",
		},
		{
			Name: "saturated-stage.turns", Doc: "share of the waits for answers of it that started before the one that ended last", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .1}, Source: "as lock-convoy.turns",
		},
		{
			Name: "saturated-stage.skew", Doc: "share of the goroutines of a stage that are busy for 95 % of their lives, where on average they are for less than 60 %", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .5}, Source: "more than half of them are no exception",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		wall := p.Trace.Duration()
		found, any := 0, false
		var near analysis.Gate
		turns, told := turnsOf(p), make(map[*measures.GoKind]bool)
		for _, place := range h.Places {
			if len(place.Holders) == 0 {
				continue
			}
			k, busyNS, wait := place.Holders[0], place.Busy(), "wait to hand over work at"
			if !handsOver(p, place) {
				if told[k.Kind] || !asksOne(p, h, place, turns) {
					continue
				}
				// Those that it works for now wait for the answer, the others for their turn.
				busyNS, wait = max(busyNS-k.Kind.Life, 0), "wait for their turn with it at"
			}
			if 2*k.Kind.Life < wall*max(k.Kind.Count, 1) {
				continue // no stage: it comes and goes
			}
			any = true
			waiting := say.Ratio(busyNS, wall)
			busy := 1 - k.Kind.Share(idleOf(k.Kind))
			full, all, mean := fullOf(k.Kind)
			either := []analysis.Condition{analysis.Needs("busy", busy)}
			if full > 0 && all > 1 && mean < .6 {
				either = append(either, analysis.Needs("skew", say.Ratio(full, all)))
			}
			g := p.Gate(analysis.Grades("waiting", waiting), analysis.Needs("waits", float64(place.Waits)), analysis.Needs("receiver", say.Ratio(k.NS, place.Held)), analysis.Either(either...))
			if g.Severity == "" || passesOn(p.Trace, k.Kind) || found == evidence.MaxFindings {
				if g = g.At(place.Label); g.Severity != "" {
					g.Said += "; but the stage itself waits for the next one"
				}
				near = near.Nearer(g)
				continue
			}
			r := reason{place, h.Chain(place)}
			r.runsIn(p)
			var explains []string
			if leadsTo(h, place) {
				explains = []string{"limits/contention"} // which names the costliest place
			}
			if owner, share := evidence.Alone(p); owner == k.Kind && share >= evidence.ExplainsFrom {
				explains = append(explains, "serial-section", "limits/serial") // it runs while the others wait for it
			}
			if p.Met("busy", k.Kind.Share(k.Kind.State[parse.GoRunning])) {
				explains = append(explains, "idle-p-while-runnable") // who is woken late would wait for it
			}
			f := analysis.Finding{
				Severity: g.Severity, Explains: explains, Because: r.because(p), Cost: evidence.WallTime(p, min(place.Held, wall)), Confidence: analysis.Measured,
				Evidence: append([]analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: say.Number(waiting) + " " + strings.TrimSuffix(wait, " at"), Stack: p.Stack(place.Place.Stack)})}, r.evidence(p)...),
				Advice:   r.advice(p, "Add goroutines to the stage, or make its work shorter. hold.time should fall."),
				Caveat:   "Work that waits in the buffer of a channel is not in the trace. A stage that is meant to limit the rate looks the same.",
			}
			if p.Met("busy", busy) {
				f.Code = stageCode(&r)
				f.Summary = fmt.Sprintf("%s cannot keep up: busy for %s of %s, while %s at any time %s %s (%s in %s)%s",
					k.Kind.Title(), analysis.FormatRatio(busy), k.Kind.Lives(), say.Number(waiting), wait, place.Label, p.Dur(place.Busy()), say.Counted(place.Waits, "wait", "waits"), r.text())
			} else {
				f.Code = "saturated-stage/skewed"
				f.Summary = fmt.Sprintf("The work of %s is uneven: %s of %s are busy all the time, on average they are for %s, and %s at any time %s %s%s",
					k.Kind.Name, analysis.FormatCount(full), analysis.FormatCount(all), analysis.FormatRatio(mean), say.Number(waiting), wait, place.Label, r.text())
				if r.chain.Root.Kind != measures.RootWrite { // the peer of some is slow
					f.Advice = "Let all of them take from one queue, or spread the keys better: the busy ones hold up work that the idle ones could do. hold.time should fall."
				}
				f.Confidence = analysis.Inferred
			}
			found++
			told[k.Kind] = true
			p.Find(f)
		}
		switch {
		case found > 0:
		case !any:
			p.NotApplicable("no goroutine waited to hand work to another on a channel; record while the program does its work")
		default:
			p.Clear(near)
		}
		return nil
	},
}

// stageCode is saturated-stage, or that of a stage that is late because it waits for a P:
// what fills the Ps is the cause.
func stageCode(r *reason) string {
	if r.starved() {
		return "saturated-stage/starved"
	}
	return "saturated-stage"
}

// handsOver reports whether goroutines wait at a place until another one takes what they
// have.
func handsOver(p *analysis.Pass, place *measures.HeldPlace) bool {
	return place.Place.Prim == parse.PrimChanSend || p.Trace.String(place.Place.Inner) == pipeWrite
}

// pipeWrite waits until what is written to an io.Pipe is read.
const pipeWrite = "io.(*pipe).write"

// turnsOf is, by place, the share of the waits there that began before the one that ended
// last: see WaitingAt.Turns.
func turnsOf(p *analysis.Pass) map[parse.PlaceID]float64 {
	late := make(map[parse.PlaceID]float64)
	for _, w := range measures.WaitingSites(p) {
		_, late[p.Trace.PlaceOf(w.Stack)] = w.Turns()
	}
	return late
}

// asksOne reports whether goroutines wait at a place for the answers of others, which
// serve them in the order in which they came, as in one queue: to receive, or in a select,
// that may send. Who waits for time to pass serves nobody.
func asksOne(p *analysis.Pass, h *measures.HeldPlaces, place *measures.HeldPlace, late map[parse.PlaceID]float64) bool {
	if prim := place.Place.Prim; place.Peer || prim != parse.PrimChanReceive && prim != parse.PrimSelect {
		return false
	}
	if place.Own >= .5 || place.ServesItself() || takes(p.Trace.String(place.Place.Inner)) {
		return false // a pool
	}
	if l, ok := late[place.ID]; !ok || !p.Met("turns", l) {
		return false
	}
	switch chain := h.Chain(place); chain.Root.Kind {
	case measures.RootRunning, measures.RootStarved, measures.RootCall, measures.RootNetwork, measures.RootWrite:
		return true
	case measures.RootSleep:
		return len(chain.Steps) > 1 // it works with one that sleeps
	}
	return false
}

// leadsTo reports whether the costliest wait for a lock or to send is at a place, or for
// what waits there.
func leadsTo(h *measures.HeldPlaces, place *measures.HeldPlace) bool {
	i := slices.IndexFunc(h.Places, func(o *measures.HeldPlace) bool {
		return o.Place.Prim == parse.PrimChanSend || o.Place.Prim.Lock()
	})
	if i < 0 {
		return false
	}
	chain := h.Chain(h.Places[i])
	return slices.ContainsFunc(chain.Steps, func(s measures.ChainStep) bool { return s.Place == place })
}

// idleOf is the time in which goroutines of a kind waited for work.
func idleOf(k *measures.GoKind) (ns int64) {
	for _, s := range k.Stays {
		if s.Parked != "" && s.Parked != measures.ParkedTicker {
			ns += s.NS
		}
	}
	return ns
}

// passesOn reports whether a stage is held up itself by the next one most of the time.
func passesOn(tr *parse.Trace, k *measures.GoKind) bool {
	var sending int64
	for _, s := range k.Stays {
		if s.State == parse.GoWaiting && (s.Place.Prim == parse.PrimChanSend || tr.String(s.Place.Inner) == pipeWrite) {
			sending += s.NS
		}
	}
	return 2*sending >= k.Life
}

// fullOf counts the goroutines of a kind that are busy for 95 % of their lives, all, and
// the share on average.
func fullOf(k *measures.GoKind) (full, all int64, mean float64) {
	steps := len(k.BusyBy)
	for i, n := range k.BusyBy {
		all += n
		mean += float64(n) * (float64(i) + .5) / float64(steps)
	}
	return k.BusyBy[steps-1], all, mean / float64(max(all, 1))
}
