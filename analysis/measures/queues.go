package measures

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

// queueColumns is about how many columns of time the lengths of queues are told in.
const queueColumns = 128

// queueLengths has how many goroutines were on the run queue of each P over time, by where
// they were put: one that is stolen counts where it came from.
func queueLengths(p *analysis.Pass, f *StealingFold) {
	t := &analysis.Table{
		Name: "stealing.queues", Title: "goroutines on each run queue over time, by where they were put: mean counts", Detail: true,
		Columns: []analysis.Column{{Name: "queue", Unit: analysis.Text}, {Name: "begin", Unit: analysis.Moment}, {Name: "end", Unit: analysis.Moment}, {Name: "goroutines", Unit: analysis.Count}},
	}
	queues := f.queues.ByKey()
	ids := slices.Sorted(maps.Keys(queues)) // the global one first
	var all int64
	longest, of := 0.0, ""
	for _, id := range ids {
		q, name := queues[id], fmt.Sprintf("P %d", id)
		if id == parse.NoProc {
			name = "global"
		}
		each := (q.Len() + queueColumns - 1) / queueColumns
		for b := 0; b < q.Len(); b += max(each, 1) {
			var ns int64
			for i := b; i < min(b+each, q.Len()); i++ {
				ns += q.At(i, 0)
			}
			from := max(q.Start()+int64(b)*q.Width(), int64(p.Trace.From))
			to := min(q.Start()+int64(min(b+each, q.Len()))*q.Width(), int64(p.Trace.To))
			if ns == 0 || to <= from {
				continue
			}
			all += ns
			mean := float64(ns) / float64(to-from)
			if mean > longest {
				longest, of = mean, name
			}
			t.Add(name, p.Rel(parse.Time(from)), p.Rel(parse.Time(to)), mean)
		}
	}
	t.N = f.eligible(0) + f.eligible(1)
	p.Table(t)
	if of == "global" {
		of = "the global queue"
	} else {
		of = "the queue of " + of
	}
	p.Figure(analysis.Figure{
		Name: t.Name, Title: fmt.Sprintf("On average %s goroutines were queued; the longest was %s: %s", MeanCount(say.Ratio(all, p.Trace.Duration())), of, MeanCount(longest)),
		Mark: analysis.HeatTime, Table: t.Name, X: "begin", End: "end", Y: []string{"goroutines"}, Series: "queue",
	})
}
