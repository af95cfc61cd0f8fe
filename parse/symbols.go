package parse

import (
	"encoding/binary"
	"slices"
	"strings"
)

// StringID is an interned string; 0 is "".
type StringID uint32

// StackID is an interned stack; 0 is "no stack".
type StackID uint32

// Frame is one call of a stack.
type Frame struct {
	Func, File StringID
	Line       uint32
}

// Symbols holds the strings and stacks of a whole trace. Equal strings and
// stacks have equal ids, whatever generation they come from. [Read] fills it, and its
// methods are to be called once Read has returned; events carry ids until then.
//
// The zero value is an empty table, to which Intern and InternStack add: for events that
// are made up, in tests.
type Symbols struct {
	strings             []string
	stringIDs           map[string]StringID
	groups              []StringID // by StringID: see Group; 0 where it is no name
	stacks              []stackInfo
	stackIDs            map[string]StackID
	settled             int    // stacks whose places are known
	module              string // the main module's folder, where its program was installed from the module cache
	std                 string // the folder of the standard library, as its files are named
	places              []Place
	placeIDs            map[string]PlaceID
	groupFuncs          map[groupCall]StringID
	groupOf, groupEntry map[StringID]StringID // see groupWork
	key                 []byte
	frames              []Frame // scratch
	own                 []bool  // likewise
	logBytes            int
	entries             map[string]struct{} // see Options.Requests

	Shortened int64 // stacks of which frames in the middle were left out: see stacksWhole
}

// stackInfo is a stack with what the tracker asks of it at every event.
type stackInfo struct {
	frames       []Frame
	entry        StringID // root function
	body         body
	place        PlaceID
	mutual       bool // see Primitive.Mutual
	tells        bool // see learnBody
	idle         bool // see GoLife.Idle
	ticks        bool // a wait of the program for a channel, which may be a ticker's
	top          topFrame
	gives, given StringID // see groupFuncsOf

	descriptor descriptor
	side       httpSide
	serves     serving
}

// topFrame is a leaf function that gives a stop its meaning.
type topFrame uint8

const (
	topOther topFrame = iota
	topAsyncPreempt
	topGoyield
	topSemrelease
	topGCPhase // waits until it may begin or end a phase of the GC
)

func newSymbols() *Symbols {
	return &Symbols{
		strings:   []string{""},
		stringIDs: map[string]StringID{"": 0},
		stacks:    make([]stackInfo, 1),
		settled:   1,
		stackIDs:  map[string]StackID{"": 0},
		places:    make([]Place, 1),
		placeIDs:  make(map[string]PlaceID),
	}
}

// Intern returns the id of v, which is added if it is new.
func (s *Symbols) Intern(v string) StringID {
	s.ready()
	return s.intern(v)
}

// InternStack returns the id of a stack, innermost frame first; 0 for no frames. It is
// added if it is new.
func (s *Symbols) InternStack(frames ...Frame) StackID {
	s.ready()
	id := s.internStack(frames)
	s.settle()
	return id
}

func (s *Symbols) ready() {
	if s.stringIDs == nil {
		*s = *newSymbols()
	}
}

func (s *Symbols) intern(v string) StringID {
	if id, ok := s.stringIDs[v]; ok {
		return id
	}
	id := StringID(len(s.strings))
	v = strings.Clone(v)
	s.strings = append(s.strings, v)
	s.stringIDs[v] = id
	return id
}

// maxLogBytes bounds what distinct user log messages may add to the table, so
// that memory does not grow with a trace full of them.
const maxLogBytes = 16 << 20

// internLog interns a user log's text, or "" once too many are held.
func (s *Symbols) internLog(v string) StringID {
	if _, ok := s.stringIDs[v]; !ok {
		if s.logBytes += len(v) + 64; s.logBytes > maxLogBytes {
			return 0
		}
	}
	return s.intern(v)
}

// stacksWhole is how many stacks are told apart by all their frames, so that tables by
// stack are bounded. Of as many more only the ends count, and beyond that the entry
// function: deep recursion, and little else, gives so many.
const stacksWhole = 1 << 14

// ends are the frames up to the first outside the standard library, and the outermost
// ones.
func (s *Symbols) ends(frames []Frame) []Frame {
	const outermost = 4
	in := 0
	for in < len(frames) && IsStd(s.strings[frames[in].Func]) {
		in++
	}
	in++
	if in+outermost >= len(frames) {
		return frames
	}
	return slices.Concat(frames[:in], frames[len(frames)-outermost:])
}

// findStack looks for frames, of which it leaves the key.
func (s *Symbols) findStack(frames []Frame) (StackID, bool) {
	s.key = s.key[:0]
	for _, f := range frames {
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(f.Func))
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(f.File))
		s.key = binary.LittleEndian.AppendUint32(s.key, f.Line)
	}
	id, ok := s.stackIDs[string(s.key)]
	return id, ok
}

// internStack interns frames, innermost first. Frames without function and line
// (PC 0, written by Go ≤ 1.24; golang/go#68090) are dropped by the caller.
func (s *Symbols) internStack(frames []Frame) StackID {
	if id, ok := s.findStack(frames); ok {
		return id
	}
	if len(s.stacks) >= stacksWhole {
		s.Shortened++
		frames = s.ends(frames)
		if id, ok := s.findStack(frames); ok {
			return id
		}
	}
	if len(s.stacks) >= 2*stacksWhole {
		frames = frames[max(len(frames)-1, 0):]
		if id, ok := s.findStack(frames); ok || len(s.stacks) >= 3*stacksWhole {
			return id
		}
	}
	id := StackID(len(s.stacks))
	info := stackInfo{frames: append([]Frame(nil), frames...)}
	if len(frames) > 0 {
		// A leaf without a frame of its own is missing at the end of a stack that a signal
		// interrupted (tracestack.go drops the last frame for runtime.goexit).
		if last := frames[len(frames)-1].Func; s.strings[last] != "runtime.asyncPreempt" {
			info.entry = last
		}
		switch s.strings[frames[0].Func] {
		case "runtime.asyncPreempt2", "runtime.asyncPreempt":
			info.top = topAsyncPreempt
		case "runtime.goyield":
			info.top = topGoyield
		case "runtime.semrelease1":
			info.top = topSemrelease
		case "runtime.gcStart", "runtime.gcMarkDone":
			info.top = topGCPhase
		}
	}
	s.stackIDs[string(s.key)] = id
	s.stacks = append(s.stacks, info)
	return id
}

// String returns an interned string, "" for an id that is not in the table.
func (s *Symbols) String(id StringID) string {
	if int(id) >= len(s.strings) {
		return ""
	}
	return s.strings[id]
}

// Lookup returns the id of v, and whether the trace has that string at all.
func (s *Symbols) Lookup(v string) (StringID, bool) {
	id, ok := s.stringIDs[v]
	return id, ok
}

// Stack returns the frames of a stack, innermost first, nil for an id that is not in the
// table. Do not modify.
func (s *Symbols) Stack(id StackID) []Frame {
	if int(id) >= len(s.stacks) {
		return nil
	}
	return s.stacks[id].frames
}

// Entry returns the outermost function of a stack, 0 if it has none.
func (s *Symbols) Entry(id StackID) StringID {
	if int(id) >= len(s.stacks) {
		return 0
	}
	return s.stacks[id].entry
}

// Site returns where in the program a stack is: its innermost frame of the main module,
// or without one the innermost outside the standard library. A stack wholly inside the library is at the innermost frame
// outside the package of its Operation, or at the Operation itself. ok is false
// for an empty stack.
func (s *Symbols) Site(id StackID) (f Frame, ok bool) {
	op, ok := s.Operation(id)
	if !ok {
		return Frame{}, false
	}
	pkg := PackageOf(s.String(op.Func))
	best, inOp := op, false
	var lib Frame
	for _, f := range s.Stack(id) {
		name := s.String(f.Func)
		if s.Own(f) {
			return f, true
		}
		if lib.Func == 0 && !IsStd(name) {
			lib = f
		}
		inOp = inOp || f == op
		if inOp && best == op && PackageOf(name) != pkg && !isMachinery(name) {
			best = f
		}
	}
	if lib.Func != 0 {
		return lib, true
	}
	return best, true
}

// Operation returns the innermost frame that is not the runtime's machinery for
// blocking (os.(*File).Read, sync.(*Mutex).Lock, net.(*conn).Read …): what the
// program called, as Site says where.
func (s *Symbols) Operation(id StackID) (f Frame, ok bool) {
	frames := s.Stack(id)
	if len(frames) == 0 || s.Entry(id) == 0 && s.stacks[id].top == topAsyncPreempt { // only the signal
		return Frame{}, false
	}
	for _, f := range frames {
		if !isMachinery(s.String(f.Func)) {
			return f, true
		}
	}
	return frames[0], true
}

// PackageOf returns the import path of a function name ("net/http.(*conn).serve").
func PackageOf(fn string) string {
	if i := strings.IndexByte(fn, '['); i >= 0 {
		fn = fn[:i] // type arguments have packages too
	}
	last := 0 // where the last element of the path begins; LastIndexByte is slower
	for {
		slash := strings.IndexByte(fn[last:], '/')
		if slash < 0 {
			break
		}
		last += slash + 1
	}
	// Dots of the path's last element are escaped by the linker ("gopkg.in/yaml%2ev3").
	if dot := strings.IndexByte(fn[last:], '.'); dot >= 0 {
		return fn[:last+dot]
	}
	return fn
}

// CleanFunc is the name of a function as people write it: import paths unescaped
// (cmd/internal/objabi: PathToPrefix), cgo's stubs as C's.
func CleanFunc(fn string) string {
	if i := strings.Index(fn, "._Cfunc_"); i >= 0 {
		return "C." + fn[i+len("._Cfunc_"):]
	}
	return strings.ReplaceAll(fn, "%2e", ".")
}

// ShortName returns a function's name without package, receiver and type arguments:
// "M" of "pkg.(*T[...]).M[...]", as methods with type parameters of their own are called
// since Go 1.27 (runtime/traceback.go: funcNamePiecesForPrint).
func ShortName(fn string) string {
	for strings.HasSuffix(fn, "]") {
		depth, i := 0, len(fn)-1
		for ; i > 0; i-- {
			if fn[i] == ']' {
				depth++
			} else if fn[i] == '[' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		fn = fn[:i]
	}
	return fn[strings.LastIndexByte(fn, '.')+1:]
}

// isMachinery reports whether a function only implements blocking, waking and
// system calls for the library function that the program called.
func isMachinery(fn string) bool {
	pkg := PackageOf(fn)
	switch pkg {
	case "runtime", "syscall", "sync/atomic", "reflect":
		return true
	}
	return strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "runtime/internal/") ||
		(pkg == "sync" && strings.HasPrefix(fn, "sync.runtime_"))
}

// stdTop are the first path elements of the standard library (go list std),
// but for those with a dot; user modules have a dot there or are "main".
var stdTop = map[string]bool{
	"archive": true, "bufio": true, "bytes": true, "cmp": true, "compress": true, "container": true, "context": true,
	"crypto": true, "database": true, "debug": true, "embed": true, "encoding": true, "errors": true, "expvar": true,
	"flag": true, "fmt": true, "go": true, "hash": true, "html": true, "image": true, "index": true, "internal": true,
	"io": true, "iter": true, "log": true, "maps": true, "math": true, "mime": true, "net": true, "os": true,
	"path": true, "plugin": true, "reflect": true, "regexp": true, "runtime": true, "slices": true, "sort": true,
	"strconv": true, "strings": true, "structs": true, "sync": true, "syscall": true, "testing": true, "text": true,
	"time": true, "unicode": true, "unique": true, "unsafe": true, "vendor": true, "weak": true,
}

// IsStd reports whether a function of that name is of the standard library.
func IsStd(fn string) bool {
	pkg := PackageOf(fn)
	if i := strings.IndexByte(pkg, '/'); i >= 0 {
		pkg = pkg[:i]
	}
	return stdTop[pkg]
}

// classOf tells a goroutine's class by its entry function. Tracer goroutines:
// runtime/trace.go, runtime/tracecpu.go, runtime/trace (Start, traceMultiplexer),
// runtime/pprof/pprof.go (profileWriter).
func classOf(entry string) Class {
	switch {
	case entry == "runtime.gcBgMarkWorker":
		return ClassWorker
	case entry == "runtime.main", entry == "runtime.corostart", calledByC(entry):
		return ClassUser
	}
	switch entry {
	case "runtime.(*traceAdvancerState).start.func1", "runtime.traceStartReadCPU.func1",
		"runtime/trace.Start.func1", "runtime/trace.(*traceMultiplexer).startLocked.func1",
		"runtime/pprof.profileWriter":
		return ClassTracer
	}
	if strings.HasPrefix(entry, "runtime.") {
		return ClassSystem
	}
	return ClassUser
}

// calledByC reports whether goroutines with this entry function are those that threads of
// C use for their calls into Go.
func calledByC(entry string) bool { return strings.HasPrefix(entry, "runtime.cgocallback") }

// RunsFinalizers reports whether goroutines with this entry function run finalizers
// (mfinal.go: runfinq, since Go 1.25 runFinalizers) or cleanups (mcleanup.go).
func RunsFinalizers(entry string) bool {
	return entry == "runtime.runfinq" || entry == "runtime.runFinalizers" || strings.HasPrefix(entry, "runtime.runCleanups") || strings.HasPrefix(entry, "runtime.(*cleanupQueue)")
}
