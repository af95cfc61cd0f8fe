package passes

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// atByte calls f when the reader comes to a byte, and gives few at a time.
type atByte struct {
	r  io.Reader
	at int
	f  func()
}

func (a *atByte) Read(p []byte) (int, error) {
	n, err := a.r.Read(p[:min(len(p), 997)])
	if a.at -= n; a.at <= 0 && a.f != nil {
		a.f()
		a.f = nil
	}
	return n, err
}

// TestAnalyzeEnds: whenever an analysis is cancelled, and whatever ends it, on any
// number of CPUs, it returns and leaves no goroutine.
func TestAnalyzeEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	data, err := os.ReadFile(analysistest.Testdata(t, "netpoll-echo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []int{1, 2, 3, 4} {
		opt := analysis.Options{Jobs: jobs}
		for at := 0; at <= len(data); at += len(data) / 12 {
			ctx, cancel := context.WithCancel(context.Background())
			in := &atByte{bytes.NewReader(data), at, cancel}
			if rep, err := analysis.Analyze(ctx, in, "cancelled", opt, All()); !errors.Is(err, context.Canceled) && (err != nil || !rep.Trace.Complete) {
				t.Errorf("%d jobs, cancelled at byte %d: %v", jobs, at, err)
			}
			cancel()
		}

		disk := errors.New("disk on fire")
		in := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(disk))
		if rep, err := analysis.Analyze(context.Background(), in, "failing", opt, All()); err == nil && rep.Trace.FaultKind != "io" || err != nil && !errors.Is(err, disk) {
			t.Errorf("%d jobs, input that fails: %v", jobs, err)
		}

		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d jobs: a collector's panic is lost", jobs)
				}
			}()
			bad := &analysis.Analyzer{Name: "bad", Kinds: parse.AllKinds, New: func() analysis.Collector { return new(panics) }, Run: func(*analysis.Pass) error { return nil }}
			analysis.Analyze(context.Background(), bytes.NewReader(data), "panic", opt, append(All(), bad))
		}()
	}
	analysistest.Ended(t, before)
}

// panics is a collector with a fault.
type panics int

func (p *panics) Event(*parse.Event) {
	if *p++; *p == 5000 {
		panic("a fault in a collector")
	}
}

func (p *panics) Merge(analysis.Collector) {}
