package main

import (
	"io"
	"path/filepath"
	"sync"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/verdict"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// pageName is the file of a trace's report: its name, and what tells it from others of
// the same name.
func pageName(path string) string {
	return fileName(filepath.Base(path)) + "-" + audit.Digest(path)[:12] + ".html"
}

// pages writes the reports of single traces.
type pages struct {
	mu      sync.Mutex
	err     error                      // the first one
	inForce map[string]analysis.Levels // of thresholds
}

func (p *pages) put(file string, rep *analysis.Report, tool string) {
	rep.Tool, rep.Verdict = tool, verdict.Of(rep)
	err := writeFile(file, func(w io.Writer) error {
		return report.HTML(w, rep, report.Options{Pages: analyzerPages(p.inForce), MetricDocs: metricDocs()})
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.err == nil {
		p.err = &failure{file, err}
	}
}

func (p *pages) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
