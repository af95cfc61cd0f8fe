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

// Body returns the function that a goroutine with this stack is about where its entry
// function only calls it: the one below a wrapper such as sync.(*WaitGroup).Go,
// testing.tRunner or a helper of the program; 0 when there is none.
func (s *Symbols) Body(id StackID) StringID {
	if int(id) >= len(s.stacks) {
		return 0
	}
	return s.stacks[id].body
}

// isGoWrap reports whether the compiler made a function for a go statement with
// arguments (cmd/compile/internal/walk/order.go: wrapGoDefer).
func isGoWrap(fn string) bool {
	i := strings.LastIndex(fn, ".gowrap")
	return i >= 0 && strings.Trim(fn[i+len(".gowrap"):], "0123456789") == ""
}

// Own reports whether a frame is of the main module: not of the standard library, of a
// dependency (in the module cache, vendored, or built with -trimpath) or of cgo's stubs.
func (s *Symbols) Own(f Frame) bool {
	if f.Func == 0 || IsStd(s.String(f.Func)) {
		return false
	}
	file := strings.ReplaceAll(s.String(f.File), `\`, "/")
	return !strings.Contains(file, "/pkg/mod/") && !strings.Contains(file, "@v") && !strings.Contains(file, "/vendor/") &&
		!strings.HasPrefix(file, "vendor/") && !strings.HasSuffix(file, "_cgo_gotypes.go")
}

// placeOf finds the place of frames and what a goroutine with them is about. id is
// their stack, if it is the first of its place.
func (s *Symbols) placeOf(frames []Frame, id StackID) (PlaceID, StringID) {
	if len(frames) == 0 {
		return 0, 0
	}
	site, body := -1, StringID(0)
	dependency := -1
	root := len(frames) - 1
	rootOwn := false
	for i := root; i >= 0; i-- { // from the outermost
		f := frames[i]
		if s.Own(f) {
			if i == root {
				rootOwn = true
			} else if body == 0 && (!rootOwn || i == root-1) {
				body = f.Func
			}
			site = i
		} else if dependency < 0 && !IsStd(s.String(f.Func)) {
			dependency = i
		}
	}
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
		return known, body
	}
	place := PlaceID(len(s.places))
	s.places = append(s.places, p)
	s.placeIDs[string(key)] = place
	return place, body
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
	pkg := pkgOf(s.String(frames[op].Func))
	for i := op + 1; i < len(frames); i++ {
		if name := s.String(frames[i].Func); pkgOf(name) != pkg && !isMachinery(name) {
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
