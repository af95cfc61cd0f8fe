package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestMigrationChurn(t *testing.T) { checktest.Run(t, migrationChurn, casesMigrationChurn) }

func casesMigrationChurn(t *testing.T) {
	checktest.Idle(t, migrationChurn)
	make := func(migrations, stays int, idle int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Proc(0, parse.ProcUser, 0, checktest.S)
		tr.Proc(1, parse.ProcIdle, 0, idle)
		tr.Proc(1, parse.ProcUser, idle, checktest.S)
		move := func(last parse.ProcID) func(*parse.Go) {
			return func(g *parse.Go) {
				g.P, g.LastP, g.Origin, g.Victim, g.WakerStack = 1, last, parse.OriginStolen, last, tr.NthStack(0)
			}
		}
		tr.Waits(migrations, 0, 0, move(0))
		tr.Waits(stays, 0, 0, move(1))
		return tr
	}
	checktest.At(t, migrationChurn, "migrations a second", func(v int64) *checktest.Trace { return make(int(v), 10_000, 0) },
		checktest.Case{V: 19_999, Want: "clear"}, checktest.Case{V: 20_000, Want: "note"}, checktest.Case{V: 99_999, Want: "note"}, checktest.Case{V: 100_000, Want: "warning"})
	checktest.At(t, migrationChurn, "starts on the same P beside 30,000", func(v int64) *checktest.Trace { return make(30_000, int(v), 0) },
		checktest.Case{V: 70_000, Want: "note"}, checktest.Case{V: 70_001, Want: "clear"})
	checktest.At(t, migrationChurn, "idle of one of two Ps", func(v int64) *checktest.Trace { return make(30_000, 0, v) }, checktest.Case{V: checktest.S, Want: "note"})
	checktest.At(t, migrationChurn, "idle of a third P beside", func(v int64) *checktest.Trace {
		tr := make(30_000, 0, checktest.S)
		tr.Proc(2, parse.ProcIdle, 0, v)
		return tr
	}, checktest.Case{V: 1, Want: "clear"})
	// Two Ps that are busy, or idle, for the same time.
	checktest.At(t, migrationChurn, "ms more of an idle P beside one busy for 1 s", func(v int64) *checktest.Trace {
		return make(30_000, 0, checktest.S+v*checktest.MS)
	}, checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, migrationChurn, "migrations in 10 ms", func(v int64) *checktest.Trace {
		tr := make(int(v), 0, 0)
		tr.To, tr.Last = 10*checktest.MS, 10*checktest.MS
		return tr
	}, checktest.Case{V: 999, Want: "clear"}, checktest.Case{V: 1000, Want: "warning"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "procs-1": "n/a", "steal-bursts": "clear",
		"io/net-echo": "clear", "real/nats-server": "clear", "real/etcd-embed": "clear", "sync/spinlock": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{migrationChurn: want})
	}
}
