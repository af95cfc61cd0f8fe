package compare_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
)

// TestFalseAlarms compares runs of healthy programs with one another, in which nothing
// differs but by chance: testdata/gen/compare/sets.sh records them into the folder that
// TRACELENS_COMPARE names.
func TestFalseAlarms(t *testing.T) {
	dir := os.Getenv("TRACELENS_COMPARE")
	if dir == "" {
		t.Skip("TRACELENS_COMPARE names no folder of testdata/gen/compare/sets.sh")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*-*.trace"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces in %s: %v", dir, err)
	}
	programs := make(map[string][]*compare.Trace)
	for _, path := range paths { // in the order of recording
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(path), "-")
		programs[name] = append(programs[name], read(t, data, path))
	}
	rows := func(c *analysis.Comparison) (names []string) {
		for _, all := range [][]analysis.Change{c.Metrics, c.Parts} {
			for _, ch := range all {
				if ch.Judged != analysis.Same && ch.Judged != analysis.Unknown {
					names = append(names, fmt.Sprintf("%s %.4g→%.4g", ch.Name, float64(ch.Old), float64(ch.New)))
				}
			}
		}
		for _, r := range c.Requests {
			if ch := compare.Differs(&r); ch != nil {
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
					s[i%2].Add(tr)
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
	for _, n := range []int{1, 3, 6} {
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
