package measures

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestTimelineLaw(t *testing.T) {
	for _, name := range []string{"gomaxprocs-change", "mixed-go121", "stw-kinds", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Timeline})
	}
}

func TestTimelineSharesAreWhole(t *testing.T) {
	for _, name := range analysistest.OwnTraces(t) {
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Timeline)
		sum := 0.0
		for _, s := range shareIDs {
			sum += float64(rep.Metrics["procs.share."+s].Value)
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%s: the shares sum to %v", name, sum)
		}
		if name == "gomaxprocs-change" || name == "stw-kinds" {
			continue // GOMAXPROCS changes; see TestTrustAccountsBalance
		}
		var made struct{ GOMAXPROCS int64 }
		truth(t, name, &made)
		analysistest.WantMetrics(t, rep, map[string]float64{"procs.time": float64(made.GOMAXPROCS * rep.Trace.Duration)})
	}
}

// preempt-async burns 4 × 100 ms of CPU, and a running goroutine is on a P.
func TestTimelineUserTime(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "preempt-async"), Timeline)
	if ns := analysistest.Cell(t, rep, "timeline.states", "user", "time").(int64); ns < 400e6 {
		t.Errorf("user time is %d ns, less than the 400 ms of CPU that the program used", ns)
	}
	rep = analysistest.Report(t, analysistest.Testdata(t, "idle"), Timeline)
	if r := rep.Metrics["procs.share.idle"].Value; r < .99 {
		t.Errorf("five sleeps on two Ps: idle share %v", r)
	}
}

func TestTimelineRules(t *testing.T) {
	const (
		idle, sched, user, stopped, stopper = parse.ProcIdle, parse.ProcScheduler, parse.ProcUser, parse.ProcStopped, parse.ProcStopper
		begin, end                          = parse.ProcUndetermined, parse.ProcUndetermined
	)
	events := []parse.Event{
		analysistest.ProcSpan(0, begin, idle, sched, 0, 100), // wake-up
		analysistest.ProcSpan(0, idle, sched, user, 100, 110),
		analysistest.ProcSpan(0, sched, user, sched, 110, 400),
		analysistest.ProcSpan(0, user, sched, idle, 400, 420), // not after a wake-up
		analysistest.ProcSpan(0, sched, idle, sched, 420, 500),
		analysistest.ProcSpan(0, idle, sched, idle, 500, 530), // fruitless
		analysistest.ProcSpan(0, sched, idle, sched, 530, 600),
		analysistest.ProcSpan(0, idle, sched, stopped, 600, 605), // stopped while it searched: neither
		analysistest.ProcSpan(0, sched, stopped, idle, 605, 700),
		analysistest.ProcSpan(0, stopped, idle, sched, 700, 710), // restart
		analysistest.ProcSpan(0, idle, sched, parse.ProcWorker, 710, 730),
		analysistest.ProcSpan(0, sched, parse.ProcWorker, end, 730, 1000),
		analysistest.ProcSpan(1, begin, user, stopper, 0, 600),
		analysistest.ProcSpan(1, user, stopper, parse.ProcAssist, 600, 700),
		analysistest.ProcSpan(1, stopper, parse.ProcAssist, parse.ProcSyscall, 700, 800),
		analysistest.ProcSpan(1, parse.ProcAssist, parse.ProcSyscall, end, 800, 1000),
		// A P beyond those with a lane is in the totals.
		analysistest.ProcSpan(timelineLanes, begin, parse.ProcSystem, end, 0, 1000),
	}
	rep := analysistest.Synthetic(t, 26, Timeline, events...)
	share := func(ns float64) float64 { return ns / 3000 }
	analysistest.WantMetrics(t, rep, map[string]float64{
		"procs.time": 3000, "procs.wakeups": 4, "procs.wakeups.fruitless": 1,
		"procs.share.user": share(290 + 600), "procs.share.system": share(1000), "procs.share.gcworker": share(270),
		"procs.share.assist": share(100), "procs.share.syscall": share(200), "procs.share.scheduler": share(10 + 20 + 30 + 5 + 20),
		"procs.share.idle": share(100 + 80 + 70 + 10), "procs.share.stw": share(95 + 100),
	})
	if got := analysistest.Cell(t, rep, "timeline.wakeups", "a goroutine", "total"); got != int64(10+20) {
		t.Errorf("wake-ups took %v ns to a goroutine, want 30", got)
	}
	ps, lanes := map[int64]float64{}, map[int64]bool{}
	for _, tb := range rep.Results[0].Tables {
		switch tb.Name {
		case "timeline.ps":
			for _, r := range tb.Rows {
				ps[r[0].(int64)] = r[2].(float64)
			}
		case "timeline.lanes":
			for _, r := range tb.Rows {
				lanes[r[1].(int64)] = true
			}
		}
	}
	if len(ps) != 3 || ps[0] != .29 || ps[1] != .6 || ps[timelineLanes] != 0 {
		t.Errorf("user share by P: %v", ps)
	}
	if len(lanes) != 2 || !lanes[0] || !lanes[1] {
		t.Errorf("Ps with a lane: %v", lanes)
	}
}

// A P that lived for a part of the trace has its time in the right buckets.
func TestTimelineLanesShareBuckets(t *testing.T) {
	const ms = 1_000_000
	rep := analysistest.Synthetic(t, 26, Timeline,
		analysistest.ProcSpan(0, parse.ProcUndetermined, parse.ProcIdle, parse.ProcUndetermined, 0, 1000*ms),
		analysistest.ProcSpan(1, parse.ProcNotExist, parse.ProcUser, parse.ProcNotExist, 500*ms, 510*ms),
	)
	n := 0
	for _, r := range tableNamed(t, rep, "timeline.lanes").Rows {
		if r[1] != any(int64(1)) {
			continue
		}
		n++
		if at := r[0].(int64); at < 498*ms || at >= 510*ms {
			t.Errorf("P 1 ran from 500 to 510 ms and has a cell at %d ns", at)
		}
	}
	if n == 0 {
		t.Error("P 1 has no cell")
	}
}

// The spans add up to the totals of each P and state.
func TestTimelineSpansAreWhole(t *testing.T) {
	some := 0
	for _, name := range analysistest.OwnTraces(t) {
		_, events := analysistest.Events(t, analysistest.Testdata(t, name))
		f := newTimelineFold()
		for i := range events {
			if events[i].Kind == parse.KindProc {
				f.Event(&events[i])
			}
		}
		if f.dense {
			continue
		}
		some++
		n := 0
		for id, p := range f.procs.ByKey() {
			var sums Shares
			for i, s := range p.spans {
				sums[s.state] += int64(s.to - s.from)
				if i > 0 && (s.from < p.spans[i-1].to || p.spans[i-1].joins(&s)) {
					t.Errorf("%s: P %d: %v after %v", name, id, s, p.spans[i-1])
				}
			}
			if sums != p.time {
				t.Errorf("%s: P %d: spans sum to %v, the totals are %v", name, id, sums, p.time)
			}
			n += len(p.spans)
		}
		if n != f.spans || n > maxSpans {
			t.Errorf("%s: %d spans, counted %d", name, n, f.spans)
		}
	}
	if some < 5 {
		t.Errorf("only %d traces with few spans", some)
	}
}

func TestTimelineSpans(t *testing.T) {
	const begin, user, idle, stopped, stopper, call = parse.ProcUndetermined, parse.ProcUser, parse.ProcIdle, parse.ProcStopped, parse.ProcStopper, parse.ProcSyscall
	of := func(e parse.Event, g parse.GoID) parse.Event { e.Proc.G = g; return e }
	rep := analysistest.Synthetic(t, 26, Timeline,
		of(analysistest.ProcSpan(0, begin, user, call, 0, 100), 7),
		of(analysistest.ProcSpan(0, user, call, user, 100, 130), 7),
		of(analysistest.ProcSpan(0, call, user, user, 130, 140), 7),
		of(analysistest.ProcSpan(0, user, user, user, 140, 150), 7), // joined
		of(analysistest.ProcSpan(0, user, user, stopper, 150, 160), 8),
		of(analysistest.ProcSpan(0, user, stopper, user, 160, 190), 8),
		of(analysistest.ProcSpan(1, begin, idle, stopped, 0, 160), parse.NoGo),
		of(analysistest.ProcSpan(1, idle, stopped, idle, 160, 180), parse.NoGo),
		of(analysistest.ProcSpan(1, stopped, idle, idle, 180, 180), parse.NoGo), // nothing
	)
	want := [][]any{
		{int64(0), int64(0), int64(100), "user", nil, int64(7)},
		{int64(0), int64(100), int64(130), "syscall", nil, int64(7)},
		{int64(0), int64(130), int64(150), "user", nil, int64(7)},
		{int64(0), int64(150), int64(160), "user", nil, int64(8)},
		{int64(0), int64(160), int64(190), "STW", nil, int64(8)},
		{int64(1), int64(0), int64(160), "idle", nil, int64(-1)},
		{int64(1), int64(160), int64(180), "STW", nil, int64(-1)},
	}
	if got := tableNamed(t, rep, "timeline.spans").Rows; !reflect.DeepEqual(got, want) {
		t.Errorf("spans\n%v, want\n%v", got, want)
	}
}

// Where there are too many spans there are none, wherever the trace is cut.
func TestTimelineSpansLimit(t *testing.T) {
	fold := func(from, to int) *TimelineFold {
		f := newTimelineFold()
		for i := from; i < to; i++ {
			e := analysistest.ProcSpan(0, parse.ProcIdle, []parse.ProcState{parse.ProcUser, parse.ProcIdle}[i/2%2], parse.ProcIdle, int64(i), int64(i+1)) // two events a span
			f.Event(&e)
		}
		return f
	}
	for _, n := range []int{2*maxSpans - 1, 2 * maxSpans, 2*maxSpans + 1, 3 * maxSpans} {
		whole := fold(0, n)
		whole.settle()
		if whole.dense != (n > 2*maxSpans) || whole.dense != (len(whole.procs.At(0).spans) == 0) {
			t.Errorf("%d events: dense is %v, with %d spans", n, whole.dense, whole.spans)
		}
		for _, cut := range []int{0, 1, 2, maxSpans - 1, maxSpans, maxSpans + 1, 2*maxSpans - 1} {
			f := fold(0, cut)
			f.Merge(fold(cut, n))
			if !reflect.DeepEqual(f, whole) {
				t.Errorf("%d events cut at %d: %d spans (dense %v), want %d (%v)", n, cut, f.spans, f.dense, whole.spans, whole.dense)
			}
		}
	}
}

// The time that waits in a fold is that of single spans, each in a fold of its own.
func TestTimelinePending(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	empty := func() *TimelineFold {
		f := newTimelineFold()
		f.Brief() // where spans are kept nothing waits
		return f
	}
	waited := 0
	for round := range 20 {
		var all []parse.Event
		last := make(map[parse.ProcID]int64)
		now := r.Int64N(1e12)
		for i := range 500 {
			if i == 9 && round%2 == 0 {
				now += 1e10 // from here on buckets are longer than a span of a stuck thread
			}
			id := []parse.ProcID{0, 1, 255, 256, 257}[r.IntN(5)]
			since, some := last[id]
			if !some || r.IntN(30) == 0 {
				since = now
			}
			switch r.IntN(50) {
			case 0:
				since -= 1e5 // which no trace has
			case 1:
				since = now + 1e7 // nor this
			}
			now += []int64{0, 1000, 1e4, 3e6}[min(r.IntN(100)/33, 3)]
			last[id] = now
			state := func() parse.ProcState { return parse.ProcState(r.IntN(int(parse.NumProcStates))) }
			e := analysistest.ProcSpan(id, state(), state(), state(), since, now)
			all = append(all, e)
		}
		whole, single := empty(), singly(all, empty)
		for i := range all {
			whole.Event(&all[i])
			for _, own := range whole.procs.ByKey() {
				if own.now != [parse.NumProcStates]int64{} {
					waited++
				}
			}
		}
		whole.settle()
		complete := empty() // merged into an empty one, all is added
		complete.Merge(whole)
		if !reflect.DeepEqual(complete, single) {
			t.Fatalf("%+v\n%+v", whole, single)
		}
	}
	if waited < 1000 {
		t.Errorf("time waited %d times: too little to compare", waited)
	}
}
