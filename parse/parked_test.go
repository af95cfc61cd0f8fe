package parse

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// followed are the events of a trace whose goroutines are parked from a limit on.
func followed(t *testing.T, data []byte, limit int, opt Options) (events []Event, tr *Trace, parked bool) {
	t.Helper()
	version, err := headerVersion(data)
	if err != nil {
		t.Fatal(err)
	}
	tr = &Trace{Symbols: newSymbols(), Version: version}
	src, err := newSource(bufio.NewReader(bytes.NewReader(data)), version, tr.Symbols)
	if err != nil {
		t.Fatal(err)
	}
	var tk *tracker
	tk = newTracker(tr, opt, Sink{Kinds: AllKinds, Event: func(e *Event) {
		c := e.Clone()
		if c.Go != nil && c.Go.From != GoRunnable {
			c.Go.Wait = [NumCauses]int64{} // those of its last wait for a P
		}
		if c.Go != nil && c.Go.From != GoSyscall {
			c.Go.Alone = 0
		}
		events = append(events, c)
		parked = parked || tk.parking.put > 0
	}})
	tk.parking.limit = limit
	if err := followInPlace(context.Background(), src, tr.Symbols, &counted{}, tk, borrow(nil)); err != nil {
		t.Fatal(err)
	}
	return events, tr, parked
}

// TestParked: that goroutines who wait are kept small changes no event.
func TestParked(t *testing.T) {
	for _, path := range corpus.Own(t) {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if testing.Short() && len(data) > 30<<10 {
			continue
		}
		for _, opt := range []Options{{}, {From: 3 * time.Millisecond, To: 9 * time.Millisecond}} {
			want, whole, _ := followed(t, data, parkFrom, opt)
			got, tr, parked := followed(t, data, parkAlways, opt)
			if !parked && opt.To == 0 {
				t.Errorf("%s: no goroutine was parked", name)
			}
			if tr.Quality != whole.Quality {
				t.Errorf("%s: %+v, want %+v", name, tr.Quality, whole.Quality)
			}
			for i := range min(len(got), len(want)) {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Errorf("%s: event %d of kind %v at %d:\n%+v, want\n%+v", name, i, want[i].Kind, want[i].Time, got[i].Hold, want[i].Hold)
					break
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d events, want %d", name, len(got), len(want))
			}
		}
	}
}

// TestGoroutineSize: what is held of goroutines that wait to the end, by the reader and
// by one who follows them.
func TestGoroutineSize(t *testing.T) {
	const n = 200_000
	data := tracetest.Keys("goroutines", n)
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := live(), int64(0)
	tr, err := Read(context.Background(), bytes.NewReader(data), Options{}, func(e *Event) {
		if e.Kind == KindGoLife && most == 0 { // the first of those that the end of the trace tells
			most = live() - before
		}
	})
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	runtime.KeepAlive(data)
	if each := most / n; each > 300 || most == 0 {
		t.Errorf("a goroutine takes %d bytes, want at most 300", each)
	} else {
		t.Logf("a goroutine takes %d bytes", each)
	}
}
