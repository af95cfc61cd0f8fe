package measures

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// A Window is a part of a trace, on the trace's clock.
type Window struct {
	From, To parse.Time
	Evidence bool // its spans come before those of the others
	Least    int  // spans that it is taken to have before they are seen
}

// Windows returns how a second reading of the trace of a report should share at most limit
// spans: one window for a small trace; else one for each piece of evidence of all findings,
// with some room, and after those the worst instances, what comes before evidence, and
// what is left. They are in order and do not overlap. Where pieces of evidence do, the
// shorter one is whole, and the longer one is what is left of it.
func Windows(rep *analysis.Report, limit int) []Window {
	from, to := rep.Trace.From, rep.Trace.To
	if limit <= 0 || to <= from {
		return nil
	}
	first, spans := rep.Trace.First, aboutSpans(rep)
	window := func(s stretch, evidence bool) Window {
		// Half of what there would be on average: else windows take much at first that later
		// ones need.
		least := float64(spans) * float64(s.to-s.from) / float64(to-from) / 2
		return Window{first + parse.Time(s.from), first + parse.Time(s.to), evidence, int(least)}
	}
	if spans <= int64(limit) {
		return []Window{window(stretch{from, to}, false)}
	}
	evidence := placesOf(rep.Findings())
	var worst, before []stretch
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			columns, is := worstTables[t.Name]
			for i := range min(len(t.Rows), 3) {
				if is {
					at, _ := t.Cell(i, columns.at).(int64)
					long, _ := t.Cell(i, columns.length).(int64)
					worst = append(worst, stretch{at - spanRoom, at + long + spanRoom})
				}
			}
		}
	}
	// As long as a tenth of the spans allows on average, for all of them.
	room := int64(float64(to-from) * float64(limit) / float64(spans) / 10 / float64(len(evidence)+1))
	for _, e := range slices.Clone(evidence) {
		if e.to-e.from > 4*spanHead { // however much else there is
			evidence = append(evidence, stretch{e.from, e.from + spanHead})
		}
		before = append(before, stretch{e.from - min((e.to-e.from)/2+1_000_000, room), e.from})
	}
	var ws []Window
	taken := []stretch{{to, to}, {from, from}} // in order, once sorted; what lies outside is none
	claim := func(s stretch, isEvidence bool) {
		slices.SortFunc(taken, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
		begin, end := max(s.from, from), min(s.to, to)
		var free []stretch
		for _, t := range taken {
			if t.from > begin && begin < end {
				free = append(free, stretch{begin, min(t.from, end)})
			}
			begin = max(begin, t.to)
		}
		for _, s := range free {
			ws = append(ws, window(s, isEvidence))
		}
		taken = append(taken, free...)
	}
	slices.SortStableFunc(evidence, stretch.shorter)
	for _, e := range evidence {
		if e.to-e.from < (to-from)/2 { // all of the trace is no place
			claim(e, true)
		}
	}
	for _, s := range worst {
		claim(s, false)
	}
	for _, s := range before {
		claim(s, false)
	}
	claim(stretch{from, to}, false)
	slices.SortFunc(ws, func(a, b Window) int { return cmp.Compare(a.From, b.From) })
	return ws
}

// A stretch is a part of a trace, in ns since its start.
type stretch struct{ from, to int64 }

// shorter orders by length, then by begin.
func (s stretch) shorter(o stretch) int {
	return cmp.Or(cmp.Compare(s.to-s.from, o.to-o.from), cmp.Compare(s.from, o.from))
}

const (
	spanRoom = 50_000    // ns around a place that belong to it
	spanHead = 1_000_000 // ns of a long one that come before the rest of it
)

// placesOf are the places of the evidence of findings and of their symptoms, each once, the
// short ones first.
func placesOf(findings []*analysis.Finding) (all []stretch) {
	var add func(f *analysis.Finding)
	add = func(f *analysis.Finding) {
		for _, e := range f.Evidence {
			all = append(all, stretch{e.From - spanRoom, e.To + spanRoom})
		}
		for i := range f.Symptoms {
			add(&f.Symptoms[i])
		}
	}
	for _, f := range findings {
		add(f)
	}
	slices.SortFunc(all, stretch.shorter)
	return slices.Compact(all)
}

// aboutSpans is about how many spans the Ps of a trace have, rather too many: a run of
// a goroutine, a call, a wake-up of a P and a mark assist each end two, an event at
// most as many.
func aboutSpans(rep *analysis.Report) int64 {
	most, n := 2*rep.Trace.Events, int64(0)
	for _, id := range []string{"sched.starts", "syscall.count", "procs.wakeups", "gc.assist.count"} {
		m, ok := rep.Metrics[id]
		if !ok {
			return most
		}
		n += 2 * int64(m.Value)
	}
	return min(most, n+n/10+1000)
}

// worstTables are tables of worst instances: which columns say when one was.
var worstTables = map[string]struct{ at, length string }{
	"latency.worst":    {"at", "wait"},
	"stw.worst":        {"at", "total"},
	"preemption.worst": {"start", "length"},
	"gc.cycles":        {"at", "mark"},
}

// share says how many spans each window may keep, at most limit in all: those of evidence
// come first, and of each kind every window gets as much as it needs, or as much as the
// others that need more. It depends on about how many spans there were in each window
// only, and never gives one more when there are more: so windows may be cut while spans
// still come.
func (f *spansFold) share() {
	var counts [2][]int // of the others, of evidence
	for i := range f.windows {
		w := &f.windows[i]
		counts[kindOf(w.Evidence)] = append(counts[kindOf(w.Evidence)], max(roughly(w.spans), w.Least))
	}
	left := f.limit
	if len(counts[0]) > 0 {
		left -= left / 10 // for others
	}
	var each [2]int
	var used int
	each[1], used = fair(counts[1], left)
	each[0], _ = fair(counts[0], f.limit-used)
	for i := range f.windows {
		w := &f.windows[i]
		w.cutTo(each[kindOf(w.Evidence)])
	}
}

func kindOf(evidence bool) int {
	if evidence {
		return 1
	}
	return 0
}

// roughly rounds a number up, to 3 bits, so that shares change seldom.
func roughly(n int) int {
	shift := max(bits.Len(uint(n))-3, 0)
	return (n + 1<<shift - 1) >> shift << shift
}

// fair is the largest number such that the counts, none more than it, sum to at most
// limit; and that sum.
func fair(counts []int, limit int) (each, sum int) {
	slices.Sort(counts)
	for i, n := range counts {
		if part := (limit - sum) / (len(counts) - i); n > part {
			return part, sum + part*(len(counts)-i)
		}
		sum += n
	}
	return math.MaxInt, sum
}
