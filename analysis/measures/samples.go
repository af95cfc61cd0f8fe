package measures

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/parse"
)

// Samples is what a CPU profile that ran with the trace says.
var Samples = &analysis.Analyzer{
	Name:  "samples",
	Doc:   say.Page(pages, "samples"),
	Kinds: parse.KindsOf(parse.KindSample),
	Figures: []analysis.FigureDef{
		{Name: "samples.flame", Doc: "CPU samples by stack", Always: 2},
	},
	New: func() analysis.Collector { return make(SamplesFold) },
	Run: runSamples,
}

// SamplesFold counts samples by stack; those of threads without a goroutine have stack 0.
type SamplesFold map[parse.StackID]*sampled

type sampled struct{ N int64 }

func (s *sampled) add(o *sampled) { s.N += o.N }

func (f SamplesFold) Event(e *parse.Event) { tally.At(f, e.Stack).N++ }

func (f SamplesFold) Merge(next analysis.Collector) {
	tally.MergeKeyed(f, next.(SamplesFold), (*sampled).add)
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
func (f SamplesFold) functions(tr *parse.Trace) (out []*sampledFunc, n int64) {
	byName := make(map[string]*sampledFunc)
	for stack, s := range f {
		n += s.N
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
				fn.flat += s.N
			}
			if !seen[name] {
				fn.cum += s.N
				if s.N > fn.top || s.N == fn.top && stack < fn.stack {
					fn.top, fn.stack = s.N, stack
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
	f := analysis.Fold[SamplesFold](p)
	funcs, n := f.functions(p.Trace)
	if n == 0 {
		p.NotApplicable(NoSamples)
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
		t.Add(fn.name, fn.flat, say.Ratio(fn.flat, n), fn.cum, say.Ratio(fn.cum, n))
	}
	t.Limit(20)
	p.Table(t)
	if !p.Brief() {
		flame := f.flame(p, n)
		p.Table(flame)
		p.Figure(analysis.Figure{
			Name: flame.Name, Title: fmt.Sprintf("Of %s most, %s, are in %s itself", say.Counted(n, "sample", "samples"), analysis.FormatRatio(say.Ratio(funcs[0].flat, n)), say.Brief(parse.CleanFunc(funcs[0].name))),
			Mark: analysis.Flame, Table: flame.Name, X: "samples", Y: flameLevels(), Series: "code",
		})
	}
	p.Say("%s of a CPU profile; most in %s (%s by itself)", say.Counted(n, "sample", "samples"), funcs[0].name, analysis.FormatRatio(say.Ratio(funcs[0].flat, n)))
	return nil
}

const (
	// flameDepth is how many frames of a stack are drawn, from its entry function on.
	flameDepth = 24
	// flameShare: a frame in fewer samples is drawn together with what else its caller calls.
	flameShare = 1. / 400
)

// flameLevels are the columns of the frames.
func flameLevels() (names []string) {
	for i := range flameDepth {
		names = append(names, strconv.Itoa(i+1))
	}
	return names
}

// A flameNode is a function called along one way, with what is called from there.
type flameNode struct {
	name   string
	code   string
	n      int64 // samples in it and what it calls
	called map[string]*flameNode
}

func (n *flameNode) call(name, code string) *flameNode {
	c := n.called[name]
	if c == nil {
		c = &flameNode{name: name, code: code, called: make(map[string]*flameNode)}
		n.called[name] = c
	}
	return c
}

// flame is a row for each way to a function, with the samples that end there, and whose
// code that is.
func (f SamplesFold) flame(p *analysis.Pass, n int64) *analysis.Table {
	root := &flameNode{n: n, called: make(map[string]*flameNode)}
	for stack, s := range f {
		at := root
		frames := p.Trace.Stack(stack)
		for i := range min(len(frames), flameDepth) {
			name := p.Trace.String(frames[len(frames)-1-i].Func)
			at = at.call(parse.CleanFunc(name), codeOf(name))
			at.n += s.N
		}
		if len(frames) == 0 {
			root.call("(no goroutine)", "runtime").n += s.N
		}
	}
	t := &analysis.Table{
		Name: "samples.flame", Title: "CPU samples by stack, from the entry function down", N: n, Detail: true,
		Columns: []analysis.Column{{Name: "samples", Unit: analysis.Count}, {Name: "code", Unit: analysis.Text}},
	}
	for _, level := range flameLevels() {
		t.Columns = append(t.Columns, analysis.Column{Name: level, Unit: analysis.Text})
	}
	var path []any
	var walk func(at *flameNode)
	walk = func(at *flameNode) {
		rest := at.n
		called := slices.SortedFunc(maps.Values(at.called), func(a, b *flameNode) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
		for _, c := range called {
			if float64(c.n) < flameShare*float64(n) {
				continue
			}
			rest -= c.n
			path = append(path, c.name)
			walk(c)
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			if rest == 0 {
				return
			}
			path = []any{"(rarer ones)"}
			at = &flameNode{code: "other"}
		}
		row := append([]any{rest, at.code}, path...)
		for len(row) < len(t.Columns) {
			row = append(row, nil)
		}
		t.Add(row...)
	}
	walk(root)
	return t
}

// codeOf says whose code a function is.
func codeOf(name string) string {
	switch {
	case strings.HasPrefix(name, "runtime."), strings.HasPrefix(name, "internal/runtime/"), strings.HasPrefix(name, "runtime/internal/"):
		return "runtime"
	case parse.IsStd(name):
		return "standard library"
	}
	return "user"
}

const NoSamples = "no CPU profile ran with the trace; record with runtime/pprof.StartCPUProfile before trace.Start"

// ownFunc is a function of the program and the samples of which it is the innermost
// frame that is no library's.
type ownFunc struct {
	Name  string
	N     int64
	top   int64
	Stack parse.StackID // the most frequent one
}

func Hottest(tr *parse.Trace, f SamplesFold) []*ownFunc {
	return ownFuncs(f, func(stack parse.StackID) string { return OwnFrame(tr, stack, 0) })
}

// Callers are the functions of the program that called it.
func (o *ownFunc) Callers(tr *parse.Trace, f SamplesFold) []*ownFunc {
	return ownFuncs(f, func(stack parse.StackID) string {
		if OwnFrame(tr, stack, 0) != o.Name {
			return ""
		}
		return OwnFrame(tr, stack, 1)
	})
}

// OwnFrame is the innermost function of a stack that is no library's, or the next
// such one that called it; "" if there is none.
func OwnFrame(tr *parse.Trace, stack parse.StackID, skip int) (last string) {
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
func ownFuncs(f SamplesFold, nameOf func(parse.StackID) string) (out []*ownFunc) {
	byName := make(map[string]*ownFunc)
	for stack, s := range f {
		name := nameOf(stack)
		if name == "" {
			continue
		}
		o := byName[name]
		if o == nil {
			o = &ownFunc{Name: name}
			byName[name] = o
			out = append(out, o)
		}
		o.N += s.N
		if s.N > o.top || s.N == o.top && stack < o.Stack {
			o.top, o.Stack = s.N, stack
		}
	}
	slices.SortFunc(out, func(a, b *ownFunc) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return out
}
