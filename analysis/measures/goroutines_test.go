package measures

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestGoroutinesLaw(t *testing.T) {
	for _, name := range []string{"mixed-go126", "mixed-go121", "flight-recorder", "coroutines"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Goroutines})
	}
}

// Every trace of testdata: the number created is the runtime's own count, and
// those of main.* functions are as many as the program says.
func TestGoroutinesCreated(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus.Root(t), "testdata", "traces", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no traces", err)
	}
	runtimeCounts, programCounts := 0, 0
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Measured map[string]any
			Metrics  struct {
				Scalars map[string]struct{ Delta float64 }
			}
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(path, err)
		}
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Goroutines)
		// The metrics of a flight recorder cover more than its window.
		if want, ok := truth.Metrics.Scalars["/sched/goroutines-created:goroutines"]; ok && name != "flight-recorder" {
			runtimeCounts++
			if got := rep.Metrics["goroutines.created"].Value; float64(got) != want.Delta {
				t.Errorf("%s: %v goroutines created, the runtime counted %v", name, got, want.Delta)
			}
		}
		if want, ok := truth.Measured["goroutines_created"].(float64); ok && name != "flight-recorder" {
			programCounts++
			populations := analysistest.ResultTable(t, rep, "goroutines.populations")
			sites, counts := analysistest.Cells[string](t, populations, "site"), analysistest.Cells[int64](t, populations, "goroutines")
			var got int64
			for i, fn := range analysistest.Cells[string](t, populations, "function") {
				if strings.HasPrefix(fn, "main.") && sites[i] != BeforeTrace {
					got += counts[i]
				}
			}
			if float64(got) != want {
				t.Errorf("%s: %d goroutines of the program created, it counted %v", name, got, want)
			}
		}
	}
	if runtimeCounts < 20 || programCounts < 20 {
		t.Errorf("compared only %d and %d traces", runtimeCounts, programCounts)
	}
}

// Spans sum to lifetimes, and those that were there before are those the parser saw.
func TestGoroutinesConservation(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go122", "mixed-go126", "flight-recorder", "coroutines", "netpoll-echo"} {
		tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		f := Goroutines.New().(*GoroutinesFold)
		var lived int64
		for i := range evs {
			e := &evs[i]
			switch {
			case e.Kind == parse.KindGoCreate:
				f.Event(e)
			case e.Kind == parse.KindGoLife:
				f.Event(e)
				lived -= int64(e.GoLife.Born)
				lived += int64(e.Time)
			}
		}
		var states, count, alive int64
		for _, p := range f.populations.ByKey() {
			for _, v := range p.States {
				states += v
			}
			count += p.Count
		}
		for i := range f.overTime.Len() {
			alive += f.overTime.At(i, goLaneUser) + f.overTime.At(i, goLaneRuntime)
		}
		if states != lived || alive != lived {
			t.Errorf("%s: goroutines lived for %d ns, states sum to %d, the time alive to %d", name, lived, states, alive)
		}
		if begin := count - f.created - f.callbacks; begin != int64(tr.Initial) {
			t.Errorf("%s: %d goroutines at the start, want %d", name, begin, tr.Initial)
		}
	}
}

func TestGoroutinesCorpus(t *testing.T) {
	t.Run("leak", func(t *testing.T) {
		rep := analysistest.Report(t, corpus.Trace(t, "sync/goroutine-leak"), Goroutines)
		sites := analysistest.ResultTable(t, rep, "goroutines.sites")
		names, alive := analysistest.Cells[string](t, sites, "site"), analysistest.Cells[int64](t, sites, "alive at end")
		var leaked int64
		for i, s := range names {
			if strings.HasPrefix(s, "main.leak:") {
				leaked += alive[i]
			}
		}
		// leaked in sync/goroutine-leak.truth.json.
		if leaked != 419 {
			t.Errorf("%d goroutines of main.leak alive at the end, want 419", leaked)
		}
	})
	t.Run("churn", func(t *testing.T) {
		rep := analysistest.Report(t, corpus.Trace(t, "sched/goroutine-churn"), Goroutines)
		sites := analysistest.ResultTable(t, rep, "goroutines.sites")
		if got, want := analysistest.Cells[string](t, sites, "site")[0], "main.churner:595 (sync.(*WaitGroup).Go)"; got != want {
			t.Errorf("most goroutines are from %q, want %q", got, want)
		}
		if n := analysistest.Cells[int64](t, sites, "goroutines")[0]; n != 26360 {
			t.Errorf("%d goroutines from there", n)
		}
	})
}

func TestAliveCount(t *testing.T) {
	changes := []int64{1, 1, -1, -1, -1, 1, 1, 1, 1, -1}
	var whole aliveCount
	for i, c := range changes {
		whole.change(c, parse.Time(i+1))
	}
	// Sums after each change: 1 2 1 0 -1 0 1 2 3 2.
	if want := (aliveCount{net: 2, max: 3, at: 9}); whole != want {
		t.Errorf("whole: %+v, want %+v", whole, want)
	}
	for cut := range changes {
		var a, b aliveCount
		for i, c := range changes {
			part := &a
			if i >= cut {
				part = &b
			}
			part.change(c, parse.Time(i+1))
		}
		if a.merge(b); a != whole {
			t.Errorf("cut at %d: %+v, want %+v", cut, a, whole)
		}
	}
}

func TestLifetimes(t *testing.T) {
	var l Lifetimes
	for v := int64(1); v <= 1000; v++ {
		l.add(v * 1000)
	}
	if l.N != 1000 || l.sum != 500500_000 || l.Max != 1000_000 {
		t.Errorf("n %d, sum %d, max %d", l.N, l.sum, l.Max)
	}
	// 500,000 lies in 2^18 + 3·2^16 … 2^19-1, 990,000 in 2^19 + 3·2^17 … 2^20-1, cut at
	// the maximum.
	if got := l.quantile(50); got != int64(524287) {
		t.Errorf("p50 = %v, want 524287", got)
	}
	if got := l.quantile(99); got != int64(1000_000) {
		t.Errorf("p99 = %v, want 1000000", got)
	}
	var empty Lifetimes
	if empty.quantile(50) != nil || empty.mean() != nil || empty.longestLife() != nil {
		t.Error("an empty distribution has values")
	}
}

func TestGoroutinesEvents(t *testing.T) {
	f := Goroutines.New().(*GoroutinesFold)
	create := func(id parse.GoID, to parse.GoState, at parse.Time) {
		f.Event(&parse.Event{Time: at, Kind: parse.KindGoCreate, Go: &parse.Go{ID: id, From: parse.GoNotExist, To: to, Since: at, Func: 1}})
	}
	end := func(at parse.Time, l parse.GoLife) {
		l.Func = 1
		f.Event(&parse.Event{Time: at, Kind: parse.KindGoLife, GoLife: &l})
	}
	spent := func(runnable, running, waiting, syscall int64) (s [parse.NumGoStates]int64) {
		s[parse.GoRunnable], s[parse.GoRunning], s[parse.GoWaiting], s[parse.GoSyscall] = runnable, running, waiting, syscall
		return s
	}
	// Created at 100, runs 110 to 150, ends.
	create(5, parse.GoRunnable, 100)
	// A cgo callback: alive, but not created by a go statement.
	create(6, parse.GoSyscall, 120)
	end(130, parse.GoLife{ID: 6, Born: 120, BornSeen: true, Ended: true, Spent: spent(0, 0, 0, 10)})
	// Created before the window, which begins at 90: no lifetime.
	end(140, parse.GoLife{ID: 8, Born: 90, Ended: true, Spent: spent(0, 50, 0, 0)})
	end(150, parse.GoLife{ID: 5, Born: 100, BornSeen: true, Ended: true, Spent: spent(10, 40, 0, 0)})
	// There before and after.
	end(200, parse.GoLife{ID: 7, Born: 90, Spent: spent(0, 0, 110, 0)})

	if f.created != 1 || f.callbacks != 1 {
		t.Errorf("created %d, callbacks %d", f.created, f.callbacks)
	}
	if want := (aliveCount{net: -1, max: 2, at: 120}); f.all != want || f.user != want {
		t.Errorf("alive %+v, user %+v, want %+v", f.all, f.user, want)
	}
	populations := f.populations.ByKey()
	seen, before := populations[GoOrigin{Fn: 1, Seen: true}], populations[GoOrigin{Fn: 1}]
	if len(populations) != 2 || seen == nil || before == nil {
		t.Fatalf("populations %v", populations)
	}
	if seen.Count != 2 || seen.Ended != 2 || seen.life.N != 2 || seen.life.sum != 60 || seen.States[parse.GoRunning] != 40 || seen.States[parse.GoSyscall] != 10 || seen.States[parse.GoRunnable] != 10 {
		t.Errorf("created in the trace: %+v", seen)
	}
	if before.Count != 2 || before.Ended != 1 || before.life.N != 0 || before.States[parse.GoWaiting] != 110 || before.States[parse.GoRunning] != 50 {
		t.Errorf("created before: %+v", before)
	}
	if top := f.longest.Items(); len(top) != 2 || top[0].Item.ID != 5 || top[0].Value != 50 {
		t.Errorf("longest-lived: %+v", top)
	}
}

// TestGoroutineRuns: runs by place add up to the running time of user goroutines.
func TestGoroutineRuns(t *testing.T) {
	for _, name := range []string{"mixed-go126", "http-healthy", "gc-assist", "preempt-async"} {
		_, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		f := Goroutines.New().(*GoroutinesFold)
		var want, n int64
		for i := range evs {
			if e := &evs[i]; Goroutines.Kinds.Has(e.Kind) {
				f.Event(e)
				if e.Kind == parse.KindGoRunning && e.Go.Class == parse.ClassUser {
					want += e.Held()
					n++
				}
			}
		}
		var got GoRuns
		for _, r := range f.runs.ByKey() {
			got.Add(r)
		}
		if got.Ran != want || got.N != n || want == 0 {
			t.Errorf("%s: %d ns in %d runs, want %d in %d", name, got.Ran, got.N, want, n)
		}
	}
}
