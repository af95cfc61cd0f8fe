package parse_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xtrace "golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// TestTold: a goroutine has its name in all that is said of it, from its first span on,
// if the reference sees a stack of it anywhere in the file; and no event of a sound trace
// is moved by more than 1 ms.
func TestTold(t *testing.T) {
	checked := 0
	for _, path := range append(corpus.Own(t), corpus.More(t, "*/*.trace")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 8<<20 {
			continue // what is looked for is at the beginning
		}
		named := referenceNames(data)
		if named == nil {
			continue
		}
		checked++
		name := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		bad := make(map[parse.GoID]bool)
		tr, err := parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{}, parse.Sink{
			Kinds: parse.KindsGo | parse.KindsOf(parse.KindProc, parse.KindSlice, parse.KindGoLife, parse.KindRangeEnd, parse.KindHold),
			Event: func(e *parse.Event) {
				id, fn := parse.NoGo, parse.StringID(0)
				switch {
				case e.Kind == parse.KindProc:
					id, fn = e.Proc.G, e.Proc.Func
				case e.Kind == parse.KindSlice:
					id, fn = e.Slice.G, e.Slice.Func
				case e.Kind == parse.KindRangeEnd:
					id, fn = e.Range.G, e.Range.Func
				case e.Kind == parse.KindHold:
					id, fn = e.Hold.Holder, e.Hold.HolderFunc
				case e.Kind == parse.KindGoLife:
					id, fn = e.GoLife.ID, e.GoLife.Func
				default:
					id, fn = e.Go.ID, e.Go.Func
				}
				if fn == 0 && named[id] {
					bad[id] = true
				}
			},
		})
		if err == nil && !strings.HasPrefix(name, "damaged/") && tr.Quality.LargestMove > 1e6 {
			t.Errorf("%s: %d events were moved, by up to %d ns", name, tr.Quality.Moved, tr.Quality.LargestMove)
		}
		if err == nil && len(bad) > 0 {
			t.Errorf("%s (Go 1.%d, generations: %d): %d goroutines without the names they have", name, tr.Version, tr.Generations, len(bad))
		}
	}
	if checked < 30 {
		t.Errorf("only %d traces", checked)
	}
}

// referenceNames returns the goroutines of which golang.org/x/exp/trace sees a stack.
func referenceNames(data []byte) map[parse.GoID]bool {
	r, err := xtrace.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	named := make(map[parse.GoID]bool)
	name := func(g xtrace.GoID, s xtrace.Stack) {
		for f := range s.Frames() {
			if f.Func != "" {
				named[parse.GoID(g)] = true
			}
		}
	}
	for {
		ev, err := r.ReadEvent()
		if err != nil {
			return named
		}
		switch ev.Kind() {
		case xtrace.EventStackSample:
			continue
		case xtrace.EventStateTransition:
			if st := ev.StateTransition(); st.Resource.Kind == xtrace.ResourceGoroutine {
				name(st.Resource.Goroutine(), st.Stack)
				if from, to := st.Goroutine(); from == to || from == xtrace.GoUndetermined {
					continue // its context is none
				}
			}
		}
		name(ev.Goroutine(), ev.Stack())
	}
}

// TestGCTime: the Ps that intervals count in each state of the GC sum to the spans of
// Ps in it, so that whoever reads either has the same share.
func TestGCTime(t *testing.T) {
	for _, path := range corpus.Own(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var spans, intervals [parse.NumProcStates]int64
		_, err = parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{}, parse.Sink{
			Kinds: parse.KindsOf(parse.KindProc, parse.KindInterval),
			Event: func(e *parse.Event) {
				if e.Kind == parse.KindProc {
					spans[e.Proc.From] += e.Held()
					return
				}
				for s, n := range e.Interval.P {
					intervals[s] += int64(n) * e.Held()
				}
			},
		})
		if err != nil {
			continue
		}
		for _, s := range []parse.ProcState{parse.ProcWorker, parse.ProcAssist} {
			if spans[s] != intervals[s] {
				t.Errorf("%s: %v: spans of %d ns, intervals of %d", filepath.Base(path), s, spans[s], intervals[s])
			}
		}
	}
}

// TestAlone: what goroutines ran alone sums to the intervals in which just one ran.
func TestAlone(t *testing.T) {
	for _, path := range corpus.Own(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lives, intervals int64
		_, err = parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{}, parse.Sink{
			Kinds: parse.KindsOf(parse.KindGoLife, parse.KindInterval),
			Event: func(e *parse.Event) {
				if e.Kind == parse.KindGoLife {
					lives += e.GoLife.Alone
				} else if iv := e.Interval; iv.User[parse.GoRunning] == 1 && iv.User[parse.GoRunnable] == iv.Yielding && iv.P[parse.ProcSyscall] == 0 && !iv.STW {
					intervals += e.Held()
				}
			},
		})
		if err == nil && lives != intervals {
			t.Errorf("%s: goroutines ran alone for %d ns, intervals of one for %d", filepath.Base(path), lives, intervals)
		}
	}
}

// TestUnblocked: for how long a goroutine has not been blocked at the end is the time since
// its last wait or call, its birth, or the beginning of the window.
func TestUnblocked(t *testing.T) {
	told := 0
	for _, path := range corpus.Own(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := time.Duration(0)
		for _, last := range []time.Duration{time.Hour, time.Millisecond, 50 * time.Microsecond} { // of the trace
			from := max(whole-last, 0)
			type end struct {
				blocked parse.Time // when a wait or call ended last
				state   parse.GoState
			}
			ends := make(map[parse.GoID]end)
			tr, err := parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{From: from}, parse.Sink{
				Kinds: parse.KindsGo | parse.KindsOf(parse.KindGoLife),
				Event: func(e *parse.Event) {
					if e.Kind != parse.KindGoLife {
						was := ends[e.Go.ID]
						if e.Go.From == parse.GoWaiting || e.Go.From == parse.GoSyscall {
							was.blocked = e.Time
						}
						ends[e.Go.ID] = end{was.blocked, e.Go.From}
						return
					}
					l, was, want := e.GoLife, ends[e.GoLife.ID], int64(0)
					delete(ends, l.ID)
					if !l.Ended && (was.state == parse.GoRunning || was.state == parse.GoRunnable) {
						want = int64(e.Time - max(was.blocked, l.Born))
					}
					if told += min(int(want), 1); l.Unblocked != want {
						t.Errorf("%s from %v: goroutine %d has not been blocked for %d ns, want %d", filepath.Base(path), from, l.ID, l.Unblocked, want)
					}
				},
			})
			if err != nil {
				break // formats that are refused
			}
			whole = max(whole, time.Duration(tr.Duration()))
		}
	}
	if told < 10 {
		t.Errorf("only %d goroutines run at the end of a trace", told)
	}
}
