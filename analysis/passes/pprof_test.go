package passes_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// spans is a number of spans and their length in ns.
type spans struct{ count, delay int64 }

func (s *spans) add(ns int64) {
	s.count++
	s.delay += ns
}

// toolKinds are the profiles of go tool trace, which add up the spans of
// goroutines in one state (cmd/trace/pprof.go:makeComputePprofFunc).
var toolKinds = []struct {
	name   string
	state  parse.GoState
	reason func(string) bool
}{
	{"sched", parse.GoRunnable, func(string) bool { return true }},
	{"syscall", parse.GoSyscall, func(string) bool { return true }},
	{"net", parse.GoWaiting, func(reason string) bool { return reason == "network" }},
	// "sync" is every channel and select too.
	{"sync", parse.GoWaiting, func(reason string) bool {
		return strings.Contains(reason, "chan") || strings.Contains(reason, "sync") || strings.Contains(reason, "select")
	}},
}

// toolSpans returns what go tool trace adds up for one of its profiles.
func toolSpans(t *testing.T, tool, path, kind string) spans {
	t.Helper()
	cmd := exec.Command(tool, "-pprof="+kind, path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	p, err := profile.ParseData(out)
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	if len(p.SampleType) != 2 || p.SampleType[0].Type != "contentions" || p.SampleType[1].Type != "delay" {
		t.Fatalf("%v: sample types %v", cmd, p.SampleType)
	}
	var s spans
	for _, sample := range p.Sample {
		s.count += sample.Value[0]
		s.delay += sample.Value[1]
	}
	return s
}

// ownSpans are the spans of one state and reason that end in the trace.
type ownSpans struct {
	later     spans // begun after the goroutine's first run in the trace
	before    spans // begun before it
	tracer    spans // of later and before, those of the tracer's goroutines
	partial   spans // begun before the trace
	coroutine spans // later, by a coroutine switch
}

func (s *ownSpans) merge(o *ownSpans) {
	for _, p := range [][2]*spans{{&s.later, &o.later}, {&s.before, &o.before}, {&s.tracer, &o.tracer}, {&s.partial, &o.partial}, {&s.coroutine, &o.coroutine}} {
		p[0].count += p[1].count
		p[0].delay += p[1].delay
	}
}

// readSpans returns the spans of each of toolKinds, and the report.
func readSpans(t *testing.T, path string) (own []ownSpans, v1 bool, rep *analysis.Report) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type goroutine struct {
		id          parse.GoID
		incarnation uint32
	}
	type kind struct {
		state  parse.GoState
		reason parse.StringID
	}
	ran := make(map[goroutine]bool)
	byKind := make(map[kind]*ownSpans)
	all := passes.All()
	p := analysis.NewPartial(all)
	tr, err := parse.Read(context.Background(), f, parse.Options{}, func(e *parse.Event) {
		p.Event(e)
		if !e.Kind.IsGo() {
			return
		}
		g := e.Go
		id := goroutine{g.ID, g.Incarnation}
		if g.To != parse.GoUndetermined {
			k := kind{g.From, g.FromReason}
			s := byKind[k]
			if s == nil {
				s = new(ownSpans)
				byKind[k] = s
			}
			switch coroutine := g.From == parse.GoRunnable && g.Ready == parse.ReadyCoroutine; {
			case g.Partial:
				s.partial.add(e.Held())
			case coroutine && ran[id]:
				s.coroutine.add(e.Held())
			case coroutine:
			default:
				if ran[id] {
					s.later.add(e.Held())
				} else {
					s.before.add(e.Held())
				}
				if g.Class == parse.ClassTracer {
					s.tracer.add(e.Held())
				}
			}
		}
		if g.From == parse.GoRunning || g.To == parse.GoRunning {
			ran[id] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	own = make([]ownSpans, len(toolKinds))
	for k, s := range byKind {
		for i, tool := range toolKinds {
			if k.state == tool.state && tool.reason(tr.String(k.reason)) {
				own[i].merge(s)
			}
		}
	}
	return own, tr.V1(), analysis.Conclude(tr, path, p, all, nil)
}

// go tool trace and the events agree to the nanosecond, once these differences of
// definition are followed:
//   - It cuts the spans of a goroutine to the time from its first run to its end
//     (cmd/trace/pprof.go:pprofMatchingGoroutines, internal/trace/summary.go). So
//     the wait before the first run of every goroutine is in no profile: that of a
//     new goroutine, and that of one that was blocked when the trace began.
//   - What a goroutine did when the trace began it counts from the status event
//     that tells it, and without a reason; the cut above removes it.
//   - What is open at the end of the trace it leaves out.
//   - A coroutine switch (iter.Pull) is a wait of 2 ns in its sched profile, by
//     which the reader keeps the three events apart. Here it has no length.
//   - It counts the goroutines of the runtime and of the tracer as any other, and
//     those without stack.
//
// The report's metrics follow from the same spans: sched.latency.all has the waits
// before the first run too, and no coroutine switches; syscall.duration lacks the
// tracer's own calls, and is absent before Go 1.22, when most calls had no end.
func TestToolTrace(t *testing.T) {
	// The command itself: go tool takes ten times as long to find it.
	out, err := exec.Command("go", "tool", "-n", "trace").Output()
	if err != nil {
		t.Skip("no go tool trace: ", err)
	}
	tool := strings.TrimSpace(string(out))
	seen := make(map[string]int64)
	paths := corpus.Own(t)
	for _, some := range []string{"versions/go1.1[67].*", "versions/go1.2[17].*", "cgo/cgo-callback.*"} {
		paths = append(paths, corpus.More(t, some+"trace")...)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".trace")
		own, v1, rep := readSpans(t, path)
		for i, kind := range toolKinds {
			got := spans{own[i].later.count + own[i].coroutine.count, own[i].later.delay + 2*own[i].coroutine.count}
			if own[i].coroutine.delay != 0 {
				t.Errorf("%s: coroutine switches last %d ns", name, own[i].coroutine.delay)
			}
			want := toolSpans(t, tool, path, kind.name)
			if off := got.delay - want.delay; v1 && max(off, -off) <= 2+want.count/100 {
				got.delay = want.delay // of events at the same tick it takes any first, and moves the others
			}
			if got != want {
				t.Errorf("%s, %s: %d spans of %d ns, go tool trace has %d of %d ns", name, kind.name, got.count, got.delay, want.count, want.delay)
			}
			seen[kind.name] += want.count
		}
		agrees := func(id string, want spans) {
			off(t, name+": "+id, value(t, rep, id), float64(want.delay), 0)
			off(t, name+": population of "+id, float64(rep.Metrics[id].N), float64(want.count), 0)
		}
		sched, calls := own[0], own[1]
		agrees("sched.latency.all.total", spans{sched.later.count + sched.before.count, sched.later.delay + sched.before.delay})
		if !v1 {
			agrees("syscall.duration.total", spans{calls.later.count + calls.before.count - calls.tracer.count, calls.later.delay + calls.before.delay - calls.tracer.delay})
		}
	}
	for _, kind := range toolKinds {
		if seen[kind.name] < 1000 {
			t.Errorf("%s: %d spans in all", kind.name, seen[kind.name])
		}
	}
}
