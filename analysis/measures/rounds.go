package measures

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// roundsAt are the rounds of goroutines that a timer wakes at a place.
type roundsAt struct {
	others  bool             // something else ends waits there, too
	ticks   sketch.Histogram // from one tick to the next
	waits   sketch.Histogram // for ticks
	lengths sketch.Histogram // of rounds
	longest *sketch.Top[waitedRound]
	parts   *sketch.Top[waitedRound] // those with the longest stay in one state
}

// waitedRound is a round, and how long the wait after it lasted.
type waitedRound struct {
	parse.Round
	wait int64
}

// longRounds is how many of the longest rounds of a place are kept.
const longRounds = 32

func (f *BlockingFold) round(e *parse.Event) {
	r := e.Round
	at := f.roundsAt(r.Place)
	at.others = at.others || !r.Timers
	wait := int64(e.Time - r.Until)
	if r.Tick > 0 {
		at.ticks.Add(r.Tick)
		at.waits.Add(wait)
	}
	length := int64(r.Until - r.Since)
	at.lengths.Add(length)
	if at.longest.Wants(length) {
		at.longest.Add(sketch.Key{Value: length, Time: int64(r.Since), ID: int64(r.G)}, waitedRound{*r, wait})
	}
	if _, part := longestStay(r); at.parts.Wants(part.NS) {
		at.parts.Add(sketch.Key{Value: part.NS, Time: int64(r.Since), ID: int64(r.G)}, waitedRound{*r, wait})
	}
}

func (f *BlockingFold) roundsAt(id parse.PlaceID) *roundsAt {
	at := f.rounds.At(id)
	if at.longest == nil {
		at.longest, at.parts = sketch.NewTop[waitedRound](longRounds), sketch.NewTop[waitedRound](longRounds)
	}
	return at
}

func (r *roundsAt) merge(o *roundsAt) {
	if r.longest == nil {
		r.longest, r.parts = sketch.NewTop[waitedRound](longRounds), sketch.NewTop[waitedRound](longRounds)
	}
	r.others = r.others || o.others
	r.ticks.Merge(&o.ticks)
	r.waits.Merge(&o.waits)
	r.lengths.Merge(&o.lengths)
	r.longest.Merge(o.longest)
	r.parts.Merge(o.parts)
}

func longestStay(r *parse.Round) (s parse.GoState, part parse.RoundPart) {
	for i, p := range r.Longest {
		if p.NS > part.NS {
			s, part = parse.GoState(i), p
		}
	}
	return s, part
}

// A TickLoop is goroutines that a ticker wakes at a place, and the rounds of theirs that
// took so long that they missed ticks.
type TickLoop struct {
	Kind    string // of those with the longest round
	Place   parse.Place
	Label   string
	Period  int64 // from one tick to the next, mostly
	Ticks   int64
	Rounds  int64
	Late    []LateRound   // at most 32, the longest first
	Regular float64       // share of the ticks that come at a multiple of the period, but for a tenth of it
	Chance  float64       // that those after late rounds come as near to one, if they come at random
	Early   int64         // late rounds after which a tick came too soon for a timeout
	Lost    int64         // ns by which they are longer than the period
	Why     string        // what they were at for most of it
	At      parse.StackID // the place of that
	Own     float64       // share of that in which they waited neither for another goroutine nor for a P
}

// A LateRound is a round that took longer than the ticker gave it.
type LateRound struct {
	parse.Round
	NS   int64 // how long it took; where others than timers wake the loop, the longest stay in one state in it
	What string
	Site parse.StackID // where it was
}

// TickLoopsOf are the loops of the trace of a pass that requires the measures blocking and
// kinds that have rounds of periods times their ticker's period and longer, those first
// that lost most.
func TickLoopsOf(p *analysis.Pass, periods float64) (out []*TickLoop) {
	ks := KindsOf(p)
	for id, at := range analysis.FoldOf[*BlockingFold](p, Blocking).rounds.ByKey() {
		l := &TickLoop{Place: p.Trace.Place(id), Label: PlaceName(p.Trace, id), Period: commonPeriod(&at.ticks), Ticks: at.ticks.N(), Rounds: at.lengths.N()}
		if l.Ticks == 0 {
			continue
		}
		l.take(p.Trace, ks, at, int64(periods*float64(l.Period)))
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *TickLoop) int { return cmp.Or(cmp.Compare(b.Lost, a.Lost), cmp.Compare(a.Label, b.Label)) })
	return out
}

// commonPeriod is the mean of distances in time that are nearer to their median than half of it.
func commonPeriod(apart *sketch.Histogram) int64 {
	var sum, n int64
	middle := apart.QuantileAny(.5)
	apart.Bins(func(lo, hi, count int64) bool {
		if 2*lo > middle && 2*hi < 3*middle {
			sum += (lo + hi) / 2 * count
			n += count
		}
		return true
	})
	return max(sum/max(n, 1), 1)
}

// onTime is the share of distances that are a multiple of a period, but for a tenth of it.
func onTime(apart *sketch.Histogram, period int64) float64 {
	var n int64
	apart.Bins(func(lo, hi, count int64) bool {
		if offBeat((lo+hi)/2, period) <= .1 {
			n += count
		}
		return true
	})
	return say.Ratio(n, apart.N())
}

// offBeat is how far a distance is from a multiple of a period, as a share of it.
func offBeat(apart, period int64) float64 {
	d := apart - (apart+period/2)/period*period
	return float64(max(d, -d)) / float64(period)
}

// take finds the rounds of from ns and longer.
func (l *TickLoop) take(tr *parse.Trace, ks *GoKinds, at *roundsAt, from int64) {
	top := at.longest
	var near []float64
	if at.others {
		top = at.parts // between many other things it may have got its ticks
	}
	soon := int64(sooner * float64(at.waits.QuantileAny(.1)))
	if at.others { // after any round: the wait goes on with the next
		l.Early = at.waits.N() - at.waits.Above(soon)
	}
	var own, all int64
	why := make(map[string]int64)
	for _, e := range top.Items() {
		if e.Value < from {
			break
		}
		r := e.Item.Round
		state, part := stayOfMost(&r)
		if at.others {
			state, part = longestStay(&r)
		}
		what, pl := roundWords(tr, state, part.Stack), tr.Place(tr.PlaceOf(part.Stack))
		late := LateRound{Round: r, NS: e.Value, What: what, Site: part.Stack}
		if l.Late = append(l.Late, late); len(l.Late) == 1 {
			l.Kind = ks.Name(r.Func, r.Body)
		}
		l.Lost += e.Value - l.Period
		why[what] += e.Value
		all += e.Value
		if state != parse.GoRunnable && (state != parse.GoWaiting || !pl.Prim.Mutual() || pl.Call != 0 && !pl.Prim.Lock()) {
			own += e.Value
		}
		if r.Tick > 0 && e.Item.wait <= soon && !at.others {
			l.Early++
		}
		if r.Tick > 0 {
			near = append(near, min(1, 2*max(offBeat(r.Tick, l.Period), nearest)))
		}
	}
	l.Own = float64(own) / float64(max(all, 1))
	l.Chance = chanceOf(near)
	l.Regular = onTime(&at.ticks, l.Period)
	var most int64
	for _, late := range l.Late {
		if ns := why[late.What]; ns > most {
			most, l.Why, l.At = ns, late.What, late.Site
		}
	}
}

// sooner is the share of what nine in ten waits for ticks take up to which one is too short for a
// timeout, which begins with the wait and takes as long each time.
const sooner = .9

// nearest is how near to a multiple of the period a tick can be told to come, as a share of it.
const nearest = .005

// chanceOf is how likely values between 0 and 1 at random have no larger product (Fisher's method).
func chanceOf(values []float64) float64 {
	product, sum, term := 1.0, 0.0, 1.0
	for _, v := range values {
		product *= v
	}
	for i := range values {
		sum += term
		term *= -math.Log(product) / float64(i+1)
	}
	if len(values) == 0 {
		return 1
	}
	return product * sum
}

// stayOfMost is the state that a round spent most time in, and its longest stay in it.
func stayOfMost(r *parse.Round) (s parse.GoState, part parse.RoundPart) {
	for i, ns := range r.Spent {
		if ns > r.Spent[s] {
			s = parse.GoState(i)
		}
	}
	return s, r.Longest[s]
}

// roundWords says what a goroutine was at in a round.
func roundWords(tr *parse.Trace, s parse.GoState, stack parse.StackID) string {
	switch id := tr.PlaceOf(stack); {
	case s == parse.GoRunnable:
		return "waiting for a P"
	case s == parse.GoRunning && stack == 0:
		return "running"
	case s == parse.GoRunning:
		return "running in " + runName(tr, id)
	case s == parse.GoSyscall:
		return "in a call at " + PlaceName(tr, id)
	case tr.Place(id).Prim == parse.PrimSleep:
		at, _, _ := strings.Cut(PlaceName(tr, id), " (")
		return "asleep at " + at
	default:
		return "waiting at " + PlaceName(tr, id)
	}
}
