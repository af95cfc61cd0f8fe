package parse

import "testing"

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
