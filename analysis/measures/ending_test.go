package measures

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func endings(rep *analysis.Report) (texts []string) {
	for _, l := range rep.Results[0].Leading {
		if l.Kind == analysis.VerdictEnd {
			texts = append(texts, l.Text)
		}
	}
	return texts
}

// TestEndingBusy: when one P of four was busy last, in a trace of 1 s.
func TestEndingBusy(t *testing.T) {
	const ms = 1 << 20 // a bucket is 2 of them
	span := func(from, to int64, state parse.ProcState) parse.Event {
		return analysistest.ProcSpan(0, parse.ProcIdle, state, parse.ProcIdle, from, to)
	}
	for _, c := range []struct {
		busy [][2]int64
		want string
	}{
		{[][2]int64{{0, 1e9}}, "the program was busy all the time; in that time 1 of 1 Ps ran user code"},
		{[][2]int64{{800 * ms, 1e9}}, "the program was busy from 838.861 ms to its end; in that time 1 of 1 Ps ran user code"},
		{[][2]int64{{200 * ms, 300 * ms}, {400 * ms, 500 * ms}, {550 * ms, 600 * ms}}, "the program was busy last from 419.430 ms to 629.146 ms; in that time 0.75 of 1 Ps ran user code"},
		{[][2]int64{{500 * ms, 500*ms + ms/2}, {900 * ms, 900*ms + ms/4}}, "user code never filled half a P (at most 0.25 Ps, for 2.1 ms from 524.288 ms)"},
	} {
		var events []parse.Event
		at := int64(0)
		for _, b := range c.busy {
			events = append(events, span(at, b[0], parse.ProcIdle), span(b[0], b[1], parse.ProcUser))
			at = b[1]
		}
		if events = append(events, span(at, 1e9, parse.ProcIdle)); at == 1e9 {
			events = events[:len(events)-1]
		}
		got := endings(analysistest.Synthetic(t, 26, Timeline, events...))
		want := "A flight recording of 1 s (it begins in mid-flight): " + c.want
		if len(got) != 1 || got[0] != want {
			t.Errorf("%v: %q, want %q", c.busy, got, want)
		}
	}
	if got := endings(analysistest.Synthetic(t, 21, Timeline, span(0, 1e9, parse.ProcUser))); got != nil {
		t.Errorf("a format that does not tell how it begins: %q", got)
	}
}

// TestEndingTasks: the open tasks, oldest first, and what their goroutines are at.
func TestEndingTasks(t *testing.T) {
	open := func(id uint64, since parse.Time, last parse.LastState) parse.Event {
		return parse.Event{Time: 1e9, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeTask, ID: id, G: 9, Since: since, Until: 1e9, Unfinished: true, Last: last}}
	}
	got := endings(analysistest.Synthetic(t, 26, Tasks,
		open(1, 5e8, parse.LastState{State: parse.GoWaiting, Since: 8e8}),
		open(2, 6e8, parse.LastState{State: parse.GoRunning, Since: 9e8, Spent: 3e8}),
		open(3, 7e8, parse.LastState{State: parse.GoNotExist}),
		open(4, 8e8, parse.LastState{State: parse.GoSyscall, Since: 8e8}),
	))
	want := []string{"Open at its end: task (no name) for 500 ms (G 9 has waited for 200 ms); (no name) for 400 ms (G 9 runs, as it did for 75 % of that time); (no name) for 300 ms (G 9, which began it, has ended); and 1 other"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := endings(analysistest.Synthetic(t, 26, Tasks, parse.Event{Kind: parse.KindLog})); got != nil {
		t.Errorf("no tasks: %q", got)
	}
}

// TestEndingRecorded: real flight recordings, and a trace from its start.
func TestEndingRecorded(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "flight-recorder"), Tasks, Timeline)
	var got []string
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			got = append(got, l.Text)
		}
	}
	slices.Sort(got)
	want := []string{
		"A flight recording of 1.6 s (it begins in mid-flight): the program was busy from 1.56238 s to its end; in that time 0.95 of 2 Ps ran user code",
		"No task is open at its end; the longest, request, took 40 ms from 1.56459 s (p50 of its type 209 µs)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := endings(analysistest.Report(t, analysistest.Testdata(t, "annotations"), Tasks)); got != nil {
		t.Errorf("a trace from trace.Start: %q", got)
	}
	if got := endings(analysistest.Report(t, corpus.Trace(t, "flight/flightrec-with-trace"), Tasks, Timeline)); got != nil {
		t.Errorf("a trace from trace.Start beside a flight recorder: %q", got)
	}
}
