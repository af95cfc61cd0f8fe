package compare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse/tracetest"
)

func read(t *testing.T, data []byte, name string) *compare.Trace {
	t.Helper()
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), name, analysis.Options{Stretches: 32, Brief: true}, passes.All())
	if err != nil {
		t.Fatal(name, err)
	}
	return compare.OfReport(rep)
}

// own is the path of a trace of the repository.
func own(t *testing.T, name string) string {
	return filepath.Join(corpus.Root(t), "testdata", "traces", name+".trace")
}

// side reads traces, all of a folder of testdata/compare.
func side(t *testing.T, set string) (s compare.Side) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpus.Root(t), "testdata", "compare", set, "*.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces in %s: %v", set, err)
	}
	s.Name = set
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(read(t, data, path))
	}
	return s
}

// shown are the changes that are said to be no chance.
func shown(c *analysis.Comparison) (names []string) {
	for _, all := range [][]analysis.Change{c.Metrics, c.Parts} {
		for _, ch := range all {
			if ch.Judged.Shown() {
				names = append(names, ch.Name)
			}
		}
	}
	return names
}

// TestPlanted: what was changed is named, with its place; where nothing was, nothing is.
func TestPlanted(t *testing.T) {
	base := side(t, "base")
	for set, want := range map[string][]string{
		"same":    {"No difference that these traces can show"},
		"held":    {"More goroutine time goes to main.handle: main.lookup (sync.Mutex)", "main.handle holds it", "runs in main.lookup"},
		"pool":    {"More goroutine time goes to main.handle: main.ask (chan send)", "its receiver main.handle", "asleep at main.ask"},
		"backend": {"More goroutine time goes to main.handle: main.ask (sleep)"},
		"alloc":   {"The GC runs more often", "begins by allocation at main.render"},
	} {
		rep := compare.Of(base, side(t, set), compare.Options{})
		for _, s := range want {
			if !strings.Contains(rep.Verdict.Text, s) {
				t.Errorf("%s: %q is not said:\n%s", set, s, rep.Verdict.Text)
			}
		}
		if got := shown(rep.Comparison); (set == "same") != (len(got) == 0) {
			t.Errorf("%s: %d changes are shown: %s", set, len(got), strings.Join(got, ", "))
		}
		if rep.Comparison.Basis != analysis.BetweenTraces {
			t.Errorf("%s: held against %s", set, rep.Comparison.Basis)
		}
		sums(t, rep.Comparison)
	}
}

// sums checks that the parts add up to the total.
func sums(t *testing.T, c *analysis.Comparison) {
	t.Helper()
	if c.Total == nil {
		return
	}
	var old, now, delta float64
	for _, p := range c.Parts {
		old += float64(p.Old)
		now += float64(p.New)
		delta += p.Delta()
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }
	if !near(old, float64(c.Total.Old)) || !near(now, float64(c.Total.New)) || !near(delta, c.Total.Delta()) {
		t.Errorf("parts add up to %v → %v, a difference of %v; in all it is %v → %v", old, now, delta, c.Total.Old, c.Total.New)
	}
}

// TestTotal: the total of a side is the goroutine time that the measure counts.
func TestTotal(t *testing.T) {
	paths := corpus.Own(t)
	for i, path := range paths {
		var s [2]compare.Side
		var want [2]float64
		for k, p := range []string{path, paths[(i+1)%len(paths)]} {
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			tr := read(t, data, p)
			want[k] = float64(tr.Metrics["kinds.busy"].Value) / float64(tr.Duration)
			s[k].Add(tr)
		}
		c := compare.Of(s[0], s[1], compare.Options{Per: compare.PerSecond}).Comparison
		sums(t, c)
		if c.Total == nil {
			continue
		}
		if math.Abs(float64(c.Total.Old)-want[0]) > 1e-9*want[0] || math.Abs(float64(c.Total.New)-want[1]) > 1e-9*want[1] {
			t.Errorf("%s: %v → %v, want %v → %v", path, c.Total.Old, c.Total.New, want[0], want[1])
		}
	}
}

// TestItself: a trace is the same as itself, also with other goroutines' numbers and at
// another time.
func TestItself(t *testing.T) {
	for _, name := range []string{"mixed-go126", "http-healthy", "gc-assist", "mixed-go122"} {
		data, err := os.ReadFile(own(t, name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := tracetest.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		f.Each(func(what byte, v *uint64) {
			switch {
			case what == 'T':
				*v += 1 << 34
			case what == 'g' && *v > 16: // those of the runtime are known by their numbers
				*v += 7e15
			}
		})
		for what, other := range map[string][]byte{"itself": data, "the same moved and renumbered": f.Bytes()} {
			var s [2]compare.Side
			s[0].Add(read(t, data, name))
			s[1].Add(read(t, other, name))
			if got := compare.Of(s[0], s[1], compare.Options{}).Verdict.Text; !strings.HasPrefix(got, "Both sides are the same in every number.") {
				t.Errorf("%s against %s: %s", name, what, got)
			}
		}
	}
}

// TestVersions: traces of other versions of Go are compared as far as both tell, and what
// they do not is said.
func TestVersions(t *testing.T) {
	for _, old := range []string{"mixed-go121", "mixed-go122"} {
		var s [2]compare.Side
		for i, name := range []string{old, "mixed-go126"} {
			data, err := os.ReadFile(own(t, name))
			if err != nil {
				t.Fatal(err)
			}
			s[i].Add(read(t, data, name))
		}
		rep := compare.Of(s[0], s[1], compare.Options{})
		for _, want := range []string{"The versions of Go differ (go 1.2", " Not compared, since one side does not have them: "} {
			if !strings.Contains(rep.Verdict.Text, want) {
				t.Errorf("%s: %q is not said: %s", old, want, rep.Verdict.Text)
			}
		}
		for _, ch := range rep.Comparison.Metrics {
			if one := ch.N[0] == 0 || ch.N[1] == 0; one && ch.Judged != analysis.Unknown {
				t.Errorf("%s: %s is %s, of %v traces", old, ch.Name, ch.Judged, ch.N)
			}
		}
	}
}

// TestCutSides: a side of which every trace is cut is compared all the same, and said to be.
func TestCutSides(t *testing.T) {
	sideOf := func(name string, cut bool) (s compare.Side) {
		data, err := os.ReadFile(own(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if cut {
			data = data[:len(data)-100]
		}
		s.Name = name
		s.Add(read(t, data, name))
		return s
	}
	names := []string{"flight-recorder", "heartbeat", "idle"} // of several generations
	for _, old := range names {
		for _, now := range names {
			for cuts, sides := range [][2]compare.Side{{sideOf(old, true), sideOf(now, true)}, {sideOf(old, false), sideOf(now, true)}} {
				text := compare.Of(sides[0], sides[1], compare.Options{}).Verdict.Text
				if n := strings.Count(text, " is cut or contradicts itself: its numbers are those of a part."); n != 2-cuts {
					t.Errorf("%s → %s: %d sides are said to be cut: %s", old, now, n, text)
				}
				if old != now && !strings.Contains(text, "Not compared, since one side does not have them: ") {
					t.Errorf("%s → %s: what is not compared is not said: %s", old, now, text)
				}
			}
		}
	}
}

// TestCutDiffer: two sides that are cut may differ in a number whose distribution is of sound
// traces only.
func TestCutDiffer(t *testing.T) {
	var s [2]compare.Side
	for i := range s {
		s[i].Add(&compare.Trace{
			Summary: analysis.Summary{Name: "cut", Duration: 2e9, Fault: "cut"},
			Metrics: map[string]analysis.Metric{"requests.duration.p50": {Value: analysis.Number([]float64{1e6, 1e8}[i]), Unit: analysis.NS, N: 100, Polarity: analysis.Lower}},
		})
	}
	if text := compare.Of(s[0], s[1], compare.Options{}).Verdict.Text; !strings.Contains(text, "It seems to differ: requests.duration.p50 1 ms → 100 ms") {
		t.Error(text)
	}
}

// TestPer: what sums are divided by changes them, not levels.
func TestPer(t *testing.T) {
	base, pool := side(t, "base"), side(t, "pool")
	values := make(map[string]map[string]analysis.Change)
	for _, per := range []string{compare.PerSecond, compare.PerBusy} {
		c := compare.Of(base, pool, compare.Options{Per: per}).Comparison
		values[per] = make(map[string]analysis.Change)
		for _, ch := range c.Metrics {
			values[per][ch.Name] = ch
		}
		sums(t, c)
	}
	level, sum := "sched.latency.user.p50", "block.sleep.total"
	if a, b := values[compare.PerSecond][level], values[compare.PerBusy][level]; a.Old != b.Old || a.Per != "" {
		t.Errorf("%s is %v per second and %v per busy second", level, a.Old, b.Old)
	}
	if a, b := values[compare.PerSecond][sum], values[compare.PerBusy][sum]; a.Old >= b.Old || b.Per != compare.PerBusy {
		t.Errorf("%s is %v per second and %v per busy second, of a program that is idle mostly", sum, a.Old, b.Old)
	}
}

// TestSaved: a report of a comparison that was saved reads as it was.
func TestSaved(t *testing.T) {
	rep := compare.Of(side(t, "base"), side(t, "held"), compare.Options{})
	rep.Tool = "test"
	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	again, err := analysis.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(text, second) {
		i := 0
		for i < min(len(text), len(second)) && text[i] == second[i] {
			i++
		}
		t.Errorf("%v: it differs from …%.200s", err, text[max(0, i-100):])
	}
}

// TestLengths: where one side is twice as long as the other, that may be what the work takes.
func TestLengths(t *testing.T) {
	for length, want := range map[int64]bool{39e8: false, 41e8: true} {
		var s [2]compare.Side
		for i, d := range []int64{length, 2e9} {
			s[i].Add(&compare.Trace{Summary: analysis.Summary{Name: "t", Duration: d, Complete: true}, Metrics: map[string]analysis.Metric{"heap.live.max": {Value: 1 << 20, Unit: analysis.Bytes, N: 1}}})
		}
		if text := compare.Of(s[0], s[1], compare.Options{}).Verdict.Text; strings.Contains(text, "(4.1 s and 2 s): if each is of the same work, from its begin to its end, that is what it takes") != want {
			t.Errorf("%d ns: %s", length, text)
		}
	}
}
