package parse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse/internal/v1"
	"github.com/tracelens/tracelens/parse/internal/wire"
)

// v1Traces returns the traces of Go 1.7 to 1.21 at hand, by name.
func v1Traces(t testing.TB) map[string][]byte {
	t.Helper()
	traces := make(map[string][]byte)
	for _, path := range append(corpus.Own(t), corpus.More(t, "*/*.trace")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if version, err := headerVersion(data); err == nil && version < 22 {
			traces[filepath.Base(filepath.Dir(path))+"/"+strings.TrimSuffix(filepath.Base(path), ".trace")] = data
		}
	}
	return traces
}

// v1Corpus returns a trace of the corpus and skips the test where there is none.
func v1Corpus(t testing.TB, name string) []byte {
	t.Helper()
	data, ok := v1Traces(t)[name]
	if !ok {
		t.Skipf("the corpus has no %s (see %s)", name, corpus.Variable)
	}
	return data
}

// drain reads all events of src and spells them out.
func drain(t testing.TB, src source, sym *Symbols) (all []spelled, err error) {
	t.Helper()
	buf := make([]wire.Event, 512)
	last := int64(-1 << 63)
	stacks := make(map[uint32]string) // spelled
	stack := func(id uint32) string {
		s, ok := stacks[id]
		if !ok {
			s = spellStack(sym, StackID(id))
			stacks[id] = s
		}
		return s
	}
	for err == nil {
		var n int
		n, err = src.Read(buf)
		for _, e := range buf[:n] {
			if e.Time <= last {
				t.Fatalf("event %d at %d after %d", len(all), e.Time, last)
			}
			last = e.Time
			text, res := stack(e.Stack), stack(e.ResStack)
			e.Stack, e.ResStack = 0, 0
			s := spell(sym, e)
			s.stackText, s.resText = text, res
			all = append(all, s)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return all, err
}

func drainV1(t testing.TB, data []byte) ([]spelled, error) {
	t.Helper()
	version, err := headerVersion(data)
	if err != nil {
		t.Fatal(err)
	}
	sym := newSymbols()
	own, err := v1.NewReader(bytes.NewReader(data), version, tables{sym})
	if err != nil {
		return nil, err
	}
	return drain(t, own, sym)
}

func drainReference(t testing.TB, data []byte) ([]spelled, error) {
	t.Helper()
	sym := newSymbols()
	ref, err := newXReader(bytes.NewReader(data), sym)
	if err != nil {
		return nil, err
	}
	return drain(t, ref, sym)
}

// TestV1 compares our reader with the reference on every trace, event by event.
func TestV1(t *testing.T) {
	compared := 0
	for name, data := range v1Traces(t) {
		want, err := drainReference(t, data)
		if err != nil {
			// A version or damage that the reference refuses: TestV1Old, TestDamaged.
			continue
		}
		got, err := drainV1(t, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		compared++
		compareV1(t, name, want, got)
		unnamed := 0
		for _, e := range got {
			if e.From == wire.GoUndetermined && e.Op == wire.OpGo && e.resText == "" {
				unnamed++
			}
		}
		if unnamed > 1 { // that of threads of C has none (runtime/proc.go: oneNewExtraM)
			t.Errorf("%s: %d goroutines from before have no name", name, unnamed)
		}
	}
	if compared == 0 {
		t.Error("no trace was compared")
	}
}

// v1Tie is less than a tick of any clock: within it events have any order, since the
// reference takes those at the same tick by chance, and times are made to differ by 1 ns.
const v1Tie = 12

// compareV1 compares what the reference and our reader deliver of a trace. Each event is
// compared with the one that is as many-th of its kind there.
func compareV1(t *testing.T, name string, want, got []spelled) {
	t.Helper()
	// What the reference leaves out: the first GOMAXPROCS.
	first := slices.IndexFunc(got, func(e spelled) bool { return e.Op == wire.OpMetric && e.Metric == wire.MetricProcs })
	if first < 0 {
		t.Errorf("%s: no GOMAXPROCS", name)
		return
	}
	if n := got[first].Values[0]; n < 1 || n > 1024 {
		t.Errorf("%s: GOMAXPROCS %d", name, n)
	}
	begun := got[first].Time
	got = slices.Delete(slices.Clone(got), first, first+1)
	got[0].nameText, got[0].textText = "", "" // the clock's tick, and how it is known
	if len(got) != len(want) {
		t.Errorf("%s: %d events, reference %d", name, len(got), len(want))
		return
	}
	faults := 0
	errorf := func(format string, args ...any) {
		if faults++; faults <= 3 {
			t.Errorf(name+": "+format, args...)
		}
	}
	type kind struct {
		op, rng, metric uint8
		id, p           int64 // of the goroutine or P
	}
	kindOf := func(e *spelled) kind {
		k := kind{op: uint8(e.Op), rng: e.Range, metric: e.Metric, id: e.G, p: int64(e.P)}
		switch {
		case e.Op == wire.OpGo || e.Op == wire.OpProc:
			k.id, k.p = e.Res, 0
		case e.Range == wire.RangeGC:
			k.id, k.p = 0, 0
		}
		return k
	}
	theirs := make(map[kind][]int)
	for i := range want {
		k := kindOf(&want[i])
		theirs[k] = append(theirs[k], i)
	}
	reason := make(map[int64]string) // that a goroutine waits for
	entries := make(map[int64]string)
	absorbed := false // the ns by which the first GOMAXPROCS moves what follows at the same tick
	for i := range got {
		if d := got[i].Time - want[i].Time; d != 0 {
			if absorbed || d != 1 || got[i].Time < begun {
				errorf("the %d-th time is %d, reference %d", i, got[i].Time, want[i].Time)
			}
		} else if got[i].Time > begun {
			absorbed = true
		}
		k := kindOf(&got[i])
		if len(theirs[k]) == 0 {
			errorf("event %d is none of the reference: %+v", i, got[i])
			continue
		}
		a, b := want[theirs[k][0]], got[i]
		theirs[k] = theirs[k][1:]
		if b.Op == wire.OpGo && b.From == wire.GoUndetermined {
			// The reference tells neither the entry, nor a certain order of goroutines that
			// were runnable.
			entries[b.Res] = b.resText
			b.resText = ""
			if b.To == wire.GoRunnable {
				b.Time = a.Time
			}
		}
		if d := b.Time - a.Time; d < -v1Tie || d > v1Tie {
			errorf("event %d of kind %+v is at %d, reference %d", i, k, b.Time, a.Time)
		}
		b.Time = a.Time
		switch {
		case b.Op == wire.OpGo && b.From == wire.GoNotExist:
			entries[b.Res] = b.resText
		case b.Op == wire.OpGo && b.To == wire.GoWaiting:
			reason[b.Res] = b.reasonText
		case b.Op == wire.OpGo && b.From == wire.GoWaiting && strings.HasPrefix(entries[a.G], "runtime.timerproc "):
			// The reference has a P of its own for timers.
			if b.G != wire.None || a.P != wire.None {
				errorf("event %d is a timer's: %+v, reference %+v", i, b, a)
			}
			b.G, b.P, b.M = a.G, a.P, a.M
		case b.Op == wire.OpGo && b.From == wire.GoWaiting && reason[b.Res] == "network",
			b.Range == wire.RangeGC && b.Op == wire.OpRangeBegin:
			// And one for the poller, and one for the GC.
			if a.P != wire.None || a.M != wire.None {
				errorf("event %d: the reference tells the P: %+v", i, a)
			}
			b.P, b.M = a.P, a.M
		}
		if a != b {
			errorf("event %d of kind %+v:\nreference %+v\nours      %+v", i, k, a, b)
		}
	}
	if faults > 3 {
		t.Errorf("%s: %d differences in all", name, faults)
	}
}

// TestV1Names: the goroutines of a trace are named by the file's own creation events,
// also those from before.
func TestV1Names(t *testing.T) {
	got, err := drainV1(t, v1Corpus(t, "public/go1.15-life-leak"))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, e := range got {
		if e.Op == wire.OpGo && (e.From == wire.GoUndetermined || e.From == wire.GoNotExist) {
			fn, _, _ := strings.Cut(e.resText, " ")
			count[fn]++
		}
	}
	strips, io := 0, 0
	for fn, n := range count {
		switch {
		case strings.HasSuffix(fn, ".(*worker).processStrip"):
			strips += n
		case strings.HasSuffix(fn, ".startIo"):
			io += n
		}
	}
	if strips != 2460 || io != 290 || count[""] > 0 {
		t.Errorf("%d processStrip, %d startIo; %v", strips, io, count)
	}
}

// TestV1Procs: GOMAXPROCS is what the programs were run with, from the begin.
func TestV1Procs(t *testing.T) {
	v1Corpus(t, "public/go1.16-life-16p")
	traces := v1Traces(t)
	for name, want := range map[string][]uint64{
		"public/go1.16-life-16p":          {16},
		"public/go1.15-life-leak":         {4},
		"public/go1.19-gomaxprocs-shrink": {8, 4},
		"public/go1.10-mandelweb":         {4},
		"public/go1.9-workers-buffered":   {8},
		"versions/go1.16.15":              {4},
		"versions/go1.17.13":              {4},
		"versions/go1.19.8":               {4},
		"versions/go1.20.14":              {4},
		"versions/go1.21.13":              {4},
	} {
		events, err := drainV1(t, traces[name])
		if err != nil {
			t.Error(name, err)
		}
		var got []uint64
		for i, e := range events {
			if e.Op != wire.OpMetric || e.Metric != wire.MetricProcs {
				continue
			}
			if len(got) == 0 && e.Time-events[0].Time > 10e6 {
				t.Errorf("%s: GOMAXPROCS is told by event %d, at %d", name, i, e.Time)
			}
			if n := len(got); n == 0 || got[n-1] != e.Values[0] {
				got = append(got, e.Values[0])
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: GOMAXPROCS %d, want %d", name, got, want)
		}
	}
}

// v1Event is an event as it is written.
type v1Event struct {
	typ  byte
	args []uint64
	text []byte // of strings and logs
}

// Types of events that rewriteV1's callers deal with (runtime/trace.go).
const (
	v1Batch       = 1
	v1Frequency   = 2
	v1Stack       = 3
	v1STWStart    = 9
	v1GoCreate    = 13
	v1GoSysExit   = 29
	v1STWDone     = 10
	v1SweepDone   = 12
	v1GoStart     = 14
	v1GoBlock     = 20
	v1TimerG      = 35
	v1String      = 37
	v1StartLabel  = 41
	v1BlockGC     = 42
	v1AssistStart = 43
	v1AssistDone  = 44
	v1TaskCreate  = 45
	v1TaskEnd     = 46
	v1Region      = 47
	v1Log         = 48
	v1CPUSample   = 49
)

// rewriteV1 returns the trace with the events that change keeps, as it leaves them, and
// another header.
func rewriteV1(t *testing.T, data []byte, header string, change func(*v1Event) bool) []byte {
	t.Helper()
	out := append([]byte(header), make([]byte, 16-len(header))...)
	rest := data[16:]
	number := func() uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			t.Fatal("a trace that cannot be rewritten")
		}
		rest = rest[n:]
		return v
	}
	text := func() []byte {
		n := number()
		s := rest[:n]
		rest = rest[n:]
		return s
	}
	late := uint64(0) // time of events that were left out
	for len(rest) > 0 {
		e := v1Event{typ: rest[0] & 0x3f}
		n := int(rest[0]>>6) + 1
		rest = rest[1:]
		switch {
		case e.typ == v1String:
			e.args, e.text = []uint64{number()}, text()
		case n < 4:
			for range n {
				e.args = append(e.args, number())
			}
		default:
			size := number()
			for end := len(rest) - int(size); len(rest) > end; {
				e.args = append(e.args, number())
			}
		}
		if e.typ == v1Log {
			e.text = text()
		}
		timed := e.typ != v1Frequency && e.typ != v1Stack && e.typ != v1TimerG && e.typ != v1String && e.typ != v1Batch
		if timed {
			e.args[0] += late
			late = 0
		} else if e.typ == v1Batch {
			late = 0
		}
		if !change(&e) {
			if timed {
				late = e.args[0]
			}
			continue
		}
		switch {
		case e.typ == v1String:
			out = binary.AppendUvarint(append(out, v1String), e.args[0])
		case len(e.args) < 4 && e.typ != v1Stack:
			out = append(out, e.typ|byte(len(e.args)-1)<<6)
			for _, a := range e.args {
				out = binary.AppendUvarint(out, a)
			}
		default:
			var args []byte
			for _, a := range e.args {
				args = binary.AppendUvarint(args, a)
			}
			out = binary.AppendUvarint(append(out, e.typ|3<<6), uint64(len(args)))
			out = append(out, args...)
		}
		if e.typ == v1String || e.typ == v1Log {
			out = binary.AppendUvarint(out, uint64(len(e.text)))
			out = append(out, e.text...)
		}
	}
	return out
}

// TestV1Old compares traces of Go 1.7 to 1.10, real ones and later ones without what
// those versions have not, with what the reference makes of the same in the format of
// Go 1.11.
func TestV1Old(t *testing.T) {
	headers := map[int]string{7: "go 1.7 trace", 8: "go 1.8 trace", 9: "go 1.9 trace", 10: "go 1.10 trace", 11: "go 1.11 trace"}
	for _, name := range []string{"public/go1.9-workers-buffered", "public/go1.10-mandelweb", "public/go1.11-mandelbrot-serial", "public/go1.15-life-leak", "debian/caddy", "versions/go1.21.13"} {
		data := v1Corpus(t, name)
		from, _ := headerVersion(data)
		for version := 7; version <= 10; version++ {
			// later is the trace in the format of Go 1.11 with what the version has.
			frames := make(map[[4]uint64]uint64)
			later := rewriteV1(t, data, headers[11], func(e *v1Event) bool {
				switch e.typ {
				case v1Stack:
					// The reference takes frames of one PC, which inlining makes, for the same.
					for i := 2; i < len(e.args); i += 4 {
						f := [4]uint64(e.args[i:])
						if frames[f] == 0 {
							frames[f] = uint64(len(frames) + 1)
						}
						e.args[i] = frames[f]
					}
				case v1TaskCreate, v1TaskEnd, v1Region, v1Log, v1CPUSample:
					return false
				case v1STWStart, v1STWDone:
					return from >= 10 && version >= 10
				case v1AssistStart, v1AssistDone:
					return version >= 9
				case v1SweepDone:
					if version < 9 {
						e.args[1], e.args[2] = 0, 0
					}
				case v1StartLabel:
					if version < 8 {
						e.typ, e.args = v1GoStart, e.args[:3]
					}
				case v1BlockGC:
					if version < 8 {
						e.typ = v1GoBlock
					}
				}
				return true
			})
			old := rewriteV1(t, later, headers[version], func(e *v1Event) bool {
				if e.typ == v1SweepDone && version < 9 {
					e.args = e.args[:1]
				}
				return true
			})
			if from <= 10 && version == from {
				old = data
			}
			want, err := drainReference(t, later)
			if err != nil {
				t.Fatalf("%s as of Go 1.%d: reference: %v", name, version, err)
			}
			got, err := drainV1(t, old)
			if err != nil {
				t.Errorf("%s as of Go 1.%d: %v", name, version, err)
			}
			compareV1(t, name+" as of "+headers[version], want, got)
		}
	}
}

// TestV1Cut: what is read of each P of a cut file is what is read of it in the whole one,
// up to some time, and the cut is said.
func TestV1Cut(t *testing.T) {
	data := v1Corpus(t, "versions/go1.20.14")
	whole, err := drainV1(t, data)
	if err != nil {
		t.Fatal(err)
	}
	byP := make(map[int32][]spelled)
	// told reports whether an event tells the same whatever is lost: a sample stands
	// elsewhere, the end of a task has what its begin said.
	told := func(e *spelled) bool {
		return e.P != wire.None && e.Op != wire.OpSample && e.Op != wire.OpTaskEnd
	}
	plain := func(e spelled) spelled {
		e.Time, e.Mode, e.stackText, e.resText, e.nameText, e.reasonText = 0, 0, "", "", "", ""
		return e
	}
	for _, e := range whole {
		if told(&e) {
			byP[e.P] = append(byP[e.P], e)
		}
	}
	most := 0
	for cut := len(data) / 20; cut < len(data); cut += len(data) / 20 {
		got, err := drainV1(t, data[:cut])
		var fault *wire.Error
		if !errors.As(err, &fault) || fault.Kind != wire.Truncated || fault.Offset > int64(cut) {
			t.Errorf("cut at %d: %v", cut, err)
		}
		most = max(most, len(got))
		at := make(map[int32]int)
		for i, e := range got {
			if !told(&e) {
				continue
			}
			if own := byP[e.P][at[e.P]:]; len(own) == 0 || plain(own[0]) != plain(e) {
				t.Errorf("cut at %d of %d: event %d is not the next of P %d: %+v", cut, len(data), i, e.P, e)
				break
			}
			at[e.P]++
		}
	}
	if most < len(whole)*8/10 {
		t.Errorf("cuts show up to %d of %d events", most, len(whole))
	}
}

// TestV1Deterministic: two readings deliver the same.
func TestV1Deterministic(t *testing.T) {
	for name, data := range v1Traces(t) {
		version, _ := headerVersion(data)
		var readings [2][]wire.Event
		for i := range readings {
			r, err := v1.NewReader(bytes.NewReader(data), version, NewTables())
			buf := make([]wire.Event, 512)
			for err == nil {
				var n int
				n, err = r.Read(buf)
				readings[i] = append(readings[i], buf[:n]...)
			}
		}
		if !slices.Equal(readings[0], readings[1]) {
			t.Errorf("%s: two readings differ", name)
		}
	}
}

// TestV1Bombs: what is made to take memory or time takes no more than its size allows.
func TestV1Bombs(t *testing.T) {
	event := func(typ byte, args ...uint64) []byte {
		if len(args) < 4 {
			b := []byte{typ | byte(len(args)-1)<<6}
			for _, a := range args {
				b = binary.AppendUvarint(b, a)
			}
			return b
		}
		var b []byte
		for _, a := range args {
			b = binary.AppendUvarint(b, a)
		}
		return append(binary.AppendUvarint([]byte{typ | 3<<6}, uint64(len(b))), b...)
	}
	for name, one := range map[string]func(i uint64) []byte{
		"Ps":         func(i uint64) []byte { return append(event(v1Batch, i, 1000), event(v1GoStart, 1, i, 7)...) },
		"batches":    func(i uint64) []byte { return event(v1Batch, 1, 1000) },
		"goroutines": func(i uint64) []byte { return event(v1GoCreate, 1, i<<40, 1, 0) },
		"starts":     func(i uint64) []byte { return event(v1GoStart, 1, i*7919, i) },
		"strings": func(i uint64) []byte {
			return []byte{v1String, byte(i)&0x7f | 0x80, byte(i>>7)&0x7f | 0x80, byte(i>>14) & 0x7f, 0}
		},
		"stacks": func(i uint64) []byte { return event(v1Stack, i<<20, 0) },
		"stacks of no frames of many": func(i uint64) []byte {
			return event(v1Stack, append([]uint64{i, 100}, make([]uint64, 400)...)...)
		},
		"exits":   func(i uint64) []byte { return event(v1GoSysExit, 1, 1, i, 5) },
		"samples": func(i uint64) []byte { return event(v1CPUSample, 1, 1<<40-i, 1, i, 1) },
		"tasks":   func(i uint64) []byte { return event(v1TaskCreate, 1, i, i+1, 1, 1) },
	} {
		for _, footer := range [][]byte{nil, event(v1Frequency, 1e9)} {
			data := append([]byte("go 1.21 trace\x00\x00\x00"), event(v1Batch, 0, 1)...)
			for i := uint64(1); len(data) < 1<<20; i++ {
				data = append(data, one(i)...)
			}
			data = append(data, footer...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err := v1.NewReader(bytes.NewReader(data), 21, NewTables())
			buf := make([]wire.Event, 512)
			events := 0
			for err == nil {
				var n int
				n, err = r.Read(buf)
				events += n
			}
			runtime.ReadMemStats(&after)
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 256 {
				t.Errorf("%s: 1 MB takes %d MB", name, mb)
			}
			if events > len(data) {
				t.Errorf("%s: %d events of %d bytes", name, events, len(data))
			}
		}
	}
}

// FuzzV1: whatever the bytes, events come in the order of their times, and no more of
// them than the bytes can tell; what the reference reads, ours reads alike.
func FuzzV1(f *testing.F) {
	for _, data := range v1Traces(f) {
		if len(data) < 30<<10 {
			f.Add(data, uint32(0), byte(0), uint32(0), byte(0), uint32(0))
		}
	}
	f.Add([]byte("go 1.11 trace\x00\x00\x00A\x00\x01"), uint32(0), byte(0), uint32(0), byte(0), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, at1 uint32, x1 byte, at2 uint32, x2 byte, cut uint32) {
		data = bytes.Clone(data)
		if len(data) > 16 {
			data[16+int(at1)%(len(data)-16)] ^= x1
			data[16+int(at2)%(len(data)-16)] ^= x2
			if cut > 0 {
				data = data[:16+int(cut)%(len(data)-16)]
			}
		}
		if version, err := headerVersion(data); err != nil || version >= 22 {
			return
		}
		got, err := drainV1(t, data)
		if len(got) > 4*len(data) {
			t.Fatalf("%d events of %d bytes", len(got), len(data))
		}
		if err != nil && os.Getenv("TRACELENS_FUZZ_STRICT") == "" {
			return // damage that the reference does not see, or takes for something else
		}
		if !slices.ContainsFunc(got, func(e spelled) bool { return e.Metric == wire.MetricProcs }) {
			return
		}
		if want, errRef := drainReference(t, data); errRef == nil {
			for _, events := range [][]spelled{want, got} {
				for i := range events { // the reference takes frames of one PC for the same
					events[i].stackText = ""
					if !strings.HasPrefix(events[i].resText, "runtime.timerproc ") {
						events[i].resText = ""
					}
				}
			}
			compareV1(t, "fuzz", want, got)
		}
	})
}
