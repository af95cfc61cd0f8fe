package parse

import "cmp"

// name learns g's entry function from one of its stacks.
func (t *tracker) name(g *goroutine, s StackID) {
	if s == 0 {
		return
	}
	if s != g.bodyStack && g.bodyDepth != 1 && t.stacks[s].tells {
		t.learnBody(g, s)
	}
	t.foretell(g, s)
}

// foretell learns g's entry function from a stack that it may have only later.
func (t *tracker) foretell(g *goroutine, s StackID) {
	if g.Func != 0 || t.stacks[s].entry == 0 {
		return
	}
	entry := t.entry(g, s)
	g.Func = entry
	t.reclass(g, t.class(entry))
	g.callback = g.callback || t.classes[entry]&fromC != 0
	if g.finalizes = t.classes[entry]&finalizes != 0; g.finalizes && !g.bornSeen {
		t.reclass(g, t.lends(g))
	}
	if t.sink[KindGoNamed] != nil && g.spent != [NumGoStates]int64{} {
		t.tellLife(g, KindGoNamed, false)
	}
}

// entry is the entry function that a stack of g's tells.
func (t *tracker) entry(g *goroutine, s StackID) StringID {
	fn := t.stacks[s].entry
	if fn == 0 || t.class(fn) != ClassUser || t.classes[fn]&groups == 0 {
		return fn
	}
	given := t.stacks[g.site].gives
	if g.site == 0 {
		given = t.stacks[s].given
	}
	if given == 0 {
		return fn
	}
	t.groupGos.started(given, fn)
	return given
}

// learnBody learns what g is about from one of its stacks that tells: not from one where
// it began, by the go statement, since a wait has more frames, nor from that of a library
// at its own work.
func (t *tracker) learnBody(g *goroutine, s StackID) {
	info := &t.stacks[s]
	if g.bodyStack == 0 {
		b := info.body
		if b.helper && g.Func != 0 && t.classes[g.Func]&wraps != 0 {
			b = body{fn: info.entry, depth: 1} // stacks leave that wrapper out
		}
		g.Body, g.bodyStack, g.bodyDepth = b.fn, s, b.depth
		if t.groupGos.entry[g.Func] != 0 {
			t.groupGos.learn(g.Func, b.fn, info.frames[len(info.frames)-info.body.own].Func)
		}
		return
	}
	first, frames := t.stacks[g.bodyStack].frames, info.frames
	for d := range int(g.bodyDepth) {
		if d >= len(frames) || frames[len(frames)-1-d].Func != first[len(first)-1-d].Func {
			g.bodyDepth = uint8(d)
			return
		}
	}
}

// common is the innermost function that all of g's stacks have in common, 0 if it is none
// of the main module.
func (t *tracker) common(g *goroutine) StringID {
	if g.bodyDepth == 0 {
		return 0
	}
	info := &t.stacks[g.bodyStack]
	if int(g.bodyDepth) < info.body.own {
		return 0
	}
	return info.frames[len(info.frames)-int(g.bodyDepth)].Func
}

// groupFuncsOf finds the entry functions of goroutines that groups start: one of their own
// for each call of a group in the program, or of those from before the trace for each
// function that one was given, so that tables by function tell them apart. Their names are
// those of the group's functions until the end of the trace, when it is known what they
// are about. gives is of a stack that is such a call, given of one of such a goroutine.
func (s *Symbols) groupFuncsOf(info *stackInfo, place *Place) (gives, given StringID) {
	n := len(info.frames)
	if n == 0 {
		return 0, 0
	}
	if leaf := info.frames[0]; place.Own && place.Site != leaf {
		if entry := s.String(leaf.Func) + ".func1"; isGroupGo(entry) {
			gives = s.groupFunc(groupCall{place: info.place}, entry)
		}
	}
	if own, entry := info.body.own, s.String(info.entry); own > 1 && isGroupGo(entry) {
		given = s.groupFunc(groupCall{fn: info.frames[n-own].Func}, entry)
	}
	return gives, given
}

// groupCall is a call of a group, or the function that one was given.
type groupCall struct {
	place PlaceID
	fn    StringID
}

func (s *Symbols) groupFunc(call groupCall, entry string) StringID {
	if id, ok := s.groupFuncs[call]; ok {
		return id
	}
	if s.groupFuncs == nil {
		s.groupFuncs = make(map[groupCall]StringID)
	}
	id := StringID(len(s.strings))
	s.strings = append(s.strings, entry)
	s.groupFuncs[call] = id
	return id
}

// groupWork is what the goroutines are about that groups start, by what groupFunc made.
type groupWork struct {
	entry map[StringID]StringID // the group's own function
	given map[StringID]givenFunc
	group map[StringID]StringID // by what it was given, the last
}

// givenFunc is what goroutines have in common that a group started at one place; 0 where
// they differ.
type givenFunc struct {
	body StringID // see Go.Body
	fn   StringID // what the group was given
}

func newGroupWork() groupWork {
	return groupWork{make(map[StringID]StringID), make(map[StringID]givenFunc), make(map[StringID]StringID)}
}

func (w *groupWork) started(group, entry StringID) {
	if w.entry[group] == 0 {
		w.entry[group] = entry
	}
}

func (w *groupWork) learn(group, body, fn StringID) {
	w.group[fn] = group
	v, known := w.given[group]
	if !known {
		v = givenFunc{body, fn}
	}
	if v.body != body {
		v.body = 0
	}
	if v.fn != fn {
		v.fn = 0
	}
	w.given[group] = v
}

// nameGroups gives the functions that groupFunc made the names of what their goroutines are
// about.
func (s *Symbols) nameGroups(work groupWork) {
	s.groupOf, s.groupEntry = work.group, work.entry
	for group, v := range work.given {
		if fn := cmp.Or(v.body, v.fn); fn != 0 {
			s.strings[group] = s.strings[fn]
		}
	}
}

// Starts returns the outermost function on the stacks of goroutines that go by fn.
func (s *Symbols) Starts(fn StringID) StringID { return cmp.Or(s.groupEntry[fn], fn) }

// Goes returns what goroutines with a stack go by, as Go.Func: its outermost function or,
// where that is what a group starts for a function, one of its own.
func (s *Symbols) Goes(id StackID) StringID {
	fn := s.Entry(id)
	if fn == 0 || !isGroupGo(s.strings[fn]) {
		return fn
	}
	info := &s.stacks[id]
	if own := info.body.own; own > 0 {
		return cmp.Or(s.groupOf[info.frames[len(info.frames)-own].Func], fn)
	}
	return fn
}
