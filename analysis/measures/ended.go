package measures

import (
	"github.com/tracelens/tracelens/parse"
)

// ended is the range of start times of the windows (stops of the world, GC
// cycles) whose end is in a fold. Such windows do not overlap and end in order,
// so one that began inside the range has ended, and one outside began or ends
// in another part. A fold that keeps details by start time for the windows of
// its Top and for those outside the range keeps the same ones however it is cut.
type ended struct {
	any         bool
	first, last parse.Time
}

func (d *ended) add(begin parse.Time) { d.merge(&ended{true, begin, begin}) }

func (d *ended) merge(o *ended) {
	switch {
	case !o.any:
	case !d.any:
		*d = *o
	default:
		d.first, d.last = min(d.first, o.first), max(d.last, o.last)
	}
}

// has reports whether the window that began then has ended in the fold.
func (d *ended) has(begin parse.Time) bool { return d.any && d.first <= begin && begin <= d.last }
