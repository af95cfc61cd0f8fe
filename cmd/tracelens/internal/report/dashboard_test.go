package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestDashboard: the dashboard, and what is said of monitoring, name metrics that
// OpenMetrics writes.
func TestDashboard(t *testing.T) {
	findings := &analysis.Table{Name: "findings", Columns: []analysis.Column{{Name: "finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}}}
	findings.Add("x", "error", int64(1))
	rep := &analysis.Report{Metrics: make(map[string]analysis.Metric), Fleet: new(analysis.Fleet), Results: []*analysis.Result{{Name: "fleet", Tables: []*analysis.Table{findings}}}}
	for _, m := range passes.Metrics() {
		rep.Metrics[m.ID] = analysis.Metric{Value: 1, Unit: m.Unit}
	}
	var b bytes.Buffer
	if err := OpenMetrics(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	root := corpus.Root(t)
	name := regexp.MustCompile(`\btracelens_[a-z0-9_]+`)
	for file, least := range map[string]int{"examples/grafana-dashboard.json": 15, "docs/MONITORING.md": 2} {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(data) {
			t.Errorf("%s is no JSON", file)
		}
		names := name.FindAllString(string(data), -1)
		if len(names) < least {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, n := range names {
			if !strings.Contains(b.String(), "\n"+n+"{") {
				t.Errorf("%s: there is no metric %s", file, n)
			}
		}
	}
}
