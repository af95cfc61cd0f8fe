package syscalls

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSyscallReturnWait(t *testing.T) { checktest.Run(t, syscallReturnWait, casesSyscallReturnWait) }

func casesSyscallReturnWait(t *testing.T) {
	wait := func(n int, held int64) []parse.Event {
		return checktest.Times(n, analysistest.Started(held, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginGlobal, BlockedStack: 1}))
	}
	checktest.Check(t, syscallReturnWait, nil, []checktest.EventCase{
		{Name: "long", Want: "warning", Events: [][]parse.Event{wait(100, checktest.MSNS)}},
		{Name: "just shorter", Want: "clear", Events: [][]parse.Event{wait(100, 990*checktest.USNS)}},
		{Name: "a time slice", Want: "error", Events: [][]parse.Event{wait(100, 10*checktest.MSNS)}},
		{Name: "just shorter than it", Want: "warning", Events: [][]parse.Event{wait(100, 9900*checktest.USNS)}},
		{Name: "rare", Want: "note", Events: [][]parse.Event{wait(89, 0), wait(11, checktest.MSNS)}},
		{Name: "hardly any time", Want: "clear", NS: 2e9, Events: [][]parse.Event{wait(89, 0), wait(11, checktest.MSNS)}},
		{Name: "a P at once", Want: "not applicable", Events: [][]parse.Event{checktest.Times(100, analysistest.Started(checktest.MSNS, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginSyscall}))}},
		{Name: "few", Want: "not applicable", Events: [][]parse.Event{wait(99, checktest.MSNS)}},
	})
}

// Waits after calls explain the tail of all waits when they are most of what is too long.
func TestSyscallReturnWaitExplains(t *testing.T) {
	for _, c := range []struct {
		others int
		want   int
	}{{60, 1}, {70, 0}} {
		p := analysis.NewPartial([]*analysis.Analyzer{syscallReturnWait})
		events := append(checktest.Times(100, analysistest.Started(2*checktest.MSNS, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginGlobal})),
			checktest.Times(c.others, analysistest.Started(2*checktest.MSNS, parse.Go{Ready: parse.ReadyUnblocked}))...)
		for i := range events {
			p.Event(&events[i])
		}
		tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: 9e8, Last: 9e8}
		f := analysis.Conclude(tr, "", p, []*analysis.Analyzer{syscallReturnWait}, nil).Findings()
		if len(f) != 1 || len(f[0].Explains) != c.want {
			t.Errorf("beside %d other waits: %+v", c.others, f)
		}
	}
}
