package measures

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// TestNames: whichever way names are shared among parts and these are merged, the same
// ones are told apart, and the sums are exact.
func TestNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	type told struct{ name, group parse.StringID }
	for _, groups := range []uint32{3, groupsApart - 1, groupsApart, 3 * groupsApart} {
		var all []told
		for g := range groups {
			n := 1
			if g%7 == 0 {
				n = namesApart + int(g%3) - 1
			}
			for k := range n {
				all = append(all, told{parse.StringID(100_000 + g*100 + uint32(k)), parse.StringID(g + 1)})
			}
		}
		whole, want := newNames[int64](), int64(0)
		parts := make([]names[int64], 4)
		for i := range parts {
			parts[i] = newNames[int64]()
		}
		for _, k := range rng.Perm(len(all)) {
			x, part := all[k], &parts[rng.IntN(len(parts))]
			of, v := Annotation{Name: x.group}, rng.Int64N(100)
			*whole.at(x.name, of, addCount) += v
			*part.at(x.name, of, addCount) += v
			want += v
		}
		left, right := newNames[int64](), newNames[int64]()
		left.merge(&parts[2], addCount)
		left.merge(&parts[0], addCount)
		right.merge(&parts[3], addCount)
		right.merge(&parts[1], addCount)
		right.merge(&left, addCount)
		if !reflect.DeepEqual(right, whole) {
			t.Errorf("%d groups: merged parts differ from the whole", groups)
		}
		var sum int64
		rows := whole.byName()
		for _, v := range rows {
			sum += *v
		}
		if sum != want {
			t.Errorf("%d groups: rows sum to %d, want %d", groups, sum, want)
		}
		if rest := whole.rest != nil; rest != (groups > groupsApart) || len(whole.groups) > groupsApart || len(whole.groups) < min(int(groups), groupsApart/2) {
			t.Errorf("%d groups: %d are told apart, others: %v", groups, len(whole.groups), rest)
		}
		for of, g := range whole.groups { // ids from 1 on: group of.Name-1
			n := 1
			if k := uint32(of.Name) - 1; k%7 == 0 {
				n = namesApart + int(k%3) - 1
			}
			if joined := g.all != nil; joined != (n > namesApart) {
				t.Errorf("group %d of %d names: joined %v", of.Name, n, joined)
			}
		}
	}
}
