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
	Name:     "exhausted-pool",
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
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		pools := poolsOf(p, h)
		if len(pools) == 0 {
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
			g := p.Gate(analysis.Grades("open", float64(pool.open)), analysis.Needs("time", float64(stuck)), analysis.Needs("share", say.Ratio(stuck, p.Trace.Duration())))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(pool.name))
				continue
			}
			found++
			var shown []analysis.Evidence
			var waiting []string
			for _, place := range pool.places {
				if place.Open > 0 && len(shown) < 4 {
					shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: fmt.Sprintf("%s waiting at the end", say.Counted(place.Open, "goroutine", "goroutines")), Stack: p.Stack(place.Place.Stack)}))
					waiting = append(waiting, fmt.Sprintf("%s at %s", analysis.FormatCount(place.Open), place.Label))
				}
			}
			taker := ""
			if kept := pool.kept(); kept != "" {
				taker = "; gave nothing back while others waited: " + kept
			}
			p.Find(analysis.Finding{
				Severity: g.Severity, Explains: []string{"stuck-goroutines", "lock-convoy/pool"},
				Summary: fmt.Sprintf("A pool is exhausted for good: nobody was served for the last %s of %s, %s wait for %s: %s%s",
					p.Dur(stuck), p.Dur(p.Trace.Duration()), say.Counted(pool.open, "goroutine", "goroutines"), pool.name, strings.Join(waiting, ", "), taker),
				Cost: evidence.WallTime(p, stuck), Confidence: analysis.Inferred,
				Evidence: shown,
				Advice:   "Something was taken and not given back: rows, a response body, a transaction that is not closed on every path, a Release that a return skips. Close with defer right after the error is checked; give the request a deadline, so that it fails instead of hanging. hold.unknown should fall.",
				Caveat:   "The trace shows that nobody is served, not who holds the rest: who gave nothing back while others waited is told from those that ended waits.",
			})
		}
		if found == 0 {
			p.Clear(near)
		}
		return nil
	},
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
	for _, place := range h.Places {
		switch place.Place.Prim {
		case parse.PrimChanReceive, parse.PrimChanSend, parse.PrimSelect, parse.PrimCond, parse.PrimSemaphore:
		default:
			continue
		}
		inner := p.Trace.String(place.Place.Inner)
		name := inner
		if !takes(inner) {
			if name = place.Label; place.Own < .5 || place.Waits == 0 {
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
		for _, k := range place.Waiters {
			if s := k.Kind.At(place.ID); s != nil {
				b.oldest = max(b.oldest, s.Oldest)
			}
		}
	}
	return pools
}

// takes reports whether a function takes something that is given back later: a
// connection of database/sql, a weight of x/sync/semaphore, what others call acquire.
func takes(fn string) bool {
	name := strings.ToLower(parse.ShortName(fn))
	return fn == "database/sql.(*DB).conn" || strings.HasPrefix(name, "acquire") || strings.HasPrefix(name, "takeconn") || strings.HasPrefix(name, "getconn") && !parse.IsStd(fn) || strings.HasPrefix(name, "borrow")
}

// kept names the kinds of goroutines that wait for the pool and ended no wait of others,
// where some did.
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
			if !slices.Contains(gave, k.Kind) && !slices.Contains(names, k.Kind.Name) {
				names = append(names, k.Kind.Name)
			}
		}
	}
	return strings.Join(names, ", ")
}
