package parse_test

import (
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// TestSymbols: a table is made by hand as Read makes one.
func TestSymbols(t *testing.T) {
	var sym parse.Symbols
	frame := func(fn string, line uint32) parse.Frame {
		return parse.Frame{Func: sym.Intern(fn), File: sym.Intern("main.go"), Line: line}
	}
	if sym.String(0) != "" || sym.Intern("") != 0 || sym.InternStack() != 0 || sym.Entry(0) != 0 {
		t.Error("id 0 is not the empty one")
	}
	a := sym.InternStack(frame("sync.(*Mutex).Lock", 1), frame("main.worker", 2), frame("main.main", 3))
	b := sym.InternStack(frame("main.main", 3))
	if a == b || a == 0 || b == 0 || a != sym.InternStack(frame("sync.(*Mutex).Lock", 1), frame("main.worker", 2), frame("main.main", 3)) {
		t.Errorf("stacks %d and %d", a, b)
	}
	if f, ok := sym.Site(a); !ok || sym.String(f.Func) != "main.worker" || f.Line != 2 {
		t.Errorf("the site is %s:%d", sym.String(f.Func), f.Line)
	}
	if fn := sym.String(sym.Entry(a)); fn != "main.main" {
		t.Errorf("the entry is %s", fn)
	}
	if id, ok := sym.Lookup("main.worker"); !ok || sym.String(id) != "main.worker" {
		t.Error("a string is not found again")
	}
	if p := sym.Place(sym.PlaceOf(a)); p.Site.Func != sym.Intern("main.worker") {
		t.Errorf("the place is %+v", p)
	}
	if sym.Stack(99) != nil || sym.String(99) != "" || sym.Entry(99) != 0 {
		t.Error("ids that are not in the table are something")
	}
}
