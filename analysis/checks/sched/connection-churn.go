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
			Name: "connection-churn.count", Doc: "connections that net/http dials", Unit: analysis.Count, Levels: analysis.Levels{Note: 50}, Source: "a pool that fills up",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Goroutines},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		var dials, all, made int64
		var site, maker parse.StackID
		var loop parse.StringID
		var spent int64
		for k, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			if k.Class != parse.ClassUser || !k.Seen {
				continue
			}
			all += v.Created
			if f, ok := p.Trace.Site(k.Site); ok && p.Trace.String(f.Func) == "net/http.(*Transport).dialConn" && (v.Created > made || v.Created == made && k.Fn < loop) {
				made, maker, loop = v.Created, k.Site, k.Fn
			}
			if !dialsHTTP(p.FuncName(k.Fn)) {
				continue
			}
			dials += v.Created
			spent += v.States[parse.GoRunning] + v.States[parse.GoSyscall]
			if site == 0 || k.Site < site {
				site = k.Site
			}
		}
		if all == 0 {
			p.NotApplicable("no user goroutine was created in this trace; record while the program works")
			return nil
		}
		rate := say.PerSecond(dials, p.Trace.Duration())
		g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("count", float64(dials)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		shown := []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(site), Note: "dials are begun here", Stack: p.Stack(site)})}
		if made > 0 {
			shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(maker),
				Note: fmt.Sprintf("%s of %s started here", analysis.FormatCount(made), p.FuncName(loop)), Stack: p.Stack(maker)}))
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("HTTP connections are not reused: %s dials (%s), %s of %s goroutines created",
				analysis.FormatCount(dials), analysis.FormatRate(rate), analysis.FormatRatio(say.Ratio(dials, all)), analysis.FormatCount(all)),
			Cost:     evidence.ProcTime(p, float64(spent)),
			Evidence: shown,
			Advice:   "Read response bodies to their end and close them, share one http.Client, and raise MaxIdleConnsPerHost (2 by default) to the requests under way at once; goroutines.created and netpoll.wakeups should fall.",
			Caveat:   "The cost is that of the dialling goroutines alone, without TLS done elsewhere and without the peer. Peers that close connections look the same.",
		})
		return nil
	},
}

// dialsHTTP reports whether a goroutine of that entry function dials one connection
// (net/http/transport.go: queueForDial, startDialConnForLocked).
func dialsHTTP(fn string) bool {
	return strings.HasPrefix(fn, "net/http.(*Transport).") &&
		(strings.HasSuffix(fn, ".dialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).startDialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).queueForDial"))
}
