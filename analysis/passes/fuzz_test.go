package passes

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// FuzzAnalyze: of a trace that is damaged in any way there is a report that fits
// together, or an error that says whose fault it is, in bounded memory.
func FuzzAnalyze(f *testing.F) {
	samples, err := tracetest.Samples(filepath.Join(analysistest.Root(f), "testdata", "traces"))
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
