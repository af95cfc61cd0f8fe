package parse_test

import (
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// TestGenericNames: type arguments, of types and methods, are no part of a function's
// name, and their packages are not its own.
func TestGenericNames(t *testing.T) {
	for fn, want := range map[string]string{
		"":                               "",
		"main.main":                      "main",
		"net/http.(*conn).serve":         "serve",
		"main.F[...]":                    "F",
		"main.(*T[...]).M":               "M",
		"a/b.(*T[...]).M[...]":           "M",
		"a/b.(*T[go.shape.int]).M[...]":  "M",
		"main.F[go.shape.[]x/y.T[b.U]]":  "F",
		"main.(*T[...]).M[...].func1":    "func1",
		"main.F[net/http.Header].gowrap": "gowrap",
		"]":                              "",
	} {
		if got := parse.ShortName(fn); got != want {
			t.Errorf("%q: %q, want %q", fn, got, want)
		}
	}
	for fn, want := range map[string]bool{
		"main.F[net/http.Header]":                    false,
		"example.com/a.(*T[sync.Mutex]).M[...]":      false,
		"sync.(*Map[example.com/a.T]).Load[...]":     true,
		"slices.SortFunc[go.shape.struct { a/b.T }]": true,
	} {
		if parse.IsStd(fn) != want {
			t.Errorf("%q is of the standard library: %v", fn, !want)
		}
	}
}

// TestInlinedClosure: a closure of a function of the standard library that was inlined has
// a name of the program's, and is no place of it; programs of Go itself are.
func TestInlinedClosure(t *testing.T) {
	var sym parse.Symbols
	at := func(fn, file string) parse.Frame {
		return parse.Frame{Func: sym.Intern(fn), File: sym.Intern(file), Line: 7}
	}
	const root = "/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.25.3.linux-amd64/src/"
	id := sym.InternStack(at("sync.(*Once).Do", root+"sync/once.go"), at("main.init.OnceValue[...].func1", root+"sync/oncefunc.go"), at("main.locate", "/src/geo/main.go"), at("runtime.main", root+"runtime/proc.go"))
	if got := sym.String(sym.Place(sym.PlaceOf(id)).Site.Func); got != "main.locate" {
		t.Errorf("the place is in %s", got)
	}
	id = sym.InternStack(at("sync.(*Mutex).Lock", root+"sync/mutex.go"), at("cmd/go/internal/load.build", root+"cmd/go/internal/load/pkg.go"))
	if got := sym.String(sym.Place(sym.PlaceOf(id)).Site.Func); got != "cmd/go/internal/load.build" {
		t.Errorf("the place is in %s", got)
	}
}

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
	loop := sym.InternStack(frame("runtime.asyncPreempt2", 1), frame("runtime.asyncPreempt", 2))
	if f, ok := sym.Site(loop); ok || sym.Entry(loop) != 0 {
		t.Errorf("a loop without a frame is at %s of %s", sym.String(f.Func), sym.String(sym.Entry(loop)))
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
