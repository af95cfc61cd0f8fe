package syscalls

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestBlockedCalls(t *testing.T) { checktest.Run(t, blockedCalls, casesBlockedCalls) }

func casesBlockedCalls(t *testing.T) {
	tr, w := checktest.Recorded(t)
	// n calls of that length at once, one after the other through the whole second.
	calls := func(place string, n int, held int64, from int64) (out []parse.Event) {
		for at := from; at+held <= 1e9; at += held {
			for range n {
				out = append(out, checktest.Call(held, w[place].Stack)...)
			}
		}
		return out
	}
	// n calls that begin in the middle and are not over at the end.
	open := func(n int) (out []parse.Event) {
		for range n {
			call := checktest.Call(500e6, w["blkSync"].Stack)
			call[1].Go.To = parse.GoUndetermined
			out = append(out, call...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"a queue of 4", calls("blkSync", 4, 10e6, 0), "blocked-calls warning"},
		{"nearly 4", calls("blkSync", 4, 10e6, 20e6), "blocked-calls note"},
		{"half of the time", calls("blkSync", 1, 10e6, 500e6), "blocked-calls note"},
		{"less", calls("blkSync", 1, 10e6, 510e6), ""},
		{"1 ms", calls("blkSync", 1, 1e6, 0), "blocked-calls note"},
		{"shorter", calls("blkSync", 1, 990e3, 0), ""},
		{"10 calls", calls("blkSync", 1, 100e6, 0), "blocked-calls note"},
		{"9 calls", calls("blkSync", 1, 111e6, 0), ""},
		{"10 open at the end", open(10), "blocked-calls warning"},
		{"9 open at the end", open(9), ""},
		{"healthy: one reads a pipe", calls("blkRead", 1, 10e6, 0), ""},
		{"two read", calls("blkRead", 2, 10e6, 0), "blocked-calls note"},
		{"nearly two", calls("blkRead", 2, 10e6, 10e6), ""},
		{"many read", calls("blkRead", 20, 10e6, 0), "blocked-calls note"},
	} {
		if got := checktest.Found(checktest.RunOn(t, tr, blockedCalls, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	f := checktest.RunOn(t, tr, blockedCalls, calls("blkSync", 4, 10e6, 0)).Findings[0]
	if !strings.Contains(f.Summary, "4.0 goroutines") || !strings.Contains(f.Summary, "Fsync") || !strings.Contains(f.Summary, "blkSync") {
		t.Error(f.Summary)
	}
	if f := checktest.RunOn(t, tr, blockedCalls, open(10)).Findings[0]; !strings.Contains(f.Summary, "5.0 goroutines") || !strings.Contains(f.Summary, "10 calls, mean 500 ms, longest 500 ms, 10 not over") {
		t.Error(f.Summary)
	}
	for _, name := range []string{"http-healthy", "netpoll-echo", "syscall-handoff", "mixed-go126", "io/pipe-stdin", "io/file-fsync", "real/victoria-metrics", "real/etcd-embed"} {
		path := analysistest.Testdata
		if strings.Contains(name, "/") {
			path = corpus.Trace
		}
		t.Run(name, func(t *testing.T) {
			if got := checktest.Found(checktest.On(t, path(t, name), blockedCalls)); got != "" {
				t.Error(got)
			}
		})
	}
}

// TestManyInCalls: where several goroutines are in calls of one place at once, it is no single
// one that the program waits for; a part of all calls is not the cause of it.
func TestManyInCalls(t *testing.T) {
	fsync := []string{"syscall.fsync", "syscall.Fsync", "os.(*File).Sync", "main.save:12"}
	for others, want := range map[int]bool{0: true, 5: false} {
		tr := checktest.Tell(t, 1000*callMS, func(s *checktest.Story) {
			in := func(stack ...string) {
				g := s.Go("main.commit")
				for at := int64(1000); at < 990*callMS; at += 10 * callMS {
					g.Call(at, at+10*callMS-1000, stack...)
				}
			}
			for range 5 {
				in(fsync...)
			}
			for range others {
				in("syscall.flock", "syscall.Flock", "main.lock:9")
			}
		})
		f := checktest.Report(t, blockedCalls, tr).Results[0].Findings[0]
		if slices.Contains(f.Explains, "serial-call") != want {
			t.Errorf("beside %d others: explains %v", others, f.Explains)
		}
	}
}

// TestProcesses: calls that wait for a process the program started are no matter of files.
func TestProcesses(t *testing.T) {
	tr := checktest.Tell(t, 1000*callMS, func(s *checktest.Story) {
		for range 5 {
			g := s.Go("main.resolve")
			for at := int64(1000); at < 990*callMS; at += 10 * callMS {
				g.Call(at, at+10*callMS-1000, "syscall.Syscall6", "os.(*Process).blockUntilWaitable", "os.(*Process).wait", "os/exec.(*Cmd).Wait", "main.resolve:3")
			}
		}
	})
	f := checktest.Report(t, blockedCalls, tr).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "waiting for a process in syscall.Syscall6") || !strings.HasPrefix(f.Advice, "Start fewer processes") {
		t.Errorf("%s: %s", f.Summary, f.Advice)
	}
}
