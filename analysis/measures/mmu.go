package measures

import (
	"slices"
)

// MMUWindows are the window sizes of the utilization curve, in ns, ascending.
var MMUWindows = [...]int64{1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9}

const mmuLongest = int64(1e9)

// mmuWhole is the busy share 1. It is 4·lcm(1…16), so that the share of k of n
// Ps is exact for n ≤ 16 and for 32, 48 and 64.
const mmuWhole = 2882880

// mmu finds, for each window size, the window in which the GC took the largest
// share of the Ps: a step function of time is integrated over every window
// [t, t+w] that lies in it. Its integral is linear between the t at which an edge
// of the window meets a step, so only these are looked at.
//
// It is a function of the sequence of steps, so parts merge exactly. What it
// keeps are the steps of the first and of the last second.
type mmu struct {
	some bool
	from int64     // start of the first step
	head []mmuStep // closed steps from there, cut at from+mmuLongest
	tail []mmuStep // closed steps up to cur, cut at cur.from-mmuLongest
	cur  mmuStep   // the last one, which may still grow; in no window yet
	win  [len(MMUWindows)]mmuWindow
}

// mmuStep is a stretch of constant busy share; neighbours have different ones.
type mmuStep struct{ from, to, busy int64 }

// mmuWindow is the window of one size that ends with the last closed step, and
// the worst one so far.
type mmuWindow struct {
	sum  int64 // busy·ns in it, or since mmu.from where that is less
	left int   // index in tail of the step with its left edge
	full bool  // the steps are as long as the window: worst and at are set
	// The largest sum and the earliest start of such a window.
	worst, at int64
}

// add appends a step; one of no length adds nothing. Where steps leave a gap
// the GC is taken as idle.
func (m *mmu) add(from, to, busy int64) {
	if m.some {
		if from > m.cur.to {
			m.add(m.cur.to, from, 0)
		}
		from = max(from, m.cur.to)
	}
	switch {
	case from >= to:
	case !m.some:
		m.some, m.from, m.cur = true, from, mmuStep{from, to, busy}
	case busy == m.cur.busy:
		m.cur.to = to
	default:
		m.close()
		m.cur = mmuStep{from, to, busy}
	}
}

// close moves all windows over the last step.
func (m *mmu) close() {
	s := m.cur
	if end := m.from + mmuLongest; s.from < end {
		m.head = append(m.head, mmuStep{s.from, min(s.to, end), s.busy})
	}
	m.tail = append(m.tail, s)
	for k := range m.win {
		m.slide(&m.win[k], MMUWindows[k], &s)
	}
	edge := s.to - mmuLongest
	drop := 0
	for m.tail[drop].to <= edge {
		drop++
	}
	m.tail = m.tail[drop:]
	m.tail[0].from = max(m.tail[0].from, edge)
	for k := range m.win {
		m.win[k].left -= drop
	}
}

// slide moves the right edge of a window of size w from the start of the last
// step s to its end.
func (m *mmu) slide(win *mmuWindow, w int64, s *mmuStep) {
	right := s.from
	if right < m.from+w { // the left edge waits at the start
		end := min(s.to, m.from+w)
		win.sum += s.busy * (end - right)
		right = end
		if right == m.from+w {
			win.look(m.from)
		}
	}
	// No window up to the end of s has more than the last one and all that s adds. Where
	// that is no worse than the worst, an earlier one, nothing is looked at.
	look := win.sum+s.busy*(s.to-right) > win.worst
	for right < s.to && win.left < len(m.tail)-1 { // once inside s, the sum stays
		left := &m.tail[win.left]
		end := left.to + w // the right edge where the left one is at the end of its step
		if end <= s.to {
			win.left++
		} else {
			end = s.to
		}
		win.sum += (s.busy - left.busy) * (end - right)
		right = end
		if look {
			win.look(right - w)
		}
	}
}

func (w *mmuWindow) look(at int64) {
	if !w.full || w.sum > w.worst || w.sum == w.worst && at < w.at {
		w.full, w.worst, w.at = true, w.sum, at
	}
}

func (m *mmu) clone() mmu {
	c := *m
	c.head, c.tail = slices.Clone(m.head), slices.Clone(m.tail)
	return c
}

// merge appends the steps of o.
func (m *mmu) merge(o *mmu) {
	if !o.some {
		return
	}
	if !m.some {
		*m = o.clone()
		return
	}
	for _, s := range o.head {
		m.add(s.from, s.to, s.busy)
	}
	if o.cur.from-o.from <= mmuLongest { // the head is all but the last
		m.add(o.cur.from, o.cur.to, o.cur.busy)
		return
	}
	// Windows over the seam have been looked at now; from here on o knows.
	m.close()
	m.cur, m.tail = o.cur, slices.Clone(o.tail)
	for k, win := range o.win {
		if mine := m.win[k]; mine.full && mine.worst >= win.worst {
			win.worst, win.at = mine.worst, mine.at
		}
		m.win[k] = win
	}
}

// mmuWorst is the smallest mutator utilization of each window size and the start
// of the earliest such window; ok is false when the steps are shorter.
type mmuWorst [len(MMUWindows)]struct {
	Utilization float64
	At          int64
	Ok          bool
}

func (m *mmu) Worst() (out mmuWorst) {
	if !m.some {
		return out
	}
	c := m.clone()
	c.close()
	for k, w := range c.win {
		if w.full {
			out[k].Ok, out[k].At = true, w.at
			out[k].Utilization = 1 - float64(w.worst)/(float64(MMUWindows[k])*mmuWhole)
		}
	}
	return out
}
