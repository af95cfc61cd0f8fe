package sched

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var connectionChurn = &analysis.Analyzer{
	Name: "connection-churn", Proof: "goroutines.alive",
	Doc: say.Page(pages, "connection-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "connection-churn.rate", Doc: "connections that net/http dials per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 50, Warning: 470},
			Source: "clients that reuse connections dial a few at their start; each costs a handshake, three to four goroutines and an ephemeral port for a minute (TIME_WAIT): 28,232 of them (Linux, ip_local_port_range) last for 470 a second",
		},
		{
			Name: "connection-churn.waiting", Doc: "goroutines that wait in net/http for a connection, mean of the trace", Unit: analysis.Count, Levels: analysis.Levels{Warning: .5},
			Source: "half of the time somebody waits for a handshake, as straggler.waiting",
		},
		{
			Name: "connection-churn.kept", Doc: "connections made in the trace and open at its end, beyond four for each request under way at once", Unit: analysis.Count, Levels: analysis.Levels{Warning: 100},
			Source: "nobody can use so many again; each keeps a descriptor, of which a process has 1,024 by default (ulimit -n), and two goroutines",
		},
		{
			Name: "connection-churn.count", Doc: "connections that net/http dials", Unit: analysis.Count, Levels: analysis.Levels{Note: 50}, Source: "a pool that fills up",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Goroutines, measures.Kinds, measures.Holders, measures.Blocking},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		sql := sqlChurn(p)
		var dials, all, made, open int64
		var maker parse.StackID
		var loop parse.StringID
		var spent int64
		for k, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			if k.Class != parse.ClassUser || !k.Seen {
				continue
			}
			all += v.Created
			if f, ok := p.Trace.Site(k.Site); ok && p.Trace.String(f.Func) == "net/http.(*Transport).dialConn" && (v.Created > made || v.Created == made && k.Fn < loop) {
				made, maker, loop, open = v.Created, k.Site, k.Fn, v.Created-v.Ended
			}
			if !evidence.DialsHTTP(p.FuncName(k.Fn)) {
				continue
			}
			dials += v.Created
			spent += v.States[parse.GoRunning] + v.States[parse.GoSyscall]
		}
		if all == 0 && !sql {
			p.NotApplicable("no user goroutine was created in this trace; record while the program works")
			return nil
		}
		rate := say.PerSecond(dials, p.Trace.Duration())
		waited, at := waitForDials(p)
		waiting := say.Ratio(waited, p.Trace.Duration())
		kept := max(open-4*requestsAtOnce(p), 0)
		dialled := analysis.Needs("rate", rate)
		g := p.Gate(analysis.Either(analysis.Grades("rate", rate), analysis.Both(dialled, analysis.Grades("waiting", waiting)), analysis.Both(dialled, analysis.Grades("kept", float64(kept)))), analysis.Needs("count", float64(dials)))
		if g.Severity == "" {
			if !sql {
				p.Clear(g)
			}
			return nil
		}
		site := evidence.DialledAt(p)
		shown := []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(site), Note: "dials are begun here", Stack: p.Stack(site)})}
		if made > 0 {
			shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(maker),
				Note: fmt.Sprintf("%s of %s started here", analysis.FormatCount(made), p.FuncName(loop)), Stack: p.Stack(maker)}))
		}
		from, cost := "", evidence.ProcTime(p, float64(spent))
		if fn := p.SiteName(site); fn != "" {
			from, _, _ = strings.Cut(", most from "+fn, " (")
		}
		if at != nil {
			from = ", most from " + p.SiteName(at.Place.Stack)
			from, _, _ = strings.Cut(from, " (")
			if c := evidence.GoTime(p, waited); c.Rate(p.Trace.Duration()) > cost.Rate(p.Trace.Duration()) {
				from += fmt.Sprintf(", which waited for them for %s (%s goroutines at any time)", p.Dur(waited), say.Number(waiting))
				cost = c
			}
		}
		advice := "Share one http.Client and its Transport, with keep-alives on, read response bodies to their end and close them, and raise MaxIdleConnsPerHost (2 by default) to the requests under way at once; goroutines.created and netpoll.wakeups should fall."
		if p.Met("kept", float64(kept)) {
			from = fmt.Sprintf(", and %s of them are still open%s", analysis.FormatCount(open), from)
			advice = "See whether a Transport or Client is made for each request, which nobody closes: its connections stay open and are used once. " + advice
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("HTTP connections are not reused: %s dials (%s)%s; %s of %s goroutines created",
				analysis.FormatCount(dials), analysis.FormatRate(rate), from, analysis.FormatRatio(say.Ratio(dials, all)), analysis.FormatCount(all)),
			Cost:     cost,
			Evidence: shown,
			Advice:   advice,
			Caveat:   "The cost is the time in which goroutines waited for a connection, or that of the dialling goroutines where it is more; the peer's is not in it. Peers that close connections look the same.",
		})
		return nil
	},
}

// sqlChurn finds that goroutines wait for drivers of database/sql to make connections, again
// and again.
func sqlChurn(p *analysis.Pass) bool {
	tr := p.Trace
	var n, ns, most int64
	var stack parse.StackID
	for _, e := range measures.BlockingOf(p).Sites().Entries {
		if _, ok := evidence.Connects(tr, e.Key.Stack); !ok {
			continue
		}
		n += e.V.Spans
		if ns += e.V.Total; e.V.Total > most {
			most, stack = e.V.Total, e.Key.Stack
		}
	}
	rate, waiting := say.PerSecond(n, tr.Duration()), say.Ratio(ns, tr.Duration())
	g := p.Gate(analysis.Needs("rate", rate), analysis.Grades("waiting", waiting), analysis.Needs("count", float64(n)))
	if g.Severity == "" {
		return false
	}
	asked, _ := evidence.Connects(tr, stack)
	p.Find(analysis.Finding{
		Code: "connection-churn/sql", Explains: []string{"request-path/connect"}, Severity: g.Severity, Confidence: analysis.Measured,
		Summary: fmt.Sprintf("Connections to a database are not kept: %s goroutines at any time wait for new ones in database/sql, most from %s at %s (%s in %s)",
			say.Number(waiting), tr.String(asked.Func), p.SiteName(stack), p.Dur(ns), say.Counted(n, "wait", "waits")),
		Cost:     evidence.GoTime(p, ns),
		Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(stack), Note: "connections are made here", Stack: p.Stack(stack)})},
		Advice:   evidence.KeepConnections + " blocking.waits there should fall.",
		Caveat:   "How many connections these waits are of is not in the trace: to make one may take several.",
	})
	return true
}

// requestsAtOnce is how many goroutines waited for an answer in net/http at once, at most.
func requestsAtOnce(p *analysis.Pass) (n int64) {
	for _, place := range measures.HoldersOf(p).Places {
		if p.Trace.String(place.Place.Inner) == "net/http.(*persistConn).roundTrip" {
			n += place.Most
		}
	}
	return n
}

// waitForDials is how long goroutines waited in net/http for a connection, and where
// most; nil for nowhere.
func waitForDials(p *analysis.Pass) (waited int64, most *measures.Stay) {
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if s.State == parse.GoWaiting && p.Trace.String(s.Place.Inner) == "net/http.(*Transport).getConn" {
				if waited += s.NS; most == nil || s.NS > most.NS {
					most = s
				}
			}
		}
	}
	return waited, most
}
