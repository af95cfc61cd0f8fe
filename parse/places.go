package parse

import (
	"encoding/binary"
	"strings"
)

// PlaceID is a place of the program; 0 is none.
type PlaceID uint32

// Primitive is what a goroutine waits at, told by the innermost frames of its stack.
type Primitive uint8

const (
	PrimNone        Primitive = iota // no wait: it ran, or was in a call
	PrimChanSend                     // runtime.chansend
	PrimChanReceive                  // runtime.chanrecv
	PrimSelect                       // runtime.selectgo
	PrimMutex                        // sync.Mutex
	PrimRead                         // sync.RWMutex: a reader, for a writer
	PrimWrite                        // sync.RWMutex: a writer, for readers or another writer
	PrimOnce                         // sync.Once
	PrimWaitGroup                    // sync.WaitGroup
	PrimCond                         // sync.Cond
	PrimFile                         // the lock of a file descriptor (internal/poll.fdMutex)
	PrimSemaphore                    // another semaphore, such as the runtime's own
	PrimNetwork                      // internal/poll.runtime_pollWait
	PrimSleep                        // time.Sleep
	PrimForever                      // select{}
	NumPrimitives
)

func (p Primitive) String() string {
	return [...]string{"", "chan send", "chan receive", "select", "sync.Mutex", "RWMutex read", "RWMutex write", "sync.Once", "sync.WaitGroup",
		"sync.Cond", "file lock", "semaphore", "network", "sleep", "forever"}[p]
}

// Mutual reports whether goroutines wait there for one another.
func (p Primitive) Mutual() bool { return p >= PrimChanSend && p <= PrimSemaphore }

// Lock reports whether it is a lock, which who waits takes next.
func (p Primitive) Lock() bool { return p >= PrimMutex && p <= PrimOnce || p == PrimFile }

// Place is where in the program stacks are: those of one place have all but Stack in
// common.
type Place struct {
	Site  Frame     // first frame of the main module; else the outermost of a dependency; else as Symbols.Site
	Call  StringID  // the library function called there, 0 when Site itself waits or runs
	Inner StringID  // innermost function that is no machinery (see Operation)
	Prim  Primitive // what a goroutine waits at there
	Own   bool      // Site is of the main module
	Stack StackID   // one of its stacks
}

// Place returns a place, the zero value for 0.
func (s *Symbols) Place(id PlaceID) Place {
	if int(id) >= len(s.places) {
		return Place{}
	}
	return s.places[id]
}

// PlaceOf returns the place of a stack, 0 for none.
func (s *Symbols) PlaceOf(id StackID) PlaceID {
	if int(id) >= len(s.stacks) {
		return 0
	}
	return s.stacks[id].place
}

// Body returns what goroutines with a stack may be about where their entry function only
// calls it, 0 for nothing: see Go.Body.
func (s *Symbols) Body(id StackID) StringID {
	if int(id) >= len(s.stacks) {
		return 0
	}
	return s.stacks[id].body.fn
}

// body is what goroutines with a stack may be about, where their entry function only
// calls it: of a library's the outermost function of the main module, from there on what
// closures call.
type body struct {
	fn     StringID
	depth  uint8 // of its frame, 1 for the outermost
	own    int   // depth of the outermost frame of the main module
	helper bool  // the entry function is one of the main module with a name
}

// bodyOf finds the body in frames, of which own says whether they are of the main module.
func (s *Symbols) bodyOf(frames []Frame, own func(i int) bool) (b body) {
	root := len(frames) - 1
	i := root
	if tests := strings.HasPrefix(s.String(frames[root].Func), "testing."); tests {
		for i > 0 && strings.HasPrefix(s.String(frames[i].Func), "testing.") {
			i--
		}
		if fn := s.String(frames[i].Func); i == root || strings.HasPrefix(fn, "testing.") || strings.HasPrefix(fn, "runtime.") {
			return body{} // the harness, not the test
		}
		return body{fn: frames[i].Func, depth: uint8(root - i + 1), own: root - i + 1}
	}
	for i > 0 && !own(i) {
		i--
	}
	if !own(i) || root-i > 100 {
		return body{}
	}
	b.own = root - i + 1
	if i == root && i > 0 && own(i-1) && !isClosure(s.String(frames[i].Func)) {
		b.helper = true
		i--
	}
	for i > 0 && root-i < 100 && isClosure(s.String(frames[i].Func)) && own(i-1) {
		i--
	}
	b.fn, b.depth = frames[i].Func, uint8(root-i+1)
	return b
}

// IsWrapper reports whether a function is none that the program names: a closure, or what
// the compiler makes for a go statement with arguments.
func IsWrapper(fn string) bool {
	return isClosure(fn) || isGoWrap(fn)
}

// isClosure reports whether a function has no name of its own.
func isClosure(fn string) bool {
	i := strings.LastIndex(fn, ".func")
	return i >= 0 && i+5 < len(fn) && fn[i+5] >= '0' && fn[i+5] <= '9' && !strings.Contains(fn[i:], "/")
}

// isGoWrap reports whether the compiler made a function for a go statement with
// arguments (cmd/compile/internal/walk/order.go: wrapGoDefer).
func isGoWrap(fn string) bool {
	i := strings.LastIndex(fn, ".gowrap")
	return i >= 0 && strings.Trim(fn[i+len(".gowrap"):], "0123456789") == ""
}

// Own reports whether a frame is of the main module, the one with package main: not of the standard library, of a
// dependency (in the module cache, vendored, or built with -trimpath) or of cgo's stubs.
func (s *Symbols) Own(f Frame) bool {
	if f.Func == 0 || IsStd(s.String(f.Func)) {
		return false
	}
	file := strings.ReplaceAll(s.String(f.File), `\`, "/")
	if s.inStd(file) {
		return false
	}
	if s.module != "" && strings.HasPrefix(file, s.module) {
		return true
	}
	return !strings.Contains(file, "/pkg/mod/") && !strings.Contains(file, "@v") && !strings.Contains(file, "/vendor/") &&
		!strings.HasPrefix(file, "vendor/") && !strings.HasSuffix(file, "_cgo_gotypes.go")
}

// Callers are, where the first frame of the main module in a stack is not of package main,
// its callers from other packages of the module, the innermost of each in a row, at most
// two: a client of a program's own is called by many.
func (s *Symbols) Callers(id StackID) (out []Frame) {
	pkg := ""
	for _, f := range s.Stack(id) {
		if !s.Own(f) {
			continue
		}
		of := PackageOf(s.String(f.Func))
		switch {
		case pkg == "" && of == "main":
			return nil
		case pkg != "" && of != pkg:
			out = append(out, f)
		}
		if pkg = of; len(out) == 2 {
			break
		}
	}
	return out
}

// inStd reports whether a file is of the standard library. The closures of a function of
// it that was inlined have names of the caller: main.init.OnceValue[...].func1.
func (s *Symbols) inStd(file string) bool {
	return s.std != "" && strings.HasPrefix(file, s.std) && !strings.HasPrefix(file[len(s.std):], "cmd/")
}

// settle finds the places of the stacks interned since it was called last: of a whole
// generation, so that the main module is mostly known.
func (s *Symbols) settle() {
	fresh := s.stacks[s.settled:]
	s.settled = len(s.stacks)
	for i := range fresh {
		for _, f := range fresh[i].frames {
			if file := s.String(f.File); s.std == "" && strings.HasSuffix(file, "/src/runtime/proc.go") {
				s.std = strings.TrimSuffix(file, "runtime/proc.go")
			}
		}
	}
	for i := range fresh {
		for _, f := range fresh[i].frames {
			if s.module == "" && strings.HasPrefix(s.String(f.Func), "main.") && !s.inStd(s.String(f.File)) {
				s.module = cachedModule(s.String(f.File))
			}
		}
	}
	for i := range fresh {
		info := &fresh[i]
		info.place, info.body = s.placeOf(info.frames, StackID(s.settled-len(fresh)+i))
		p := &s.places[info.place]
		info.mutual = p.Prim.Mutual()
		info.tells = info.body.fn != 0 && len(info.frames) > 1
		if info.descriptor = s.descriptorOf(info.frames); info.descriptor != noDescriptor {
			info.side = s.httpSideOf(info.frames)
		}
		info.serves = s.servingOf(info.frames)
		info.serves.some = info.serves.kind != 0 || info.serves.call != 0
		info.gives, info.given = s.groupFuncsOf(info, p)
		info.ticks = (p.Prim == PrimChanReceive || p.Prim == PrimSelect) && p.Own && p.Call == 0
		info.idle = (p.Prim == PrimChanReceive || p.Prim == PrimSelect || p.Prim == PrimCond) && p.Site.Func == info.body.fn && p.Own
	}
}

// cachedModule is the folder of a module in the module cache that a file is in, "" for
// none: up to its version.
func cachedModule(file string) string {
	at := strings.LastIndex(file, "@v")
	if at < 0 {
		return ""
	}
	end := strings.IndexByte(file[at:], '/')
	if end < 0 {
		return ""
	}
	return file[:at+end+1]
}

// placeOf finds the place of frames and what a goroutine with them is about. id is
// their stack, if it is the first of its place.
func (s *Symbols) placeOf(frames []Frame, id StackID) (PlaceID, body) {
	if len(frames) == 0 {
		return 0, body{}
	}
	site, dependency := -1, -1 // the innermost of the main module, the outermost of a dependency
	s.own = s.own[:0]
	for i, f := range frames {
		s.own = append(s.own, s.Own(f))
		switch {
		case s.own[i] && site < 0:
			site = i
		case !s.own[i] && !IsStd(s.String(f.Func)):
			dependency = i
		}
	}
	b := s.bodyOf(frames, func(i int) bool { return s.own[i] })
	p := Place{Stack: id, Prim: s.primitive(frames), Own: site >= 0}
	switch {
	case site >= 0:
	case dependency >= 0:
		site = dependency
	default:
		site = s.stdSite(frames)
	}
	p.Site = frames[site]
	if site > 0 {
		p.Call = frames[site-1].Func
	}
	p.Inner = frames[0].Func
	for _, f := range frames[:site+1] {
		if !isMachinery(s.String(f.Func)) {
			p.Inner = f.Func
			break
		}
	}
	if p.Call != 0 && isMachinery(s.String(p.Call)) && p.Inner == p.Site.Func {
		p.Call = 0
	}
	key := append(s.key[:0], byte(p.Prim))
	key = binary.LittleEndian.AppendUint32(key, uint32(p.Site.Func))
	key = binary.LittleEndian.AppendUint32(key, uint32(p.Site.File))
	key = binary.LittleEndian.AppendUint32(key, p.Site.Line)
	key = binary.LittleEndian.AppendUint32(key, uint32(p.Call))
	key = binary.LittleEndian.AppendUint32(key, uint32(p.Inner))
	s.key = key
	if known, ok := s.placeIDs[string(key)]; ok {
		return known, b
	}
	place := PlaceID(len(s.places))
	s.places = append(s.places, p)
	s.placeIDs[string(key)] = place
	return place, b
}

// stdSite is the frame of Site in a stack wholly inside the standard library.
func (s *Symbols) stdSite(frames []Frame) int {
	op := 0
	for op < len(frames)-1 && isMachinery(s.String(frames[op].Func)) {
		op++
	}
	if isMachinery(s.String(frames[op].Func)) {
		return 0
	}
	pkg := PackageOf(s.String(frames[op].Func))
	for i := op + 1; i < len(frames); i++ {
		if name := s.String(frames[i].Func); PackageOf(name) != pkg && !isMachinery(name) {
			return i
		}
	}
	return op
}

// primitive tells what a stack waits at. It begins with the runtime's functions only
// where a status tells it; else with what calls them, at the earliest runtime.chanrecv1
// and the like.
func (s *Symbols) primitive(frames []Frame) Primitive {
	for i, f := range frames {
		fn := s.String(f.Func)
		switch {
		case strings.HasPrefix(fn, "runtime.chansend"):
			return PrimChanSend
		case strings.HasPrefix(fn, "runtime.chanrecv"):
			return PrimChanReceive
		case fn == "runtime.selectgo":
			return PrimSelect
		case fn == "runtime.block":
			return PrimForever
		case strings.HasPrefix(fn, "runtime."):
		case fn == "time.Sleep":
			return PrimSleep
		case fn == "sync.(*Cond).Wait", fn == "sync.runtime_notifyListWait":
			return PrimCond
		case fn == "internal/poll.(*FD).Close":
			return PrimFile
		case fn == "internal/poll.runtime_pollWait", strings.HasPrefix(fn, "internal/poll.(*pollDesc)."), strings.HasPrefix(fn, "internal/poll.(*FD)."):
			return PrimNetwork
		default:
			return s.semaphore(frames[i:])
		}
	}
	return PrimNone
}

// semaphore tells what waits for a semaphore: the outermost of the types that are built
// on one another.
func (s *Symbols) semaphore(frames []Frame) (p Primitive) {
	for _, f := range frames {
		switch fn := s.String(f.Func); {
		case strings.Contains(fn, ".runtime_Semacquire"):
			p = PrimSemaphore
		case strings.HasPrefix(fn, "sync.(*Mutex)."), strings.HasPrefix(fn, "internal/sync.(*Mutex)."):
			p = PrimMutex
		case strings.HasPrefix(fn, "sync.(*RWMutex).RLock"), strings.HasPrefix(fn, "sync.(*RWMutex).rLock"):
			return PrimRead
		case strings.HasPrefix(fn, "sync.(*RWMutex).Lock"):
			return PrimWrite
		case strings.HasPrefix(fn, "sync.(*Once)."):
			return PrimOnce
		case strings.HasPrefix(fn, "sync.(*WaitGroup).Wait"):
			return PrimWaitGroup
		case strings.HasPrefix(fn, "internal/poll.(*fdMutex)."):
			return PrimFile
		default:
			return p
		}
	}
	return p
}
