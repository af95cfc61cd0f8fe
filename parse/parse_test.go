package parse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	rtrace "runtime/trace"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

const testdata = "../testdata/traces"

// traces returns the module's own traces and those of the corpus that hold a
// readable trace.
func traces(t testing.TB) []string {
	t.Helper()
	own := corpus.Own(t)
	for _, p := range corpus.More(t, "*/*.trace") {
		if !strings.Contains(p, "/damaged/") && !strings.Contains(p, "/std-golden/") {
			own = append(own, p)
		}
	}
	if testing.Short() {
		own = own[:min(len(own), 12)]
	}
	return own
}

func read(t testing.TB, path string, opt parse.Options, emit func(*parse.Event)) *parse.Trace {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := parse.Read(context.Background(), f, opt, emit)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return tr
}

// TestSpans checks what doc.go promises of spans, on every trace.
func TestSpans(t *testing.T) {
	for _, path := range traces(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a := analysistest.NewAccounts()
			tr := read(t, path, parse.Options{}, a.Event)
			for _, fault := range append(a.Faults(), a.Unbalanced(tr)...) {
				t.Error(fault)
			}
			if q := tr.Quality; q.StateMismatch+q.ProcMismatch+q.NestedBegins+q.ImplausibleProcs+q.ClockJumps+q.ClockChanges+q.ImplausibleClock != 0 {
				t.Errorf("a sound trace has odd events: %+v", q)
			}
		})
	}
}

// TestReference compares totals with a direct reading of the reference's events.
func TestReference(t *testing.T) {
	for _, path := range traces(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			type totals struct {
				Events, Starts, Creates, Unblocks, Syscalls, STW, GC, Assists, Regions, Tasks, Logs, Samples int64
				Running, Runnable, Waiting, Syscall                                                          int64 // ns in spans whose begin and end are in the trace
			}
			var want, got totals

			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := trace.NewReader(f)
			if err != nil && strings.Contains(err.Error(), "unsupported trace version") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			since := make(map[trace.GoID]trace.Time)
			coroutines := int64(0)
			for {
				e, err := r.ReadEvent()
				if err != nil {
					break
				}
				if e.Kind() == trace.EventSync {
					continue
				}
				want.Events++
				switch e.Kind() {
				case trace.EventRangeBegin:
					switch name := e.Range().Name; {
					case strings.HasPrefix(name, "stop-the-world"):
						want.STW++
					case name == "GC mark assist":
						want.Assists++
					}
				case trace.EventRangeEnd:
					if e.Range().Name == "GC concurrent mark phase" {
						want.GC++
					}
				case trace.EventRegionBegin:
					want.Regions++
				case trace.EventTaskBegin:
					want.Tasks++
				case trace.EventLog:
					want.Logs++
				case trace.EventStackSample:
					want.Samples++
				case trace.EventStateTransition:
					st := e.StateTransition()
					if st.Resource.Kind != trace.ResourceGoroutine {
						continue
					}
					g := st.Resource.Goroutine()
					from, to := st.Goroutine()
					if from == to || from == trace.GoUndetermined {
						continue
					}
					if t0, ok := since[g]; ok {
						d := int64(e.Time() - t0)
						switch from {
						case trace.GoRunning:
							want.Running += d
						case trace.GoRunnable:
							want.Runnable += d
						case trace.GoWaiting:
							want.Waiting += d
						case trace.GoSyscall:
							want.Syscall += d
						}
					}
					since[g] = e.Time()
					switch {
					case from == trace.GoNotExist:
						if to != trace.GoSyscall {
							want.Creates++
						}
					case from == trace.GoRunnable && to == trace.GoRunning:
						want.Starts++
					case from == trace.GoWaiting && to == trace.GoRunnable:
						want.Unblocks++
						if e.Stack() == trace.NoStack && e.Goroutine() != trace.NoGoroutine {
							coroutines++
						}
					case from == trace.GoRunning && to == trace.GoSyscall:
						want.Syscalls++
					}
					if to == trace.GoNotExist {
						delete(since, g)
					}
				}
			}

			tr := read(t, path, parse.Options{}, func(e *parse.Event) {
				switch e.Kind {
				case parse.KindRangeBegin:
					switch {
					case e.Range.Partial:
					case e.Range.Kind == parse.RangeSTW:
						got.STW++
					case e.Range.Kind == parse.RangeAssist:
						got.Assists++
					case e.Range.Kind == parse.RangeRegion:
						got.Regions++
					case e.Range.Kind == parse.RangeTask:
						got.Tasks++
					}
				case parse.KindRangeEnd:
					if e.Range.Kind == parse.RangeGC && !e.Range.Unfinished {
						got.GC++
					}
				case parse.KindLog:
					got.Logs++
				case parse.KindSample:
					got.Samples++
				case parse.KindGoCreate, parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoWaiting, parse.KindGoSyscall:
					g := e.Go
					if g.To == parse.GoUndetermined {
						return
					}
					switch {
					case g.From == parse.GoNotExist:
						if g.To != parse.GoSyscall {
							got.Creates++
						}
						return
					case g.From == parse.GoRunnable && g.To == parse.GoRunning:
						got.Starts++
					case g.From == parse.GoWaiting && g.To == parse.GoRunnable:
						got.Unblocks++
					case g.From == parse.GoRunning && g.To == parse.GoSyscall:
						got.Syscalls++
					}
					if g.Partial {
						return
					}
					switch g.From {
					case parse.GoRunning:
						got.Running += e.Held()
					case parse.GoRunnable:
						got.Runnable += e.Held()
					case parse.GoWaiting:
						got.Waiting += e.Held()
					case parse.GoSyscall:
						got.Syscall += e.Held()
					}
				}
			})
			got.Events = tr.Events
			// A coroutine switch is one moment here and 2 ns there. The reference moves what
			// follows the late statuses at the end of a generation behind them: up to 154 ms
			// for each goroutine then; here they have no time of their own.
			switches := int64(tr.Generations-1) * tr.Duration() / 50
			near := func(name string, got, want int64) {
				if d := got - want; d > 2*coroutines+switches || d < -2*coroutines-switches {
					t.Errorf("%s: %d ns, reference %d", name, got, want)
				}
			}
			if tr.V1() {
				want.Events++ // GOMAXPROCS at the begin
				// The goroutine running at the start has a span in one and a status in the other.
				// Of events at the same tick the reference takes any first, and the others are
				// moved.
				coroutines += 1 + want.Starts/100
			}
			near("running", got.Running, want.Running)
			near("runnable", got.Runnable, want.Runnable)
			near("waiting", got.Waiting, want.Waiting)
			near("syscall", got.Syscall, want.Syscall)
			got.Running, got.Runnable, got.Waiting, got.Syscall = 0, 0, 0, 0
			want.Running, want.Runnable, want.Waiting, want.Syscall = 0, 0, 0, 0
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestReferenceReport: the report on what the reference reader reads of a trace is the
// report on what ours does.
func TestReferenceReport(t *testing.T) {
	ctx := context.Background()
	all := passes.All()
	compared, own := 0, len(corpus.Own(t))
	for i, path := range traces(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i >= own && compared > 40 {
			break // of each kind there is one among our own
		}
		report := func(read func(parse.Sink) (*parse.Trace, error)) []byte {
			p := analysis.NewPartial(all)
			tr, err := read(parse.Sink{Kinds: parse.AllKinds, Event: p.Event})
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if tr.V1() || tr.Fault != nil && strings.Contains(tr.Fault.Error(), "misuse of region") {
				return nil // of old traces the reference leaves GOMAXPROCS and names out
			}
			// Times differ: the reference lets statuses at the end of a generation move the
			// clock. What is counted does not.
			counts := make(map[string]analysis.Metric)
			for id, m := range analysis.Conclude(tr, filepath.Base(path), p, all, nil).Metrics {
				if m.Unit == analysis.Count && m.Scale == analysis.Sum && m.Confidence == analysis.Measured {
					m.At = nil
					counts[id] = m
				}
			}
			text, err := json.MarshalIndent(counts, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		want := report(func(s parse.Sink) (*parse.Trace, error) { return parse.ReadReference(ctx, bytes.NewReader(data), s) })
		if want == nil {
			continue
		}
		compared++
		if got := report(func(s parse.Sink) (*parse.Trace, error) {
			return parse.ReadTo(ctx, bytes.NewReader(data), parse.Options{}, s)
		}); !bytes.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Errorf("%s: the report differs:\nreference %.200s\nours      %.200s", path, want[max(0, i-50):], got[max(0, i-50):])
		}
	}
}

// TestWindow checks that windows partition the time of Ps and goroutines.
func TestWindow(t *testing.T) {
	path := testdata + "/mixed-go126.trace"
	account := func(opt parse.Options) (procs, gs [16]int64, dur int64) {
		tr := read(t, path, opt, func(e *parse.Event) {
			switch e.Kind {
			case parse.KindProc:
				procs[e.Proc.From] += e.Held()
			case parse.KindGoCreate, parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoWaiting, parse.KindGoSyscall:
				gs[e.Go.From] += e.Held()
			}
		})
		return procs, gs, tr.Duration()
	}
	wholeP, wholeG, dur := account(parse.Options{})
	var sumP, sumG [16]int64
	var sum int64
	cuts := []time.Duration{0, time.Duration(dur / 7), time.Duration(dur / 3), time.Duration(dur/2 + 17), 0}
	for i := range len(cuts) - 1 {
		p, g, d := account(parse.Options{From: cuts[i], To: cuts[i+1]})
		for s := range p {
			sumP[s] += p[s]
			sumG[s] += g[s]
		}
		sum += d
	}
	if sum != dur {
		t.Errorf("windows cover %d ns of %d", sum, dur)
	}
	if sumP != wholeP {
		t.Errorf("P time by state: windows %v, whole %v", sumP, wholeP)
	}
	// Goroutines that first show themselves in a later window count from its start.
	for s := range sumG {
		if sumG[s] > wholeG[s] || s == int(parse.GoRunning) && sumG[s] != wholeG[s] {
			t.Errorf("goroutine time in %v: windows %d, whole %d", parse.GoState(s), sumG[s], wholeG[s])
		}
	}
	for _, opt := range []parse.Options{{}, {From: 20e6, To: 60e6}, {To: 31e6}} {
		var intervals, spans int64
		tr := read(t, path, opt, func(e *parse.Event) {
			switch e.Kind {
			case parse.KindInterval:
				intervals += e.Held()
			case parse.KindProc:
				spans += e.Held()
			}
		})
		if intervals != tr.Duration() || spans != tr.Duration()*int64(tr.Procs) || tr.Fault != nil {
			t.Errorf("window %v: intervals cover %d, P spans %d of %d ns on %d Ps; fault %v", opt, intervals, spans, tr.Duration(), tr.Procs, tr.Fault)
		}
	}
	// A window in which nothing happens holds what was so all the time.
	var first, last, gap, from parse.Time
	read(t, path, parse.Options{}, func(e *parse.Event) {
		if last == 0 {
			first = e.Time
		} else if e.Time-last > gap {
			gap, from = e.Time-last, last-first
		}
		last = e.Time
	})
	var still int64
	quiet := read(t, path, parse.Options{From: time.Duration(from + gap/3), To: time.Duration(from + 2*gap/3)}, func(e *parse.Event) {
		if e.Kind == parse.KindProc {
			still += e.Held()
		}
	})
	if d := quiet.Duration(); d != int64(2*gap/3-gap/3) || still != d*int64(quiet.Procs) {
		t.Errorf("a window of %d ns without an event: %d ns, P spans cover %d on %d Ps", 2*gap/3-gap/3, d, still, quiet.Procs)
	}
	n := 0
	tr := read(t, path, parse.Options{From: time.Hour}, func(e *parse.Event) { n++ })
	if n != 0 || tr.Duration() != 0 {
		t.Errorf("a window after the end has %d events, %d ns", n, tr.Duration())
	}
}

// digest is the event stream as text.
func digest(t testing.TB, r io.Reader) (string, *parse.Trace, error) {
	t.Helper()
	var b strings.Builder
	n := 0
	tr, err := parse.Read(context.Background(), r, parse.Options{}, func(e *parse.Event) {
		if n++; n%17 == 0 {
			c := e.Clone()
			text, err := json.Marshal(&c)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	})
	fmt.Fprintln(&b, n)
	return b.String(), tr, err
}

func TestCompressed(t *testing.T) {
	plain, err := os.ReadFile(testdata + "/mixed-go125.trace")
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := digest(t, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	var gz, zs bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(plain)
	gw.Close()
	zw, _ := zstd.NewWriter(&zs)
	zw.Write(plain)
	zw.Close()
	for name, data := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zs.Bytes(), "": plain} {
		got, tr, err := digest(t, iotest.OneByteReader(bytes.NewReader(data)))
		if err != nil || got != want {
			t.Errorf("%s: differs from the plain file (err %v)", name, err)
		} else if tr.Compression != name || tr.Bytes != int64(len(plain)) {
			t.Errorf("compression %q of %d bytes, want %q of %d", tr.Compression, tr.Bytes, name, len(plain))
		}
		if name == "" {
			continue
		}
		if _, _, err := digest(t, bytes.NewReader(data[:len(data)/20])); !errors.Is(err, parse.ErrTruncated) {
			t.Errorf("%s cut inside the first generation: %v", name, err)
		}
		broken := bytes.Clone(data)
		for i := len(broken) / 2; i < len(broken)/2+64; i++ {
			broken[i] ^= 0x5a
		}
		_, tr, err = digest(t, bytes.NewReader(broken))
		if err == nil {
			err = tr.Fault
		}
		if !errors.Is(err, parse.ErrCorrupt) && !errors.Is(err, parse.ErrTruncated) {
			t.Errorf("%s with damaged bytes: %v", name, err)
		}
	}
}

// TestBombs: a compressed stream that would go on for ever is a fault, as is one that
// wants a large window, and neither takes memory.
func TestBombs(t *testing.T) {
	trace, err := os.ReadFile(testdata + "/idle.trace")
	if err != nil {
		t.Fatal(err)
	}
	// A generation whose strings are of no use, again and again.
	one := bytes.Repeat([]byte{0}, 60<<10)
	batch := append([]byte{1, 100, 1, 1, 0x80, 0xe0, 3}, one...)
	gz := new(bytes.Buffer)
	gw, err := gzip.NewWriterLevel(gz, gzip.BestCompression) // the default level makes twice as much since Go 1.27
	if err != nil {
		t.Fatal(err)
	}
	gw.Write(trace)
	for range 1300 {
		gw.Write(batch)
	}
	gw.Close()
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x90, 9, 0, 0, 'g'}
	for name, c := range map[string]struct {
		data []byte
		opt  parse.Options
		want string
	}{
		"ratio":  {gz.Bytes(), parse.Options{}, "over 100 times its size"},
		"total":  {gz.Bytes(), parse.Options{MaxBytes: 1 << 20}, "longer than allowed"},
		"window": {window, parse.Options{}, "zstd: window size exceeded"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tr, err := parse.Read(context.Background(), bytes.NewReader(c.data), c.opt, func(*parse.Event) {})
		runtime.ReadMemStats(&after)
		if err == nil {
			err = tr.Fault
		}
		if !errors.Is(err, parse.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 100 {
			t.Errorf("%s: took %d MB", name, mb)
		}
	}
}

// TestCut cuts traces of several generations everywhere: what was whole is
// delivered, and what is lost is said.
func TestCut(t *testing.T) {
	for _, name := range []string{"idle", "flight-recorder", "heartbeat"} {
		data, err := os.ReadFile(testdata + "/" + name + ".trace")
		if err != nil {
			t.Fatal(err)
		}
		_, whole, err := digest(t, bytes.NewReader(data))
		if err != nil || whole.Fault != nil {
			t.Fatal(name, err, whole.Fault)
		}
		most := 0
		for n := 0; n < len(data); n += 1 + len(data)/300 {
			_, tr, err := digest(t, bytes.NewReader(data[:n]))
			if err != nil {
				var e *parse.Error
				if !errors.As(err, &e) {
					t.Errorf("%s cut at %d: %v is not a *parse.Error", name, n, err)
				}
				continue
			}
			if tr.Generations < most {
				t.Errorf("%s cut at %d: %d whole generations, fewer than of a shorter cut", name, n, tr.Generations)
			}
			most = tr.Generations
			// A cut between two generations of a format without end marks cannot be seen.
			if tr.Fault == nil && (whole.Version >= 26 && tr.Generations == whole.Generations || tr.Events >= whole.Events) {
				t.Errorf("%s cut at %d of %d is taken for whole", name, n, len(data))
			}
		}
		if most != whole.Generations-1 {
			t.Errorf("%s: cuts show up to %d whole generations, want %d", name, most, whole.Generations-1)
		}
	}
}

// TestTwoTraces: a second trace in the file is found at its header.
func TestTwoTraces(t *testing.T) {
	for _, name := range []string{"idle", "heartbeat", "mixed-go121", "mixed-go122", "mixed-go126"} {
		data, err := os.ReadFile(testdata + "/" + name + ".trace")
		if err != nil {
			t.Fatal(err)
		}
		want, one, err := digest(t, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, two, err := digest(t, bytes.NewReader(append(bytes.Clone(data), data...)))
		if err != nil || got != want || two.Generations != one.Generations {
			t.Errorf("%s: the first of two traces reads otherwise than alone (%v, %d generations)", name, err, two.Generations)
		}
		if at := fmt.Sprintf("another trace begins at byte %d,", len(data)); two.Fault == nil || !strings.Contains(two.Fault.Error(), at) {
			t.Errorf("%s: %v; want %q", name, two.Fault, at)
		}
	}
}

func TestForeign(t *testing.T) {
	for _, c := range []struct{ input, want string }{
		{"", "empty"},
		{"PK\x03\x04....", "zip"},
		{"\x7fELF\x02\x01\x01", "ELF"},
		{"\xef\xbb\xbfgo 1.26 trace\x00\x00\x00", "byte order mark"},
		{"HTTP/1.1 200 OK\r\n\r\ngo 1.26 trace", "HTTP response headers"},
		{"<!DOCTYPE html><html>", "HTML"},
		{"{\"traceEvents\": []}", "JSON"},
		{"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "zeros"},
		{"go 1.5 trace\x00\x00\x00\x00\x00\x00", "build the program with Go 1.7 or later"},
		{"go 1.99 trace\x00\x00\x00\x00\x00", "not known to this version"},
		{"some other text altogether", "does not begin with"},
	} {
		_, err := parse.Read(context.Background(), strings.NewReader(c.input), parse.Options{}, func(*parse.Event) {})
		if !errors.Is(err, parse.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: %v, want %q", c.input, err, c.want)
		}
	}
}

// TestDamaged gives the verdict on each damaged trace of the corpus.
func TestDamaged(t *testing.T) {
	want := map[string]struct {
		kind  error // nil: no fault can be seen
		whole int   // generations
	}{
		"bomb-batch-size":           {parse.ErrCorrupt, 0},
		"bomb-generations":          {parse.ErrCorrupt, 0},
		"bomb-region-depth":         {nil, 1},
		"bomb-stack-frames":         {parse.ErrCorrupt, 0},
		"bomb-string-len":           {parse.ErrCorrupt, 0},
		"bomb-task-depth":           {nil, 1},
		"bomb-varint":               {parse.ErrCorrupt, 0},
		"not-elf":                   {parse.ErrUnsupported, 0},
		"not-html":                  {parse.ErrUnsupported, 0},
		"not-pprof-heap":            {parse.ErrUnsupported, 0},
		"not-random":                {parse.ErrUnsupported, 0},
		"not-random-with-v1-header": {parse.ErrCorrupt, 0},
		"not-zeros":                 {parse.ErrUnsupported, 0},
		"v119-bit1":                 {parse.ErrCorrupt, 0},
		"v119-cut1":                 {parse.ErrTruncated, 0},
		"v119-cut3":                 {parse.ErrTruncated, 0},
		"v122-bit1":                 {nil, 3},
		"v122-cut1":                 {parse.ErrTruncated, 1},
		"v122-cut3":                 {parse.ErrTruncated, 2},
		"v126-batches-shuffled":     {nil, 3},
		"v126-bit1":                 {nil, 3},
		"v126-bit3":                 {nil, 3},
		"v126-bit5":                 {parse.ErrCorrupt, 1},
		"v126-block-twice":          {parse.ErrCorrupt, 1},
		"v126-byte-added":           {parse.ErrCorrupt, 1},
		"v126-crlf":                 {parse.ErrCorrupt, 0},
		"v126-cut1":                 {parse.ErrTruncated, 0},
		"v126-cut3":                 {parse.ErrTruncated, 2},
		"v126-events-dropped1":      {parse.ErrCorrupt, 0},
		"v126-freq0":                {nil, 3},
		"v126-garbagetail":          {parse.ErrCorrupt, 3},
		"v126-gen-first-missing":    {nil, 2},
		"v126-gen-missing":          {parse.ErrCorrupt, 1},
		"v126-gen-swapped":          {parse.ErrCorrupt, 1},
		"v126-gen-unfinished":       {parse.ErrTruncated, 2},
		"v126-gzip-cut":             {parse.ErrTruncated, 1},
		"v126-header-1.5":           {parse.ErrUnsupported, 0},
		"v126-header-only":          {parse.ErrTruncated, 0},
		"v126-http-headers":         {parse.ErrUnsupported, 0},
		"v126-no-stacks":            {parse.ErrCorrupt, 0},
		"v126-no-sync":              {parse.ErrCorrupt, 0},
		"v126-time-back":            {nil, 3},
		"v126-utf8":                 {parse.ErrCorrupt, 0},
		"v126-zeroed64":             {parse.ErrCorrupt, 1},
		"v126-zip":                  {parse.ErrUnsupported, 0},
		"../edge/sigkill":           {parse.ErrTruncated, 2},
		"../edge/exit-without-stop": {parse.ErrTruncated, 2},
	}
	dir := corpus.Dir(t)
	for name, w := range want {
		f, err := os.Open(filepath.Join(dir, "damaged", name+".trace"))
		if err != nil {
			t.Error(err)
			continue
		}
		_, tr, err := digest(t, f)
		f.Close()
		got, whole := err, 0
		if tr != nil {
			got, whole = tr.Fault, tr.Generations
		}
		if w.kind == nil && got != nil || w.kind != nil && !errors.Is(got, w.kind) || whole != w.whole {
			t.Errorf("%s: %d whole generations, %v; want %d, %v", name, whole, got, w.whole, w.kind)
		}
	}
}

// TestInput checks that a fault of the input stream is not blamed on the trace.
func TestInput(t *testing.T) {
	data, err := os.ReadFile(testdata + "/mixed-go126.trace")
	if err != nil {
		t.Fatal(err)
	}
	disk := errors.New("disk on fire")
	r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(disk))
	_, tr, err := digest(t, r)
	if err == nil {
		err = tr.Fault
	}
	if !errors.Is(err, disk) {
		t.Errorf("got %v, want the error of the stream", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := parse.Read(ctx, bytes.NewReader(data), parse.Options{}, func(*parse.Event) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCrossedRegions: regions that end in crossed order are legal to call, but stop
// the reference reader for the rest of the trace.
func TestCrossedRegions(t *testing.T) {
	if rtrace.IsEnabled() {
		t.Skip("the test is being traced")
	}
	var buf bytes.Buffer
	if err := rtrace.Start(&buf); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for range 3 {
		outer := rtrace.StartRegion(ctx, "outer")
		inner := rtrace.StartRegion(ctx, "inner")
		outer.End()
		inner.End()
	}
	rtrace.Stop()
	regions := make(map[string]int)
	var names []parse.StringID
	tr, err := parse.Read(ctx, bytes.NewReader(buf.Bytes()), parse.Options{}, func(e *parse.Event) {
		if e.Kind == parse.KindRangeEnd && e.Range.Kind == parse.RangeRegion && !e.Range.Partial && !e.Range.Unfinished {
			names = append(names, e.Range.Name)
		}
	})
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	for _, id := range names {
		regions[tr.String(id)]++
	}
	if regions["outer"] != 3 || regions["inner"] != 3 || tr.Quality.CrossedRegions != 3 {
		t.Errorf("regions %v, %d crossed; want 3 of each", regions, tr.Quality.CrossedRegions)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"idle", "annotations", "coroutines", "mixed-go121"} {
		data, err := os.ReadFile(testdata + "/" + name + ".trace")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	idle, err := os.ReadFile(testdata + "/idle.trace")
	if err != nil {
		f.Fatal(err)
	}
	var gz, zs bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(idle)
	gw.Close()
	zw, _ := zstd.NewWriter(&zs)
	zw.Write(idle)
	zw.Close()
	f.Add(gz.Bytes())
	f.Add(zs.Bytes())
	f.Add([]byte("go 1.26 trace\x00\x00\x00"))
	f.Add([]byte("go 1.19 trace\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var last parse.Time
		tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(e *parse.Event) {
			if e.Time < last || e.Held() < 0 {
				t.Fatalf("time %d after %d, held %d", e.Time, last, e.Held())
			}
			last = e.Time
		})
		var e *parse.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%v is not a *parse.Error", err)
		}
		if err == nil && tr.Events == 0 {
			t.Fatal("no error and no events")
		}
	})
}
