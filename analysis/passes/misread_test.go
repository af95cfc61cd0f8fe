package passes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/verdict"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestMisread: traces that tempt to say the wrong thing, with what a report says of them
// and what none of its warnings, errors and sentences may say.
func TestMisread(t *testing.T) {
	for _, c := range []struct{ trace, say, never string }{
		{"bugs/p-stdout", "main.placeOrder", "sync.Once"},             // the mutex of a log.Logger
		{"public/go1.21-encoding-json-tests", "", "A few slow"},       // tests that run one after the other
		{"public/go1.22-encoding-json-tests", "", "tRunner"},          // names of tests, not of the harness
		{"cgo/cgo-callback", "", "(no stack)"},                        // threads of C between their calls
		{"bugs/e-spindefault", "polls", "erial"},                      // nobody waits for a poll loop
		{"bugs/u-cgodns", "cgoLookupHost", "serial part"},             // calls of C run beside it
		{"sched/idle", "", "Tracing itself"},                          // few events, next to no time
		{"public/go1.22-idle-cpuprofile", "", "readProfile"},          // the profiler waits for samples
		{"bugs/m-assist", "main.decode", "memory limit"},              // there is none: a small GOGC
		{"bugs/y-healthbatch", "The CPU is the limit", "GOMAXPROCS="}, // as many Ps as CPUs
		{"bugs/f-stackdump", "Dump the stacks", "ReadMemStats"},       // advice by the kind of stop
		{"public/go1.19-unpreemptible-loop", "waits to scan a stack", "chains of pointers"},
		{"public/go1.19-unpreemptible-loop", "main.main", "stood still"},
		{"public/go1.19-spinners", "", "stood still"},
		{"bugs/y-allocpipe", "", "The GC takes"}, // 1.5 % of P time
		{"public/go1.23-benchmark-fsync", "Sync", "No event on any P"},
	} {
		t.Run(c.trace, func(t *testing.T) {
			rep := analysistest.Report(t, corpus.Trace(t, c.trace), Checks()...)
			said := verdict.Of(rep).Text
			for _, f := range rep.Findings() {
				if share := f.Cost.Share(); share > 1 {
					t.Errorf("%s costs %g of all there is", f.Code, share)
				}
				if f.Severity != "note" {
					said += fmt.Sprintf(" %s. %s", f.Summary, f.Advice)
				}
				if c.say != "" && strings.Contains(f.Summary+f.Advice, c.say) {
					c.say = ""
				}
			}
			if !strings.Contains(said, c.say) {
				t.Errorf("does not say %q: %s", c.say, said)
			}
			if strings.Contains(said, c.never) {
				t.Errorf("says %q: %s", c.never, said)
			}
		})
	}
}
