package main

import (
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
)

// analyzerOf is the analyzer that a name is of, nil for none: its own, the code of a
// finding, or a figure.
func analyzerOf(name string) *analysis.Analyzer {
	of := name
	figures := passes.Figures()
	if i := slices.IndexFunc(figures, func(d analysis.FigureDef) bool { return d.Name == name }); i >= 0 {
		of = figures[i].Analyzer()
	}
	of, _, variant := strings.Cut(of, "/")
	all := passes.All()
	i := slices.IndexFunc(all, func(a *analysis.Analyzer) bool { return a.Name == of })
	if i < 0 || variant && !strings.Contains(all[i].Doc, "*"+name+"*") { // its page has all codes
		return nil
	}
	return all[i]
}

// analyzerNames are what people may name analyzers by, without figures and codes.
func analyzerNames() (names []string) {
	for _, a := range passes.All() {
		names = append(names, a.Name)
	}
	return names
}
