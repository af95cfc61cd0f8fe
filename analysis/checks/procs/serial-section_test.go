package procs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSerialSection(t *testing.T) { checktest.Run(t, serialSection, casesSerialSection) }

// ranAlone adds a goroutine of a function that ran alone for so long.
func ranAlone(tr *checktest.Trace, fn parse.StringID, ns int64) {
	tr.Lives(1, fn, parse.GoRunning, ns, 0)
	tr.Happened[len(tr.Happened)-1].GoLife.Alone = ns
}

func casesSerialSection(t *testing.T) {
	checktest.Idle(t, serialSection)
	type serial struct{ alone, blocked, owner, length, parallel int64 }
	make := func(c serial) *checktest.Trace {
		tr := checktest.New(t, c.length)
		tr.Interval(0, c.alone, 4, 1, 0, 3)
		tr.Interval(c.alone, c.alone+c.parallel, 4, 3, 0, 1)
		tr.Interval(c.alone+c.parallel, c.length, 4, 0, 0, 4)
		for p := range parse.ProcID(4) {
			tr.Proc(p, parse.ProcUser, 0, c.length)
		}
		ranAlone(tr, 1, c.owner)
		ranAlone(tr, 2, 1000*checktest.MS-c.owner)
		tr.Blocked(1, "sync", c.blocked)
		return tr
	}
	checktest.At(t, serialSection, "time alone", func(v int64) *checktest.Trace {
		return make(serial{v, 2 * checktest.S, 900 * checktest.MS, checktest.S, 0})
	},
		checktest.Case{V: 500*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 500 * checktest.MS, Want: "note"}, checktest.Case{V: 750*checktest.MS - 1, Want: "note"}, checktest.Case{V: 750 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "time blocked", func(v int64) *checktest.Trace {
		return make(serial{900 * checktest.MS, v, 900 * checktest.MS, checktest.S, 0})
	},
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 250*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 250 * checktest.MS, Want: "note"}, checktest.Case{V: 2*checktest.S - 1, Want: "note"}, checktest.Case{V: 2 * checktest.S, Want: "warning"})
	checktest.At(t, serialSection, "time in parallel", func(v int64) *checktest.Trace {
		return make(serial{500 * checktest.MS, 0, 900 * checktest.MS, checktest.S, v})
	},
		checktest.Case{V: 99 * checktest.MS, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "note"}, checktest.Case{V: 199 * checktest.MS, Want: "note"}, checktest.Case{V: 200 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "running of one function", func(v int64) *checktest.Trace {
		return make(serial{900 * checktest.MS, 2 * checktest.S, v, checktest.S, 0})
	},
		checktest.Case{V: 500 * checktest.MS, Want: "warning"}, checktest.Case{V: 900 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "running of each of three functions", func(v int64) *checktest.Trace {
		tr := make(serial{900 * checktest.MS, 2 * checktest.S, 500 * checktest.MS, checktest.S, 0})
		ranAlone(tr, 3, v)
		return tr
	}, checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, serialSection, "time alone in a short trace", func(v int64) *checktest.Trace {
		return make(serial{v, 200 * checktest.MS, 900 * checktest.MS, 100 * checktest.MS, 0})
	},
		checktest.Case{V: 99 * checktest.MS, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "GOMAXPROCS", func(v int64) *checktest.Trace {
		tr := make(serial{900 * checktest.MS, 2 * checktest.S, 900 * checktest.MS, checktest.S, 0})
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool { return e.Kind == parse.KindProc && int64(e.Proc.ID) >= v })
		return tr
	}, checktest.Case{V: 1, Want: "n/a"}, checktest.Case{V: 2, Want: "warning"})
	for _, name := range []string{"http-healthy", "idle", "steal-bursts", "io/http-mix", "real/victoria-metrics", "debian/nats-server", "sched/mix-procs2"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{serialSection: "clear"})
	}
	checktest.Real(t, "procs-1", map[*analysis.Analyzer]string{serialSection: "n/a"})
	checktest.Real(t, "mutex-starvation", map[*analysis.Analyzer]string{serialSection: "warning"})
	for name, want := range map[string]string{"sched/serial-phase": "warning", "public/go1.11-mandelbrot-serial": "warning", "public/go1.21-encoding-json-tests": "clear", "sched/single-hot-goroutine": "note", "sync/chan-slow-stage": "warning", "sync/select-fanin": "note", "sync/mutex-hold-cpu": "note"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{serialSection: want})
	}
}

// TestSerialTests: what runs alone for a test is told to run beside others, what runs for a
// benchmark is not.
func TestSerialTests(t *testing.T) {
	for _, c := range []struct{ harness, fn, want string }{
		{"testing.tRunner", "main.TestParse:9", "t.Parallel"},
		{"testing.(*B).launch", "main.BenchmarkParse:9", "what it measures"},
	} {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			main, runs := s.Go("main.main"), s.Go(c.harness)
			main.Block(2000, "runtime.chanrecv1", "testing.(*M).Run")
			for at := int64(10); at < 1000; at += 10 {
				runs.Preempt(at*checktest.MS, "main.parse:20", c.fn)
			}
		})
		f := checktest.Report(t, serialSection, tr).Results[0].Findings
		if len(f) != 1 || f[0].Severity != analysis.Note || !strings.Contains(f[0].Advice, c.want) {
			t.Errorf("%s: %+v, want a note with the advice of %q", c.harness, f, c.want)
		}
	}
}
