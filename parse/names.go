package parse

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
	entry := t.stacks[s].entry
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
