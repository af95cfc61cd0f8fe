package tasks

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var RequestPath = &analysis.Analyzer{
	Name: "request-path", Proof: "requests.causes",
	Doc:         say.Page(pages, "request-path"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Requests, measures.Kinds, measures.Holders, measures.Waits, measures.Blocking, measures.Preemption},
	Covers:      []string{"slow-tasks", "slow-tasks/single"},
	Thresholds: []analysis.Threshold{
		{
			Name: "request-path.ratio", Doc: "mean of the slow requests of a type over that of those up to the median", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a queue at half load has a tail of 3 to 4 medians",
		},
		{
			Name: "request-path.share", Doc: "share of one cause in what slow requests take longer than usual ones; in all of their time where it is a lock, a queue, the GC, waiting for a P, or many round trips", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .3, Warning: .5}, Source: "what is less than a third of a request is not why it is slow; half of it is the one thing to change",
		},
		{
			Name: "request-path.running", Doc: "that share of the difference, where the cause is that the request itself runs", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "slow requests that do more work are of another kind: never a warning",
		},
		{
			Name: "request-path.time", Doc: "time of the cause in a slow request", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 10e6}, Source: "1 ms is within the noise of a shared machine; 10 ms are a time slice",
		},
		{
			Name: "request-path.requests", Doc: "requests of a type that began and were done in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "ten values on either side of the p50",
		},
		{
			Name: "request-path.turns", Doc: "waits for the network, or calls, at one place in a slow request, one after the other", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 8}, Source: "a few need the answers of those before them; eight in a row are a loop",
		},
		{
			Name: "request-path.accept", Doc: "share of the life of the goroutine that accepts connections, or reads requests for others, in which it waits for something else", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .5}, Source: "one request in ten comes while nobody takes it in; warning where it is the rule",
		},
	},
	Run: runRequestPath,
}

func runRequestPath(p *analysis.Pass) error {
	ts := measures.RequestTypesOf(p)
	found := 0
	var near, nearAccept analysis.Gate
	var most int64
	served := 0
	for _, t := range ts.All {
		if !t.Served() {
			continue
		}
		served++
		most = max(most, t.Lengths().N())
		if found == evidence.MaxFindings || t.Lengths().N() == 0 {
			continue
		}
		if g := slowPath(p, ts, t); g.Severity != "" {
			found++
		} else {
			near = near.Nearer(g)
		}
	}
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if found < evidence.MaxFindings && takesIn(p, k, s) {
				if g := lateAccept(p, k, s); g.Severity != "" {
					found++
				} else {
					nearAccept = nearAccept.Nearer(g)
				}
			}
		}
	}
	switch {
	case found > 0:
	case served == 0:
		p.NotApplicable(noRequests)
	case !p.Met("requests", float64(most)):
		p.NotApplicable(fmt.Sprintf("only %s of one type began and ended in the trace; record until there are %s", say.Counted(most, "request", "requests"), analysis.FormatCount(int64(p.Limit("requests")))))
	default:
		p.Clear(near, nearAccept)
	}
	return nil
}

// slowPath says what slow requests of a type are slow for.
func slowPath(p *analysis.Pass, ts *measures.RequestTypes, t *measures.RequestType) analysis.Gate {
	d := ts.Difference(t)
	var best analysis.Gate
	var cause *measures.RequestCause
	var of float64
	differs := false
	n := float64(t.Lengths().N())
	take := func(g analysis.Gate, c *measures.RequestCause, share float64, difference bool) {
		if cause == nil || g.Severity.Rank() > best.Severity.Rank() || g.Severity == best.Severity && g.Severity != "" && share > of {
			best, cause, of, differs = g, c, share, difference
		}
	}
	for i, c := range d.Causes {
		if c.Unknown() {
			continue
		}
		limit := "share"
		if c.Running() {
			limit = "running"
		}
		tail := say.Ratio(d.Slow.Mean(), max(d.Usual.Mean(), 1))
		take(p.Gate(analysis.Grades("time", float64(max(d.More[i], 0))), analysis.Grades(limit, d.Share[i]), analysis.Needs("ratio", tail), analysis.Needs("requests", n)), c, d.Share[i], true)
		of := say.Ratio(c.NS, d.Slow.Total())
		if held(ts, t, c) {
			take(p.Gate(analysis.Grades("time", float64(c.Mean)), analysis.Grades("share", of), analysis.Needs("requests", n)), c, of, false)
		} else if asksAgain(p, c) {
			take(p.Gate(analysis.Grades("time", float64(c.Mean)), analysis.Grades("share", of), analysis.Needs("requests", n), analysis.Needs("turns", turnsOf(c, &d.Slow))), c, of, false)
		}
	}
	if best = best.At(t.Name); best.Severity == "" {
		return best
	}
	slow := p.Dur(d.Slow.Mean())
	what := fmt.Sprintf("of them (mean %s)", slow)
	if differs {
		what = fmt.Sprintf("of what they take longer than usual ones (mean %s against %s)", slow, p.Dur(d.Usual.Mean()))
	}
	why, advice := ts.Why(t, cause), pathAdvice(p, t, cause)
	again := !differs && !held(ts, t, cause)
	if again {
		what, why = fmt.Sprintf("of that in %.0f turns, one after the other,", turnsOf(cause, &d.Slow)), cause.Text
		from := measures.CalledBy(p.Trace, cause.Place.Stack, t.Name)
		if from != "" {
			from = " (from " + from + ")"
		}
		advice = "Ask for several at once" + from + ": one request for many things (a list, a batch, a join), or from a few goroutines (errgroup with a limit); or keep the answers."
		if cause.Leaf.State == parse.GoSyscall {
			advice = "Make one call for many things, or several at once from a few goroutines" + from + "; or keep what they give."
		}
	}
	summary := fmt.Sprintf("Slow %s take %s (%s, p50 %s, n=%s): %s %s %s", t.Of(), p.Dur(t.Lengths().QuantileAny(t.SlowQuantile())), t.QuantileName(),
		p.Dur(t.Lengths().QuantileAny(.5)), analysis.FormatCount(t.Lengths().N()), analysis.FormatRatio(of), what, why)
	if b, ok := ts.Bound(t, cause); ok {
		summary += fmt.Sprintf("; without it the %s is at least %s", t.QuantileName(), p.Dur(b.P99))
	}
	f := analysis.Finding{
		Severity: best.Severity, Summary: summary, Confidence: analysis.Measured, Because: because(p, cause),
		Advice: advice + fmt.Sprintf(" The %s of this type in requests.types, and requests.duration.p99, should fall.", t.QuantileName()),
		Caveat: "Requests of different kinds under one type differ by nature. What a request would take without the cause is a lower bound: another may come to the fore.",
	}
	if o := ts.Untold(t); o != "" {
		f.Caveat += " " + o + ": of all requests the slow ones are fewer than n tells."
	}
	switch {
	case cause.Leaf.State == parse.GoRunnable:
		f.Code = "request-path/starved"
	case cause.Leaf.Class == measures.ClassGC:
		f.Code = "request-path/gc"
	}
	if again {
		f.Code = "request-path/turns"
	}
	if queues(ts, t, cause) {
		f.Code = "request-path/queue"
		pause := ""
		if cause.Leaf.Class == measures.ClassTimer {
			pause = " (where that is a pause, as before another try: give back first what the others queue for)"
		}
		f.Advice = fmt.Sprintf("Requests wait for one another: raise the limit that they queue at%s if what is behind it has room, or shed load before it: %s was %s meanwhile%s. The %s of this type in requests.types, and requests.duration.p99, should fall.",
			evidence.LimitOf(p.Trace.String(cause.Place.Inner)), cause.Leaf.Who, cause.Leaf.Text, pause, t.QuantileName())
	}
	if !cause.Hold && cause.Leaf.Class == measures.ClassNetwork && connects(p, cause.Place.Stack) {
		f.Code, f.Advice = "request-path/connect", evidence.KeepConnections+strings.TrimPrefix(f.Advice, advice)
	}
	all := ts.Causes(t)
	for _, c := range all {
		if c.Text == cause.Text { // of all, as far as a sample tells
			value := int64(float64(t.Lengths().Sum()) * say.Ratio(c.NS, t.Everything().Total()))
			f.Cost = analysis.Cost{Value: min(value, t.Lengths().Sum()), Total: t.Lengths().Sum(), Clock: analysis.GTime}
		}
	}
	if f.Cost.Total == 0 {
		f.Cost = analysis.Cost{Value: cause.NS, Total: t.Lengths().Sum(), Clock: analysis.GTime}
	}
	for _, e := range t.Slowest() {
		from := p.Rel(e.Item.Since)
		row := analysis.Evidence{From: from, To: from + e.Value, G: evidence.IDOf(e.Item.G), Func: t.Name, Note: fmt.Sprintf("request %s took %s: %s", e.Item.ID(), p.Dur(e.Value), ts.Mostly(e.Item))}
		if len(f.Evidence) == 0 && cause.Place.Stack != 0 {
			row.Stack = p.Stack(cause.Place.Stack)
		}
		f.Evidence = append(f.Evidence, row)
	}
	p.Find(f)
	return best
}

// queues reports whether requests wait for one another at something that is no lock.
func queues(ts *measures.RequestTypes, t *measures.RequestType, c *measures.RequestCause) bool {
	return c.Hold && c.Leaf.Who != "" && !c.Place.Prim.Lock() && ts.Serves(t, c.Leaf.Who)
}

// held reports whether a cause keeps requests from going on that have all they need, so
// that it is worth a look also where all of them have it.
func held(ts *measures.RequestTypes, t *measures.RequestType, c *measures.RequestCause) bool {
	return c.Hold && c.Place.Prim.Lock() || queues(ts, t, c) || c.Leaf.Class == measures.ClassGC || !c.Hold && c.Leaf.State == parse.GoRunnable
}

// turnsOf is how often a request of a class is at a cause.
func turnsOf(c *measures.RequestCause, of *measures.RequestClass) float64 {
	return say.Ratio(c.Leaf.N, max(of.N(), 1))
}

// asksAgain reports whether requests are in calls at a cause, or wait there for answers to
// what they ask, not for what comes by itself, as when they copy a stream.
func asksAgain(p *analysis.Pass, c *measures.RequestCause) bool {
	if l := c.Leaf; l.Class != measures.ClassNetwork && l.Class != measures.ClassCall || 2*l.NS < c.NS {
		return false
	}
	call := p.Trace.String(c.Place.Call)
	switch {
	case c.Hold: // for a goroutine of the client that they call
		return parse.PackageOf(call) != "" && parse.PackageOf(call) == parse.PackageOf(c.Leaf.Who)
	case c.Leaf.Class == measures.ClassCall || !plain(call):
		return true
	case strings.HasPrefix(call, "io.Copy"):
		return false
	}
	at := p.Trace.PlaceOf(c.Place.Stack)
	var reads, writes int64
	for _, k := range measures.KindsOf(p).All {
		stay := k.At(at)
		if stay == nil {
			continue
		}
		reads += stay.N
		for _, s := range k.Stays {
			if s.State == parse.GoSyscall && strings.HasSuffix(strings.ToLower(p.Trace.String(s.Place.Inner)), "write") && plain(p.Trace.String(s.Place.Call)) {
				writes += s.N
			}
		}
	}
	return 2*writes >= reads && reads > 0
}

// plain reports whether a function reads or writes what it is given, with no protocol of
// its own.
func plain(call string) bool {
	switch parse.PackageOf(call) {
	case "net", "bufio", "io", "fmt", "crypto/tls":
		return true
	}
	return false
}

// because are the checks that say more of a cause.
func because(p *analysis.Pass, c *measures.RequestCause) (out []analysis.Because) {
	add := func(place string, checks ...string) {
		for _, check := range checks {
			out = append(out, analysis.Because{Check: check, Place: place})
		}
	}
	at := ""
	if c.Place.Stack != 0 {
		at = measures.SiteOf(p.Trace, c.Place)
	}
	switch {
	case c.Leaf.Class == measures.ClassGC:
		add("", "gc-cpu-dominant", "assist-heavy", "assist-queue-wait", "mark-starves-users", "stw-long")
	case c.Leaf.State == parse.GoRunnable:
		add("", "latency-tail", "p-hostage", "saturated", "runnable-burst", "syscall-return-wait")
	case c.Hold && at != "":
		if l := c.Leaf; l.State == parse.GoSyscall && l.Place.Stack != 0 {
			add(p.Trace.String(l.Place.Inner), "p-hostage", "blocking-p-handoffs", "blocked-calls")
		}
		add(at, "lock-convoy", "rwmutex-writer-stall", "exhausted-pool", "serial-call", "mutex-starvation", "saturated-stage", "queue-head")
	case c.Leaf.State == parse.GoSyscall && at != "":
		add(at, "p-hostage", "blocking-p-handoffs", "blocked-calls")
	}
	return out
}

// pathAdvice says what to change.
func pathAdvice(p *analysis.Pass, t *measures.RequestType, c *measures.RequestCause) string {
	l := c.Leaf
	own := measures.OwnLock(p.Trace, c.Place)
	switch {
	case c.Running():
		return "Slow requests do more work than usual ones: look at a CPU profile of " + t.Name + ", split the work, or give it a type of its own."
	case l.Class == measures.ClassGC:
		return "The garbage collector holds requests up: allocate less, raise GOGC or GOMEMLIMIT (see gc and waits)."
	case l.State == parse.GoRunnable:
		held := "see latency and waits for what held the Ps"
		if did := evidence.Instead(p); did != "" {
			held = did
		}
		return "They, or those they wait for, wait for a P: " + held + "."
	case c.Hold && own != "":
		return fmt.Sprintf("%s was %s with the lock, which is that of %s: call it less often or from fewer goroutines, or hand what it is given to one goroutine with a queue or a buffer.", l.Who, l.Text, own)
	case c.Hold && c.Place.Prim.Lock():
		return lockAdvice(p, c)
	case c.Hold:
		if at := measures.HoldersOf(p).At(p.Trace.PlaceOf(c.Place.Stack)); at != nil {
			if steps := measures.HoldersOf(p).Chain(at).Steps; len(steps) > 1 && steps[0].Holder != "" && steps[0].Holder != l.Who {
				return fmt.Sprintf("Look at %s, for which they wait: it waits%s at %s, for %s, which was %s most of the time.", steps[0].Holder, steps[0].Within(), steps[1].Place.Label, l.Who, l.Text)
			}
		}
		in := ""
		if l.State == parse.GoRunning {
			if in = measures.PreemptionOf(p).RunsIn(p.Trace, l.Who, 0); in != "" {
				in = ", mostly in " + in
			}
		}
		return fmt.Sprintf("Look at %s, for which they wait: it was %s most of the time%s.", l.Who, l.Text, in)
	case l.State == parse.GoSyscall:
		return "Take the call out of the request, do it less often, or bound how many are in it at once."
	case l.Class == measures.ClassNetwork:
		return "The peer is slow to answer: measure there, ask for several things at once, or keep its answers."
	case l.Class == measures.ClassTimer:
		return "Requests sleep or wait for a timer: wait for what they wait for instead."
	}
	return "tracelens requests shows the slowest of them step by step."
}

// lockAdvice is what to change about a lock that requests wait for.
func lockAdvice(p *analysis.Pass, c *measures.RequestCause) string {
	l, h := c.Leaf, measures.HoldersOf(p)
	at := h.At(p.Trace.PlaceOf(c.Place.Stack))
	if at == nil || len(at.Holders) == 0 {
		return fmt.Sprintf("Hold the lock for less: %s was %s with it.", l.Who, l.Text)
	}
	holder, steps := at.Holders[0].Kind.Name, h.Chain(at).Steps
	if len(steps) > 1 && steps[0].Place.Place.Prim == parse.PrimRead && steps[1].Place.Place.Prim == parse.PrimWrite && steps[1].Holder != "" {
		holder, steps = steps[1].Holder, steps[1:] // who waits to write keeps them out, and has nothing
	}
	within := ""
	if holder == steps[0].Holder {
		within = steps[0].Within()
	}
	if holder == l.Who {
		return fmt.Sprintf("Hold the lock for less%s: %s was %s with it.", within, holder, l.Text)
	}
	if strings.HasPrefix(l.Who, "runtime.") { // the GC keeps all, not only who has the lock
		return fmt.Sprintf("Hold the lock for less%s, and allocate less: %s waits for the GC with it.", within, holder)
	}
	others := "for others"
	if len(steps) > 1 && !steps[1].Place.Place.Prim.Lock() {
		others = "at " + steps[1].Place.Label
	}
	return fmt.Sprintf("Do not wait %s under the lock: %s holds it meanwhile%s, and waits for %s, which was %s.", others, holder, within, l.Who, l.Text)
}

// connects reports whether half of the waiting at the place of a stack, or more, is for
// connections that database/sql has made.
func connects(p *analysis.Pass, stack parse.StackID) bool {
	var connecting, all int64
	for _, e := range measures.BlockingOf(p).Sites().Entries {
		if p.Trace.PlaceOf(e.Key.Stack) != p.Trace.PlaceOf(stack) {
			continue
		}
		all += e.V.Total
		if _, ok := evidence.Connects(p.Trace, e.Key.Stack); ok {
			connecting += e.V.Total
		}
	}
	return connecting > 0 && 2*connecting >= all
}

// takesIn reports whether goroutines of a kind, which take requests in, wait for
// something else than the next one.
func takesIn(p *analysis.Pass, k *measures.GoKind, s *measures.Stay) bool {
	if s.State != parse.GoWaiting || !s.Place.Prim.Mutual() || s.Place.Stack == 0 {
		return false
	}
	if strings.Contains(p.Trace.String(s.Place.Inner), "ccept") {
		return false // for the next connection, which another goroutine has for it
	}
	for _, f := range p.Trace.Stack(s.Place.Stack) {
		switch fn := p.Trace.String(f.Func); {
		case strings.HasPrefix(fn, "io.Read"):
			return false // for bytes of the next request, on a connection that the program made itself
		case fn == "net/http.(*Server).Serve", strings.HasPrefix(fn, "google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams"):
			return true
		}
	}
	return false
}

// lateAccept says that requests wait before anybody takes them in.
func lateAccept(p *analysis.Pass, k *measures.GoKind, s *measures.Stay) analysis.Gate {
	share := k.Share(s.NS)
	g := p.Gate(analysis.Grades("accept", share)).At(s.Label)
	if g.Severity == "" {
		return g
	}
	p.Find(analysis.Finding{
		Code: "request-path/accept", Severity: g.Severity, Confidence: analysis.Measured,
		Summary:  fmt.Sprintf("Requests wait before the server takes them in: %s waits %s of its time at %s (%s, longest %s)", k.Name, analysis.FormatRatio(share), s.Label, say.Counted(s.N, "wait", "waits"), p.Dur(s.Longest)),
		Cost:     analysis.Cost{Value: s.NS, Total: k.Life, Clock: analysis.GTime},
		Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.Trace.String(s.Place.Site.Func), Note: fmt.Sprintf("waited %s in all", p.Dur(s.NS)), Stack: p.Stack(s.Place.Stack)})},
		Advice:   "Raise the limit that it waits at, or make what is behind it faster: what requests wait here is in none of their durations, but their clients see it. kinds.busy should rise.",
		Caveat:   "Whether connections or requests came meanwhile the trace does not tell.",
	})
	return g
}
