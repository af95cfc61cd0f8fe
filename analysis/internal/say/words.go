// Package say writes numbers, names and titles for people, and the cells of tables.
package say

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Number writes a mean of goroutines.
func Number(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// PerSecond is n in ns as a rate, 0 where no time passes.
func PerSecond(n, ns int64) float64 {
	if ns <= 0 {
		return 0
	}
	return float64(n) * 1e9 / float64(ns)
}

func Percent(v float64) string { return analysis.FormatRatio(v) }

// Spread writes those of p50, p99 and max that the population of h supports.
func Spread(p *analysis.Pass, h *sketch.Histogram) string {
	s := ""
	if v, ok := h.Quantile(.5); ok {
		s += "p50 " + p.Dur(v) + ", "
	}
	if v, ok := h.Quantile(.99); ok {
		s += "p99 " + p.Dur(v) + ", "
	}
	return s + "max " + p.Dur(h.Max())
}

// ReadyWord is how a goroutine became runnable, in words.
func ReadyWord(r parse.Ready) string {
	switch r {
	case parse.ReadyNetpoll:
		return "network poller"
	case parse.ReadyLockHandoff:
		return "lock handoff"
	case parse.ReadySyscall:
		return "system call"
	case parse.ReadyGC:
		return "GC"
	}
	return r.String()
}

// ReadyName says who made a goroutine runnable, and where when a goroutine did.
func ReadyName(p *analysis.Pass, r parse.Ready, stack parse.StackID) string {
	switch {
	case stack == 0 && r == parse.ReadyCreated:
		return "(time.AfterFunc)" // time.go: goFunc; only the timer knows who set it
	case stack == 0:
		return "(" + ReadyWord(r) + ")"
	}
	name := p.SiteName(stack)
	if own(name) {
		for _, f := range p.Trace.Stack(stack) {
			if fn := p.Trace.String(f.Func); !own(fn) {
				return fmt.Sprintf("%s:%d", fn, f.Line)
			}
		}
	}
	return name
}

// own reports whether a stack of what the runtime does for itself begins with a function
// that says nothing: the switch to a stack of its own or, where the tracer unwinds that too
// (Go 1.26), the tracer and what readies a list of goroutines.
func own(fn string) bool {
	return strings.HasPrefix(fn, "runtime.systemstack_switch") || strings.HasPrefix(fn, "runtime.traceLocker.") || fn == "runtime.injectglist"
}

// Ratio is part of whole, 0 of nothing.
func Ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Counted writes n and the name of what is counted.
func Counted(n int64, one, many string) string {
	if n != 1 {
		one = many
	}
	return analysis.FormatCount(n) + " " + one
}
