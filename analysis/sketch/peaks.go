package sketch

// Peaks keeps the first entry, in the order of [Key], of each stretch of time: of at
// most [Buckets] equal buckets aligned to absolute time, by the Time of the key.
// Entries of equal keys must have equal items.
type Peaks[T any] struct {
	window
	buckets []peak[T]
}

type peak[T any] struct {
	set bool
	Entry[T]
}

func (p *peak[T]) join(o peak[T]) {
	if o.set && (!p.set || o.before(p.Key)) {
		*p = o
	}
}

// NewPeaks returns an empty Peaks.
func NewPeaks[T any]() *Peaks[T] { return &Peaks[T]{} }

// Add adds an entry.
func (p *Peaks[T]) Add(k Key, item T) {
	if !p.Covers(k.Time, k.Time) {
		p.fit(p.extended(k.Time, k.Time))
	}
	p.buckets[p.index(k.Time)].join(peak[T]{true, Entry[T]{k, item}})
}

// Merge adds the entries of o.
func (p *Peaks[T]) Merge(o *Peaks[T]) {
	if o.Empty() {
		return
	}
	p.fit(p.union(o.window))
	d := p.shift - o.shift
	for i, e := range o.buckets {
		p.buckets[(o.base+int64(i))>>d-p.base].join(e)
	}
}

// fit makes w, which covers p, the window of p.
func (p *Peaks[T]) fit(w window) {
	if w == p.window {
		return
	}
	p.buckets = refit(p.buckets, p.window, w, (*peak[T]).join)
	p.window = w
}

// Items returns the entries in the order of time.
func (p *Peaks[T]) Items() []Entry[T] {
	var out []Entry[T]
	for _, e := range p.buckets {
		if e.set {
			out = append(out, e.Entry)
		}
	}
	return out
}
