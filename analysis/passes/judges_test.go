package passes

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"runtime/trace"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// judgeCases are the cases of each judge, made by hand.
var judgeCases = map[*analysis.Analyzer]func(*testing.T){
	incompleteTrace:     testIncompleteTrace,
	shortTrace:          testShortTrace,
	tracerOverhead:      testTracerOverhead,
	cpuThrottled:        testCPUThrottled,
	oversubscribedHost:  testOversubscribedHost,
	serialSection:       testSerialSection,
	saturatedPs:         testSaturated,
	idlePsIOBound:       testIdlePsIOBound,
	pImbalance:          testPImbalance,
	gomaxprocsAdvice:    testGOMAXPROCSAdvice,
	latencyTail:         testLatencyTail,
	runnableBurst:       testRunnableBurst,
	idlePWhileRunnable:  testIdlePWhileRunnable,
	goschedSpin:         testGoschedSpin,
	goroutineChurn:      testGoroutineChurn,
	lockedThreadPenalty: testLockedThreadPenalty,
	migrationChurn:      testMigrationChurn,
	singleProducerSteal: testSingleProducerSteal,
	sliceOverrun:        testSliceOverrun,
	preemptHeavy:        testPreemptHeavy,
	mutexStarvation:     testMutexStarvation,
	blockingHandoffs:    testBlockingHandoffs,
	pHostage:            testPHostage,
	syscallReturnWait:   testSyscallReturnWait,
	threadGrowth:        testThreadGrowth,
	chattySyscalls:      testChattySyscalls,
	memoryLimitThrash:   testMemoryLimitThrash,
	gcCPUDominant:       testGCCPUDominant,
	forcedGC:            testForcedGC,
	liveHeapGrowth:      testLiveHeapGrowth,
	assistHeavy:         testAssistHeavy,
	assistQueueWait:     testAssistQueueWait,
	markStarvesUsers:    testMarkStarvesUsers,
	mmuLow:              testMMULow,
	sweepOnAllocation:   testSweepOnAllocation,
	heapOvershoot:       testHeapOvershoot,
	stwStraggler:        testSTWStraggler,
	stwByTooling:        testSTWByTooling,
	stwLong:             testSTWLong,
	lockConvoy:          testLockConvoy,
	rwmutexWriterStall:  testRWMutexWriterStall,
	channelPingPong:     testChannelPingPong,
	stuckGoroutines:     testStuckGoroutines,
	tickerStorm:         testTickerStorm,
	netpollDelay:        testNetpollDelay,
	slowTasks:           testSlowTasks,
	unfinishedTasks:     testUnfinishedTasks,
}

// alwaysApplicable are the judges that no trace keeps from judging.
var alwaysApplicable = []*analysis.Analyzer{incompleteTrace, stwByTooling}

// near is how close to a level a case has to be on either side, as a share of it.
const near = .01

// coarseLevels are the thresholds whose values cannot be made that near, and why.
var coarseLevels = map[string]struct {
	near float64
	why  string
}{}

// A handmade trace was judged by a case.
type handmade struct {
	trace  parse.Trace
	events []parse.Event
}

// tried keeps the traces of the cases under way, nil outside TestJudges.
var tried *[]handmade

// judged concludes a trace made by hand.
func judged(tr *parse.Trace, judge *analysis.Analyzer, events []parse.Event) *analysis.Report {
	h := handmade{*tr, events}
	if tried != nil {
		*tried = append(*tried, h)
	}
	return h.report(judge, nil)
}

func (h *handmade) report(judge *analysis.Analyzer, levels map[string]analysis.Levels) *analysis.Report {
	p := analysis.NewPartial([]*analysis.Analyzer{judge})
	for i := range h.events {
		p.Event(&h.events[i])
	}
	return analysis.Conclude(&h.trace, "synthetic", p, []*analysis.Analyzer{judge}, levels)
}

// verdict is how a judge ends with these levels in force.
func (h *handmade) verdict(judge *analysis.Analyzer, levels map[string]analysis.Levels) string {
	res := h.report(judge, levels).Results[0]
	out := string(res.Outcome)
	for _, f := range res.Findings {
		out += fmt.Sprintf(" %s %s", f.Code, f.Severity)
		for _, s := range f.Symptoms {
			out += fmt.Sprintf(" %s %s", s.Code, s.Severity)
		}
	}
	return out
}

// TestJudges runs the cases of every judge, and wants of them one that fires, one
// that is clear and one that is not applicable. A level moved a little must change
// the verdict of a case, up and down: so there are cases just below and at it.
func TestJudges(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("a trace of this process is being recorded already")
	}
	for _, judge := range Judges() {
		t.Run(judge.Name, func(t *testing.T) {
			cases := judgeCases[judge]
			if cases == nil {
				t.Fatal("has no cases in judgeCases")
			}
			var all []handmade
			tried = &all
			defer func() { tried = nil }()
			cases(t)
			tried = nil

			outcomes := make(map[analysis.Outcome]bool)
			for i := range all {
				outcomes[all[i].report(judge, nil).Results[0].Outcome] = true
			}
			for _, o := range []analysis.Outcome{analysis.Found, analysis.Clear, analysis.NotApplicable} {
				if !outcomes[o] && (o != analysis.NotApplicable || !slices.Contains(alwaysApplicable, judge)) {
					t.Errorf("no case is %s", o)
				}
			}
			for _, th := range judge.Thresholds {
				for _, severity := range analysis.Severities {
					level := *levelOf(&th.Levels, severity)
					for _, up := range []bool{true, false} {
						if level == 0 {
							continue
						}
						got := 9.0
						for _, share := range []float64{1e-9, .01, .02, .05, .1, .2, .5, 1, 3} {
							if levelTried(judge, &th, severity, up, share, all) {
								got = share
								break
							}
						}
						fmt.Printf("NEAR %s %s %v %s %v\n", th.Name, severity, level, sideOf(&th, up), got)
					}
				}
			}
		})
	}
	for judge := range judgeCases {
		if !slices.Contains(Judges(), judge) {
			t.Errorf("%s has cases, but is not in the catalogue", judge.Name)
		}
	}
	names := make(map[string]bool)
	for _, judge := range Judges() {
		for _, th := range judge.Thresholds {
			names[th.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(coarseLevels)) {
		if !names[name] {
			t.Errorf("coarseLevels has %s, which no judge has", name)
		}
	}
}

func nearOf(threshold string) float64 { return cmp.Or(coarseLevels[threshold].near, near) }

// sideOf says whether cases at a level or those short of it notice that it moved up
// or down.
func sideOf(th *analysis.Threshold, up bool) string {
	if up != th.Below {
		return "that meets it"
	}
	return "that misses it"
}

func levelOf(l *analysis.Levels, s analysis.Severity) *float64 {
	switch s {
	case analysis.Note:
		return &l.Note
	case analysis.Warning:
		return &l.Warning
	}
	return &l.Error
}

// levelTried reports whether some case ends otherwise when a level is moved by a
// share of it, counts and rates by one at least. Where another threshold hides that,
// it does with the other one out of the way.
func levelTried(judge *analysis.Analyzer, th *analysis.Threshold, s analysis.Severity, up bool, share float64, all []handmade) bool {
	moved := th.Levels
	level := levelOf(&moved, s)
	step := share * *level
	if th.Unit == analysis.Count || th.Unit == analysis.PerS {
		step = max(step, min(1, *level))
	}
	if !up {
		step = -step
	}
	*level += step
	if *level == 0 {
		*level = -1e-9 // 0 is no level
	}
	for _, other := range append([]analysis.Threshold{{}}, judge.Thresholds...) {
		if other.Name == th.Name {
			continue
		}
		before := map[string]analysis.Levels{other.Name: alwaysMet(&other)}
		after := map[string]analysis.Levels{other.Name: alwaysMet(&other), th.Name: moved}
		for i := range all {
			if all[i].verdict(judge, before) != all[i].verdict(judge, after) {
				return true
			}
		}
	}
	return false
}

// alwaysMet are levels of a threshold that every value meets.
func alwaysMet(th *analysis.Threshold) (l analysis.Levels) {
	for _, s := range analysis.Severities {
		if *levelOf(&th.Levels, s) == 0 {
			continue
		}
		*levelOf(&l, s) = -1e-9
		if th.Below {
			*levelOf(&l, s) = math.MaxFloat64
		}
	}
	return l
}
