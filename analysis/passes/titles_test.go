package passes

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// TestTitles: a title is one line that begins with a capital letter and states a
// fact with its numbers.
func TestTitles(t *testing.T) {
	longest := 0
	for _, name := range ownTraces(t) {
		for _, r := range analysistest.Report(t, analysistest.Testdata(t, name), All()...).Results {
			for _, f := range r.Figures {
				first, _ := utf8.DecodeRuneInString(f.Title)
				n := utf8.RuneCountInString(f.Title)
				longest = max(longest, n)
				switch {
				case !unicode.IsUpper(first), strings.Contains(f.Title, "%!"), strings.ContainsAny(f.Title, "\n\t"), n > 105:
					t.Errorf("%s: %s has title %q (%d characters)", name, f.Name, f.Title, n)
				case !strings.ContainsFunc(f.Title, unicode.IsDigit) && !strings.HasPrefix(f.Title, "No "):
					t.Errorf("%s: %s has no number in title %q", name, f.Name, f.Title)
				}
			}
		}
	}
	if longest < 60 {
		t.Errorf("the longest title has %d characters: not the traces this test is about", longest)
	}
}

func TestTitleWords(t *testing.T) {
	p := &analysis.Pass{Trace: &parse.Trace{Quantum: 1}}
	hist := func(n int, v int64) *sketch.Histogram {
		h := new(sketch.Histogram)
		for range n {
			h.Add(v)
		}
		h.Add(9 * v)
		return h
	}
	for _, c := range []struct{ got, want string }{
		{typical(p, hist(0, 100)), "900 ns"},
		{typical(p, hist(2, 100)), "at most 900 ns"},
		{typical(p, hist(50, 100)), "100 ns at the median, 900 ns at most"},
		{typical(p, hist(5000, 100)), "100 ns at the median, 100 ns at p99"},
		{times(1), "once"},
		{times(2), "twice"},
		{times(1200), "1,200 times"},
		{numbered(0, "call", "calls"), "no call"},
		{numbered(1, "call", "calls"), "1 call"},
		{brief("main.work"), "main.work"},
		{brief("example.org/a/b.(*T[go.shape.struct { a/b.X }]).M"), "b.(*T).M"},
		{brief("github.com/a/averylongpackagename.(*Type).Method"), "averylongpackagename.(*Type…"},
		{mostly([]string{"a", "b", "c", "d"}, []int64{1, 0, 5, 2}), "5 c, 2 d, 1 other"},
		{mostly([]string{"a", "b"}, []int64{0, 3}), "3 b"},
		{matrixTitle(map[procPair]*stolen{{0, 1}: {n: 3}, {2, 1}: {n: 1}, {1, 0}: {n: 2}}), "P 1 steals most: 4 of 6 stolen goroutines, 75 % of them from P 0"},
		{matrixTitle(map[procPair]*stolen{{0, 1}: {n: 1}}), "P 1 steals most: 1 of 1 stolen goroutine, all of them from P 0"},
		{matrixTitle(map[procPair]*stolen{{0, 1}: {n: 2}, {1, 0}: {n: 2}}), "P 0 steals as much as any: 2 of 4 stolen goroutines, all of them from P 1"},
		{matrixTitle(map[procPair]*stolen{{0, 1}: {ambiguous: 1}}), "No goroutine was stolen for certain; 1 start may have been"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
