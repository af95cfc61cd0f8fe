package parse

import (
	"bufio"
	"time"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// native reads Go 1.22 and later traces through package wire.
type native struct{ r *wire.Reader }

func newNative(r *bufio.Reader, version int, sym *Symbols) (*native, error) {
	w, err := wire.NewReader(r, version, tables{sym})
	if err != nil {
		return nil, err
	}
	return &native{w}, nil
}

func (n *native) next(out *rawEvent) error {
	e, err := n.r.Next()
	if err != nil {
		return err
	}
	*out = rawEvent{} // N.B. filling a literal goes through a copy on the stack
	out.time, out.op = Time(e.Time), op(e.Op)
	out.g, out.p, out.m, out.stack = GoID(e.G), ProcID(e.P), ThreadID(e.M), StackID(e.Stack)
	out.res, out.from, out.to, out.coro = e.Res, e.From, e.To, e.Coro
	out.reason, out.resStack = StringID(e.Reason), StackID(e.ResStack)
	out.name, out.text, out.mode = StringID(e.Name), StringID(e.Text), Mode(e.Mode)
	switch e.Op {
	case wire.OpGo, wire.OpProc:
	case wire.OpTaskBegin, wire.OpTaskEnd, wire.OpRegionBegin, wire.OpRegionEnd, wire.OpLog:
		out.id, out.parent = e.Values[0], e.Values[1]
	case wire.OpSync:
		if e.Values[0] != 0 {
			out.wallAt, out.wall = Time(e.Values[0]), time.Unix(0, int64(e.Values[1]))
		}
	default:
		out.rng, out.metric = rangeKinds[e.Range], MetricKind(e.Metric)
		out.values = [2]int64{int64(e.Values[0]), int64(e.Values[1])}
	}
	return nil
}

var rangeKinds = [...]RangeKind{0, wire.RangeSTW: RangeSTW, wire.RangeGC: RangeGC, wire.RangeAssist: RangeAssist, wire.RangeSweep: RangeSweep}

// Compile-time proof that package wire counts as this package does.
var (
	_ [0]struct{} = [opSample - op(wire.OpSample)]struct{}{}
	_ [0]struct{} = [opLabel - op(wire.OpLabel)]struct{}{}
	_ [0]struct{} = [opProc - op(wire.OpProc)]struct{}{}
	_ [0]struct{} = [GoSyscall - GoState(wire.GoSyscall)]struct{}{}
	_ [0]struct{} = [MetricHeapGoal - MetricKind(wire.MetricHeapGoal)]struct{}{}
)

// tables are the Symbols as package wire fills them.
type tables struct{ *Symbols }

func (t tables) String(b []byte) uint32 {
	if id, ok := t.stringIDs[string(b)]; ok {
		return uint32(id)
	}
	return uint32(t.intern(string(b)))
}

func (t tables) Log(b []byte) uint32 {
	if id, ok := t.stringIDs[string(b)]; ok {
		return uint32(id)
	}
	return uint32(t.internLog(string(b)))
}

func (t tables) Stack(frames []wire.Frame) uint32 {
	fs := t.frames[:0]
	for _, f := range frames {
		fs = append(fs, Frame{StringID(f.Func), StringID(f.File), f.Line})
	}
	t.frames = fs
	return uint32(t.internStack(fs))
}
