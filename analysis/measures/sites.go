package measures

import (
	"cmp"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/parse"
)

const (
	SamplePeriod = 10_000_000 // ns between CPU samples of a thread, runtime.SetCPUProfileRate(100)
)

// Joined is the sum of the values whose keys print alike, and the key with most of it.
type Joined[K comparable, V any] struct {
	Key K
	V   *V
}

// JoinSites sums values as rank does: one place in the code has many stacks.
func JoinSites[K comparable, V any](m map[K]*V, name func(K) tally.Label, add func(into, from *V), cost func(*V) int64, order func(a, b K) int) (out []Joined[K, V]) {
	most, labels := make(map[tally.Label]K, len(m)), make(map[K]tally.Label, len(m))
	for k, v := range m {
		l := name(k)
		labels[k] = l
		if best, ok := most[l]; !ok || cost(v) > cost(m[best]) || cost(v) == cost(m[best]) && order(k, best) < 0 {
			most[l] = k
		}
	}
	for _, r := range tally.Rank(m, func(k K) tally.Label { return labels[k] }, add, cost) {
		out = append(out, Joined[K, V]{most[r.Label], r.V})
	}
	return out
}

// A SiteSum is what was summed up for one site of the program, and the stack there
// that costs most.
type SiteSum[V any] struct {
	Site  string
	Stack parse.StackID
	V     *V
}

// RankSites joins values by the site of their stack, the costliest first, without
// those that cost nothing.
func RankSites[K comparable, V any](p *analysis.Pass, m map[K]*V, stack func(K) parse.StackID, add func(into, from *V), cost func(*V) int64) []SiteSum[V] {
	paid := make(map[K]*V)
	for k, v := range m {
		if cost(v) > 0 {
			paid[k] = v
		}
	}
	var out []SiteSum[V]
	for _, at := range JoinSites(paid, func(k K) tally.Label { return tally.Label{p.SiteName(stack(k))} }, add, cost,
		func(a, b K) int { return cmp.Compare(stack(a), stack(b)) }) {
		out = append(out, SiteSum[V]{p.SiteName(stack(at.Key)), stack(at.Key), at.V})
	}
	return out
}

// StackFunc is the program's own function of a stack.
func StackFunc(p *analysis.Pass, id parse.StackID) string {
	f, ok := p.Trace.Site(id)
	if !ok {
		return ""
	}
	return p.Trace.String(f.Func)
}
