package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// samples is what a CPU profile that ran with the trace says.
var samples = &analysis.Analyzer{
	Name:  "samples",
	Doc:   page("samples"),
	Kinds: parse.KindsOf(parse.KindSample),
	New:   func() analysis.Collector { return make(samplesFold) },
	Run:   runSamples,
}

// samplesFold counts samples by stack; those of threads without a goroutine have stack 0.
type samplesFold map[parse.StackID]*sampled

type sampled struct{ n int64 }

func (s *sampled) add(o *sampled) { s.n += o.n }

func (f samplesFold) Event(e *parse.Event) { at(f, e.Stack).n++ }

func (f samplesFold) Merge(next analysis.Collector) {
	mergeKeyed(f, next.(samplesFold), (*sampled).add)
}

// sampledFunc is one function: the samples it was running in, and those of it and
// what it called.
type sampledFunc struct {
	name      string
	flat, cum int64
	top       int64         // samples of stack
	stack     parse.StackID // the most frequent one that it is on
}

// functions are those of all samples, by the most samples running in them.
func (f samplesFold) functions(tr *parse.Trace) (out []*sampledFunc, n int64) {
	byName := make(map[string]*sampledFunc)
	for stack, s := range f {
		n += s.n
		seen := make(map[string]bool)
		for i, frame := range tr.Stack(stack) {
			name := tr.String(frame.Func)
			fn := byName[name]
			if fn == nil {
				fn = &sampledFunc{name: name}
				byName[name] = fn
				out = append(out, fn)
			}
			if i == 0 {
				fn.flat += s.n
			}
			if !seen[name] {
				fn.cum += s.n
				if s.n > fn.top || s.n == fn.top && stack < fn.stack {
					fn.top, fn.stack = s.n, stack
				}
			}
			seen[name] = true
		}
	}
	slices.SortFunc(out, func(a, b *sampledFunc) int {
		return cmp.Or(cmp.Compare(b.flat, a.flat), cmp.Compare(b.cum, a.cum), cmp.Compare(a.name, b.name))
	})
	return out, n
}

func runSamples(p *analysis.Pass) error {
	f := analysis.Fold[samplesFold](p)
	funcs, n := f.functions(p.Trace)
	if n == 0 {
		p.NotApplicable(noSamples)
		return nil
	}
	t := &analysis.Table{
		Name: "samples.functions", Title: "functions by CPU samples: running in it, and in it or what it calls", N: n,
		Columns: []analysis.Column{
			{Name: "function", Unit: analysis.Text}, {Name: "self", Unit: analysis.Count}, {Name: "self share", Unit: analysis.Ratio},
			{Name: "with callees", Unit: analysis.Count}, {Name: "share", Unit: analysis.Ratio},
		},
	}
	for _, fn := range funcs {
		t.Add(fn.name, fn.flat, ratio(fn.flat, n), fn.cum, ratio(fn.cum, n))
	}
	t.Limit(20)
	p.Table(t)
	p.Say("%s of a CPU profile; most in %s (%s by itself)", counted(n, "sample", "samples"), funcs[0].name, analysis.FormatRatio(ratio(funcs[0].flat, n)))
	return nil
}

const noSamples = "no CPU profile ran with the trace; record with runtime/pprof.StartCPUProfile before trace.Start"

var hotFunction = &analysis.Analyzer{
	Name: "hot-function",
	Doc:  judgePage("hot-function"),
	Thresholds: []analysis.Threshold{
		{
			Name: "hot-function.share", Doc: "CPU samples of one of the program's own functions and what it calls, as a share of all", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .3},
			Source: "to make it twice as fast saves 15 % of the CPU time",
		},
		{
			Name: "hot-function.samples", Doc: "CPU samples", Unit: analysis.Count, Levels: analysis.Levels{Note: 100}, Source: "a share of .3 is then known to ±.09 (95 %)",
		},
	},
	Requires: []*analysis.Analyzer{samples},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[samplesFold](p, samples)
		var n int64
		for _, s := range f {
			n += s.n
		}
		if n == 0 {
			p.NotApplicable(noSamples)
			return nil
		}
		own := hottest(p.Trace, f)
		if len(own) == 0 {
			p.Say("none of %s is in the program's own code", counted(n, "CPU sample", "CPU samples"))
			return nil
		}
		severity := p.Severity("share", ratio(own[0].n, n))
		if severity == "" || !p.Met("samples", float64(n)) {
			p.Say("%s has %s of %s; limit %s of %.0f", own[0].name, analysis.FormatRatio(ratio(own[0].n, n)), counted(n, "CPU sample", "CPU samples"), analysis.FormatRatio(p.Limit("share")), p.Limit("samples"))
			return nil
		}
		window := analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To)}
		var evidence []analysis.Evidence
		for _, o := range own[:min(5, len(own))] {
			e := window
			e.Func, e.Stack = o.name, p.Stack(o.stack)
			e.Note = fmt.Sprintf("%s, %s", counted(o.n, "sample", "samples"), analysis.FormatRatio(ratio(o.n, n)))
			evidence = append(evidence, e)
		}
		text := fmt.Sprintf("%s is hot: %s of %s were in it or what it called from the library", own[0].name, analysis.FormatRatio(ratio(own[0].n, n)), counted(n, "CPU sample", "CPU samples"))
		var callers []string
		for _, c := range own[0].callers(p.Trace, f) {
			if len(callers) < 3 {
				callers = append(callers, fmt.Sprintf("%s (%s)", c.name, analysis.FormatRatio(ratio(c.n, n))))
				evidence = append(evidence, analysis.Evidence{From: window.From, To: window.To, Func: c.name, Note: "calls " + own[0].name + ": " + counted(c.n, "sample", "samples"), Stack: p.Stack(c.stack)})
			}
		}
		if callers != nil {
			text += ", called by " + strings.Join(callers, ", ")
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured, Summary: text,
			Cost:     analysis.Cost{Value: own[0].n * samplePeriod, Total: n * samplePeriod, Clock: analysis.PTime},
			Evidence: evidence,
			Advice:   "Start there when the program is to use less CPU; a CPU profile shows its lines. procs.share.user should fall.",
			Caveat:   "The cost takes 100 samples a second for each thread. A program has to be hot somewhere.",
		})
		return nil
	},
}

// ownFunc is a function of the program and the samples of which it is the innermost
// frame that is no library's.
type ownFunc struct {
	name  string
	n     int64
	top   int64
	stack parse.StackID // the most frequent one
}

func hottest(tr *parse.Trace, f samplesFold) []*ownFunc {
	return ownFuncs(f, func(stack parse.StackID) string { return ownFrame(tr, stack, 0) })
}

// callers are the functions of the program that called it.
func (o *ownFunc) callers(tr *parse.Trace, f samplesFold) []*ownFunc {
	return ownFuncs(f, func(stack parse.StackID) string {
		if ownFrame(tr, stack, 0) != o.name {
			return ""
		}
		return ownFrame(tr, stack, 1)
	})
}

// ownFrame is the innermost function of a stack that is no library's, or the next
// such one that called it; "" if there is none.
func ownFrame(tr *parse.Trace, stack parse.StackID, skip int) (last string) {
	for _, frame := range tr.Stack(stack) {
		name := tr.String(frame.Func)
		if name == last || parse.IsStd(name) {
			continue
		}
		if skip == 0 {
			return name
		}
		last = name
		skip--
	}
	return ""
}

// ownFuncs sums the samples by a name of their stack, the most first; "" is left out.
func ownFuncs(f samplesFold, nameOf func(parse.StackID) string) (out []*ownFunc) {
	byName := make(map[string]*ownFunc)
	for stack, s := range f {
		name := nameOf(stack)
		if name == "" {
			continue
		}
		o := byName[name]
		if o == nil {
			o = &ownFunc{name: name}
			byName[name] = o
			out = append(out, o)
		}
		o.n += s.n
		if s.n > o.top || s.n == o.top && stack < o.stack {
			o.top, o.stack = s.n, stack
		}
	}
	slices.SortFunc(out, func(a, b *ownFunc) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	return out
}
