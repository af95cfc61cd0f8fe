package passes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// TestMetrics: the list is whole, and an id has one analyzer.
func TestMetrics(t *testing.T) {
	defs := Metrics()
	if len(defs) < 100 {
		t.Fatalf("%d metrics", len(defs))
	}
	seen := make(map[string]bool)
	for _, d := range defs {
		if seen[d.ID] || d.Unit == "" || d.Polarity == "" || d.Confidence == "" || d.Doc == "" || strings.ContainsAny(d.ID, "{}, ") {
			t.Errorf("%+v is incomplete, or there twice", d)
		}
		seen[d.ID] = true
	}
	for _, f := range Figures() {
		for _, from := range f.From {
			if !seen[from.Metric] || from.Value <= 0 {
				t.Errorf("%s matters from %v on", f.Name, from)
			}
		}
	}
}

func TestCatalogue(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range All() {
		if seen[a.Name] {
			t.Errorf("%s is listed twice", a.Name)
		}
		seen[a.Name] = true
		if !strings.HasPrefix(a.Doc, "# "+a.Name+": ") || a.Title() == "" {
			t.Errorf("%s: its page does not begin with %q", a.Name, "# "+a.Name+": title")
		}
		if a.Run == nil || (a.New == nil) != (a.Kinds == 0) {
			t.Errorf("%s: has no Run, or only one of New and Kinds", a.Name)
		}
		dir := filepath.Join("..", "measures")
		if slices.Contains(Checks(), a) {
			dir = filepath.Join("..", "checks", "*")
		}
		for _, file := range []string{".go", ".md", "_test.go"} {
			if found, _ := filepath.Glob(filepath.Join(dir, a.Name+file)); len(found) != 1 {
				t.Errorf("%s: %s%s is not in a folder of %s", a.Name, a.Name, file, dir)
			}
		}
		for _, r := range a.Requires {
			if !slices.Contains(All(), r) {
				t.Errorf("%s requires %s, which the catalogue does not list", a.Name, r.Name)
			}
		}
	}
}

// TestNames: tables and figures are named ANALYZER.NAME, each once, and a figure
// draws columns that its table has.
func TestNames(t *testing.T) {
	for _, name := range []string{"mixed-go126", "gc-assist", "stw-kinds", "annotations", "netpoll-echo"} {
		for _, r := range analysistest.Report(t, analysistest.Testdata(t, name), All()...).Results {
			tables := make(map[string]*analysis.Table)
			for _, tb := range r.Tables {
				if !strings.HasPrefix(tb.Name, r.Name+".") || tables[tb.Name] != nil {
					t.Errorf("%s: table %q", r.Name, tb.Name)
				}
				tables[tb.Name] = tb
				for _, c := range tb.Columns {
					if strings.Contains(c.Name, "_") {
						t.Errorf("%s: column %q", tb.Name, c.Name)
					}
				}
			}
			seen := make(map[string]bool)
			for _, f := range r.Figures {
				if !strings.HasPrefix(f.Name, r.Name+".") || seen[f.Name] {
					t.Errorf("%s: figure %q", r.Name, f.Name)
				}
				seen[f.Name] = true
				for _, c := range append([]string{f.X, f.Series, f.End}, f.Y...) {
					if c != "" && !slices.ContainsFunc(tables[f.Table].Columns, func(col analysis.Column) bool { return col.Name == c }) {
						t.Errorf("%s: figure draws column %q, which table %s lacks", f.Name, c, f.Table)
					}
				}
			}
		}
	}
}

// TestLaw checks fold(a+b) == fold(a).Merge(fold(b)) over every analyzer.
func TestLaw(t *testing.T) {
	for _, name := range []string{
		"mixed-go121", "mixed-go122", "mixed-go126", "flight-recorder", "gc-assist", "stw-kinds",
		"gomaxprocs-change", "syscall-handoff", "coroutines", "annotations", "heartbeat",
	} {
		analysistest.Law(t, analysistest.Testdata(t, name), All())
	}
}

// TestWants: what a collector says it does not want does not change it.
func TestWants(t *testing.T) {
	for _, name := range []string{"mixed-go126", "gc-assist", "stw-kinds", "gomaxprocs-change", "syscall-handoff", "preempt-async", "netpoll-echo"} {
		_, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		p := analysis.NewPartial(All())
		for i := range evs {
			p.Event(&evs[i])
		}
		for a, got := range p.Folds {
			want := a.New()
			for i := range evs {
				if a.Kinds.Has(evs[i].Kind) {
					want.Event(&evs[i])
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: events that it did not get change it", name, a.Name)
			}
		}
	}
}

// metricsOf is the population of traces that every metric must be set on.
func TestMetricsListed(t *testing.T) {
	got := make(map[string]bool)
	for _, name := range []string{"mixed-go126", "gc-assist", "stw-kinds", "syscall-handoff", "steal-bursts", "http-healthy", "mutex-starvation", "preempt-async", "netpoll-echo", "steal-timers"} {
		for id := range analysistest.Report(t, analysistest.Testdata(t, name), All()...).Metrics {
			got[id] = true
		}
	}
	var missing []string
	for _, d := range Metrics() {
		// Populations that these small traces do not have.
		if got[d.ID] || strings.HasSuffix(d.ID, ".p999") || strings.HasSuffix(d.ID, ".p99") {
			continue
		}
		missing = append(missing, d.ID)
	}
	if len(missing) > 0 {
		t.Errorf("no analyzer sets %s", strings.Join(missing, ", "))
	}
}

// TestEveryTrace: each trace gives a full report or an error that says whose
// fault it is, byte for byte the same with any number of jobs; no analyzer fails.
func TestEveryTrace(t *testing.T) {
	for _, path := range append(corpus.Own(t), corpus.More(t, "*/*.trace")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		analyze := func(jobs int) (*analysis.Report, error) {
			return analysis.Analyze(context.Background(), bytes.NewReader(data), filepath.Base(path), analysis.Options{Jobs: jobs}, All())
		}
		rep, err := analyze(1)
		for _, jobs := range []int{2, 4} {
			if also, alsoErr := analyze(jobs); fmt.Sprint(alsoErr) != fmt.Sprint(err) || !bytes.Equal(encode(t, also), encode(t, rep)) {
				t.Errorf("%s: %d jobs report otherwise than one (%v, %v)", path, jobs, alsoErr, err)
			}
		}
		var e *parse.Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		for _, fault := range analysistest.Check(rep) {
			t.Errorf("%s: %s", path, fault)
		}
	}
}

// TestBrief: a brief report finds what the whole one does, and has what a comparison reads.
func TestBrief(t *testing.T) {
	for _, path := range corpus.Own(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		analyze := func(brief, bare bool) *analysis.Report {
			rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), filepath.Base(path), analysis.Options{Jobs: 1, Brief: brief, Bare: bare}, All())
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			return rep
		}
		brief, whole, bare := analyze(true, false), analyze(false, false), analyze(true, true)
		if !reflect.DeepEqual(measures.LivesOf(brief), measures.LivesOf(whole)) || !reflect.DeepEqual(measures.StartsOf(brief), measures.StartsOf(whole)) ||
			!reflect.DeepEqual(measures.ServedOf(brief), measures.ServedOf(whole)) {
			t.Errorf("%s: a comparison reads otherwise of the brief report", path)
		}
		for i := range whole.Results {
			if brief.Results[i].Summary != nil {
				t.Errorf("%s: the brief report has a summary of %s, which nobody reads", path, brief.Results[i].Name)
			}
			brief.Results[i].Tables, brief.Results[i].Figures = nil, nil
			whole.Results[i].Tables, whole.Results[i].Figures, whole.Results[i].Summary = nil, nil, nil
		}
		for _, res := range bare.Results {
			res.Tables = nil
		}
		if !bytes.Equal(encode(t, bare), encode(t, whole)) || !reflect.DeepEqual(bare.Pools, whole.Pools) {
			t.Errorf("%s: the bare report says otherwise than the whole one", path)
		}
		if !bytes.Equal(encode(t, brief), encode(t, whole)) || !reflect.DeepEqual(brief.Pools, whole.Pools) {
			t.Errorf("%s: the brief report says otherwise than the whole one", path)
		}
	}
}

func encode(t *testing.T, rep *analysis.Report) []byte {
	t.Helper()
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
