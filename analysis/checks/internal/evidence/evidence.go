// Package evidence is what checks share: proof in the shape of a finding, costs on the
// clocks there are, and the reasons for which a trace cannot tell.
package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Whole is evidence that the whole of the analysed time gives.
func Whole(p *analysis.Pass, e analysis.Evidence) analysis.Evidence {
	e.From, e.To = p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	return e
}

// AssistSites are where goroutines assisted the GC, first those that did most of it: who
// allocates more has more to mark, who waits longer for its turn has not.
func AssistSites(p *analysis.Pass, c *measures.GCFold) []measures.SiteSum[measures.GCSum] {
	return measures.RankSites(p, c.Assists(), func(s measures.GCSite) parse.StackID { return s.Stack }, (*measures.GCSum).Add, func(s *measures.GCSum) int64 { return s.CPU })
}

// fewAssists are too few to tell a place by: any goroutine that allocates while a cycle
// marks may have to assist.
const fewAssists = 10

// fewStarts are too few cycles to tell by who began them.
const fewStarts = 10

// shortAssists do too little, in all of a place, to tell it by: one scans 64 KiB or more
// (mgc.go: gcOverAssistWork), some tens of µs, so that ten of the least say that ten
// goroutines allocated at all.
const shortAssists = 1e6 // ns

// AllocatedAt names the place that seems to allocate most. Whose allocations begin most
// cycles tells it best: each new span asks whether one is due, so that half of ten and
// more are no chance. Else it is where in the function whose assists did most, if that is
// a third of all or more. How long they waited for something to do says nothing of that, and
// a goroutine that has just begun assists for the first bytes.
func AllocatedAt(p *analysis.Pass, c *measures.GCFold) string {
	begun := measures.RankSites(p, c.Starts(), func(s parse.StackID) parse.StackID { return s }, (*measures.GCSum).Add, func(s *measures.GCSum) int64 { return s.N })
	begun = slices.DeleteFunc(begun, func(s measures.SiteSum[measures.GCSum]) bool { return measures.GCTrigger(p, s.Stack) != "allocation" })
	stack, top := mostIn(p, begun, func(s *measures.GCSum) int64 { return s.N })
	var n int64
	for i := range begun {
		n += begun[i].V.N
	}
	if n < fewStarts || 2*top.N < n {
		stack, top = mostIn(p, AssistSites(p, c), func(s *measures.GCSum) int64 { return s.CPU })
		if top.N < fewAssists || top.CPU < shortAssists || 3*top.CPU < c.Assist().CPU {
			return ""
		}
	}
	if stack == 0 || measures.StackFunc(p, stack) == "" {
		return ""
	}
	place := measures.PlaceName(p.Trace, p.Trace.PlaceOf(stack))
	if k := measures.KindsOf(p).OfStack(stack); k != nil && !strings.HasPrefix(place, k.Name+":") {
		place += " by " + k.Name
	}
	return "; most is allocated at " + place + ", it seems"
}

// mostIn is the first of the sites in that function of the program which has most, and the
// sum of the function's.
func mostIn(p *analysis.Pass, sites []measures.SiteSum[measures.GCSum], of func(*measures.GCSum) int64) (stack parse.StackID, sum measures.GCSum) {
	sums := make(map[parse.StringID]*measures.GCSum)
	in := func(s parse.StackID) *measures.GCSum {
		return tally.At(sums, p.Trace.Place(p.Trace.PlaceOf(s)).Site.Func)
	}
	for i := range sites {
		in(sites[i].Stack).Add(sites[i].V)
	}
	for _, s := range sites {
		if stack == 0 || of(in(s.Stack)) > of(&sum) {
			stack, sum = s.Stack, *in(s.Stack)
		}
	}
	return stack, sum
}

// AllocationSites shows where the program allocates most, as far as a trace tells:
// where goroutines assisted, and where cycles began.
func AllocationSites(p *analysis.Pass, c *measures.GCFold, from, to parse.Time) []analysis.Evidence {
	out := SiteEvidence(p, AssistSites(p, c), from, to, func(s *measures.GCSum) string {
		return fmt.Sprintf("%s: %s, %s of it running", say.Counted(s.N, "mark assist", "mark assists"), p.Dur(s.Wall), p.Dur(s.CPU))
	})
	starts := measures.RankSites(p, c.Starts(), func(s parse.StackID) parse.StackID { return s }, (*measures.GCSum).Add, func(s *measures.GCSum) int64 { return s.N })
	return append(out, SiteEvidence(p, starts, from, to, func(s *measures.GCSum) string {
		return say.Counted(s.N, "cycle", "cycles") + " began here"
	})...)
}

func LimitRows(rows []analysis.Evidence, n int) []analysis.Evidence { return rows[:min(n, len(rows))] }

// StopEvidence shows stops.
func StopEvidence(p *analysis.Pass, items []sketch.Entry[parse.Range], want func(*parse.Range) bool, requester bool) (out []analysis.Evidence) {
	for _, it := range items {
		r := &it.Item
		if !want(r) || len(out) >= EvidenceRows {
			continue
		}
		e := analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Since) + measures.STWHalt(r),
			Note: fmt.Sprintf("%s: %s stopping, %s stopped", p.Trace.String(r.Name), p.Dur(r.Stopping()), p.Dur(max(0, measures.STWHalt(r)-r.Stopping())))}
		stack, fn := r.Stop.LastStack, r.Stop.LastFunc
		if requester {
			stack, fn = r.Stack, r.Func
		}
		if !requester && r.Stop.LastP != parse.NoProc {
			e.P, e.G = IDOf(r.Stop.LastP), IDOf(r.Stop.LastG)
			e.Note += "; likely the last to stop was " + measures.STWDoing(p, &r.Stop)
		}
		if fn != 0 {
			e.Func = p.FuncName(fn)
		}
		e.Stack = p.Stack(stack)
		out = append(out, e)
	}
	return out
}

// IDOf is a pointer to an id, as Evidence holds it; nil for NoGo and NoProc.
func IDOf[T ~int32 | ~int64](id T) *int64 {
	if id < 0 {
		return nil
	}
	v := int64(id)
	return &v
}

// RunPlaces are the places where runs of user goroutines ended, told apart by who
// called them, those with the most running time first.
func RunPlaces(p *analysis.Pass) []measures.Joined[parse.StackID, measures.GoRuns] {
	return runPlaces(p, func(r *measures.GoRuns) int64 { return r.Ran })
}

func runPlaces(p *analysis.Pass, most func(*measures.GoRuns) int64) []measures.Joined[parse.StackID, measures.GoRuns] {
	return measures.JoinSites(measures.GoroutinesOf(p).Runs().ByKey(),
		func(s parse.StackID) tally.Label { return tally.Label{p.SiteName(s), callers(p.Trace, s)} },
		(*measures.GoRuns).Add, most, cmp.Compare[parse.StackID])
}

// RanMostly names the place where runs with a third of all running time or more
// ended, for sentences.
func RanMostly(p *analysis.Pass) string {
	return mostly(p, maxCallers, "; runs with %s of all running ended at %s%s", func(r *measures.GoRuns) int64 { return r.Ran })
}

// AloneAt is RanMostly of the time in which exactly one goroutine ran.
func AloneAt(p *analysis.Pass) string {
	return mostly(p, 1, ", %s in runs that ended at %s%s", func(r *measures.GoRuns) int64 { return r.Alone })
}

func mostly(p *analysis.Pass, nearest int, format string, most func(*measures.GoRuns) int64) string {
	runs := runPlaces(p, most)
	var all int64
	for _, r := range runs {
		all += most(r.V)
	}
	told := slices.IndexFunc(runs, func(r measures.Joined[parse.StackID, measures.GoRuns]) bool {
		_, ok := p.Trace.Site(r.Key)
		return ok
	})
	if told < 0 || most(runs[told].V)*3 < all {
		return ""
	}
	return fmt.Sprintf(format, analysis.FormatRatio(say.Ratio(most(runs[told].V), all)), p.SiteName(runs[told].Key), calledBy(p.Trace, runs[told].Key, nearest))
}

// RunningEvidence are the places where the runs with the most running time ended, and
// the goroutines with the most of it by what they are about.
func RunningEvidence(p *analysis.Pass) (out []analysis.Evidence) {
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	runs := RunPlaces(p)
	for _, r := range runs[:min(3, len(runs))] {
		note := fmt.Sprintf("ran for %s in %s that ended here, the longest %s", p.Dur(r.V.Ran), say.Counted(r.V.N, "run", "runs"), p.Dur(r.V.Longest))
		if by := callers(p.Trace, r.Key); by != "" {
			note += ", called by " + by
		}
		out = append(out, analysis.Evidence{From: from, To: to, Func: p.SiteName(r.Key), Note: note, Stack: p.Stack(r.Key)})
	}
	kinds := slices.Clone(measures.KindsOf(p).All)
	slices.SortStableFunc(kinds, func(a, b *measures.GoKind) int {
		return cmp.Compare(b.State[parse.GoRunning], a.State[parse.GoRunning])
	})
	for _, k := range kinds[:min(3, len(kinds))] {
		if ran := k.State[parse.GoRunning]; ran > 0 {
			out = append(out, analysis.Evidence{From: from, To: to, Func: k.Name, Note: fmt.Sprintf("ran for %s in %s", p.Dur(ran), say.Counted(k.Count, "goroutine", "goroutines"))})
		}
	}
	return out
}

// LockHandoffs are the lock handoffs by stack.
func LockHandoffs(f *measures.PreemptionFold) map[parse.StackID]*measures.Preempted {
	byStack := make(map[parse.StackID]*measures.Preempted)
	for k, v := range f.Sites().ByKey() {
		if k.Kind == parse.PreemptLockHandoff {
			tally.At(byStack, k.Stack).Add(v)
		}
	}
	return byStack
}

// CalledBy names the program's function that called the one a stack is in, for
// sentences: the work is often done by a helper that many call.
func CalledBy(p *analysis.Pass, stack parse.StackID) string {
	return calledBy(p.Trace, stack, maxCallers)
}

func calledBy(tr *parse.Trace, stack parse.StackID, nearest int) string {
	by := strings.Split(callers(tr, stack), ", ")
	if by[0] == "" {
		return ""
	}
	return " (called by " + strings.Join(by[:min(nearest, len(by))], ", ") + ")"
}

// maxCallers is how many callers are named: work is often in helpers of helpers.
const maxCallers = 3

// callers are the program's functions that called the one a stack is in, the nearest
// first, without the goroutine's entry, which is named beside them.
func callers(tr *parse.Trace, stack parse.StackID) string {
	if stack == 0 {
		return ""
	}
	var names []string
	entry := tr.String(tr.Goes(stack))
	for i := 1; i <= maxCallers; i++ {
		name := measures.OwnFrame(tr, stack, i)
		if name == "" || name == entry {
			break
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// EvidenceRows is how many rows of evidence a finding shows of a list of sites.
const EvidenceRows = 5

// SiteEvidence shows the first of the sites, each with a note.
func SiteEvidence[V any](p *analysis.Pass, sites []measures.SiteSum[V], from, to parse.Time, note func(*V) string) []analysis.Evidence {
	var out []analysis.Evidence
	for _, s := range sites[:min(EvidenceRows, len(sites))] {
		site := s.Site // with its line and the library: rows differ in nothing else
		if measures.StackFunc(p, s.Stack) == "" {
			site = ""
		}
		out = append(out, analysis.Evidence{From: p.Rel(from), To: p.Rel(to), Func: site, Note: note(s.V), Stack: p.Stack(s.Stack)})
	}
	return out
}

func CallSitesBy(p *analysis.Pass, f *measures.SyscallsFold, cost func(*measures.CallSite) int64) []measures.SiteSum[measures.CallSite] {
	return measures.RankSites(p, f.Sites().ByKey(), func(s parse.StackID) parse.StackID { return s }, (*measures.CallSite).Add, cost)
}

// MostlyCreated reports whether go statements made most of those runnable that waited
// long.
func MostlyCreated(f *measures.LatencyFold) bool {
	var created, all int64
	for k, w := range f.Wakers().ByKey() {
		if all += w.Total; k.Ready == parse.ReadyCreated && k.Stack != 0 {
			created += w.Total
		}
	}
	return Causes(created, all)
}

// LimitOf is how to set the limit of a pool of a library, by the function in which goroutines wait for their turn, in brackets for sentences; "" where it is not known.
func LimitOf(fn string) string {
	switch fn {
	case "database/sql.(*DB).conn":
		return " (SetMaxOpenConns of the sql.DB)"
	case "net/http.(*Transport).getConn":
		return " (MaxConnsPerHost of the http.Transport)"
	case "golang.org/x/sync/errgroup.(*Group).Go":
		return " (SetLimit of the errgroup.Group)"
	case "golang.org/x/sync/semaphore.(*Weighted).Acquire":
		return " (the weight of semaphore.NewWeighted)"
	case "google.golang.org/grpc/internal/transport.(*http2Client).NewStream":
		return " (MaxConcurrentStreams of the server, or connections to it)"
	case "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn":
		return " (PoolSize of the redis.Options)"
	}
	return ""
}

// LibraryLock is what to do about a lock of a library that is held for no longer than its
// function runs.
func LibraryLock(call string) string {
	return fmt.Sprintf("The lock is that of %s: call it less often (once for many items) or from fewer goroutines, or give each a value of its own.", call)
}

// DialsHTTP reports whether a goroutine of that entry function dials one connection
// (net/http/transport.go: queueForDial, startDialConnForLocked).
func DialsHTTP(fn string) bool {
	return strings.HasPrefix(fn, "net/http.(*Transport).") &&
		(strings.HasSuffix(fn, ".dialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).startDialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).queueForDial"))
}

// Connects reports whether a stack is of a driver that makes a connection for database/sql
// (sql.go: (*DB).conn calls Connector.Connect), and who asked for it.
func Connects(tr *parse.Trace, stack parse.StackID) (asked parse.Frame, ok bool) {
	frames := tr.Stack(stack)
	for i, f := range frames {
		if i == 0 || tr.String(f.Func) != "database/sql.(*DB).conn" || !strings.HasSuffix(tr.String(frames[i-1].Func), ".Connect") {
			continue
		}
		for _, f := range frames[i:] {
			if !strings.HasPrefix(tr.String(f.Func), "database/sql.") {
				return f, true
			}
		}
		return f, true
	}
	return asked, false
}

// KeepConnections is what to do where connections to a database are made again and again.
const KeepConnections = "Keep connections to the database: SetMaxIdleConns (2 by default) as high as SetMaxOpenConns, SetConnMaxLifetime and SetConnMaxIdleTime far longer than it takes to make one, and not the same for all that are made at once."

// DialledAt is where most connections of net/http were asked for that it dialled, 0 for
// none.
func DialledAt(p *analysis.Pass) (site parse.StackID) {
	var most int64
	for k, v := range measures.GoroutinesOf(p).Populations().ByKey() {
		if k.Class != parse.ClassUser || !k.Seen || !DialsHTTP(p.FuncName(k.Fn)) {
			continue
		}
		if v.Created > most || v.Created == most && k.Site < site {
			site, most = k.Site, v.Created
		}
	}
	return site
}

// OwnerOf is the type of a method with its package, "" for a function.
func OwnerOf(fn string) string {
	i := strings.LastIndex(fn, ").")
	if i < 0 {
		return ""
	}
	return fn[:i]
}
