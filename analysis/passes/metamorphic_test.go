package passes

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestSameTrace: what does not change what happened does not change the report: when
// the clock began, which numbers goroutines, threads and Ps have, how the batches of
// threads are cut and mixed, an idle generation at the end, compression.
func TestSameTrace(t *testing.T) {
	names := []string{
		"mixed-go126", "annotations", "gomaxprocs-change", "mixed-go122", "mixed-go123", "mixed-go125", "gc-assist", "stw-kinds",
		"syscall-handoff", "netpoll-echo", "coroutines", "cpu-samples", "flight-recorder",
	}
	if testing.Short() {
		names = names[:3]
	}
	for _, name := range names {
		data, err := os.ReadFile(analysistest.Testdata(t, name))
		if err != nil {
			t.Fatal(err)
		}
		original, err := tracetest.Split(data)
		if err != nil {
			t.Fatal(name, err)
		}
		whole := reportOf(t, name, original.Bytes())
		want := string(encode(t, whole))
		change := func(what string, edit func(*tracetest.File), back func(string) string) {
			f := original.Clone()
			edit(f)
			got := string(encode(t, reportOf(t, name, f.Bytes())))
			if back != nil {
				got = back(got)
			}
			if got != want {
				t.Errorf("%s, %s: another report:\n%s", name, what, difference(want, got))
			}
		}
		change("another clock", each('T', func(v uint64) uint64 { return v + 1<<34 }), nil) // by whole buckets of any series
		change("other threads", each('m', func(v uint64) uint64 { return v*3 + 5_000_000 }), nil)
		change("other goroutines", each('g', func(v uint64) uint64 {
			if v <= 16 {
				return v // those of the runtime are known by their numbers
			}
			return v + 7e15
		}), func(rep string) string { return renumbered.ReplaceAllString(rep, "$1") })
		change("a batch for each event", (*tracetest.File).Rebatch, nil)

		for _, first := range []bool{false, true} {
			idle := original.Clone()
			idle.AddIdle(first)
			if rep := reportOf(t, name, idle.Bytes()); !bytes.Equal(numbers(t, rep), numbers(t, whole)) || rep.Trace.Generations != whole.Trace.Generations+1 {
				t.Errorf("%s, an idle generation (the first: %t): another report:\n%s", name, first, difference(string(numbers(t, whole)), string(numbers(t, rep))))
			}
		}

		// Tables list Ps by number; what is counted over all of them stays.
		procs := whole.Metrics
		if most := uint64(procs["procs.gomaxprocs.max"].Value); most == uint64(procs["procs.gomaxprocs.min"].Value) {
			f := original.Clone()
			each('p', func(v uint64) uint64 {
				if v < most {
					return most - 1 - v
				}
				return v
			})(f)
			rep := reportOf(t, name, f.Bytes())
			for id, m := range procs {
				if got := rep.Metrics[id]; !reflect.DeepEqual(got, m) && m.Confidence != analysis.Inferred {
					t.Errorf("%s, other Ps: %s is %v, was %v", name, id, got, m)
				}
			}
		}

		for format, compress := range map[string]func(io.Writer) io.WriteCloser{
			"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
			"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		} {
			var b bytes.Buffer
			w := compress(&b)
			w.Write(original.Bytes())
			w.Close()
			if got := strings.Replace(string(encode(t, reportOf(t, name, b.Bytes()))), `"compression":"`+format+`",`, "", 1); got != want {
				t.Errorf("%s, %s: another report:\n%s", name, format, difference(want, got))
			}
		}
	}
}

// renumbered is the number of a goroutine that was moved up by 7e15.
var renumbered = regexp.MustCompile(`\b70{9,}([1-9]\d*)\b`)

func each(what byte, to func(uint64) uint64) func(*tracetest.File) {
	return func(f *tracetest.File) {
		f.Each(func(w byte, v *uint64) {
			if w == what {
				*v = to(*v)
			}
		})
	}
}

func reportOf(t *testing.T, name string, data []byte) *analysis.Report {
	t.Helper()
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), name, analysis.Options{}, All())
	if err != nil || !rep.Trace.Complete {
		t.Fatalf("%s: %v", name, err)
	}
	for _, fault := range analysistest.Check(rep) {
		t.Errorf("%s: %s", name, fault)
	}
	rep.Trace.Bytes = 0
	return rep
}

// difference shows two texts from shortly before where they part.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-120)
	return a[from:min(len(a), i+120)] + "\n" + b[from:min(len(b), i+120)]
}
