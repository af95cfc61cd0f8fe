package syscalls

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestChattySyscalls(t *testing.T) { checktest.Run(t, chattySyscalls, casesChattySyscalls) }

func casesChattySyscalls(t *testing.T) {
	procs := checktest.Procs(1, parse.ProcUser, checktest.Length)
	calls := func(n int, held int64) [][]parse.Event {
		return [][]parse.Event{procs, checktest.Times(n, checktest.Call(held, 1)...)}
	}
	checktest.Check(t, chattySyscalls, nil, []checktest.EventCase{
		{Name: "chatty", Want: "note", Events: calls(45000, 4095)}, // buckets of up to 25 %
		{Name: "less often", Want: "clear", Events: calls(44900, 4095)},
		{Name: "longer calls", Want: "clear", Events: calls(45000, 6000)},
		{Name: "less of the time", Want: "clear", Events: calls(45000, 3900)},
		{Name: "few", Want: "clear", NS: 10 * checktest.MSNS, Events: [][]parse.Event{checktest.Procs(1, parse.ProcUser, 10*checktest.MSNS), checktest.Times(999, checktest.Call(4095, 1)...)}},
		{Name: "not so few", Want: "note", NS: 10 * checktest.MSNS, Events: [][]parse.Event{checktest.Procs(1, parse.ProcUser, 10*checktest.MSNS), checktest.Times(1000, checktest.Call(4095, 1)...)}},
		{Name: "half of the time", Want: "warning", Events: calls(int(checktest.Length/2/4095)+1, 4095)},
		{Name: "nearly half of the time", Want: "note", Events: calls(int(checktest.Length/2/4095), 4095)},
		{Name: "two places, half of the time together", Want: "warning", Events: append(calls(int(checktest.Length/4/4095)+1, 4095), checktest.Times(int(checktest.Length/4/4095)+1, checktest.Call(4095, 2)...))},
		{Name: "v1", Want: "not applicable", Version: 21, Events: calls(45000, 4095)},
		{Name: "no call", Want: "not applicable", Events: [][]parse.Event{procs}},
	})
}

// TestTries: calls that a goroutine makes without ever waiting may fail each time.
func TestTries(t *testing.T) {
	for rests, want := range map[bool]string{false: "wait before the next try: main.(*spool).run never waits", true: "one cgo call for many items. "} {
		tr := checktest.Tell(t, 20_000_000, func(s *checktest.Story) {
			a := s.Go("main.(*spool).run")
			for i := range int64(1100) {
				at := 1000 + i*17_000
				a.Call(at, at+4000, "syscall.write", "os.(*File).Write", "main.(*spool).flush:18")
				if rests && i%10 == 0 {
					a.Wait(at+5000, at+15_000, nil, "", "time.Sleep", "main.(*spool).run:30")
				}
			}
		})
		found := checktest.Report(t, chattySyscalls, tr).Results[0].Findings
		if len(found) != 1 || !strings.Contains(found[0].Advice, want) {
			t.Errorf("rests %t: %+v, want %q", rests, found, want)
		}
	}
}
