package measures

import (
	"math"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// What leads from a place are parts of the time with a waiter there: no more than all of it.
// An edge leads to a root, or to a place that others lead from, too.
func TestWaitGraph(t *testing.T) {
	graphs := 0
	for _, name := range analysistest.OwnTraces(t) {
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Kinds, Holders)
		for _, res := range rep.Results {
			for _, tab := range res.Tables {
				if tab.Name != "holders.graph" {
					continue
				}
				graphs++
				shares := make(map[string]float64)
				for i := range tab.Rows {
					from, share := tab.Cell(i, "from").(string), tab.Cell(i, "share").(float64)
					shares[from] += share
					if !strings.Contains(from, " wait for ") || share < graphMin {
						t.Errorf("%s: %s has a share of %v", name, from, share)
					}
				}
				for from, share := range shares {
					if share > 1+1e-9 {
						t.Errorf("%s: %s leads on for %v of its time", name, from, share)
					}
				}
				for i := range tab.Rows {
					to, state := tab.Cell(i, "to").(string), tab.Cell(i, "state").(string)
					if strings.Contains(to, " wait for ") && shares[to] == 0 && state != "blocked" && state != "network" {
						t.Errorf("%s: an edge of %s leads to %s", name, state, to)
					}
				}
			}
		}
	}
	if graphs < 10 {
		t.Errorf("%d traces have a graph", graphs)
	}
}

// Four goroutines wait for a lock that one holds while it sleeps.
func TestWaitGraphOfALock(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "lock-5ms"), Kinds, Holders)
	tab := tableNamed(t, rep, "holders.graph")
	if len(tab.Rows) != 1 || !strings.Contains(tab.Cell(0, "from").(string), "main.updateOften ×4") || !strings.Contains(tab.Cell(0, "to").(string), "main.holdNowAndThen asleep at main.holdLock5ms") ||
		tab.Cell(0, "state") != "asleep" || tab.Cell(0, "share").(float64) < .95 {
		t.Errorf("the graph is %v", tab.Rows)
	}
}

// The lengths of queues, over time, are all time for which goroutines were on one.
func TestQueueLengths(t *testing.T) {
	for _, name := range []string{"mixed-go126", "steal-bursts", "gc-assist", "procs-8", "mixed-go121"} {
		path := analysistest.Testdata(t, name)
		tr, events := analysistest.Events(t, path)
		var want, got float64
		for i := range events {
			e := &events[i]
			if e.Kind != parse.KindGoRunnable || e.Go.To != parse.GoRunning {
				continue
			}
			switch e.Go.Origin {
			case parse.OriginDirect, parse.OriginSyscall, parse.OriginCoroutine:
			default:
				want += float64(e.Time - e.Go.Since)
			}
		}
		tab := tableNamed(t, analysistest.Report(t, path, Stealing), "stealing.queues")
		for i := range tab.Rows {
			got += tab.Cell(i, "goroutines").(float64) * float64(tab.Cell(i, "end").(int64)-tab.Cell(i, "begin").(int64))
		}
		if math.Abs(got-want) > 1e-6*want+1 {
			t.Errorf("%s: goroutines were queued for %.0f ns by the figure, %.0f by the events of %d", name, got, want, tr.Events)
		}
	}
}

// Threads on a P, idle Ps, those in calls and stopped ones are all Ps; the mean is the
// events'.
func TestThreads(t *testing.T) {
	for _, name := range []string{"mixed-go126", "syscall-handoff", "stw-kinds"} {
		path := analysistest.Testdata(t, name)
		_, events := analysistest.Events(t, path)
		var threads, calls, wall float64
		for i := range events {
			if e := &events[i]; e.Kind == parse.KindInterval {
				ns := float64(e.Time - e.Interval.Since)
				for _, s := range []parse.ProcState{parse.ProcScheduler, parse.ProcUser, parse.ProcSystem, parse.ProcWorker, parse.ProcAssist, parse.ProcStopper} {
					threads += float64(e.Interval.P[s]) * ns
				}
				calls += float64(e.Interval.User[parse.GoSyscall]+e.Interval.Runtime[parse.GoSyscall]) * ns
				wall += ns
			}
		}
		rep := analysistest.Report(t, path, Parallelism)
		tab := tableNamed(t, rep, "parallelism.threads")
		var running, in, time float64
		for i := range tab.Rows {
			end := float64(rep.Trace.To)
			if i+1 < len(tab.Rows) {
				end = float64(tab.Cell(i+1, "at").(int64))
			}
			ns := end - float64(tab.Cell(i, "at").(int64))
			running += tab.Cell(i, "running").(float64) * ns
			in += tab.Cell(i, "in calls").(float64) * ns
			time += ns
		}
		if math.Abs(running/time-threads/wall) > .01*threads/wall || math.Abs(in/time-calls/wall) > .01*calls/wall {
			t.Errorf("%s: %.3f threads ran and %.3f were in calls, by the events %.3f and %.3f", name, running/time, in/time, threads/wall, calls/wall)
		}
	}
}

// The rows of the flame graph are all samples; those of a way to a function are what a walk
// over the stacks finds.
func TestSamplesFlame(t *testing.T) {
	path := analysistest.Testdata(t, "cpu-samples")
	tr, events := analysistest.Events(t, path)
	ways := make(map[string]int64)
	var all int64
	for i := range events {
		if events[i].Kind != parse.KindSample {
			continue
		}
		all++
		way := ""
		frames := tr.Stack(events[i].Stack)
		for k := len(frames) - 1; k >= 0; k-- {
			way += "/" + parse.CleanFunc(tr.String(frames[k].Func))
			ways[way]++
		}
	}
	tab := tableNamed(t, analysistest.Report(t, path, Samples), "samples.flame")
	got := make(map[string]int64)
	var sum int64
	for i, row := range tab.Rows {
		n, way := tab.Cell(i, "samples").(int64), ""
		sum += n
		for _, cell := range row[2:] {
			if cell == nil {
				break
			}
			way += "/" + cell.(string)
			got[way] += n
		}
	}
	if sum != all || tab.N != all {
		t.Errorf("%d samples in the figure, N %d, want %d", sum, tab.N, all)
	}
	for way, n := range got {
		if n != ways[way] && !strings.HasPrefix(way, "/(") {
			t.Errorf("%s has %d samples, want %d", way, n, ways[way])
		}
	}
}

// The longest tasks are those of the table, from their starts to their ends.
func TestLongestTasks(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "annotations"), Tasks)
	slowest, longest := tableNamed(t, rep, "tasks.slowest"), tableNamed(t, rep, "tasks.longest")
	for i := range slowest.Rows {
		name := slowest.Cell(i, "task").(string) + " " + analysis.Format(float64(slowest.Cell(i, "id").(int64)), analysis.Count, 1)
		k := analysistest.RowOf(t, longest, "name", name)
		if from := longest.Cell(k, "from"); from != slowest.Cell(i, "began") || longest.Cell(k, "to").(int64)-from.(int64) != slowest.Cell(i, "took").(int64) {
			t.Errorf("%s is from %v to %v, want %v for %v", name, from, longest.Cell(k, "to"), slowest.Cell(i, "began"), slowest.Cell(i, "took"))
		}
	}
	if len(slowest.Rows) == 0 || len(longest.Rows) < len(slowest.Rows) {
		t.Errorf("%d longest of %d", len(longest.Rows), len(slowest.Rows))
	}
}

// GC cycles and stops of the world stand behind the requests, as long as they were.
func TestRequestsPauses(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "http-healthy"), Kinds, GC, STW, Requests)
	cycles, stops := tableNamed(t, rep, "gc.cycles"), tableNamed(t, rep, "stw.worst")
	marks, pauses := 0, 0
	for _, res := range rep.Results {
		for _, f := range res.Figures {
			if f.Name != "requests.latency" {
				continue
			}
			for _, r := range f.Refs {
				if r.Until <= r.Value || r.Axis != "x" {
					t.Errorf("%s from %v to %v", r.Label, r.Value, r.Until)
				}
				if r.Label == "STW" {
					pauses++
				} else {
					marks++
				}
			}
		}
	}
	if marks != len(cycles.Rows) || pauses != len(stops.Rows) || marks == 0 {
		t.Errorf("%d GC cycles and %d stops, want %d and %d", marks, pauses, len(cycles.Rows), len(stops.Rows))
	}
}
