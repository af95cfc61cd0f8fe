package passes

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse/tracetest"
)

var mutants = flag.Int("mutants", 400, "how many damaged traces TestMutants makes of each kind; the rates hold for some thousand")

// headlines are the numbers that people go by.
var headlines = []string{
	"trace.duration", "procs.gomaxprocs.max", "procs.share.user", "goroutines.running.mean", "goroutines.created",
	"sched.latency.user.p50", "sched.latency.user.total", "syscall.duration.total", "gc.cycles", "stw.gc.total.total", "heap.live.max",
}

// wrong returns a headline that is off by more than a tenth, "" for none.
func wrong(got, want *analysis.Report) string {
	for _, id := range headlines {
		a, b := float64(got.Metrics[id].Value), float64(want.Metrics[id].Value)
		if math.Abs(a-b) > max(math.Abs(a), math.Abs(b))/10 {
			return id
		}
	}
	return ""
}

// said reports whether a report counts something odd that the sound trace has not.
func said(got, sound *analysis.Report) bool {
	for code := range got.Trace.Odd {
		if sound.Trace.Odd[code] == 0 && code != "unnamed_goroutines" {
			return true
		}
	}
	return false
}

// TestMutants: a trace that is damaged is refused, or said to be partial or to contradict
// itself, or its headline numbers are those of the sound one: but for a few of those that
// are changed with knowledge of the format, and hardly any of those that a disk, a
// network or a full file system damages.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred traces")
	}
	all := subjects(t)
	read := func(s *subject, data []byte) (*analysis.Report, error) {
		return analysis.Analyze(context.Background(), bytes.NewReader(data), s.name, analysis.Options{Jobs: 1, Brief: true}, All())
	}
	sound := make(map[*subject]*analysis.Report)
	for _, s := range all {
		rep, err := read(s, s.data)
		if err != nil || !rep.Trace.Sound() {
			t.Fatalf("%s: %v, %+v", s.name, err, rep.Trace)
		}
		sound[s] = rep
	}
	rng := rand.New(rand.NewPCG(21, 5))
	for _, kind := range []struct {
		name   string
		damage func(rng *rand.Rand, s *subject) (how string, data []byte)
		most   float64 // share of silent wrong ones
	}{
		{"structural", mutate, .02},
		{"realistic", wear, .003},
	} {
		silent := make(map[string]int)
		n := 0
		for n < *mutants {
			s := all[rng.IntN(len(all))]
			how, data := kind.damage(rng, s)
			if data == nil || bytes.Equal(data, s.data) {
				continue
			}
			n++
			rep, err := read(s, data)
			if err != nil || !rep.Trace.Complete || said(rep, sound[s]) {
				continue
			}
			if id := wrong(rep, sound[s]); id != "" {
				silent[how+", "+id]++
			}
		}
		count := 0
		for _, how := range slices.SortedFunc(maps.Keys(silent), func(a, b string) int { return silent[b] - silent[a] }) {
			count += silent[how]
			t.Logf("%s: %3d × %s", kind.name, silent[how], how)
		}
		share := float64(count) / float64(n)
		t.Logf("%s: %d of %d are silently wrong: %.2f %%", kind.name, count, n, 100*share)
		// Of so few as are tried by default the share is uncertain.
		if slack := 3 * math.Sqrt(kind.most/float64(n)); share > kind.most+slack {
			t.Errorf("%s: %.2f %% of %d are silently wrong, want at most %.2f %%", kind.name, 100*share, n, 100*kind.most)
		}
	}
}

// mutate changes a trace by its structure.
func mutate(rng *rand.Rand, s *subject) (string, []byte) {
	if s.version < 22 {
		return "", nil
	}
	f, err := tracetest.Split(s.data)
	if err != nil {
		return "", nil
	}
	script := make([]byte, 4+rng.IntN(8))
	for i := range script {
		script[i] = byte(rng.Uint32())
	}
	f.Mutate(script)
	return fmt.Sprintf("op %d", script[0]%32), f.Bytes()
}

// wear damages a file as what keeps and carries it does.
func wear(rng *rand.Rand, s *subject) (string, []byte) {
	d := bytes.Clone(s.data)
	block := 512 << rng.IntN(4)
	at := 0
	if len(d) > block {
		at = rng.IntN(len(d)/block) * block
	}
	end := min(at+block, len(d))
	switch rng.IntN(8) {
	case 0:
		return "cut", d[:rng.IntN(len(d))]
	case 1:
		return "bit", flip(d, rng.IntN(len(d)), rng.IntN(8))
	case 2:
		clear(d[at:end])
		return "block of zeros", d
	case 3:
		return "block lost", slices.Delete(d, at, end)
	case 4:
		return "block twice", slices.Insert(d, end, d[at:end]...)
	case 5:
		other := rng.IntN(max(len(d)/block, 1)) * block
		copy(d[at:end], s.data[other:])
		return "block of elsewhere", d
	case 6:
		return "lines of text", bytes.ReplaceAll(d, []byte("\n"), []byte("\r\n"))
	default:
		return "two files", append(d[:rng.IntN(len(d))], s.data...)
	}
}
