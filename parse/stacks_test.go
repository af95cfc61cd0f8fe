package parse

import (
	"slices"
	"testing"
)

// TestManyStacks: however many stacks there are, few are held, and each keeps its site
// and entry function.
func TestManyStacks(t *testing.T) {
	var s Symbols
	lock, site, entry, chain := s.Intern("sync.(*Mutex).Lock"), s.Intern("main.work"), s.Intern("main.main"), s.Intern("main.visit")
	for i := range 10 * stacksWhole {
		frames := []Frame{{lock, 0, 1}, {site, 0, 7}}
		for d := range 10 {
			frames = append(frames, Frame{chain, 0, uint32(i >> (2 * d) & 3)})
		}
		for range 5 {
			frames = append(frames, Frame{chain, 0, 9})
		}
		frames = append(frames, Frame{entry, 0, 1})
		id := s.InternStack(frames...)
		if f, ok := s.Site(id); !ok || f.Func != site || f.Line != 7 || s.Entry(id) != entry {
			t.Fatalf("stack %d: site %v, entry %q", i, f, s.String(s.Entry(id)))
		}
		if again := s.InternStack(frames...); again != id {
			t.Fatalf("stack %d: %d, then %d", i, id, again)
		}
	}
	if len(s.stacks) > stacksWhole+10 || s.Shortened == 0 {
		t.Errorf("%d stacks, %d shortened", len(s.stacks), s.Shortened)
	}
	for i := range 5 * stacksWhole { // the ends differ as well
		if id := s.InternStack(Frame{site, 0, uint32(i)}, Frame{chain, 0, 1}, Frame{entry, 0, 2}); s.Entry(id) != entry {
			t.Fatalf("stack %d: entry %q", i, s.String(s.Entry(id)))
		}
	}
	if len(s.stacks) > 2*stacksWhole+10 {
		t.Errorf("%d stacks", len(s.stacks))
	}
}

// The callers of a package of the main module are those in other packages of it; package
// main calls nothing that needs a word.
func TestCallers(t *testing.T) {
	var s Symbols
	frame := func(fn, file string, line uint32) Frame { return Frame{s.Intern(fn), s.Intern(file), line} }
	read := frame("net.(*conn).Read", "/usr/local/go/src/net/net.go", 1)
	recv, do := frame("x.dev/app/wire.(*client).recv", "/src/app/wire/c.go", 30), frame("x.dev/app/wire.(*client).do", "/src/app/wire/c.go", 20)
	get, load := frame("x.dev/app/api.(*client).get", "/src/app/api/a.go", 10), frame("x.dev/app/store.load", "/src/app/store/s.go", 5)
	lib, serve, inMain := frame("y.dev/lib.Do", "/go/pkg/mod/y.dev/lib@v1/l.go", 7), frame("main.serve", "/src/app/main.go", 3), frame("main.recv", "/src/app/main.go", 9)
	for _, c := range []struct{ stack, want []Frame }{
		{[]Frame{read, recv, do, lib, get, load, serve}, []Frame{get, load}},
		{[]Frame{read, recv, serve}, []Frame{serve}},
		{[]Frame{read, recv, do}, nil},
		{[]Frame{read, inMain, get, serve}, nil},
		{[]Frame{read}, nil},
	} {
		if got := s.Callers(s.InternStack(c.stack...)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.stack, got, c.want)
		}
	}
}
