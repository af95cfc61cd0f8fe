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

var exhaustedPool = &analysis.Analyzer{
	Name: "exhausted-pool", Proof: "holders.graph",
	Doc:      say.Page(pages, "exhausted-pool"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "exhausted-pool.open", Doc: "goroutines that wait for a pool at the end of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Warning: 2, Error: 10}, Source: "one may be about to be served; ten that nobody serves are a program that hangs, as stuck-goroutines.grown",
		},
		{
			Name: "exhausted-pool.time", Doc: "time in which the pool has served nobody, up to the end of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6}, Source: "as stuck-goroutines.lock",
		},
		{
			Name: "exhausted-pool.share", Doc: "time in which the pool has served nobody, as a share of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25}, Source: "as stuck-goroutines.share",
		},
		{
			Name: "exhausted-pool.for-good", Doc: "time in which the pool has served nobody, where fewer wait, and this is half of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Error: 1e9}, Source: "as stuck-goroutines.lock and its share: who else comes will hang, too",
		},
		{
			Name: "exhausted-pool.all", Doc: "share of the living goroutines of a kind that wait at one place that is no known pool, at the end of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .5, Error: .9}, Source: "half of them are a program that serves half of its load; nearly all are one that hangs",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		pools, hangs := poolsOf(p, h), hangsOf(p, h)
		if len(pools)+len(hangs) == 0 {
			p.NotApplicable("no goroutine waited for a pool or semaphore; record under load")
			return nil
		}
		found := 0
		var near analysis.Gate
		for _, pool := range pools {
			since := pool.last
			if since == 0 {
				since = p.Trace.From
			}
			stuck := min(int64(p.Trace.To-since), pool.oldest)
			open := analysis.Grades("open", float64(pool.open))
			if 2*stuck >= p.Trace.Duration() && p.Met("open", float64(pool.open)) {
				open = analysis.Either(open, analysis.Grades("for-good", float64(stuck)))
			}
			g := p.Gate(open, analysis.Needs("time", float64(stuck)), analysis.Needs("share", say.Ratio(stuck, p.Trace.Duration())))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(pool.name))
				continue
			}
			found++
			for _, place := range pool.places {
				hangs = slices.DeleteFunc(hangs, func(h hang) bool { return h.place == place })
			}
			var shown []analysis.Evidence
			var waiting []string
			for _, place := range pool.places {
				if place.Open > 0 && len(shown) < 4 {
					shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: fmt.Sprintf("%s waiting at the end", say.Counted(place.Open, "goroutine", "goroutines")), Stack: p.Stack(place.Place.Stack)}))
					waiting = append(waiting, fmt.Sprintf("%s at %s", analysis.FormatCount(place.Open), place.Label))
				}
			}
			twice, taker, advice := "", "", "Give back on every path what is taken (close rows, response bodies and transactions, call Release), with defer right after the error is checked."
			if first, second := pool.twice(p); second != nil {
				fn := p.Trace.String(first.Place.Site.Func)
				twice = fmt.Sprintf("%s takes one and waits for another at %s, ", measures.SiteOf(p.Trace, first.Place), measures.SiteOf(p.Trace, second.Place))
				advice = fmt.Sprintf("Do not wait for a second one with one in hand: at %s use what %s has taken (the transaction, the connection), or take both before.", measures.SiteOf(p.Trace, second.Place), fn)
			} else if pool.name == httpConns {
				taker = fmt.Sprintf(", and %s for a response body to be closed", say.Counted(openBodies(p), "connection waits", "connections wait"))
				advice = "Read each response body to its end and close it, with defer resp.Body.Close() right after the error is checked: a connection with an open body is not free."
			} else if kept := pool.kept(); kept != "" {
				taker = ", and " + kept + " never gave anything back"
			}
			at := ": " + strings.Join(waiting, ", ")
			if pool.name == pool.places[0].Label {
				at = ""
			}
			p.Find(analysis.Finding{
				Severity: g.Severity, Explains: []string{"stuck-goroutines", "stuck-goroutines/send", "lock-convoy/pool", "request-path/queue", "hung-requests"},
				Summary: fmt.Sprintf("A pool is exhausted for good: %snobody was served for the last %s of %s, %s wait for %s%s%s",
					twice, p.Dur(stuck), p.Dur(p.Trace.Duration()), say.Counted(pool.open, "goroutine", "goroutines"), pool.name, taker, at),
				Cost: evidence.WallTime(p, stuck), Confidence: analysis.Inferred,
				Evidence: shown,
				Advice:   advice + " Give the request a deadline, so that it fails instead of hanging. hold.unknown should fall.",
				Caveat:   "The trace shows that nobody is served, not who holds the rest: who never gave anything back is told from those that ended waits of others.",
			})
		}
		for _, x := range hangs {
			g := p.Gate(analysis.Grades("all", say.Ratio(x.stay.Open, x.kind.Count-x.kind.Ended)), analysis.Needs("open", float64(x.stay.Open)),
				analysis.Needs("time", float64(x.since(p))), analysis.Needs("share", say.Ratio(x.since(p), p.Trace.Duration())))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(x.place.Label))
				continue
			}
			found++
			p.Find(x.finding(p, g.Severity))
		}
		if found == 0 {
			p.Clear(near)
		}
		return nil
	},
}

// hang is where goroutines of one kind wait that nobody can go on serving, it seems.
type hang struct {
	place *measures.HeldPlace
	kind  *measures.GoKind
	stay  *measures.Stay
	gone  []string // the kinds of goroutines that ended the waits there, all of which have ended
	among bool     // all who could end it wait there themselves
}

// hangsOf are the places where goroutines wait to send to such as have all ended, or for
// work that only they did, or wait for something that they did not have to wait for while
// they did other things: what is there for all is used up.
func hangsOf(p *analysis.Pass, h *measures.HeldPlaces) (hangs []hang) {
	for _, place := range h.Places {
		if place.Open == 0 || len(place.Waiters) == 0 {
			continue
		}
		x := hang{place: place, kind: place.Waiters[0].Kind}
		x.stay = x.kind.At(place.ID)
		if x.stay == nil || x.stay.Open == 0 {
			continue
		}
		if k := onlyTheirs(place); k != nil {
			x.kind, x.stay, x.among = k, k.At(place.ID), true
			hangs = append(hangs, x)
			continue
		}
		if x.stay.Parked != "" {
			continue
		}
		switch place.Place.Prim {
		case parse.PrimChanSend:
			for _, k := range place.Holders {
				if k.Kind.Ended == k.Kind.Count {
					x.gone = append(x.gone, k.Kind.Name)
				}
			}
			if len(x.gone) > 0 && len(x.gone) == len(place.Holders) {
				hangs = append(hangs, x)
			}
		case parse.PrimChanReceive, parse.PrimSelect, parse.PrimCond:
			var elsewhere int64
			for _, s := range x.kind.Stays {
				if s != x.stay {
					elsewhere += s.N
				}
			}
			if place.Place.Own && hardly*(x.stay.N-x.stay.Open) <= x.stay.Open && elsewhere >= busyBefore*x.stay.Open {
				hangs = append(hangs, x)
			}
		}
	}
	return hangs
}

// onlyTheirs is the kind of goroutines that ended most waits at a place, where all who did
// wait there themselves now: at a sync.WaitGroup, or for the answers of such as wait for
// work else; nil where some are left.
func onlyTheirs(place *measures.HeldPlace) *measures.GoKind {
	group := place.Place.Prim == parse.PrimWaitGroup
	if !group && place.Place.Prim != parse.PrimChanReceive && place.Place.Prim != parse.PrimSelect || !place.ServesItself() {
		return nil
	}
	for _, k := range place.Holders {
		s := k.Kind.At(place.ID)
		if s == nil || s.Open < k.Kind.Count-k.Kind.Ended || !group && !takesWork(k.Kind) {
			return nil
		}
	}
	return place.Holders[0].Kind
}

// takesWork reports whether goroutines of a kind wait for work from others at times.
func takesWork(k *measures.GoKind) bool {
	return slices.ContainsFunc(k.Stays, func(s *measures.Stay) bool {
		return s.Parked == measures.ParkedInput && s.Place.Prim.Mutual()
	})
}

// hardly is how many goroutines must hang where one wait ended before: where they are
// served now and then they wait for work.
const hardly = 4

// busyBefore is how often a goroutine must have waited elsewhere, on average, before it
// hangs: who never did anything else waits for work.
const busyBefore = 3

// since is for how long nobody was served.
func (x *hang) since(p *analysis.Pass) int64 {
	return min(int64(p.Trace.To-max(x.place.Last, p.Trace.From)), x.stay.Oldest)
}

func (x *hang) finding(p *analysis.Pass, s analysis.Severity) analysis.Finding {
	f := analysis.Finding{
		Code: "exhausted-pool/hang", Severity: s, Explains: []string{"stuck-goroutines", "stuck-goroutines/send", "lock-convoy/pool", "lock-convoy/senders"},
		Cost: evidence.WallTime(p, x.since(p)), Confidence: analysis.Heuristic,
		Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.To) - x.since(p), To: p.Rel(p.Trace.To), Func: p.SiteName(x.place.Place.Stack),
			Note: fmt.Sprintf("%s waiting at the end", say.Counted(x.stay.Open, "goroutine", "goroutines")), Stack: p.Stack(x.place.Place.Stack)}},
		Advice: "Look for what was taken and not put back: a return or an error that skips it, a goroutine that ended with it. Put back with defer; give the wait a deadline, so that it fails instead of hanging. hold.unknown should fall.",
		Caveat: "Who holds what is not in the trace: that it is used up is told from goroutines that hardly ever waited there before and all do now. Workers that have done all there was look the same where they wait in a function of their own.",
	}
	if len(x.gone) == 0 && !x.among && s == analysis.Error {
		f.Severity = analysis.Warning // a guess
	}
	who := fmt.Sprintf("%s of %s", analysis.FormatCount(x.stay.Open), say.Counted(x.kind.Count-x.kind.Ended, "goroutine", "goroutines"))
	what := ""
	if x.among {
		what = " for what only they do"
	}
	f.Summary = fmt.Sprintf("Goroutines hang: %s of %s wait at %s%s, and nobody ended a wait there for the last %s of %s", who, x.kind.Name, x.place.Label, what, p.Dur(x.since(p)), p.Dur(p.Trace.Duration()))
	if x.among {
		f.Confidence = analysis.Inferred
		f.Explains = append(f.Explains, "lock-convoy/shared")
		f.Summary += "; it was they who ended such waits before"
		f.Advice = fmt.Sprintf("Do not let %s wait for work that only they do: give that work goroutines or a pool of its own, or let who waits do it meanwhile. hold.unknown should fall.", x.kind.Name)
		f.Caveat = "Goroutines that are started later may do it; none did up to the end of the trace."
	}
	if len(x.gone) > 0 {
		f.Confidence = analysis.Inferred
		f.Summary += fmt.Sprintf("; who received there has ended: %s, last served %s", strings.Join(x.gone, ", "), p.At(x.place.Last))
		f.Advice = fmt.Sprintf("See why %s returned (a panic that was recovered, an error, a context) and start it again, or close what its senders wait for: select on a done channel beside the send. hold.unknown should fall.", x.gone[0])
		f.Caveat = "Another goroutine may receive there later; none did up to the end of the trace."
	}
	return f
}

// pool is something that goroutines take and give back, by the function that waits for it.
type pool struct {
	name         string
	places       []*measures.HeldPlace
	open, oldest int64
	last         parse.Time // when somebody was served last
}

// poolsOf are the pools of a trace: what waits in a library function that takes from one,
// and places where those that wait are those that end waits.
func poolsOf(p *analysis.Pass, h *measures.HeldPlaces) (pools []*pool) {
	byName := make(map[string]*pool)
	bodies := openBodies(p)
	for _, place := range h.Places {
		switch place.Place.Prim {
		case parse.PrimChanReceive, parse.PrimChanSend, parse.PrimSelect, parse.PrimCond, parse.PrimSemaphore:
		default:
			continue
		}
		inner := p.Trace.String(place.Place.Inner)
		name := inner
		if inner == httpConns {
			if bodies == 0 || len(place.Holders) > 0 && !knownPool(p, place) {
				continue // their peers may be late
			}
		} else if !takes(inner) {
			if name = place.Label; place.Waits == 0 || onlyTheirs(place) != nil || place.Own < .5 && !place.ServesItself() {
				continue
			}
		}
		b := byName[name]
		if b == nil {
			b = &pool{name: name}
			byName[name] = b
			pools = append(pools, b)
		}
		b.places = append(b.places, place)
		b.open += place.Open
		b.last = max(b.last, place.Last)
		b.oldest = max(b.oldest, oldestAt(place))
	}
	return pools
}

// takes reports whether a function takes something that is given back later: a
// connection of database/sql, a slot of an errgroup, a weight of x/sync/semaphore, what
// others call acquire.
func takes(fn string) bool {
	name := strings.ToLower(parse.ShortName(fn))
	return fn == "database/sql.(*DB).conn" || fn == "golang.org/x/sync/errgroup.(*Group).Go" || strings.HasPrefix(name, "acquire") || strings.HasPrefix(name, "takeconn") || strings.HasPrefix(name, "getconn") && !parse.IsStd(fn) || strings.HasPrefix(name, "borrow")
}

// openBodies is how many connections of net/http wait at the end for the body of a response
// to be read or closed (net/http/transport.go: readLoop).
func openBodies(p *analysis.Pass) (n int64) {
	const loop = "net/http.(*persistConn).readLoop"
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if s.State == parse.GoWaiting && s.Place.Prim == parse.PrimSelect && p.Trace.String(s.Place.Inner) == loop {
				n += s.Open
			}
		}
	}
	return n
}

// twice is where goroutines take from a pool and where what they call later in that
// function waits for another up to the end; nil where those who have waited for longest did
// not come by such a place. Of two places in one function the first may have given back
// before the second, but for a transaction or connection that is begun there.
func (b *pool) twice(p *analysis.Pass) (first, second *measures.HeldPlace) {
	for _, at := range b.places {
		if at.Open == 0 || 10*oldestAt(at) < 9*b.oldest {
			continue // who came in their way, a little before, may have waited for longer
		}
		for _, f := range p.Trace.Stack(at.Place.Stack) {
			for _, other := range b.places {
				call := parse.ShortName(p.Trace.String(other.Place.Call))
				if f.Func == at.Place.Site.Func && !strings.HasPrefix(call, "Begin") && !strings.HasPrefix(call, "Conn") {
					continue
				}
				if other.Place.Site.Func == f.Func && other.Place.Site.Line < f.Line && other.Place.Own {
					return other, at
				}
			}
		}
	}
	return nil, nil
}

// oldestAt is for how long goroutines have waited at a place at the end.
func oldestAt(at *measures.HeldPlace) (oldest int64) {
	for _, k := range at.Waiters {
		if s := k.Kind.At(at.ID); s != nil {
			oldest = max(oldest, s.Oldest)
		}
	}
	return oldest
}

// kept names the kinds of goroutines that wait for the pool and ended no wait of others,
// where some did; the function in which they wait where nobody who gave back does.
func (b *pool) kept() string {
	var gave []*measures.GoKind
	for _, place := range b.places {
		for _, k := range place.Holders {
			gave = append(gave, k.Kind)
		}
	}
	if len(gave) == 0 {
		return ""
	}
	var names []string
	for _, place := range b.places {
		for _, k := range place.Waiters {
			if slices.Contains(gave, k.Kind) {
				continue
			}
			name := k.Kind.Name
			if !slices.ContainsFunc(place.Waiters, func(w measures.KindShare) bool { return slices.Contains(gave, w.Kind) }) {
				name, _, _ = strings.Cut(place.Label, ":")
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}
