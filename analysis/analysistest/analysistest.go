// Package analysistest checks analyzers: the merge law on any trace, and known
// answers on traces whose truth is known.
package analysistest

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// Events reads a whole trace file into memory. Only tests do that.
func Events(t testing.TB, path string) (*parse.Trace, []parse.Event) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var evs []parse.Event
	tr, err := parse.Read(context.Background(), f, parse.Options{}, func(e *parse.Event) { evs = append(evs, e.Clone()) })
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return tr, evs
}

// Testdata returns the path of one of the module's own traces ("mark-assist").
func Testdata(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(corpus.Root(t), "testdata", "traces", name+".trace")
}

// Report analyses a trace file. It fails the test when an analyzer failed, the report
// does not fit together, or the trace's spans do not.
func Report(t testing.TB, path string, analyzers ...*analysis.Analyzer) *analysis.Report {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), filepath.Base(path), analysis.Options{}, analyzers)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	rep.Unpack()
	faults := Check(rep)
	if _, done := accounted.LoadOrStore(path, true); !done {
		a := NewAccounts()
		tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, a.Event)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		faults = append(faults, a.Faults()...)
		if tr.Fault == nil {
			faults = append(faults, a.Unbalanced(tr)...)
		}
	}
	for _, fault := range faults {
		t.Errorf("%s: %s", path, fault)
	}
	if len(faults) > 0 {
		t.FailNow()
	}
	return rep
}

// accounted are the paths of the traces whose spans were checked.
var accounted sync.Map

// Law checks on the events of one trace that folds merge exactly: for cuts at
// generations, at random events, and in random groupings, the merged folds equal
// the sequential ones, and so do their reports.
func Law(t *testing.T, path string, analyzers []*analysis.Analyzer) {
	t.Helper()
	tr, evs := Events(t, path)
	whole := analysis.NewPartial(analyzers)
	for i := range evs {
		whole.Event(&evs[i])
	}
	want := report(t, tr, whole, analyzers)

	var generations []int
	for i, e := range evs {
		if e.Kind == parse.KindGeneration && i > 0 {
			generations = append(generations, i)
		}
	}
	check := func(name string, cuts []int, rng *rand.Rand) {
		var parts []*analysis.Partial
		from := 0
		for _, to := range append(cuts[:len(cuts):len(cuts)], len(evs)) {
			p := analysis.NewPartial(analyzers)
			for i := from; i < to; i++ {
				p.Event(&evs[i])
			}
			parts = append(parts, p)
			from = to
		}
		for len(parts) > 1 {
			i := rng.IntN(len(parts) - 1)
			parts[i].Merge(parts[i+1])
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		// Folds may hold back what they will add. Merged into empty ones, all is added.
		merged, sequential := analysis.NewPartial(analyzers), analysis.NewPartial(analyzers)
		merged.Merge(parts[0])
		sequential.Merge(whole)
		for _, a := range analysis.Closure(analyzers) {
			if a.New != nil && !reflect.DeepEqual(merged.Folds[a], sequential.Folds[a]) {
				t.Errorf("%s, %s: %s: merged fold differs from the sequential one", filepath.Base(path), name, a.Name)
			}
		}
		if got := report(t, tr, parts[0], analyzers); !bytes.Equal(got, want) {
			t.Errorf("%s, %s: merged report differs from the sequential one", filepath.Base(path), name)
		}
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(evs))))
	check("cuts at generations", generations, rng)
	for range 4 {
		var cuts []int
		for i, n := 0, 1+rng.IntN(12); i < n; i++ {
			cuts = append(cuts, rng.IntN(len(evs)+1))
		}
		slices.Sort(cuts)
		check("random cuts", cuts, rng)
	}
}

func report(t *testing.T, tr *parse.Trace, p *analysis.Partial, analyzers []*analysis.Analyzer) []byte {
	t.Helper()
	rep := analysis.Conclude(tr, "law", p, analyzers, nil)
	rep.Unpack()
	b, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
