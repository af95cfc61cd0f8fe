package procs

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

// schedShares is a trace in which each P runs for so many hundredths of a percent of
// every 10 ms, with a goroutine runnable for each.
func schedShares(t *testing.T, length int64, ran ...int64) *checktest.Trace {
	tr := checktest.New(t, length)
	for at := int64(0); at < length; at += 10 * checktest.MS {
		for p, share := range ran {
			until := at + share*checktest.MS/1000
			tr.Proc(parse.ProcID(p), parse.ProcUser, at, until)
			tr.Proc(parse.ProcID(p), parse.ProcIdle, until, at+10*checktest.MS)
		}
		n := int32(len(ran))
		tr.Interval(at, at+10*checktest.MS, n, 1, n, n-1)
	}
	return tr
}

func TestPImbalance(t *testing.T) { checktest.Run(t, pImbalance, casesPImbalance) }

func casesPImbalance(t *testing.T) {
	checktest.Idle(t, pImbalance)
	// Two Ps, of which the second runs for a share of the first one's time.
	make := func(length, first, second int64, runnable int32) *checktest.Trace {
		tr := checktest.New(t, length)
		for at := int64(0); at < length; at += 10 * checktest.MS {
			for p, ran := range []int64{first, second} {
				tr.Proc(parse.ProcID(p), parse.ProcUser, at, at+ran*checktest.MS/10)
				tr.Proc(parse.ProcID(p), parse.ProcIdle, at+ran*checktest.MS/10, at+10*checktest.MS)
			}
			tr.Interval(at, at+10*checktest.MS, 2, 1, runnable, 1)
		}
		return tr
	}
	checktest.At(t, pImbalance, "running of the second of the first's 90 %, in %", func(v int64) *checktest.Trace { return make(4*checktest.S, 90, v, 1) },
		checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 29, Want: "note"}, checktest.Case{V: 31, Want: "clear"}, checktest.Case{V: 90, Want: "clear"})
	// A quarter of a goroutine per P, half of one with two: runnable for half of each 10 ms.
	checktest.At(t, pImbalance, "µs of 10 ms with one runnable", func(v int64) *checktest.Trace {
		tr := make(4*checktest.S, 90, 0, 0)
		for at := int64(0); at < 4*checktest.S; at += 10 * checktest.MS {
			tr.Interval(at, at+v*1000, 2, 1, 1, 1)
		}
		return tr
	}, checktest.Case{V: 4900, Want: "clear"}, checktest.Case{V: 5200, Want: "warning"})
	// With two Ps the other has to run for less than half of what the first does.
	checktest.At(t, pImbalance, "running of the first beside 60 %, in %, hundredths", func(v int64) *checktest.Trace { return schedShares(t, 4*checktest.S, v, 3000) },
		checktest.Case{V: 8900, Want: "clear"}, checktest.Case{V: 9300, Want: "note"})
	checktest.At(t, pImbalance, "running of the first of three, two idle, in hundredths of a %", func(v int64) *checktest.Trace { return schedShares(t, 4*checktest.S, v, 0, 0) },
		checktest.Case{V: 5900, Want: "clear"}, checktest.Case{V: 6200, Want: "warning"})
	checktest.At(t, pImbalance, "runnable", func(v int64) *checktest.Trace { return make(4*checktest.S, 90, 0, int32(v)) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 1, Want: "warning"})
	checktest.At(t, pImbalance, "running of the only one used, in %", func(v int64) *checktest.Trace { return make(4*checktest.S, v, 0, 1) },
		checktest.Case{V: 38, Want: "clear"}, checktest.Case{V: 41, Want: "warning"})
	checktest.At(t, pImbalance, "length", func(v int64) *checktest.Trace { return make(v, 90, 0, 1) },
		checktest.Case{V: 1490 * checktest.MS, Want: "n/a"}, checktest.Case{V: 1700 * checktest.MS, Want: "warning"})
	checktest.At(t, pImbalance, "one P for", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v)
		tr.Proc(0, parse.ProcUser, 0, v)
		return tr
	}, checktest.Case{V: 2 * checktest.S, Want: "n/a"})
	for _, name := range []string{"idle", "sched/single-hot-goroutine", "sched/mix-procs8", "real/etcd-embed", "io/http-mix"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{pImbalance: "clear"})
	}
	checktest.Real(t, "procs-1", map[*analysis.Analyzer]string{pImbalance: "n/a"})
}
