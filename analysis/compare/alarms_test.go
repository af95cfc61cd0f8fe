package compare_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
)

// recorded are the traces of a folder that testdata/gen/compare/sets.sh made, by program, in
// the order of recording. TRACELENS_COMPARE names where.
func recorded(t *testing.T, folder string) map[string][]*compare.Trace {
	t.Helper()
	dir := os.Getenv("TRACELENS_COMPARE")
	if dir == "" {
		t.Skip("TRACELENS_COMPARE names no folder of testdata/gen/compare/sets.sh")
	}
	paths, err := filepath.Glob(filepath.Join(dir, folder, "*-*.trace"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces in %s: %v", dir, err)
	}
	programs := make(map[string][]*compare.Trace)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(path), "-")
		programs[name] = append(programs[name], read(t, data, path))
	}
	return programs
}

// TestFalseAlarms compares runs of healthy programs with one another, in which nothing
// differs but by chance.
func TestFalseAlarms(t *testing.T) {
	for _, folder := range []string{"same", "others"} {
		t.Run(folder, func(t *testing.T) { falseAlarms(t, recorded(t, folder), 1, 3, 6) })
	}
	t.Run("long", func(t *testing.T) { falseAlarms(t, recorded(t, "long"), 1) })
}

func falseAlarms(t *testing.T, programs map[string][]*compare.Trace, sizes ...int) {
	rows := func(c *analysis.Comparison) (names []string) {
		for _, all := range [][]analysis.Change{c.Metrics, c.Parts} {
			for _, ch := range all {
				if ch.Judged != analysis.Same && ch.Judged != analysis.Unknown {
					names = append(names, fmt.Sprintf("%s %.4g→%.4g", ch.Name, float64(ch.Old), float64(ch.New)))
				}
			}
		}
		for _, r := range c.Requests {
			if ch := r.Differs(); ch != nil {
				names = append(names, ch.Name)
			}
		}
		return names
	}
	// count compares sides of n traces each, alternately recorded.
	count := func(n int) (times, alarms, most int, said map[string]int) {
		said = make(map[string]int)
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			for all := programs[name]; len(all) >= 2*n; all = all[2*n:] {
				var s [2]compare.Side
				for i, tr := range all[:2*n] {
					one := *tr // Add takes things from it
					s[i%2].Add(&one)
				}
				got := rows(compare.Of(s[0], s[1], compare.Options{}).Comparison)
				times++
				if len(got) > 0 {
					alarms++
				}
				most = max(most, len(got))
				for _, g := range got {
					said[name+": "+g]++
				}
			}
		}
		return times, alarms, most, said
	}
	for _, n := range sizes {
		times, alarms, most, said := count(n)
		total := 0
		for _, k := range said {
			total += k
		}
		t.Logf("%d traces a side: %d of %d comparisons say that something differs, %.2f rows each, %d at most", n, alarms, times, float64(total)/float64(times), most)
		for _, s := range slices.Sorted(maps.Keys(said)) {
			t.Logf("   %d × %s", said[s], s)
		}
		if 20*alarms > times {
			t.Errorf("%d traces a side: false alarms in %d of %d", n, alarms, times)
		}
	}
}

// TestPlantedSets compares programs before and after a change: what was changed, and where,
// is said first.
func TestPlantedSets(t *testing.T) {
	t.Run("changed", func(t *testing.T) { planted(t, recorded(t, "changed"), 1, 3, 6) })
	t.Run("longchanged", func(t *testing.T) { planted(t, recorded(t, "longchanged"), 1) })
}

func planted(t *testing.T, programs map[string][]*compare.Trace, sizes ...int) {
	for _, c := range []struct {
		old, now, want string
		caution        bool // it is what must be minded
	}{
		{"base", "held", `running \(|sync\.Mutex at main\.lookup`, false},
		{"poolbase", "pool", `main\.ask \(chan send\)|chan send at main\.ask|channel .*main\.ask`, false},
		{"base", "backend", `asleep at main\.ask|main\.ask \(sleep\)`, false},
		{"base", "procs", `^GOMAXPROCS differs`, true},
		{"base", "go124", `^The versions of Go differ`, true},
		{"gcbase", "gogc", `(?i)the GC runs more often`, false},
		{"base", "alloc", `(?i)the GC runs more often.*begins by allocation at main\.render`, false},
		{"gcbase", "record", `(?i)the GC runs more often.*begins by allocation at main\.keep`, false},
	} {
		re := regexp.MustCompile(c.want)
		for _, n := range sizes {
			times, said := 0, 0
			old, now := programs[c.old], programs[c.now]
			for k := 0; k+n <= min(len(old), len(now)); k += n {
				var s [2]compare.Side
				for i := range n {
					before, after := *old[k+i], *now[k+i]
					s[0].Add(&before)
					s[1].Add(&after)
				}
				rep := compare.Of(s[0], s[1], compare.Options{})
				times++
				if re.MatchString(first(rep.Verdict, c.caution)) {
					said++
				} else {
					t.Log(rep.Verdict.Text)
				}
			}
			t.Logf("%s → %s, %d traces a side: said first in %d of %d", c.old, c.now, n, said, times)
			if n == 6 && 100*said < 95*times {
				t.Errorf("%s → %s: said first in %d of %d", c.old, c.now, said, times)
			}
		}
	}
}

// first is the first sentence of a verdict that is of a kind: what must be minded, or what
// differs.
func first(v *analysis.Verdict, caution bool) string {
	for _, p := range v.Parts {
		if (p.Kind == analysis.VerdictCaution) == caution {
			return p.Text
		}
	}
	return ""
}

// TestPower tells how often a backend that takes longer is said to.
func TestPower(t *testing.T) {
	programs := recorded(t, "changed")
	for _, now := range []string{"backend2100", "backend2200", "backend2500", "backend3000", "backend"} {
		for _, n := range []int{1, 3, 6, 12} {
			times, said := 0, 0
			for k := 0; k+n <= min(len(programs["base"]), len(programs[now])); k += n {
				var s [2]compare.Side
				for i := range n {
					before, after := *programs["base"][k+i], *programs[now][k+i]
					s[0].Add(&before)
					s[1].Add(&after)
				}
				times++
				if strings.Contains(compare.Of(s[0], s[1], compare.Options{}).Verdict.Text, "asleep at main.ask") {
					said++
				}
			}
			t.Logf("%s, %d traces a side: said in %d of %d", now, n, said, times)
		}
	}
}
