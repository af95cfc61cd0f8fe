package passes

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// at returns what m holds under k, a new zero value if it held nothing.
func at[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// mergeKeyed adds the values of from to those of into, sharing none.
func mergeKeyed[K comparable, V any](into, from map[K]*V, add func(into, from *V)) {
	for k, v := range from {
		add(at(into, k), v)
	}
}

// keyed is a map of sums that is looked up at every event. It is as the events
// came: the same for equal sequences of keys, also when their parts are merged in
// order. The hash need not be good, but the same wherever the key is used.
type keyed[K comparable, V any] struct {
	slots   []*keyedEntry[K, V] // by hash, at least half of them nil
	entries []*keyedEntry[K, V] // in the order of arrival
}

type keyedEntry[K comparable, V any] struct {
	hash uint32
	key  K
	v    V
}

// at returns what is held under k, a new zero value if nothing was.
func (t *keyed[K, V]) at(k K, hash uint32) *V {
	mask := uint32(len(t.slots)) - 1
	for i := hash; len(t.slots) > 0; i++ {
		e := t.slots[i&mask]
		if e == nil {
			break
		}
		if e.key == k {
			return &e.v
		}
	}
	return t.add(k, hash)
}

func (t *keyed[K, V]) add(k K, hash uint32) *V {
	e := &keyedEntry[K, V]{hash: hash, key: k}
	t.entries = append(t.entries, e)
	if 2*len(t.entries) <= len(t.slots) {
		t.place(e)
		return &e.v
	}
	t.slots = make([]*keyedEntry[K, V], max(16, 2*len(t.slots)))
	for _, e := range t.entries {
		t.place(e)
	}
	return &e.v
}

func (t *keyed[K, V]) place(e *keyedEntry[K, V]) {
	mask := uint32(len(t.slots)) - 1
	i := e.hash & mask
	for t.slots[i] != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = e
}

// merge adds the values of o, sharing none.
func (t *keyed[K, V]) merge(o *keyed[K, V], add func(into, from *V)) {
	for _, e := range o.entries {
		add(t.at(e.key, e.hash), &e.v)
	}
}

// byKey returns a map of the values held.
func (t *keyed[K, V]) byKey() map[K]*V {
	m := make(map[K]*V, len(t.entries))
	for _, e := range t.entries {
		m[e.key] = &e.v
	}
	return m
}

// mix is a hash of two ids. These are small and dense.
func mix(a, b uint32) uint32 {
	h := (a + b*0x85ebca6b) * 0x9e3779b1
	return h ^ h>>16
}

// byID holds values by a small and dense id.
type byID[K ~uint32, V any] struct {
	rows []*V // nil where there is none, up to the largest id
}

// at returns what is held under k, a new zero value if nothing was.
func (t *byID[K, V]) at(k K) *V {
	if int(k) < len(t.rows) && t.rows[k] != nil {
		return t.rows[k]
	}
	return t.add(k)
}

func (t *byID[K, V]) add(k K) *V {
	for len(t.rows) <= int(k) {
		t.rows = append(t.rows, nil)
	}
	t.rows[k] = new(V)
	return t.rows[k]
}

// merge adds the values of o, sharing none.
func (t *byID[K, V]) merge(o *byID[K, V], add func(into, from *V)) {
	for k, v := range o.rows {
		if v != nil {
			add(t.at(K(k)), v)
		}
	}
}

// byKey returns a map of the values held.
func (t *byID[K, V]) byKey() map[K]*V {
	m := make(map[K]*V)
	for k, v := range t.rows {
		if v != nil {
			m[K(k)] = v
		}
	}
	return m
}

// procTable holds values by P. The ids of Ps are dense, but a trace may tell any.
type procTable[V any] struct {
	rows [256]*V
	more map[parse.ProcID]*V // all others
}

// at returns what is held of a P, a new zero value if nothing was.
func (t *procTable[V]) at(id parse.ProcID) *V {
	if uint(id) < uint(len(t.rows)) && t.rows[id] != nil {
		return t.rows[id]
	}
	return t.add(id)
}

func (t *procTable[V]) add(id parse.ProcID) *V {
	if uint(id) < uint(len(t.rows)) {
		t.rows[id] = new(V)
		return t.rows[id]
	}
	if t.more == nil {
		t.more = make(map[parse.ProcID]*V)
	}
	return at(t.more, id)
}

// byKey returns a map of the values held.
func (t *procTable[V]) byKey() map[parse.ProcID]*V {
	m := make(map[parse.ProcID]*V)
	maps.Copy(m, t.more)
	for id, v := range t.rows {
		if v != nil {
			m[parse.ProcID(id)] = v
		}
	}
	return m
}

// label is what the rows of a table show of a key, in as many texts as needed.
type label [3]string

// ranked is the sum of the values whose keys print alike.
type ranked[V any] struct {
	label label
	v     *V
}

// rank joins the values of m whose keys print alike, the costliest first. add
// must be commutative.
func rank[K comparable, V any](m map[K]*V, name func(K) label, add func(into, from *V), cost func(*V) int64) []ranked[V] {
	joined := make(map[label]*V)
	for k, v := range m {
		add(at(joined, name(k)), v)
	}
	var out []ranked[V]
	for l, v := range joined {
		out = append(out, ranked[V]{l, v})
	}
	slices.SortFunc(out, func(a, b ranked[V]) int {
		return cmp.Or(cmp.Compare(cost(b.v), cost(a.v)), slices.Compare(a.label[:], b.label[:]))
	})
	return out
}

// coarse counts durations in buckets a quarter of a power of two wide. It is for
// distributions per site, where a [sketch.Histogram] would be too large.
type coarse [coarseLen]int64

const coarseLen = 4 * 47 // up to 1<<48 ns; longer ones share the last bucket

func (c *coarse) add(v int64) { c[coarseIndex(v)]++ }

func coarseIndex(v int64) int {
	if v < 4 {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - 1
	return min(4*(e-1)+int(v>>(e-2)&3), coarseLen-1)
}

// coarseTop is the largest value of a bucket.
func coarseTop(i int) int64 {
	if i < 4 {
		return int64(i)
	}
	return (int64(4+i%4)+1)<<(i/4-1) - 1
}

func (c *coarse) merge(o *coarse) {
	for i, n := range o {
		c[i] += n
	}
}

// quantile returns the upper edge of the bucket of the p-th percentile, at most
// 25 % above it, and not above largest; nil with fewer than ten values beyond it.
func (c *coarse) quantile(p, largest int64) any {
	var n, below int64
	for _, k := range c {
		n += k
	}
	if n*(100-p) < 1000 {
		return nil
	}
	rank := (n*p + 99) / 100
	for i, k := range c {
		if below += k; below >= rank {
			return min(coarseTop(i), largest)
		}
	}
	return nil
}

// long is the length that those with the longest tenth of all the time reach.
func (c *coarse) long(largest int64) int64 {
	var total, beyond int64
	for i, n := range c {
		total += n * coarseTop(i)
	}
	for i := coarseLen - 1; i >= 0; i-- {
		if beyond += c[i] * coarseTop(i); beyond > 0 && 10*beyond >= total {
			return min(coarseTop(i), largest)
		}
	}
	return 0
}

// middle is the upper edge of the bucket of the median, of any number of values.
func (c *coarse) middle(largest int64) int64 {
	var n, below int64
	for _, k := range c {
		n += k
	}
	for i, k := range c {
		if below += k; below > 0 && 2*below >= n {
			return min(coarseTop(i), largest)
		}
	}
	return 0
}

// spread writes those of p50, p99 and max that the population of h supports.
func spread(p *analysis.Pass, h *sketch.Histogram) string {
	s := ""
	if v, ok := h.Quantile(.5); ok {
		s += "p50 " + p.Dur(v) + ", "
	}
	if v, ok := h.Quantile(.99); ok {
		s += "p99 " + p.Dur(v) + ", "
	}
	return s + "max " + p.Dur(h.Max())
}

// quantileCell is the cell of a quantile, nil when the population is too small.
func quantileCell(h *sketch.Histogram, q float64) any {
	if v, ok := h.Quantile(q); ok {
		return v
	}
	return nil
}

// maxCell is the cell of the largest value, nil when there is none.
func maxCell(h *sketch.Histogram) any {
	if h.N() == 0 {
		return nil
	}
	return h.Max()
}

// ratioCell is a of b, nil when b is 0.
func ratioCell(a, b int64) any {
	if b == 0 {
		return nil
	}
	return float64(a) / float64(b)
}

// seriesTable makes a table of counts over time, one column per lane.
func seriesTable(p *analysis.Pass, s *sketch.Series, name, title string, lanes ...string) {
	t := &analysis.Table{Name: name, Title: fmt.Sprintf("%s, in buckets of %s", title, p.Dur(s.Width())), Detail: true,
		Columns: []analysis.Column{{Name: "time", Unit: analysis.Moment}}}
	for _, l := range lanes {
		t.Columns = append(t.Columns, analysis.Column{Name: l, Unit: analysis.Count})
	}
	for i := range s.Len() {
		from := max(p.Trace.From, parse.Time(s.Start()+int64(i)*s.Width()))
		row := []any{p.Rel(from)}
		for l := range lanes {
			v := s.At(i, l)
			t.N += v
			row = append(row, v)
		}
		t.Add(row...)
	}
	p.Table(t)
}

// readyWord is how a goroutine became runnable, in words.
func readyWord(r parse.Ready) string {
	switch r {
	case parse.ReadyNetpoll:
		return "network poller"
	case parse.ReadyLockHandoff:
		return "lock handoff"
	case parse.ReadySyscall:
		return "system call"
	case parse.ReadyGC:
		return "GC"
	}
	return r.String()
}

// readyName says who made a goroutine runnable, and where when a goroutine did.
func readyName(p *analysis.Pass, r parse.Ready, stack parse.StackID) string {
	if stack == 0 {
		return "(" + readyWord(r) + ")"
	}
	return p.SiteName(stack)
}

// histogramTable makes a table of a distribution, in the buckets of coarse.
func histogramTable(p *analysis.Pass, h *sketch.Histogram, name, title string) {
	t := &analysis.Table{Name: name, Title: title, N: h.N(), Detail: true,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.NS}, {Name: "to", Unit: analysis.NS}, {Name: "count", Unit: analysis.Count}}}
	var c coarse
	h.Bins(func(lo, _, n int64) bool {
		c[coarseIndex(lo)] += n
		return true
	})
	for i, n := range c {
		if n > 0 {
			t.Add(coarseBottom(i), coarseTop(i), n)
		}
	}
	p.Table(t)
}

// quantileRefs are lines at the quantiles that h supports, or at its maximum.
func quantileRefs(p *analysis.Pass, h *sketch.Histogram) (refs []analysis.Ref) {
	add := func(name string, v int64) {
		refs = append(refs, analysis.Ref{Axis: "x", Value: analysis.Number(v), Label: name + " " + p.Dur(v)})
	}
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}} {
		if v, ok := h.Quantile(q.q); ok {
			add(q.name, v)
		}
	}
	if len(refs) == 0 && h.N() > 0 {
		add("longest", h.Max())
	}
	return refs
}

func coarseBottom(i int) int64 {
	if i == 0 {
		return 0
	}
	return coarseTop(i-1) + 1
}

// ratio is part of whole, 0 of nothing.
func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// counted writes n and the name of what is counted.
func counted(n int64, one, many string) string {
	if n != 1 {
		one = many
	}
	return analysis.FormatCount(n) + " " + one
}
