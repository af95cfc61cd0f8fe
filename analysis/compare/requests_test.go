package compare

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestSplitPart: a wait for the network, a P, a timer or the GC is for none of the program's
// goroutines.
func TestSplitPart(t *testing.T) {
	for name, want := range map[string][2]string{
		"waiting for a P": {"waiting for a P", ""},
		"waiting for the network at main.get → net.(*conn).Read":                                             {"waiting for the network at main.get → net.(*conn).Read", ""},
		"blocked in sync.Mutex at main.get for main.refresh, which was waiting for the network at main.load": {"blocked in sync.Mutex at main.get", "for main.refresh, which was waiting for the network at main.load"},
		"running up to main.get":               {"running", "up to main.get"},
		"in mark assist at main.tree":          {"in mark assist", "at main.tree"},
		"running":                              {"running", ""},
		"blocked in select at main.runningfor": {"blocked in select at main.runningfor", ""},
	} {
		if what, rest := splitPart(name); what != want[0] || rest != want[1] {
			t.Errorf("%q is %q, %q", name, what, rest)
		}
	}
}

// TestRequests: the parts of the requests of a type add up to the difference of their mean,
// and a type that takes longer is said to, with what it was at.
func TestRequests(t *testing.T) {
	load := func(paths ...string) (s Side) {
		for _, path := range paths {
			f, err := os.Open(corpus.Root(t) + "/testdata/" + path)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := analysis.Analyze(context.Background(), f, path, analysis.Options{}, passes.All())
			f.Close()
			if err != nil {
				t.Fatal(path, err)
			}
			s.Add(OfReport(rep))
		}
		return s
	}
	set := func(name string) (paths []string) {
		for _, n := range "123456" {
			paths = append(paths, "compare/"+name+"/"+string(n)+".trace.gz")
		}
		return paths
	}
	for _, sides := range [][2]Side{
		{load(set("base")...), load(set("held")...)},
		{load("requests/http-go124.trace"), load("requests/http-go126.trace")},
		{load("requests/grpc.trace"), load("requests/grpc.trace")},
	} {
		c := &comparison{side: sides, by: PerSecond, basis: analysis.Untested, c: new(analysis.Comparison)}
		all := c.requests()
		if len(all) == 0 {
			t.Errorf("%s: no requests", sides[0].Traces[0].Name)
		}
		for _, s := range all {
			sum := 0.0
			for _, p := range s.Parts {
				sum += p.Delta()
			}
			if d := s.Mean.Delta(); math.Abs(sum-d) > 1e-6*math.Abs(d)+1 {
				t.Errorf("%s: parts add up to %.0f ns, the mean differs by %.0f", s.Name, sum, d)
			}
		}
	}
	rep := Of(load(set("base")...), load(set("backend")...), Options{})
	if text := rep.Verdict.Text; !strings.HasPrefix(text, "Requests main.main.func1 (goroutine): mean ") && !strings.Contains(text, " Requests main.main.func1 (goroutine): ") || !strings.Contains(text, "asleep at main.ask (") {
		t.Error(text)
	}
}
