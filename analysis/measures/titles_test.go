package measures

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

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
		{say.Typical(p, hist(0, 100)), "900 ns"},
		{say.Typical(p, hist(2, 100)), "at most 900 ns"},
		{say.Typical(p, hist(50, 100)), "100 ns at the median, 900 ns at most"},
		{say.Typical(p, hist(5000, 100)), "100 ns at the median, 100 ns at p99"},
		{say.Times(1), "once"},
		{say.Times(2), "twice"},
		{say.Times(1200), "1,200 times"},
		{say.Numbered(0, "call", "calls"), "no call"},
		{say.Numbered(1, "call", "calls"), "1 call"},
		{say.Brief("main.work"), "main.work"},
		{say.Brief("example.org/a/b.(*T[go.shape.struct { a/b.X }]).M"), "b.(*T).M"},
		{say.Brief("github.com/a/averylongpackagename.(*Type).Method"), "averylongpackagename.(*Type…"},
		{say.Mostly([]string{"a", "b", "c", "d"}, []int64{1, 0, 5, 2}), "5 c, 2 d, 1 other"},
		{say.Mostly([]string{"a", "b"}, []int64{0, 3}), "3 b"},
		{matrixTitle(map[procPair]*Stolen{{0, 1}: {N: 3}, {2, 1}: {N: 1}, {1, 0}: {N: 2}}), "P 1 steals most: 4 of 6 stolen goroutines, 75 % of them from P 0"},
		{matrixTitle(map[procPair]*Stolen{{0, 1}: {N: 1}}), "P 1 steals most: 1 of 1 stolen goroutine, all of them from P 0"},
		{matrixTitle(map[procPair]*Stolen{{0, 1}: {N: 2}, {1, 0}: {N: 2}}), "P 0 steals as much as any: 2 of 4 stolen goroutines, all of them from P 1"},
		{matrixTitle(map[procPair]*Stolen{{0, 1}: {ambiguous: 1}}), "No goroutine was stolen for certain; 1 start may have been"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
