package sketch

// Gauge is a value that changes in steps (live heap, GOMAXPROCS) over time, in
// at most [Buckets] equal buckets aligned to absolute time. It holds 20 KiB.
// Of values set at the same time the largest counts as the first and last one.
type Gauge struct {
	window
	n           int64
	first, last int64 // the earliest and the latest time
	firstValue  int64
	buckets     []level
}

// level is what was set in one bucket.
type level struct {
	set            bool
	min, max, last int64
	at             int64 // time of last
}

func (l *level) join(o level) {
	switch {
	case !o.set:
		return
	case !l.set:
		*l = o
		return
	}
	l.min, l.max = min(l.min, o.min), max(l.max, o.max)
	if o.at > l.at || o.at == l.at && o.last > l.last {
		l.at, l.last = o.at, o.last
	}
}

// NewGauge returns an empty Gauge.
func NewGauge() *Gauge { return &Gauge{} }

// Set adds that the value became v at time t.
func (g *Gauge) Set(t, v int64) {
	g.ends(t, t, v)
	if !g.Covers(t, t) {
		g.fit(g.extended(t, t))
	}
	g.buckets[g.index(t)].join(level{true, v, v, v, t})
	g.n++
}

// Merge adds what was set in o.
func (g *Gauge) Merge(o *Gauge) {
	if o.Empty() {
		return
	}
	g.ends(o.first, o.last, o.firstValue)
	g.fit(g.union(o.window))
	d := g.shift - o.shift
	for i, l := range o.buckets {
		g.buckets[(o.base+int64(i))>>d-g.base].join(l)
	}
	g.n += o.n
}

// ends adds the earliest and the latest time of what is added, and the value at
// the earliest, before the window covers them.
func (g *Gauge) ends(first, last, v int64) {
	switch {
	case g.Empty():
		g.first, g.last, g.firstValue = first, last, v
		return
	case first < g.first || first == g.first && v > g.firstValue:
		g.first, g.firstValue = first, v
	}
	g.last = max(g.last, last)
}

// fit makes w, which covers g, the window of g.
func (g *Gauge) fit(w window) {
	if w == g.window {
		return
	}
	g.buckets = refit(g.buckets, g.window, w, (*level).join)
	g.window = w
}

// N returns how many times the value was set.
func (g *Gauge) N() int64 { return g.n }

// First returns the earliest value and its time, 0 and 0 when empty.
func (g *Gauge) First() (t, v int64) { return g.first, g.firstValue }

// Last returns the latest value and its time, 0 and 0 when empty.
func (g *Gauge) Last() (t, v int64) {
	if g.Empty() {
		return 0, 0
	}
	return g.last, g.buckets[len(g.buckets)-1].last
}

// Max returns the largest value, 0 when empty.
func (g *Gauge) Max() int64 {
	var all level
	for _, l := range g.buckets {
		all.join(l)
	}
	return all.max
}

// Min returns the smallest value, 0 when empty.
func (g *Gauge) Min() int64 {
	var all level
	for _, l := range g.buckets {
		all.join(l)
	}
	return all.min
}

// At returns the smallest, largest and latest value set within a bucket,
// 0 ≤ bucket < Len. It is not ok when none was: the value is then still the last
// one of an earlier bucket.
func (g *Gauge) At(bucket int) (min, max, last int64, ok bool) {
	l := g.buckets[bucket]
	return l.min, l.max, l.last, l.set
}
