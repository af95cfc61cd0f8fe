package passes

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// FuzzAnalyze: of a trace that is damaged in any way there is a report that fits
// together, or an error that says whose fault it is, in bounded memory.
func FuzzAnalyze(f *testing.F) {
	samples, err := tracetest.Samples(filepath.Join(corpus.Root(f), "testdata", "traces"))
	if err != nil {
		f.Fatal(err)
	}
	for i := range samples {
		f.Add(byte(i), []byte{})
	}
	for i, script := range mutations {
		f.Add(byte(i), []byte(script))
	}
	f.Fuzz(func(t *testing.T, sample byte, script []byte) {
		file := samples[int(sample)%len(samples)].Clone()
		file.Mutate(script)
		checkAnalysis(t, file.Bytes())
	})
}

// mutations are scripts that lead the fuzzer to every step of Mutate.
var mutations = func() (scripts []string) {
	for op := range byte(32) {
		scripts = append(scripts, string([]byte{op, op, 3 * op, 1, 80, 60, 7, 7, op, 0, 0, 0, 130, 9}))
	}
	return scripts
}()

func checkAnalysis(t *testing.T, data []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), "fuzz", analysis.Options{Jobs: 1}, All())
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(256<<20+4000*len(data)); got > most {
		t.Errorf("a trace of %d bytes took %d MB", len(data), got>>20)
	}
	var e *parse.Error
	if err != nil {
		if !errors.As(err, &e) {
			t.Errorf("%v is not a *parse.Error", err)
		}
		return
	}
	for _, fault := range analysistest.Check(rep) {
		t.Error(fault)
	}
	a := analysistest.NewAccounts()
	if _, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, a.Event); err != nil {
		t.Fatalf("read again: %v", err)
	}
	for _, fault := range a.Faults() {
		t.Error(fault)
	}
}

// TestHostile: what FuzzAnalyze found, by itself.
func TestHostile(t *testing.T) {
	data, err := os.ReadFile(analysistest.Testdata(t, "mixed-go126"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, want string
		edit       func(*tracetest.File)
	}{
		// The parts of a wait were left empty, and the waits analyzer failed.
		{"Ps whose numbers none can have", "events on a P in an unfitting state", each('p', func(v uint64) uint64 { return v + 1<<40 })},
		// The time of all Ps overflowed, and shares were negative.
		{"a thread hundreds of years ahead", "the clock or its frequency is broken", func(f *tracetest.File) {
			last := slices.IndexFunc(f.Batches, func(b tracetest.Batch) bool { return len(b.Items) > 0 && b.Items[0].Type == tracetest.ProcStart })
			f.Batches[last].Time += 1 << 54
		}},
	} {
		f, err := tracetest.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		c.edit(f)
		checkAnalysis(t, f.Bytes())
		rep, err := analysis.Analyze(context.Background(), bytes.NewReader(f.Bytes()), c.what, analysis.Options{}, []*analysis.Analyzer{measures.Trust})
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if says := strings.Join(rep.Results[0].Summary, "; "); !strings.Contains(says, c.want) {
			t.Errorf("%s: %q; want %q", c.what, says, c.want)
		}
	}
}
