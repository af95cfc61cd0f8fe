package parse

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// xreader reads through golang.org/x/exp/trace.
type xreader struct {
	in      counted
	r       *trace.Reader
	sym     *Symbols
	stacks  map[trace.Stack]StackID // of this generation
	pending [3]trace.Event          // read ahead, to recognise coroutine switches
	npend   int
	coro    int // of the pending events, how many belong to a switch
	slots   map[trace.GoID]uint32
	free    []uint32 // slots
	err     error
}

func newXReader(r io.Reader, sym *Symbols) (x *xreader, err error) {
	x = &xreader{in: counted{r: r}, sym: sym, stacks: make(map[trace.Stack]StackID), slots: make(map[trace.GoID]uint32)}
	defer x.guard(&err)
	x.r, err = trace.NewReader(&x.in)
	return x, err
}

func (x *xreader) read() (ev trace.Event, err error) {
	if x.err != nil {
		return ev, x.err
	}
	defer x.guard(&err)
	return x.r.ReadEvent()
}

func (x *xreader) Read(buf []wire.Event) (n int, err error) {
	defer x.guard(&err)
	for n < len(buf) {
		if err := x.next(&buf[n]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// guard keeps a panic of the reference in, and says what kind of fault it met.
func (x *xreader) guard(err *error) {
	// It looks for the frames of a stack only when they are asked for, and panics
	// when a cut has taken them.
	if p := recover(); p != nil {
		*err = fmt.Errorf("the reference reader panicked: %v", p)
	}
	switch {
	case *err == nil || *err == io.EOF || *err == x.err:
	case x.in.err != nil:
		*err = x.in.err
	default:
		*err = referenceFault(*err)
	}
	if *err != nil {
		x.err = *err
	}
}

func referenceFault(err error) *Error {
	detail := err.Error()
	// Some messages carry a dump of the reader's state.
	if i := strings.IndexByte(detail, '\n'); i >= 0 {
		detail = strings.TrimSuffix(detail[:i], ":")
	}
	kind := ErrCorrupt
	for _, of := range []string{"EOF", "malformatted base-128 varint", "in trace.stack table"} {
		if strings.Contains(detail, of) {
			kind = ErrTruncated
		}
	}
	return &Error{Kind: kind, Detail: detail + "; a trace of Go 1.21 or older can only be read whole"}
}

// slot returns the slot of a goroutine (see [wire.Event]).
func (x *xreader) slot(g trace.GoID) uint32 {
	if g == trace.NoGoroutine {
		return 0
	}
	s := x.slots[g]
	if s == 0 {
		if k := len(x.free); k > 0 {
			s = x.free[k-1]
			x.free = x.free[:k-1]
		} else {
			s = uint32(len(x.slots)) + 1
		}
		x.slots[g] = s
	}
	return s
}

func (x *xreader) next(out *wire.Event) error {
	var ev trace.Event
	if x.npend > 0 {
		ev = x.pending[0]
		x.npend--
		copy(x.pending[:], x.pending[1:1+x.npend])
	} else {
		var err error
		if ev, err = x.read(); err != nil {
			return err
		}
	}
	coro := x.coro > 0
	if coro {
		x.coro--
	} else if ev.Kind() == trace.EventStateTransition && ev.Goroutine() != trace.NoGoroutine && ev.Stack() == trace.NoStack {
		coro = x.switches(&ev)
	}
	x.convert(&ev, out)
	out.Coro = coro
	return nil
}

// switches reports whether ev begins a coroutine switch, which the reader
// delivers as three events 1 ns apart: unblock the next, block or end the
// current, start the next (internal/trace/order.go:advanceGoSwitch).
func (x *xreader) switches(ev *trace.Event) bool {
	st := ev.StateTransition()
	if st.Resource.Kind != trace.ResourceGoroutine {
		return false
	}
	if from, to := st.Goroutine(); from != trace.GoWaiting || to != trace.GoRunnable {
		return false
	}
	for i := range 2 {
		if i == x.npend {
			e, err := x.read()
			if err != nil {
				return false
			}
			x.pending[i] = e
			x.npend++
		}
		if !follows(ev, &x.pending[i], i+1) {
			return false
		}
	}
	x.coro = 2
	return true
}

func follows(first, ev *trace.Event, n int) bool {
	if ev.Kind() != trace.EventStateTransition || ev.Thread() != first.Thread() || ev.Time() != first.Time()+trace.Time(n) {
		return false
	}
	st := ev.StateTransition()
	if st.Resource.Kind != trace.ResourceGoroutine {
		return false
	}
	from, to := st.Goroutine()
	if n == 1 {
		return st.Resource.Goroutine() == first.Goroutine() && from == trace.GoRunning &&
			(to == trace.GoNotExist || to == trace.GoWaiting && st.Reason == "" && ev.Stack() == trace.NoStack)
	}
	return st.Resource == first.StateTransition().Resource && from == trace.GoRunnable && to == trace.GoRunning
}

func (x *xreader) stack(s trace.Stack) StackID {
	if s == trace.NoStack {
		return 0
	}
	if id, ok := x.stacks[s]; ok {
		return id
	}
	frames := x.sym.frames[:0]
	for f := range s.Frames() {
		if f.PC == 0 && f.Func == "" {
			continue
		}
		frames = append(frames, Frame{x.sym.intern(f.Func), x.sym.intern(f.File), uint32(f.Line)})
	}
	x.sym.frames = frames
	id := x.sym.internStack(frames)
	x.stacks[s] = id
	return id
}

func (x *xreader) convert(ev *trace.Event, out *wire.Event) {
	*out = wire.Event{
		Time:  int64(ev.Time()),
		G:     int64(ev.Goroutine()),
		GSlot: x.slot(ev.Goroutine()),
		P:     int32(procID(ev.Proc())),
		M:     int64(ev.Thread()),
	}
	kind := ev.Kind()
	if kind != trace.EventSync {
		out.Stack = uint32(x.stack(ev.Stack()))
	}
	switch kind {
	case trace.EventSync:
		out.Op = wire.OpSync
		clear(x.stacks)
		if c := ev.Sync().ClockSnapshot; c != nil {
			out.Values = [2]uint64{uint64(c.Trace), uint64(c.Wall.UnixNano())}
		}
	case trace.EventStateTransition:
		st := ev.StateTransition()
		out.Reason = uint32(x.sym.intern(st.Reason))
		switch st.Resource.Kind {
		case trace.ResourceGoroutine:
			out.Op = wire.OpGo
			g := st.Resource.Goroutine()
			out.Res, out.Slot = int64(g), x.slot(g)
			from, to := st.Goroutine()
			out.From, out.To = uint8(from), uint8(to)
			out.ResStack = uint32(x.stack(st.Stack))
			if to == trace.GoNotExist {
				x.free = append(x.free, out.Slot)
				delete(x.slots, g)
			}
		case trace.ResourceProc:
			out.Op = wire.OpProc
			out.Res = int64(procID(st.Resource.Proc()))
			from, to := st.Proc()
			out.From, out.To = uint8(from), uint8(to)
		}
	case trace.EventRangeBegin, trace.EventRangeActive, trace.EventRangeEnd:
		x.convertRange(ev, out)
	case trace.EventTaskBegin, trace.EventTaskEnd:
		t := ev.Task()
		out.Op = wire.OpTaskBegin
		if kind == trace.EventTaskEnd {
			out.Op = wire.OpTaskEnd
		}
		out.Name, out.Values[0] = uint32(x.sym.intern(t.Type)), uint64(t.ID)
		x.sym.learnGroup(StringID(out.Name))
		if t.Parent != trace.NoTask {
			out.Values[1] = uint64(t.Parent)
		}
	case trace.EventRegionBegin, trace.EventRegionEnd:
		r := ev.Region()
		out.Op = wire.OpRegionBegin
		if kind == trace.EventRegionEnd {
			out.Op = wire.OpRegionEnd
		}
		out.Name, out.Values[0] = uint32(x.sym.intern(r.Type)), uint64(r.Task)
		x.sym.learnGroup(StringID(out.Name))
	case trace.EventLog:
		l := ev.Log()
		out.Op = wire.OpLog
		out.Name, out.Text = uint32(x.sym.internLog(l.Category)), uint32(x.sym.internLog(l.Message))
		x.sym.learnGroup(StringID(out.Name))
		out.Values[0] = uint64(l.Task)
	case trace.EventMetric:
		m := ev.Metric()
		out.Op = wire.OpMetric
		out.Values[0] = m.Value.Uint64()
		switch m.Name {
		case "/sched/gomaxprocs:threads":
			out.Metric = wire.MetricProcs
		case "/memory/classes/heap/objects:bytes":
			out.Metric = wire.MetricHeapLive
		case "/gc/heap/goal:bytes":
			out.Metric = wire.MetricHeapGoal
		}
	case trace.EventLabel:
		out.Op = wire.OpLabel
		switch ev.Label().Label {
		case "GC (dedicated)":
			out.Mode = uint8(ModeDedicated)
		case "GC (fractional)":
			out.Mode = uint8(ModeFractional)
		case "GC (idle)":
			out.Mode = uint8(ModeIdle)
		}
	case trace.EventStackSample:
		out.Op = wire.OpSample
	}
}

func (x *xreader) convertRange(ev *trace.Event, out *wire.Event) {
	r := ev.Range()
	switch r.Name {
	case "GC concurrent mark phase":
		out.Range = wire.RangeGC
	case "GC mark assist":
		out.Range = wire.RangeAssist
		out.Res, out.Slot = int64(r.Scope.Goroutine()), x.slot(r.Scope.Goroutine())
	case "GC incremental sweep":
		out.Range = wire.RangeSweep
		out.Res = int64(procID(r.Scope.Proc()))
	default:
		reason, ok := strings.CutPrefix(r.Name, "stop-the-world (")
		if !ok {
			return
		}
		out.Range = wire.RangeSTW
		out.Res, out.Slot = int64(r.Scope.Goroutine()), x.slot(r.Scope.Goroutine())
		out.Name = uint32(x.sym.intern(strings.TrimSuffix(reason, ")")))
	}
	switch ev.Kind() {
	case trace.EventRangeBegin:
		out.Op = wire.OpRangeBegin
	case trace.EventRangeActive:
		out.Op = wire.OpRangeActive
	case trace.EventRangeEnd:
		out.Op = wire.OpRangeEnd
		if out.Range == wire.RangeSweep {
			for i, a := range ev.RangeAttributes() {
				out.Values[i] = a.Value.Uint64()
			}
		}
	}
}

// procID maps the Ps of the trace: v1 traces carry events of the poller, timers and
// system calls under Ps from 1,000,000 on that do not exist (tracev1 parser.go).
func procID(p trace.ProcID) ProcID {
	if p < 0 || p >= 1000000 {
		return NoProc
	}
	return ProcID(p)
}
