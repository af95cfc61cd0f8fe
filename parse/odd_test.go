package parse_test

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/internal/wire"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestOdd: what no sound trace has is counted, each by the counter for it.
func TestOdd(t *testing.T) {
	quality := func(name string, data []byte) parse.Quality {
		t.Helper()
		tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(*parse.Event) {})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return tr.Quality
	}
	clean := func(q *parse.Quality) int64 {
		return q.ClockDisagrees + q.ClockChanges + q.ImplausibleHeap + q.UnstoppedProcs + q.HeapDrops + q.BeyondEnd + q.Rewound + q.Late + q.Skipped
	}
	items := func(f *tracetest.File, typ tracetest.Type) (all []*tracetest.Item) {
		for i := range f.Batches {
			for k := range f.Batches[i].Items {
				if it := &f.Batches[i].Items[k]; it.Type == typ {
					all = append(all, it)
				}
			}
		}
		return all
	}
	// threads are the batches of threads.
	threads := func(f *tracetest.File) (all []*tracetest.Batch) {
		for i := range f.Batches {
			if b := &f.Batches[i]; b.M != tracetest.None && len(b.Items) > 0 {
				all = append(all, b)
			}
		}
		return all
	}
	end := func(b *tracetest.Batch) uint64 {
		at := b.Time
		for _, it := range b.Items {
			at += it.Args[0]
		}
		return at
	}
	stacksAt := func(b *tracetest.Batch) uint64 {
		if len(b.Items) > 0 && b.Items[0].Type == tracetest.Type(wire.EvStacks) {
			return b.Time
		}
		return 0
	}
	// endAtTable lets the last event be as many ticks after the table of stacks as its batch
	// has events, and more.
	endAtTable := func(f *tracetest.File, more uint64) {
		tabled := uint64(0)
		for i := range f.Batches {
			tabled = max(tabled, stacksAt(&f.Batches[i]))
		}
		b := slices.MaxFunc(threads(f), func(a, b *tracetest.Batch) int { return cmp.Compare(end(a), end(b)) })
		b.Items[len(b.Items)-1].Args[0] += tabled + uint64(len(b.Items)) + more - end(b)
	}
	// followAt lets a batch begin as many ticks before the end of the one before of its
	// thread as that has events, and more.
	followAt := func(f *tracetest.File, more uint64) {
		last := make(map[[2]uint64]*tracetest.Batch)
		for _, b := range threads(f) {
			k := [2]uint64{b.Gen, b.M}
			if before := last[k]; before != nil {
				b.Time = end(before) - uint64(len(before.Items)) - more
				return
			}
			last[k] = b
		}
	}
	const clockSnapshot, tick = tracetest.Type(wire.EvClockSnapshot), 64 // ns
	for _, c := range []struct {
		name, trace string
		change      func(f *tracetest.File)
		count       func(q *parse.Quality) int64
	}{
		{"a generation's wall clock", "flight-recorder", func(f *tracetest.File) { items(f, clockSnapshot)[1].Args[2] += 5 }, func(q *parse.Quality) int64 { return q.ClockDisagrees }},
		{"a generation is missing", "idle", func(f *tracetest.File) {
			for i := range f.Batches {
				if b := &f.Batches[i]; b.Gen > 1 {
					b.Gen++
				}
			}
		}, func(q *parse.Quality) int64 { return q.Skipped }},
		{"a size of the heap", "mixed-go126", func(f *tracetest.File) { items(f, tracetest.HeapAlloc)[3].Args[1] |= 1 << 50 }, func(q *parse.Quality) int64 { return q.ImplausibleHeap }},
		{"a bit of a size of the heap", "mixed-go126", func(f *tracetest.File) { items(f, tracetest.HeapAlloc)[3].Args[1] ^= 1 << 27 }, func(q *parse.Quality) int64 { return q.HeapDrops }},
		{"GOMAXPROCS", "mixed-go126", func(f *tracetest.File) {
			for _, b := range threads(f) {
				for k := len(b.Items) / 2; k < len(b.Items); k++ {
					if b.Items[k].Type == tracetest.GoStart { // a goroutine runs, the world is not stopped
						b.Items = slices.Insert(b.Items, k+1, tracetest.Item{Type: tracetest.ProcsChange, Args: []uint64{0, 7, 0}})
						return
					}
				}
			}
		}, func(q *parse.Quality) int64 { return q.UnstoppedProcs }},
		{"the last event of a thread", "mixed-go126", func(f *tracetest.File) {
			b := threads(f)[0]
			b.Items[len(b.Items)-1].Args[0] += 10e9 / tick
		}, func(q *parse.Quality) int64 { return q.BeyondEnd }},
		{"a batch that goes back", "mark-starves", func(f *tracetest.File) {
			seen := make(map[[2]uint64]bool)
			for _, b := range threads(f) {
				if k := [2]uint64{b.Gen, b.M}; seen[k] {
					b.Time -= 20e6 / tick
					return
				} else {
					seen[k] = true
				}
			}
		}, func(q *parse.Quality) int64 { return q.Rewound }},
		{"a thread's clock", "mixed-go126", func(f *tracetest.File) {
			all := threads(f)
			slices.MaxFunc(all, func(a, b *tracetest.Batch) int { return len(a.Items) - len(b.Items) }).Time -= 30e6 / tick
		}, func(q *parse.Quality) int64 { return q.Late }},
		{"events of one tick at the end, each told a tick later, are none", "mixed-go126", func(f *tracetest.File) { endAtTable(f, 0) }, func(q *parse.Quality) int64 { return 1 - q.BeyondEnd }},
		{"but none of more ticks than events", "mixed-go126", func(f *tracetest.File) { endAtTable(f, 1) }, func(q *parse.Quality) int64 { return q.BeyondEnd }},
		{"a batch that follows events of one tick is none", "mark-starves", func(f *tracetest.File) { followAt(f, 0) }, func(q *parse.Quality) int64 { return 1 - q.Rewound }},
		{"but none of more ticks than events", "mark-starves", func(f *tracetest.File) { followAt(f, 1) }, func(q *parse.Quality) int64 { return q.Rewound }},
	} {
		data, err := os.ReadFile(filepath.Join(corpus.Root(t), "testdata", "traces", c.trace+".trace"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := tracetest.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		if q := quality(c.trace, data); clean(&q) != 0 {
			t.Errorf("%s: %+v of a sound trace", c.trace, q)
		}
		c.change(f)
		if q := quality(c.name, f.Bytes()); c.count(&q) == 0 {
			t.Errorf("%s: it is not counted: %+v", c.name, q)
		}
	}
}

// TestUndivided: a clock that Windows tells by the CPU's frequency has the times that it
// would have by its own. It is only so in the format of Go 1.22, and where no other clock
// can have the frequency.
func TestUndivided(t *testing.T) {
	for _, c := range []struct {
		trace string
		times uint64 // the frequency that is told
		right bool
	}{
		{"mixed-go122", 256, true},
		{"mixed-go122", 64, false}, // 1 GHz: a clock of nanoseconds
		{"mixed-go122", 1024, false},
		{"mixed-go123", 256, false},
	} {
		data, err := os.ReadFile(filepath.Join(corpus.Root(t), "testdata", "traces", c.trace+".trace"))
		if err != nil {
			t.Fatal(err)
		}
		read := func(data []byte) *parse.Trace {
			tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(*parse.Event) {})
			if err != nil {
				t.Fatal(err)
			}
			return tr
		}
		want := read(data)
		f, err := tracetest.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Batches {
			for k := range f.Batches[i].Items {
				if it := &f.Batches[i].Items[k]; it.Type == tracetest.Type(wire.EvFrequency) {
					it.Args[0] *= c.times
				}
			}
		}
		got := read(f.Bytes())
		duration, odd := want.Duration(), int64(0)
		if c.right {
			odd = int64(want.Generations)
		} else {
			duration /= int64(c.times)
		}
		if d := got.Duration(); d < duration*99/100 || d > duration*101/100 || got.Quality.ClockUndivided != odd {
			t.Errorf("%s, %d times the frequency: %d ns, want about %d; %d generations corrected, want %d", c.trace, c.times, d, duration, got.Quality.ClockUndivided, odd)
		}
	}
}
