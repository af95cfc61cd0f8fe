package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// Compile-time proof that package wire counts as this package does.
var (
	_ [0]struct{} = [RangeSweep - RangeKind(wire.RangeSweep)]struct{}{}
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

func (t tables) Name(id uint32) { t.learnGroup(StringID(id)) }

func (t tables) Stack(frames []wire.Frame) uint32 {
	fs := t.frames[:0]
	for _, f := range frames {
		fs = append(fs, Frame{StringID(f.Func), StringID(f.File), f.Line})
	}
	t.frames = fs
	return uint32(t.internStack(fs))
}
