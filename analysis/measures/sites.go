package measures

import (
	"cmp"
	"slices"

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
	most := make(map[tally.Label]K)
	for k, v := range m {
		l := name(k)
		if best, ok := most[l]; !ok || cost(v) > cost(m[best]) || cost(v) == cost(m[best]) && order(k, best) < 0 {
			most[l] = k
		}
	}
	for _, r := range tally.Rank(m, name, add, cost) {
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
	sums := make(map[string]*SiteSum[V])
	most := make(map[string]int64)
	for k, v := range m {
		id, c := stack(k), cost(v)
		if c <= 0 {
			continue
		}
		site := p.SiteName(id)
		s := sums[site]
		if s == nil {
			s = &SiteSum[V]{Site: site, V: new(V)}
			sums[site] = s
		}
		add(s.V, v)
		if c > most[site] || c == most[site] && id < s.Stack {
			most[site], s.Stack = c, id
		}
	}
	var out []SiteSum[V]
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b SiteSum[V]) int {
		return cmp.Or(cmp.Compare(cost(b.V), cost(a.V)), cmp.Compare(a.Site, b.Site))
	})
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
