package measures

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/parse"
)

func funcName(tr *parse.Trace, id parse.StringID) string { return parse.CleanFunc(tr.String(id)) }

// SiteOf names the first frame of the main module at a place: "main.get:12".
func SiteOf(tr *parse.Trace, pl parse.Place) string {
	return fmt.Sprintf("%s:%d", funcName(tr, pl.Site.Func), pl.Site.Line)
}

// PlaceName names a place: the first frame of the main module, the library function it
// calls, and what that waits at: "main.order:19 → log.(*Logger).Println (sync.Mutex)",
// "main.orders:89 → database/sql.(*DB).Query (select in database/sql.(*DB).conn)".
func PlaceName(tr *parse.Trace, id parse.PlaceID) string {
	pl := tr.Place(id)
	if pl.Stack == 0 {
		return "(no stack)"
	}
	name := SiteOf(tr, pl)
	call, inner := callName(tr, pl), funcName(tr, pl.Inner)
	if call != "" {
		name += " → " + call
	}
	in := call != "" && inner != call && pl.Inner != pl.Site.Func && !strings.HasPrefix(inner, "sync.") && inner != "time.Sleep"
	switch prim := pl.Prim.String(); {
	case pl.Prim == parse.PrimNetwork || in && prim == "":
		name += " (" + strings.TrimSpace(prim+" "+verbOf(inner)) + ")"
	case in:
		name += " (" + prim + " in " + inner + ")"
	case prim != "":
		name += " (" + prim + ")"
	}
	return name
}

// verbOf is a function of package net as what it does, any other as it is.
func verbOf(inner string) string {
	if strings.HasPrefix(inner, "net.(") {
		return strings.ToLower(inner[strings.LastIndexByte(inner, '.')+1:])
	}
	return inner
}

// callName is the library function called at a place, "" where the primitive says as
// much.
func callName(tr *parse.Trace, pl parse.Place) string {
	call := funcName(tr, pl.Call)
	switch {
	case strings.HasPrefix(call, "runtime."), pl.Prim != parse.PrimNone && (strings.HasPrefix(call, "sync.") || call == "time.Sleep"):
		return ""
	}
	return call
}

// CalledBy is who calls the package of the main module that a stack is in, but for who is
// named anyway: "api.(*client).get:12 ← store.(*users).load:40".
func CalledBy(tr *parse.Trace, stack parse.StackID, named string) string {
	var by []string
	for _, f := range tr.Callers(stack) {
		name := funcName(tr, f.Func)
		if name == named {
			break
		}
		by = append(by, fmt.Sprintf("%s:%d", name, f.Line))
	}
	return strings.Join(by, " ← ")
}

// calledBy is that for the end of a sentence.
func calledBy(tr *parse.Trace, stack parse.StackID, named string) string {
	if by := CalledBy(tr, stack, named); by != "" {
		return " (called by " + by + ")"
	}
	return ""
}

// common is the innermost frame of a stack whose function, and all that it was called by,
// another stack has too; ok is false where it is not of the main module, or the entry
// function.
func common(tr *parse.Trace, stack, other parse.StackID) (f parse.Frame, ok bool) {
	a, b := tr.Stack(stack), tr.Stack(other)
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n].Func == b[len(b)-1-n].Func {
		n++
	}
	if n < 2 || n == len(a) {
		return f, false
	}
	f = a[len(a)-n]
	return f, tr.Own(f)
}
