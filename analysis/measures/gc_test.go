package measures

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestGCLaw(t *testing.T) {
	for _, name := range []string{"gc-assist", "gc-sweep", "stw-kinds", "mixed-go121", "mixed-go124", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{GC})
	}
}

// With more cycles than are kept, and a cycle cut by the start of the trace.
func TestGCLawCorpus(t *testing.T) {
	for _, name := range []string{"std-golden/v1-stress_1_19_good", "edge/stop-in-busy"} {
		analysistest.Law(t, corpus.Trace(t, name), []*analysis.Analyzer{GC, STW})
	}
}

func TestGCCycles(t *testing.T) {
	paths := corpus.Own(t)
	if len(paths) < 30 {
		t.Fatalf("%d traces", len(paths))
	}
	cycles := int64(0)
	for _, path := range paths {
		if strings.Contains(path, "flight-recorder") {
			continue
		}
		var truth struct {
			Metrics struct {
				Scalars map[string]struct{ Delta float64 }
			}
		}
		readTruth(t, strings.TrimSuffix(path, ".trace")+".json", &truth)
		want := int64(truth.Metrics.Scalars["/gc/cycles/total:gc-cycles"].Delta)
		analysistest.WantMetrics(t, analysistest.Report(t, path, GC), map[string]float64{"gc.cycles": float64(want)})
		cycles += want
	}
	if cycles < 25 {
		t.Errorf("only %d cycles checked", cycles)
	}
}

// The CPU classes, brought up to date at the end of each cycle: spans in the
// trace are wider than the runtime's own bookkeeping, so ours are a little more.
func TestGCAgainstCPUClasses(t *testing.T) {
	for _, name := range []string{"gc/assist-gogc10", "gc/linked-list", "gc/idle-workers", "gc/deep-stacks"} {
		path := corpus.Trace(t, name)
		var truth struct {
			Metrics map[string]struct {
				Delta float64
				After any
			}
		}
		readTruth(t, strings.TrimSuffix(path, ".trace")+".truth.json", &truth)
		m := analysistest.Report(t, path, GC, STW).Metrics
		for _, c := range []struct {
			class   string
			ids     []string
			lo, hi  float64
			atLeast float64
		}{
			{"gc/mark/assist", []string{"gc.assist.cpu"}, 0.97, 2.7, 1e6},
			{"gc/mark/dedicated", []string{"gc.worker.dedicated", "gc.worker.fractional"}, 0.97, 1.8, 10e6},
			{"gc/mark/idle", []string{"gc.worker.idle"}, 0.9, 4, 10e6},
			{"gc/pause", []string{"stw.cpu"}, 0.9, 1.15, 1e6},
		} {
			want := truth.Metrics["/cpu/classes/"+c.class+":cpu-seconds"].Delta * 1e9
			got := 0.0
			for _, id := range c.ids {
				got += float64(m[id].Value)
			}
			if want < c.atLeast {
				continue
			}
			t.Logf("%s %s: %.1f ms, the runtime has %.1f ms", name, c.class, got/1e6, want/1e6)
			if got < c.lo*want || got > c.hi*want {
				t.Errorf("%s: %v are %.0f ns, %s has %.0f", name, c.ids, got, c.class, want)
			}
		}
		if got, want := float64(m["heap.goal.last"].Value), truth.Metrics["/gc/heap/goal:bytes"].After.(float64); got != want {
			t.Errorf("%s: last goal %.0f, the runtime says %.0f", name, got, want)
		}
	}
}

func TestGCTriggers(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "stw-kinds"), GC)
	starts := tableNamed(t, rep, "gc.starts")
	if len(starts.Rows) != 1 || cellAt(t, starts, 0, "trigger") != "runtime.GC" || !strings.HasPrefix(cellAt(t, starts, 0, "site").(string), "main.forceGC:") || cellAt(t, starts, 0, "count") != int64(5) {
		t.Errorf("starts %v", starts.Rows)
	}
	rep = analysistest.Report(t, analysistest.Testdata(t, "gc-assist"), GC)
	for _, table := range []string{"gc.starts", "gc.assists"} {
		tb := tableNamed(t, rep, table)
		if site := cellAt(t, tb, 0, "site").(string); !strings.HasPrefix(site, "main.allocateNodes:") {
			t.Errorf("%s: %s first", table, site)
		}
	}
	if got := cellAt(t, tableNamed(t, rep, "gc.starts"), 0, "trigger"); got != "allocation" {
		t.Errorf("trigger %v", got)
	}
}

func TestGCFreeOSMemory(t *testing.T) {
	starts := tableNamed(t, analysistest.Report(t, corpus.Trace(t, "gc/debug-freeosmemory"), GC), "gc.starts")
	for i := range starts.Rows {
		if cellAt(t, starts, i, "trigger") == "debug.FreeOSMemory" {
			return
		}
	}
	t.Errorf("no cycle begun by debug.FreeOSMemory: %v", starts.Rows)
}

// gcEvents is one cycle on 4 Ps, by hand; times in µs since 1 s.
func gcEvents() []parse.Event {
	const begin = parse.Time(1e9 + 100e3)
	us := func(n parse.Time) parse.Time { return 1e9 + n*1000 }
	interval := func(from, to parse.Time, iv parse.Interval) parse.Event {
		iv.Since, iv.Procs = us(from), 4
		return parse.Event{Time: us(to), Kind: parse.KindInterval, Interval: &iv}
	}
	metric := func(at parse.Time, k parse.MetricKind, v int64) parse.Event {
		return parse.Event{Time: us(at), Kind: parse.KindMetric, Metric: parse.Metric{Kind: k, Value: v}}
	}
	worker := func(from, to parse.Time, m parse.Mode) parse.Event {
		return parse.Event{Time: us(to), Kind: parse.KindProc, Proc: &parse.Proc{From: parse.ProcWorker, Mode: m, Since: us(from)}}
	}
	stop := func(from, to parse.Time, mark bool) parse.Event {
		return parse.Event{Time: us(to), Kind: parse.KindRangeEnd, Range: &parse.Range{
			Kind: parse.RangeSTW, Since: us(from), Until: us(to),
			Stop: parse.Stop{GC: true, Mark: mark, LastStop: us(from), Restart: us(to), CPU: 4 * int64(us(to)-us(from))},
		}}
	}
	assist := func(from, to parse.Time, cpu int64, partial bool) parse.Event {
		return parse.Event{Time: us(to), Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: us(from), Until: us(to), CPU: cpu, Partial: partial}}
	}
	whole := parse.Interval{GCPs: 4, STW: true, Marking: true}
	var running, marking parse.Interval
	running.P[parse.ProcUser] = 4
	marking.GCPs, marking.Marking = 2, true // one dedicated worker and one assist beside an idle worker
	marking.P[parse.ProcWorker], marking.P[parse.ProcAssist], marking.P[parse.ProcUser] = 2, 1, 1
	events := []parse.Event{
		metric(0, parse.MetricHeapLive, 900), metric(1, parse.MetricHeapGoal, 1000),
		interval(0, 100, running),
		{Time: begin, Kind: parse.KindRangeBegin, Range: &parse.Range{Kind: parse.RangeGC, Since: begin}},
		interval(100, 150, whole), stop(100, 150, false),
		metric(200, parse.MetricHeapLive, 990),
		interval(150, 1150, marking),
		assist(200, 900, 300e3, false), assist(300, 1100, 500e3, true),
		{Time: us(800), Kind: parse.KindProc, Proc: &parse.Proc{ID: 2, G: 9, From: parse.ProcAssist, Since: us(500)}},
		worker(150, 1150, parse.ModeDedicated), worker(1149, 1150, parse.ModeNone), worker(150, 1150, parse.ModeIdle),
		interval(1150, 1250, whole),
		metric(1200, parse.MetricHeapLive, 500), metric(1201, parse.MetricHeapGoal, 1100),
		stop(1150, 1250, true),
		{Time: us(1250), Kind: parse.KindRangeEnd, Range: &parse.Range{
			Kind: parse.RangeGC, Since: begin, Until: us(1240), MarkBegin: us(150), MarkEnd: us(1150),
		}},
		interval(1250, 20000, running),
		{Time: us(15000), Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeSweep, Since: us(14990), Until: us(15000), BytesSwept: 8192}},
		metric(16000, parse.MetricHeapLive, 600),
	}
	for i := range events {
		if at := events[i].Time; at >= begin && at <= us(1250) {
			events[i].GC = begin
		}
	}
	return events
}

func TestGCByHand(t *testing.T) {
	events := gcEvents()
	c := newGC()
	for i := range events {
		c.Event(&events[i])
	}
	rep := analysistest.Synthetic(t, 26, GC, events...)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"gc.cycles": 1, "gc.mark.wall": 1e6,
		"gc.worker.dedicated": 1e6 + 1e3, "gc.worker.fractional": 0, "gc.worker.idle": 1e6,
		"gc.assist.count": 2, "gc.assist.cpu": 800e3, "gc.assist.wall": 1500e3, "gc.sweep.cpu": 10e3,
		"heap.live.max": 990, "heap.goal.max": 1100, "heap.goal.last": 1100, "gc.mmu.100ms": -1,
	})
	// The worst ms: the longer pause whole, and half of the Ps before it.
	for id, want := range map[string]float64{"gc.mmu.1ms": 1 - (100+900.0/2)/1000, "gc.mmu.10ms": 1 - (150+1000.0/2)/10000} {
		if got := float64(rep.Metrics[id].Value); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", id, got, want)
		}
	}
	cycles := tableNamed(t, rep, "gc.cycles")
	for column, want := range map[string]any{
		"mark": int64(1e6), "sweep termination": int64(50e3), "mark termination": int64(100e3),
		"dedicated": int64(1001e3), "idle": int64(1e6), "background": 1001.0 / 4000,
		"assists": int64(2), "assist P time": int64(800e3), "assist wall": int64(1500e3),
		"heap before": int64(900), "goal": int64(1000), "heap after": int64(500), "note": "",
	} {
		if got := cellAt(t, cycles, 0, column); got != want {
			t.Errorf("%s = %v, want %v", column, got, want)
		}
	}
	at := func(us int64) int64 { return 1e9 + us*1000 }
	if got, want := tableNamed(t, rep, "gc.cycle").Rows, [][]any{
		{"phases", "sweep termination STW", at(100), at(150), int64(0)},
		{"phases", "mark", at(150), at(1150), int64(-1)},
		{"phases", "mark termination STW", at(1150), at(1250), int64(0)},
		{"P 0 worker", "dedicated worker", at(150), at(1150), int64(0)},
		{"P 0 worker", "idle worker", at(150), at(1150), int64(0)},
		{"P 0 worker", "worker without label", at(1149), at(1150), int64(0)},
		{"P 2 assist", "mark assist", at(500), at(800), int64(9)},
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("the longest cycle:\n%v, want\n%v", got, want)
	}
	for _, f := range rep.Results[0].Figures {
		if want := "The longest GC cycle marks for 1 ms from 1.00015 s: workers 25 % of P time, assists 7.5 %"; f.Name == "gc.cycle" && f.Title != want {
			t.Errorf("title %q, want %q", f.Title, want)
		}
	}
	// Only the assist seen whole is in the distribution.
	if got := analysistest.Cell(t, rep, "gc.assist", "wall", "max"); got != int64(700e3) {
		t.Errorf("longest assist %v", got)
	}
	c = c.closed()
	if got := c.taken; got != 150e3*4+1000e3*2 {
		t.Errorf("the GC took %d ns", got)
	}
	lanes := make([]int64, GCLanes)
	for i := range c.time.Len() {
		for lane := range lanes {
			lanes[lane] += c.time.At(i, lane)
		}
	}
	for lane, want := range map[int]int64{GCLaneWorkers: 1e6, GCLaneIdle: 1e6, GCLaneAssist: 1e6, GCLanePauses: 600e3, GCLaneProcs: 80e6} {
		if lanes[lane] != want {
			t.Errorf("lane %d has %d ns, want %d", lane, lanes[lane], want)
		}
	}
}

// A cut at any event does not show.
func TestGCByHandLaw(t *testing.T) {
	events := gcEvents()
	fold := func(events []parse.Event) *analysis.Partial {
		p := analysis.NewPartial([]*analysis.Analyzer{GC})
		for i := range events {
			p.Event(&events[i])
		}
		return p
	}
	want := summedUpGC(fold(events))
	for cut := range events {
		a := fold(events[:cut])
		a.Merge(fold(events[cut:]))
		if !reflect.DeepEqual(summedUpGC(a), want) {
			t.Errorf("cut before event %d shows", cut)
		}
	}
}

// summedUpGC is the fold merged into an empty one: what it holds back is added.
func summedUpGC(p *analysis.Partial) analysis.Collector {
	all := analysis.NewPartial([]*analysis.Analyzer{GC})
	all.Merge(p)
	return all.Folds[GC]
}

func TestGCEdges(t *testing.T) {
	end := func(r parse.Range) parse.Event {
		r.Kind = parse.RangeGC
		return parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, GC: r.Since, Range: &r}
	}
	rep := analysistest.Synthetic(t, 26, GC,
		end(parse.Range{Since: 10, Until: 1000, Partial: true, MarkEnd: 900}),                        // 890
		end(parse.Range{Since: 2000, Until: 3000, MarkBegin: 2100, MarkEnd: 2900}),                   // 800
		end(parse.Range{Since: 4000, Until: 5000, Unfinished: true, MarkBegin: 4200}),                // 800
		end(parse.Range{Since: 6000, Until: 6100, Unfinished: true}),                                 // still in its first stop
		end(parse.Range{Since: 7000, Until: 9000, Partial: true, MarkBegin: 7100, Unfinished: true}), // 1900
	)
	analysistest.WantMetrics(t, rep, map[string]float64{"gc.cycles": 2, "gc.mark.wall": 890 + 800 + 800 + 1900, "heap.live.max": -1, "heap.goal.last": -1, "gc.mmu.1ms": -1})
	cycles := tableNamed(t, rep, "gc.cycles")
	for i, want := range []string{"reaches over the trace", "began before the trace", "", "not ended in the trace", "not ended in the trace"} {
		if got := cellAt(t, cycles, i, "note"); got != want {
			t.Errorf("cycle %d: %q, want %q", i, got, want)
		}
	}
}

// From 2^62 on a goal says that there is none (GOGC=off), and it is no large goal.
func TestGCNoGoal(t *testing.T) {
	goal := func(at parse.Time, v int64) parse.Event {
		return parse.Event{Time: at, Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: v}}
	}
	for _, c := range []struct {
		goals     []int64
		max, last float64
	}{
		{[]int64{4 << 20, 1<<62 - 1}, 1<<62 - 1, 1<<62 - 1},
		{[]int64{4 << 20, 1 << 62}, 4 << 20, -1},
		{[]int64{4 << 20, math.MaxInt64, 8 << 20}, 8 << 20, 8 << 20},
		{[]int64{math.MaxInt64}, -1, -1},
	} {
		var events []parse.Event
		for i, v := range c.goals {
			events = append(events, goal(parse.Time(i+1)*1000, v))
		}
		analysistest.WantMetrics(t, analysistest.Synthetic(t, 26, GC, events...), map[string]float64{"heap.goal.max": c.max, "heap.goal.last": c.last})
	}
}

// GOMAXPROCS is not told by v1 traces until it changes: the Ps seen count.
func TestGCUnknownProcs(t *testing.T) {
	iv := parse.Interval{Since: 0, GCPs: 1}
	iv.P[parse.ProcWorker], iv.P[parse.ProcUser] = 1, 3
	rep := analysistest.Synthetic(t, 21, GC, parse.Event{Time: 1e9, Kind: parse.KindInterval, Interval: &iv})
	analysistest.WantMetrics(t, rep, map[string]float64{"gc.mmu.100ms": .75})
}

func TestGCMemoryIsBounded(t *testing.T) {
	c := newGC()
	for i := range parse.Time(1000) {
		begin := (i + 1) * 1e6
		c.Event(&parse.Event{Time: begin, Kind: parse.KindRangeBegin, GC: begin, Range: &parse.Range{Kind: parse.RangeGC, Since: begin}})
		c.Event(&parse.Event{Time: begin + 500, Kind: parse.KindProc, GC: begin, Proc: &parse.Proc{From: parse.ProcWorker, Since: begin + 100}})
		c.Event(&parse.Event{Time: begin + 900, Kind: parse.KindRangeEnd, GC: begin, Range: &parse.Range{
			Kind: parse.RangeGC, Since: begin, Until: begin + 900, MarkBegin: begin + 50, MarkEnd: begin + 500 + i%7,
		}})
	}
	if len(c.worst.spans) != 1 || c.worst.cycle.Since != 7e6 { // the first of the longest
		t.Errorf("spans of %d cycles, the longest at %d", len(c.worst.spans), c.worst.cycle.Since)
	}
	if len(c.details) != gcCycles || c.cycles != 1000 {
		t.Errorf("details of %d cycles of %d, want %d", len(c.details), c.cycles, gcCycles)
	}
}

// Of very many spans in a cycle the longest are kept, wherever the trace is cut.
func TestGCCycleLimit(t *testing.T) {
	const begin = parse.Time(1000)
	var events []parse.Event
	for i := range parse.Time(300) {
		since := 2000 + 1000*i
		events = append(events, parse.Event{Time: since + 10 + i, Kind: parse.KindProc, GC: begin, Proc: &parse.Proc{ID: parse.ProcID(i % 3), From: parse.ProcAssist, Since: since}})
	}
	events = append(events, parse.Event{Time: 500e3, Kind: parse.KindRangeEnd, GC: begin, Range: &parse.Range{
		Kind: parse.RangeGC, Since: begin, Until: 400e3, MarkBegin: 1500, MarkEnd: 400e3,
	}})
	fold := func(events []parse.Event) *analysis.Partial {
		p := analysis.NewPartial([]*analysis.Analyzer{GC})
		for i := range events {
			p.Event(&events[i])
		}
		return p
	}
	whole := fold(events)
	for _, cut := range []int{0, 1, 100, 150, 299, 300} {
		a := fold(events[:cut])
		a.Merge(fold(events[cut:]))
		if !reflect.DeepEqual(summedUpGC(a), summedUpGC(whole)) {
			t.Errorf("cut before event %d shows", cut)
		}
	}
	tb := tableNamed(t, analysistest.Synthetic(t, 26, GC, events...), "gc.cycle")
	if len(tb.Rows) != 1+cycleAssists || tb.N != 301 || tb.More != 300-cycleAssists {
		t.Errorf("%d rows of %d, %d more", len(tb.Rows), tb.N, tb.More)
	}
	shortest := int64(math.MaxInt64)
	for _, r := range tb.Rows[1:] {
		shortest = min(shortest, r[3].(int64)-r[2].(int64))
	}
	if shortest != 10+300-cycleAssists {
		t.Errorf("the shortest one kept is %d ns", shortest)
	}
}

// The runs of a fold are those of single intervals, each a fold of its own.
func TestGCRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var runs, joined int
	for range 100 {
		var all []parse.Event
		now := int64(1e6)
		part := parse.Interval{Procs: 2}
		var cycle parse.Time
		for range 60 {
			if r.IntN(3) == 0 { // something changes, mostly to nothing of the GC
				few := func() int32 { return max(0, r.Int32N(5)-3) }
				switch part.GCPs, part.P[parse.ProcWorker], part.P[parse.ProcAssist], part.STW, part.Marking, cycle = 0, 0, 0, false, false, 0; r.IntN(10) {
				case 0:
					part.Procs = r.Int32N(4)
				case 1:
					part.GCPs = few()
				case 2:
					part.P[parse.ProcWorker] = few()
				case 3:
					part.P[parse.ProcAssist] = few()
				case 4:
					part.STW = true
				case 5:
					part.Marking = true
				case 6:
					cycle = parse.Time(1 + r.IntN(3))
				}
			}
			if r.IntN(20) == 0 {
				now += 10 // a gap
			}
			iv := new(part)
			iv.Since, iv.P[parse.ProcIdle], iv.P[parse.ProcUser] = parse.Time(now), r.Int32N(3), r.Int32N(3)
			now += 1 + r.Int64N(1e5)
			all = append(all, parse.Event{Kind: parse.KindInterval, Time: parse.Time(now), Interval: iv, GC: cycle})
		}
		whole, single := newGC(), singly(all, newGC)
		for i := range all {
			before := whole.run
			if whole.Event(&all[i]); whole.run.from != before.from {
				runs++
			} else if whole.run.to != before.to {
				joined++
			}
		}
		if !reflect.DeepEqual(whole, single) {
			t.Fatalf("%+v\n%+v", whole, single)
		}
	}
	if runs < 100 || joined < 100 {
		t.Errorf("%d runs and %d intervals that make one longer: too little to compare", runs, joined)
	}
}
