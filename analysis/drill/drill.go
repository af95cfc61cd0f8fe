// Package drill answers questions about one thing of a trace: a goroutine, a moment, a
// place, the program's log. Its analyzers are in no catalogue, since what they look at is
// told by who asks. Where the trace does not have it, they are not applicable, and say
// what it has instead.
package drill

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// Page is the part of a list that is wanted: its rows from Offset on, at most Limit.
type Page struct{ Offset, Limit int }

// end is how many rows there must be for the page to be full.
func (p Page) end() int { return p.Offset + p.Limit }

// of cuts a table with all its rows to the page.
func (p Page) of(t *analysis.Table) *analysis.Table {
	n := len(t.Rows)
	t.Rows = t.Rows[min(p.Offset, n):min(p.end(), n)]
	t.More += int64(n - len(t.Rows))
	return t
}

// label is where a goroutine was, and what it did there.
func label(tr *parse.Trace, state parse.GoState, stack parse.StackID, cause parse.Cause) string {
	switch state {
	case parse.GoRunnable:
		return "for a P: " + cause.String()
	case parse.GoNotExist:
		return "not created yet"
	case parse.GoUndetermined:
		return "not told by the trace"
	}
	if stack == 0 {
		return "(no stack)"
	}
	return measures.PlaceName(tr, tr.PlaceOf(stack))
}

// ended says what ended a wait.
func ended(state parse.GoState, ready parse.Ready) any {
	if state != parse.GoWaiting {
		return nil
	}
	if ready == parse.ReadyUnknown {
		return "not ended"
	}
	return ready.String()
}

// goCell is a goroutine's number as a cell.
func goCell(g parse.GoID) any {
	if g == parse.NoGo {
		return nil
	}
	return int64(g)
}

// wakerAt is where a waker was as a cell.
func wakerAt(tr *parse.Trace, waker parse.GoID, stack parse.StackID) any {
	if waker == parse.NoGo || stack == 0 {
		return nil
	}
	return measures.PlaceName(tr, tr.PlaceOf(stack))
}

// near are the names most like what was asked for, at most 5, in words.
func near(want string, names []string) string {
	want = strings.ToLower(want)
	distance := make(map[string]int)
	for _, n := range names {
		distance[n] = apartness(want, strings.ToLower(n))
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(distance[a], distance[b]) })
	if len(names) > 5 {
		names = names[:5]
	}
	return strings.Join(names, ", ")
}

// apartness is how many letters, and how many pairs of neighbouring ones, of a are not in b.
func apartness(a, b string) (n int) {
	for i := range len(a) {
		if !strings.Contains(b, a[i:i+1]) {
			n++
		}
		if i > 0 && !strings.Contains(b, a[i-1:i+1]) {
			n++
		}
	}
	return n
}

// causeOf is what most of a wait for a P was made of.
func causeOf(g *parse.Go) (most parse.Cause) {
	for c, ns := range g.Wait {
		if ns > g.Wait[most] {
			most = parse.Cause(c)
		}
	}
	return most
}
