package sketch

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"slices"
	"testing"
)

func TestTopLaw(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, size := range []int{0, 1, 5, 64} {
		for _, n := range []int{0, 1, 4, 5, 6, 64, 65, 1000} {
			for _, values := range []int64{1, 3, 1e9} { // few values: ties in time and id as well
				var same, different []Entry[string]
				for i := range n {
					k := Key{r.Int63n(values), 1e15 + r.Int63n(values), r.Int63n(values)}
					same = append(same, Entry[string]{k, fmt.Sprint(k)})
					different = append(different, Entry[string]{k, fmt.Sprint(i)})
				}
				tops(size, false).check(t, r, same)
				tops(size, true).check(t, r, different)

				want := slices.Clone(different)
				slices.SortStableFunc(want, func(a, b Entry[string]) int {
					if a.before(b.Key) {
						return -1
					}
					if b.before(a.Key) {
						return 1
					}
					return 0
				})
				want = want[:min(size, n)]
				top := tops(size, true).fold(different)
				if got := top.Items(); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("first %d of %d:\n%v\n%v", size, n, got, want)
				}
			}
		}
	}
}

func TestTopOrder(t *testing.T) {
	want := []Key{{9, 2, 2}, {5, 1, 7}, {5, 2, 1}, {5, 2, 3}, {5, 2, 3}, {0, 0, 0}, {math.MinInt64, 0, 0}}
	for _, reverse := range []bool{false, true} {
		top := NewTop[int](len(want) - 1)
		in := slices.Clone(want)
		if reverse {
			slices.Reverse(in)
		}
		for _, k := range in {
			top.Add(k, 0)
		}
		var got []Key
		for _, e := range top.Items() {
			got = append(got, e.Key)
		}
		if !slices.Equal(got, want[:len(want)-1]) {
			t.Errorf("reverse %v: %v", reverse, got)
		}
	}
}

// What Wants refuses would not have been kept.
func TestTopWants(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	top, all := NewTop[int](4), NewTop[int](4)
	refused := 0
	for i := range 1000 {
		k := Key{r.Int63n(50), r.Int63n(5), 0}
		all.Add(k, i)
		if top.Wants(k.Value) {
			top.Add(k, i)
		} else {
			refused++
		}
	}
	if !reflect.DeepEqual(top, all) || refused < 500 {
		t.Errorf("%v, want %v; %d refused", top, all, refused)
	}
	if NewTop[int](0).Wants(math.MaxInt64) || !NewTop[int](1).Wants(math.MinInt64) {
		t.Error("an empty Top wants by its size")
	}
}

func TestTopItemsAreACopy(t *testing.T) {
	top := NewTop[int](2)
	top.Add(Key{Value: 1}, 1)
	top.Items()[0].Item = 99
	if got := top.Items()[0].Item; got != 1 {
		t.Errorf("item %d", got)
	}
}

func BenchmarkTopAdd(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	values := make([]int64, 4096)
	for i := range values {
		values[i] = r.Int63n(1e9)
	}
	b.Run("refused", func(b *testing.B) { // as nearly all are
		b.ReportAllocs()
		top := NewTop[[8]int64](10)
		for i := range b.N {
			top.Add(Key{values[i%len(values)], int64(i), 0}, [8]int64{})
		}
	})
	b.Run("first", func(b *testing.B) { // every one moves all
		b.ReportAllocs()
		top := NewTop[[8]int64](10)
		for i := range b.N {
			top.Add(Key{int64(i), 0, 0}, [8]int64{})
		}
	})
}
