package sketch

import (
	"fmt"
	"math/rand"
	"reflect"
	"testing"
)

// A kind is a sketch type as the law sees it, with inputs of type I.
type kind[S, I any] struct {
	empty   func() S
	add     func(S, I)
	merge   func(S, S)
	ordered bool // parts must merge in order
}

func (k kind[S, I]) fold(inputs []I) S {
	s := k.empty()
	for _, in := range inputs {
		k.add(s, in)
	}
	return s
}

// settled is s merged into an empty one: what s holds back is added.
func (k kind[S, I]) settled(s S) S {
	all := k.empty()
	k.merge(all, s)
	return all
}

// check folds the inputs in one go, and then several times cut at random places
// (some parts are empty) and merged in random groups.
func (k kind[S, I]) check(t *testing.T, r *rand.Rand, inputs []I) {
	t.Helper()
	want := k.settled(k.fold(inputs))
	for range 6 {
		shuffled := append([]I(nil), inputs...)
		if !k.ordered {
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		}
		var parts []S
		var cut [][]I
		for rest := shuffled; len(rest) > 0 || len(parts) == 0; {
			n := min(len(rest), r.Intn(1+[]int{1, 10, 100, 1000}[r.Intn(4)]))
			cut = append(cut, rest[:n])
			parts = append(parts, k.fold(rest[:n]))
			rest = rest[n:]
		}
		for len(parts) > 1 {
			i := r.Intn(len(parts) - 1)
			a, b := parts[i], parts[i+1]
			inB := cut[i+1]
			if !k.ordered && r.Intn(2) == 0 {
				a, b, inB = b, a, cut[i]
			}
			k.merge(a, b)
			if !reflect.DeepEqual(k.settled(b), k.settled(k.fold(inB))) {
				t.Fatalf("Merge changed its argument")
			}
			// What is kept of b, or shared with it, now changes a.
			for _, in := range inputs[:min(len(inputs), 40)] {
				k.add(b, in)
			}
			parts[i], cut[i] = a, append(append([]I(nil), cut[i]...), cut[i+1]...)
			parts, cut = append(parts[:i+1], parts[i+2:]...), append(cut[:i+1], cut[i+2:]...)
		}
		if merged := k.settled(parts[0]); !reflect.DeepEqual(merged, want) {
			t.Fatalf("%d inputs: merged differs from sequential:\n%s\n%s", len(inputs), show(merged), show(want))
		}
	}
}

func show(v any) string {
	s := fmt.Sprintf("%+v", v)
	return s[:min(len(s), 2000)]
}

type valueN struct{ v, n int64 }

var histograms = kind[*Histogram, valueN]{
	empty: func() *Histogram { return new(Histogram) },
	add:   func(h *Histogram, in valueN) { h.AddN(in.v, in.n) },
	merge: (*Histogram).Merge,
}

type span struct {
	point    bool
	lane     int
	from, to int64
	weight   int64
}

const lanes = 3

var serieses = kind[*Series, span]{
	empty: func() *Series { return NewSeries(lanes) },
	add: func(s *Series, in span) {
		if in.point {
			s.AddPoint(in.lane, in.from, in.weight)
		} else {
			s.AddSpan(in.lane, in.from, in.to, in.weight)
		}
	},
	merge: (*Series).Merge,
}

type sample struct{ t, v int64 }

var gauges = kind[*Gauge, sample]{
	empty: NewGauge,
	add:   func(g *Gauge, in sample) { g.Set(in.t, in.v) },
	merge: (*Gauge).Merge,
}

func tops(n int, ordered bool) kind[*Top[string], Entry[string]] {
	return kind[*Top[string], Entry[string]]{
		empty:   func() *Top[string] { return NewTop[string](n) },
		add:     func(t *Top[string], in Entry[string]) { t.Add(in.Key, in.Item) },
		merge:   (*Top[string]).Merge,
		ordered: ordered,
	}
}

type interval struct {
	from, to int64
	on       bool
	weight   int64
}

func (in interval) mass() int64 { return in.weight * (in.to - in.from) }

func stretches(min int64) kind[*Stretch, interval] {
	return kind[*Stretch, interval]{
		empty:   func() *Stretch { return NewStretch(min) },
		add:     func(s *Stretch, in interval) { s.Add(in.from, in.to, in.on, in.mass()) },
		merge:   (*Stretch).Merge,
		ordered: true,
	}
}

func TestMergeNeedsSameParameters(t *testing.T) {
	for name, merge := range map[string]func(){
		"Series":  func() { NewSeries(1).Merge(NewSeries(2)) },
		"Top":     func() { NewTop[int](1).Merge(NewTop[int](2)) },
		"Stretch": func() { NewStretch(1).Merge(NewStretch(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			merge()
		})
	}
}

// After the first input, which sizes the storage, adding allocates nothing,
// also while the covered time grows by nine powers of ten.
func TestAddDoesNotAllocate(t *testing.T) {
	var h Histogram
	h.AddN(5, inline+1)
	s := NewSeries(lanes)
	s.AddPoint(0, 1e15, 1)
	g := NewGauge()
	g.Set(1e15, 1)
	top := NewTop[string](16)
	top.Add(Key{}, "")
	st := NewStretch(10)
	var few Histogram
	i, at := int64(0), int64(1e15)
	if n := testing.AllocsPerRun(3000, func() {
		i++
		at += i * i * i
		h.Add(at)
		s.AddSpan(1, at-1000, at+i*i, 2)
		s.AddPoint(2, 2e15-at, 1)
		g.Set(at, i)
		top.Add(Key{i, at, 0}, "x")
		st.Add(at, at+10, i%3 > 0, 1)
		few = Histogram{}
		for v := range int64(inline) {
			few.Add(-v * i)
		}
	}); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
	if few.N() != inline || s.Width() == MinWidth {
		t.Errorf("the test did not do what it says: N %d, width %d", few.N(), s.Width())
	}
}

// FuzzLaw reads an input from each 5 bytes, and cuts where the last bit is set.
func FuzzLaw(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\xff\xff\xff\xff\xff"))
	f.Add([]byte("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"))
	seed := make([]byte, 5*200)
	rand.New(rand.NewSource(1)).Read(seed)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var wholeH, leftH Histogram
		var partsH []*Histogram
		wholeS, leftS := NewSeries(lanes), NewSeries(lanes)
		var partsS []*Series
		partH, partS := new(Histogram), NewSeries(lanes)
		var sum, n int64
		for ; len(data) >= 5; data = data[5:] {
			b := data[:5]
			// The whole range of int64, in steps that meet bucket edges.
			at := (int64(int8(b[0]))<<8 | int64(b[1])) << (b[2] & 63)
			length := int64(b[3]) << (b[4] >> 2)
			in := span{b[4]&2 != 0, int(b[2]) % lanes, at, at + length, int64(int8(b[3]))}
			serieses.add(wholeS, in)
			serieses.add(partS, in)
			if !in.point && in.from < in.to {
				sum += in.weight * length
			} else if in.point {
				sum += in.weight
			}
			histograms.add(&wholeH, valueN{at, length & 63})
			histograms.add(partH, valueN{at, length & 63})
			n += length & 63
			if b[4]&1 != 0 {
				partsH, partsS = append(partsH, partH), append(partsS, partS)
				partH, partS = new(Histogram), NewSeries(lanes)
			}
		}
		partsH, partsS = append(partsH, partH), append(partsS, partS)

		rightH, rightS := new(Histogram), NewSeries(lanes)
		for i := range partsH {
			leftH.Merge(partsH[i])
			leftS.Merge(partsS[i])
			j := len(partsH) - 1 - i
			h, s := new(Histogram), NewSeries(lanes)
			h.Merge(partsH[j])
			h.Merge(rightH)
			s.Merge(partsS[j])
			s.Merge(rightS)
			rightH, rightS = h, s
		}
		if !reflect.DeepEqual(&wholeH, &leftH) || !reflect.DeepEqual(&wholeH, rightH) {
			t.Errorf("Histogram:\n%s\n%s\n%s", show(&wholeH), show(&leftH), show(rightH))
		}
		wholeS, leftS, rightS = serieses.settled(wholeS), serieses.settled(leftS), serieses.settled(rightS)
		if !reflect.DeepEqual(wholeS, leftS) || !reflect.DeepEqual(wholeS, rightS) {
			t.Errorf("Series:\n%s\n%s\n%s", show(wholeS), show(leftS), show(rightS))
		}
		if wholeH.N() != n {
			t.Errorf("N = %d, added %d", wholeH.N(), n)
		}
		var binned int64
		for _, b := range binsOf(&wholeH) {
			binned += b.n
		}
		if binned != n {
			t.Errorf("bins hold %d, added %d", binned, n)
		}
		for lane := range lanes {
			for i := range wholeS.Len() {
				sum -= wholeS.At(i, lane)
			}
		}
		if sum != 0 {
			t.Errorf("the buckets lack %d", sum)
		}
		if wholeS.Len() > Buckets || wholeS.Width() > MinWidth && wholeS.Len() <= Buckets/2 {
			t.Errorf("%d buckets of %d ns", wholeS.Len(), wholeS.Width())
		}
	})
}
