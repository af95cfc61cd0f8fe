package measures

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

const (
	busyPs      = .5  // Ps that run user code: the program is busy
	busyPause   = 1e8 // ns: shorter ones do not part two busy times
	lastBusy    = 1e9 // ns before the end of the last busy time that are looked at
	told        = .05 // of a P: less is not worth a word
	openAtEnd   = 3   // tasks
	usualEnough = 20  // whole tasks or requests, to say what is usual
)

// recording reports whether a trace is what a flight recorder kept: somebody wanted it when
// it ended, so that its end is the point. One that trace.Start began beside a flight recorder
// begins in that call; one that is shorter than a busy pause is all end.
func recording(tr *parse.Trace) bool {
	if _, started := tr.Lookup("runtime/trace.(*traceMultiplexer).subscribeTraceStartWriter"); started {
		return false
	}
	return float64(tr.Duration()) >= busyPause && !tr.V1() && !tr.Start && tr.Fault == nil && tr.From == tr.First && tr.To == tr.Last
}

// leadBusy says when the program of a flight recording was busy last, and with what.
func leadBusy(p *analysis.Pass, f *TimelineSums) {
	tr := p.Trace
	if !recording(tr) || f.Over.Len() == 0 {
		return
	}
	begin := func(b int) int64 { return max(f.Over.Start()+int64(b)*f.Over.Width(), int64(tr.From)) }
	end := func(b int) int64 { return min(f.Over.Start()+int64(b+1)*f.Over.Width(), int64(tr.To)) }
	at := func(b int) string { return p.At(parse.Time(begin(b))) }
	busy := func(b int) float64 { return say.Ratio(f.Over.At(b, int(ShareUser)), end(b)-begin(b)) }

	n, most := f.Over.Len(), 0
	first, last := n, -1
	for b := n - 1; b >= 0; b-- {
		if busy(b) > busy(most) {
			most = b
		}
		switch {
		case busy(b) < busyPs:
		case last < 0:
			first, last = b, b
		case float64(begin(first)-end(b)) < busyPause:
			first = b
		}
	}
	of := fmt.Sprintf("A flight recording of %s (it begins in mid-flight)", p.Dur(tr.Duration()))
	if last < 0 {
		p.Lead(analysis.Leading{Kind: analysis.VerdictEnd, Text: fmt.Sprintf("%s: user code never filled half a P (at most %s Ps, for %s from %s)",
			of, trimmed(busy(most)), p.Dur(end(most)-begin(most)), at(most))})
		return
	}
	when, looked := "all the time", first
	switch {
	case first == 0 && last == n-1:
	case last == n-1:
		when = fmt.Sprintf("from %s to its end", at(first))
	case first == 0:
		when = fmt.Sprintf("last until %s", at(last+1))
	default:
		when = fmt.Sprintf("last from %s to %s", at(first), at(last+1))
	}
	for float64(end(last)-begin(looked)) > lastBusy && looked < last {
		looked++
	}
	in := "in that time"
	if looked > first {
		in = "in the last second of it"
	}
	p.Lead(analysis.Leading{Kind: analysis.VerdictEnd, Text: fmt.Sprintf("%s: the program was busy %s; %s %s", of, when, in, psAt(f, looked, last, end(last)-begin(looked)))})
}

// psAt says what the Ps did from one bucket to another.
func psAt(f *TimelineSums, first, last int, wall int64) string {
	var spent Shares
	for b := first; b <= last; b++ {
		for s := range spent {
			spent[s] += f.Over.At(b, s)
		}
	}
	ps := func(parts ...Share) (sum float64) {
		for _, s := range parts {
			sum += say.Ratio(spent[s], wall)
		}
		return sum
	}
	text := fmt.Sprintf("%s of %s Ps ran user code", trimmed(ps(ShareUser)), trimmed(say.Ratio(spent.Sum(), wall)))
	for _, part := range []struct {
		does string
		ps   float64
	}{
		{"did GC work", ps(ShareWorker, ShareAssist)},
		{"were in system calls", ps(ShareSyscall)},
		{"were stopped", ps(shareSTW)},
	} {
		if part.ps >= told {
			text += fmt.Sprintf(", %s %s", trimmed(part.ps), part.does)
		}
	}
	return text
}

// trimmed is MeanCount without decimals that are 0.
func trimmed(v float64) string {
	s := MeanCount(v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// leadOpen says which tasks of a flight recording are open at its end, and what their
// goroutines are at then; else which took longest.
func leadOpen(p *analysis.Pass, f *TasksFold) {
	if !recording(p.Trace) {
		return
	}
	var open int64
	for _, a := range f.Tasks() {
		open += a.Unfinished
	}
	var texts []string
	for _, e := range f.oldest.Items() {
		if len(texts) < openAtEnd {
			texts = append(texts, fmt.Sprintf("%s for %s%s", UserText(p, e.Item.Name), p.Dur(e.Value), e.Item.doing(p, e.Value)))
		}
	}
	switch longest := f.slowest.Items(); {
	case len(texts) > 0:
		text := "Open at its end: task " + strings.Join(texts, "; ")
		if more := open - int64(len(texts)); more > 0 {
			text += "; and " + say.Counted(more, "other", "others")
		}
		p.Lead(analysis.Leading{Kind: analysis.VerdictEnd, Text: text})
	case len(longest) > 0 && open == 0:
		e := longest[0]
		text := fmt.Sprintf("No task is open at its end; the longest, %s, took %s from %s", UserText(p, e.Item.Name), p.Dur(e.Value), p.At(parse.Time(e.Time)))
		if a := f.Tasks()[Annotation{Name: e.Item.Name}]; a != nil && a.Lengths.N() >= usualEnough {
			if v, ok := a.Lengths.Quantile(.5); ok {
				text += fmt.Sprintf(" (p50 of its type %s)", p.Dur(v))
			}
		}
		p.Lead(analysis.Leading{Kind: analysis.VerdictEnd, Text: text})
	}
}

// doing says what the goroutine of a task that has been open so long is at.
func (s *slowTask) doing(p *analysis.Pass, held int64) string {
	who, at := fmt.Sprintf("G %d", s.G), ""
	if s.last.Stack != 0 {
		at = " at " + p.SiteName(s.last.Stack)
	}
	of := analysis.FormatRatio(say.Ratio(s.last.Spent, held))
	switch s.last.State {
	case parse.GoRunning:
		return fmt.Sprintf(" (%s runs, as it did for %s of that time)", who, of)
	case parse.GoRunnable:
		return fmt.Sprintf(" (%s waits for a P, as it did for %s of that time)", who, of)
	case parse.GoWaiting:
		return fmt.Sprintf(" (%s has waited%s for %s)", who, at, p.Dur(int64(p.Trace.To-s.last.Since)))
	case parse.GoSyscall:
		return fmt.Sprintf(" (%s has been in a system call%s for %s)", who, at, p.Dur(int64(p.Trace.To-s.last.Since)))
	}
	return fmt.Sprintf(" (%s, which began it, has ended)", who)
}
