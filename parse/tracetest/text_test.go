package tracetest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse/internal/wire"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// tables give equal strings and stacks equal ids, also of several traces.
type tables map[string]uint32

func (t tables) id(key string) uint32 {
	id, ok := t[key]
	if !ok {
		id = uint32(len(t))
		t[key] = id
	}
	return id
}

func (t tables) String(b []byte) uint32 { return t.id(string(b)) }
func (t tables) Log(b []byte) uint32    { return t.id(string(b)) }
func (t tables) Name(uint32)            {}
func (t tables) Stack(frames []wire.Frame) uint32 {
	id := t.id(fmt.Sprint(frames))
	if len(frames) > 0 {
		t[fmt.Sprint("entry of ", id)] = frames[len(frames)-1].Func
	}
	return id
}

// entry is the outermost function of a stack that is told early: which one of a
// goroutine's stacks that is depends on where batches end.
func (t tables) entry(stack uint64) uint64 { return uint64(t[fmt.Sprint("entry of ", stack)]) }

func events(t *testing.T, data []byte, version int, in tables) (all []wire.Event) {
	t.Helper()
	r, err := wire.NewReader(bufio.NewReader(bytes.NewReader(data)), wire.Version(version), in)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]wire.Event, 4096)
	for {
		n, err := r.Read(buf)
		for _, e := range buf[:n] {
			if e.Op == wire.OpGo {
				e.Values[0] = in.entry(e.Values[0])
			}
			all = append(all, e)
		}
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("after %d events: %v", len(all), err)
		}
	}
}

// TestText: a trace as text and back has the same events.
func TestText(t *testing.T) {
	samples := make(map[string][]byte)
	paths := corpus.Own(t)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		samples[filepath.Base(path)] = data
	}
	for _, version := range []int{22, 23, 25, 26} {
		plan := tracetest.Plan{Version: version, Seed: 5, Procs: 4, Steps: 5000, Generations: 3}
		samples[plan.String()], _ = tracetest.Schedule(plan)
	}
	n := 0
	for name, data := range samples {
		f, err := tracetest.Split(data)
		if err != nil {
			continue // of Go 1.21 or older
		}
		n++
		text, err := f.Text()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := tracetest.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in := tables{"": 0, "[]": 0}
		want, got := events(t, data, f.Version, in), events(t, again.Bytes(), f.Version, in)
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%s: event %d of %d is another: %+v, want %+v", name, i, len(want), got[min(i, len(got)-1)], want[i])
				break
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d events, want %d", name, len(got), len(want))
		}
		if twice, err := again.Text(); err != nil || twice != text {
			t.Errorf("%s: its text is another after it was read (%v)", name, err)
		}
	}
	if n < 30 {
		t.Errorf("only %d traces", n)
	}
}

// TestParse: what a person leaves out is filled in.
func TestParse(t *testing.T) {
	f, err := tracetest.Parse(`
go 1.26

# P0 runs goroutine 1 on thread 1, which makes another and waits.
0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
10us m1 GoCreate g=2 entry=main.worker stack=main.main@main.go:12,runtime.main
15us    GoBlock reason="chan receive" stack=runtime.gopark,main.main@main.go:13
+1us    GoStart g=2
20us    GoSyscallBegin stack=os.(*File).Read,main.worker
1ms  m2 ProcSteal p=0       # sysmon
+1us m2 ProcStart p=0
2ms  m1 GoSyscallEndBlocked
2ms  m2 GoStart g=2
generation
3ms  m2 GoUnblock g=1 stack=main.worker
3ms  m3 ProcStart p=1
+5us m3 GoStart g=1
4ms  m2 GoDestroy
`)
	if err != nil {
		t.Fatal(err)
	}
	in := tables{"": 0, "[]": 0}
	names := make(map[uint32]string)
	var got strings.Builder
	all := events(t, f.Bytes(), f.Version, in)
	for text, id := range in {
		if id > 0 {
			names[id] = text
		}
	}
	for _, e := range all {
		if e.Op == wire.OpGo && e.From != e.To && e.From != wire.GoUndetermined {
			fmt.Fprintf(&got, "%d g%d %d>%d p%d m%d %s\n", e.Time-1e9, e.Res, e.From, e.To, e.P, e.M, names[e.Reason])
		}
	}
	want := `
10000 g2 1>2 p0 m1 
15000 g1 3>4 p0 m1 chan receive
16000 g2 2>3 p0 m1 
20000 g2 3>5 p0 m1 
2000000 g2 5>2 p-1 m1 
2000001 g2 2>3 p0 m2 
3000000 g1 4>2 p0 m2 
3005001 g1 2>3 p1 m3 
4000000 g2 3>1 p0 m2 
`
	if "\n"+got.String() != want {
		t.Errorf("%s\nwant%s", got.String(), want)
	}
}

// TestParseErrors: what is wrong is said with its line.
func TestParseErrors(t *testing.T) {
	const running = "go 1.22\n0 m1 ProcStatus p=0 status=Running\n0 m1 GoStatus g=1 status=Running\n"
	for text, want := range map[string]string{
		"":                                       "line 1: no version",
		"1 m1 GoStart g=1":                       "line 1: a trace begins with",
		"go 1.21":                                "line 1: version 1.21",
		"go 1.26 x":                              "line 1: unknown word x",
		running + "1 m1 GoStrat g=1":             "line 4: there is no event GoStrat",
		running + "1 m1 GoSwitch g=1":            "line 4: GoSwitch is not in traces of Go 1.22",
		running + "1 m1 GoCreate":                "line 4: GoCreate needs g",
		running + "1 m1 GoCreate p=1":            "line 4: GoCreate has no p=1; it has g, entry, stack",
		running + "1 m1 GoCreate g=1":            "line 4: goroutine 1 exists",
		running + "1 m1 GoCreate g=2 g=3":        "line 4: g is given twice",
		running + "1 m1 GoCreate g=x":            "line 4: g=x: no number",
		running + "1 m1 GoStop stack=$a":         "line 4: stack=$a: no stack has that name",
		running + "1 m1 GoStop stack=f@file":     "line 4: stack=f@file: a frame is written",
		running + "\n# c\n1 m1 GoStop reason=\"": "line 6: a quote does not end",
		running + "1 m2 GoStop":                  "line 4: m2 has no P",
		running + "1 m1 GoStart g=2":             "line 4: m1 runs goroutine 1",
		running + "1 m1 GoUnblock g=1":           "line 4: goroutine 1 is Running, not Waiting",
		running + "1 m1 ProcSteal p=0":           "line 4: no system call holds P 0",
		running + "5 m1 GoStop\n4 m1 ProcStop":   "line 5: the time goes back",
		running + "5z m1 GoStop":                 "line 4: 5z is no time",
		running + "generation 2 of=3":            "line 4: a generation has no of",
		running + "1 m1 ProcStatus p=1 status=":  "line 4: status=: there is Bad, Running, Idle",
		"go 1.26 exact\n0 m1 GoStart g=1":        "line 2: GoStart needs seq",
		"go 1.26\n0 GoStart g=1":                 "line 2: no thread",
	} {
		if _, err := tracetest.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
