package fleet

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// Options say what a Fleet's report is to hold.
type Options struct {
	Group    func(path string) string // nil for no groups
	Budgets  []Budget
	Baseline Baseline
	Titles   map[string]string // of the analyzers, by name
	Dir      string            // where a Fleet of many traces sets metrics aside; "" is the folder for temporary files
}

// A Fleet is the Entries of many inputs. It keeps some 500 bytes of each and its path;
// the metrics of more than some thousand go to a file without a name.
type Fleet struct {
	opt   Options
	tool  string
	set   string
	count analysis.Fleet
	sound int // of the traces

	rows     []row
	byPath   []int // rows in the order of their paths; nil until it is asked for
	seen     map[[16]byte]struct{}
	columns  columns
	lost     []loss
	codes    map[string]*firing
	groups   map[string]*group
	greatest string                       // name of those in groups
	others   *group                       // nil where groups has all
	pools    map[string]*sketch.Histogram // by metric prefix
}

// A row is what is kept of an Entry beside its metrics.
type row struct {
	path     string
	key      [16]byte // of path and content
	duration int64
	quantum  int64
	trace    bool
	verdict  string  // what is worst, in a clause
	worst    *firing // nil for nothing
	level    analysis.Severity
	codes    []fired // each once, by code
}

// fired is a code in one trace.
type fired struct {
	firing *firing
	level  analysis.Severity
}

// A loss is what an input does not have.
type loss struct {
	row          int
	what, reason string
}

// A group is the Entries of one group.
type group struct {
	traces, failed, warnings, errors int64
	pools                            map[string]*sketch.Histogram // those of groupPools
}

// groupPools are the pools that are kept for each group.
var groupPools = []string{"sched.latency.user", "syscall.duration", "stw.gc.total"}

// New returns a Fleet without Entries.
func New(opt Options) *Fleet {
	if opt.Group == nil {
		opt.Group = func(string) string { return "" }
	}
	return &Fleet{
		opt: opt, seen: make(map[[16]byte]struct{}), columns: columns{byName: make(map[string]*column), most: spillAt, dir: opt.Dir},
		codes: make(map[string]*firing), groups: make(map[string]*group), pools: make(map[string]*sketch.Histogram),
	}
}

// Close removes what was set aside.
func (f *Fleet) Close() { f.columns.close() }

// Add adds an Entry. One of the same path and content counts once. The error is about an
// Entry that does not compare with those before, or about the folder of Options.
func (f *Fleet) Add(e *Entry) error {
	if f.tool == "" && f.set == "" {
		f.tool, f.set = e.Tool, e.Settings
	}
	if e.Tool != f.tool {
		return fmt.Errorf("made by %s, others by %s", e.Tool, f.tool)
	}
	if e.Settings != f.set {
		return errors.New("made under another configuration than others")
	}
	if err := f.columns.fits(e.Metrics); err != nil {
		return f.AddFailure(e.Path, err)
	}
	return f.add(e)
}

// AddFailure adds an input of which there is no Entry.
func (f *Fleet) AddFailure(path string, err error) error {
	return f.add(&Entry{Path: path, Failure: err.Error()})
}

func (f *Fleet) add(e *Entry) error {
	sum := sha256.Sum256([]byte(e.Path + "\x00" + e.Hash))
	r := row{path: e.Path, key: [16]byte(sum[:]), duration: e.Trace.Duration, quantum: e.Trace.Quantum, trace: e.Failure == ""}
	if _, ok := f.seen[r.key]; ok {
		return nil
	}
	f.seen[r.key] = struct{}{}
	at := len(f.rows)
	f.byPath = nil
	f.rows = append(f.rows, r)
	f.count.Inputs++
	g := f.group(f.opt.Group(e.Path))
	if e.Failure != "" {
		f.count.Failed++
		g.failed++
		f.lost = append(f.lost, loss{at, "all", e.Failure})
		return nil
	}
	f.count.Traces++
	f.count.Bytes += e.Trace.Bytes
	f.count.Events += e.Trace.Events
	f.count.Duration += e.Trace.Duration
	if !e.Trace.Complete {
		f.count.Partial++
		f.lost = append(f.lost, loss{at, "part", e.Trace.Fault})
	}
	if wrong := e.Trace.Odd.Wrong(); wrong != "" {
		f.count.Odd++
		f.lost = append(f.lost, loss{at, "odd", wrong})
	}
	g.add(e)
	f.fire(at, e.Findings)
	if !e.sound() {
		return nil
	}
	f.sound++
	merge(f.pools, e.Pools)
	for _, id := range groupPools {
		if h := e.Pools[id]; h != nil {
			merge(g.pools, map[string]*sketch.Histogram{id: h})
		}
	}
	return f.columns.add(at, e.Metrics)
}

// maxGroups bounds the groups that are kept: those first by name, so that they do not
// depend on the order of the Entries. All others are one.
const maxGroups = 1000

func (f *Fleet) group(name string) *group {
	if g := f.groups[name]; g != nil {
		return g
	}
	g := &group{pools: make(map[string]*sketch.Histogram)}
	if len(f.groups) < maxGroups {
		f.groups[name], f.greatest = g, max(f.greatest, name)
		return g
	}
	if f.others == nil {
		f.others = &group{pools: make(map[string]*sketch.Histogram)}
	}
	if name > f.greatest {
		return f.others
	}
	f.others.merge(f.groups[f.greatest])
	delete(f.groups, f.greatest)
	f.groups[name] = g
	f.greatest = slices.Max(slices.Collect(maps.Keys(f.groups)))
	return g
}

func (g *group) merge(o *group) {
	g.traces += o.traces
	g.failed += o.failed
	g.warnings += o.warnings
	g.errors += o.errors
	merge(g.pools, o.pools)
}

func merge(into, from map[string]*sketch.Histogram) {
	for id, h := range from {
		if into[id] == nil {
			into[id] = new(sketch.Histogram)
		}
		into[id].Merge(h)
	}
}

// compare orders rows by path.
func (f *Fleet) compare(a, b int) int {
	x, y := &f.rows[a], &f.rows[b]
	return cmp.Or(cmp.Compare(x.path, y.path), bytes.Compare(x.key[:], y.key[:]))
}

// Traces is how many were added.
func (f *Fleet) Traces() int { return f.count.Traces }

// Paths yields those of all inputs that were added.
func (f *Fleet) Paths(yield func(string) bool) {
	for i := range f.rows {
		if !yield(f.rows[i].path) {
			return
		}
	}
}

// HasTrace reports whether there is a trace of that path.
func (f *Fleet) HasTrace(path string) bool {
	if f.byPath == nil {
		f.byPath = make([]int, len(f.rows))
		for i := range f.rows {
			f.byPath[i] = i
		}
		slices.SortFunc(f.byPath, f.compare)
	}
	at, ok := slices.BinarySearchFunc(f.byPath, path, func(i int, path string) int { return cmp.Compare(f.rows[i].path, path) })
	for ; ok && at < len(f.rows) && f.rows[f.byPath[at]].path == path; at++ {
		if f.rows[f.byPath[at]].trace {
			return true
		}
	}
	return false
}

// shownLost bounds the list of what was not read: each is a line of the ndjson output, too.
const shownLost = 10_000

// Report says what the Entries come to, in the shapes of a trace's report: findings over
// all traces by the check that made them, and the results "fleet" and "budgets". The error
// is about what was set aside.
func (f *Fleet) Report(name string) (*analysis.Report, error) {
	count := f.count
	rep := &analysis.Report{Schema: analysis.Schema, Tool: f.tool, Trace: analysis.Summary{Name: name, Complete: true}, Metrics: make(map[string]analysis.Metric), Fleet: &count}
	res := &analysis.Result{Name: "fleet", Title: "how the traces differ", Outcome: analysis.Clear}

	ranks := make(ranking)
	byUnit := make(map[analysis.Unit][2]*analysis.Table)
	var outliers, distributions []*analysis.Table
	for _, u := range units {
		byUnit[u] = [2]*analysis.Table{f.outlierTable(u), f.distributionTable(u)}
		outliers, distributions = append(outliers, byUnit[u][0]), append(distributions, byUnit[u][1])
	}
	for _, id := range slices.Sorted(maps.Keys(f.columns.byName)) {
		col := f.columns.byName[id]
		values, err := f.columns.values(col)
		if err != nil {
			return nil, err
		}
		sorted := sortedValues(values)
		far := f.outliers(col, values, sorted)
		ranks.add(far)
		if t, ok := byUnit[col.kind.Unit]; ok {
			f.addOutliers(t[0], far, len(values))
			f.addDistribution(t[1], col, values, sorted)
		}
	}
	every, err := f.every()
	if err != nil {
		return nil, err
	}
	beside := f.compared(ranks)
	grid, err := f.grid(beside)
	if err != nil {
		return nil, err
	}
	worst := ranks.table(f)
	tables := append([]*analysis.Table{worst, f.findings()}, outliers...)
	tables = append(tables, f.compareGroups())
	tables = append(tables, distributions...)
	tables = append(tables, f.pooled(), f.failures(), every, grid, f.fired(beside))
	for _, t := range tables {
		if len(t.Rows) > 0 {
			res.Tables = append(res.Tables, t)
		}
	}
	switch {
	case f.sound < minPopulation:
		res.Summary = append(res.Summary, fmt.Sprintf("Too few traces to say which stands out: %d, need %d.", f.sound, minPopulation))
	case len(ranks) == 0:
		res.Summary = append(res.Summary, fmt.Sprintf("None of %d traces stands out.", f.sound))
	default:
		var most []string
		for i := range min(len(worst.Rows), 3) {
			most = append(most, fmt.Sprintf("%v (%v is %v)", worst.Cell(i, "trace"), worst.Cell(i, "worst"), worst.Cell(i, "value")))
		}
		res.Summary = append(res.Summary, fmt.Sprintf("%d of %d traces stand out in some metric; most %s.", len(ranks), f.sound, strings.Join(most, ", ")))
	}
	if len(f.opt.Budgets) > 0 {
		budgets, err := f.Budgets()
		if err != nil {
			return nil, err
		}
		rep.Results = append(rep.Results, budgets)
	}
	rep.Results = append(rep.Results, res)
	rep.Results = append(rep.Results, f.checks()...)
	return rep, nil
}

// failures are what was not read, by path.
func (f *Fleet) failures() *analysis.Table {
	t := &analysis.Table{Name: "failures", Title: "inputs that are no trace, only a part of one, or contradict themselves; in no quantile, budget or outlier", N: int64(f.count.Inputs), Columns: []analysis.Column{{Name: "input", Unit: analysis.Text}, {Name: "lost", Unit: analysis.Text}, {Name: "reason", Unit: analysis.Text}}}
	slices.SortStableFunc(f.lost, func(a, b loss) int { return f.compare(a.row, b.row) })
	t.More = int64(max(len(f.lost)-shownLost, 0))
	for _, l := range f.lost[:min(len(f.lost), shownLost)] {
		t.Add(f.rows[l.row].path, l.what, l.reason)
	}
	return t
}

// pooled has the distributions behind the metrics, over all traces.
func (f *Fleet) pooled() *analysis.Table {
	t := &analysis.Table{Name: "pooled", Title: "all values of all traces together", Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "n", Unit: analysis.Count}, {Name: "p50", Unit: analysis.NS}, {Name: "p90", Unit: analysis.NS},
		{Name: "p99", Unit: analysis.NS}, {Name: "p999", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS}, {Name: "total", Unit: analysis.NS},
	}}
	for _, id := range slices.Sorted(maps.Keys(f.pools)) {
		h := f.pools[id]
		t.Add(id, h.N(), quantile(h, .5), quantile(h, .9), quantile(h, .99), quantile(h, .999), h.Max(), h.Sum())
		t.N += h.N()
	}
	return t
}

// quantile is nil where there are too few values.
func quantile(h *sketch.Histogram, q float64) any {
	if h == nil {
		return nil
	}
	if v, ok := h.Quantile(q); ok {
		return v
	}
	return nil
}

// A firing is one code over all traces.
type firing struct {
	code  string
	n     int64 // traces
	cost  int64
	grave analysis.Severity
	worst int              // row
	proof analysis.Finding // of the worst
	last  int              // row it was seen in
}

// fire takes in the findings of a row.
func (f *Fleet) fire(row int, findings []analysis.Finding) {
	for _, one := range findings {
		r := f.codes[one.Code]
		if r == nil {
			r = &firing{code: one.Code, grave: one.Severity, worst: row, proof: one, last: -1}
			f.codes[one.Code] = r
		}
		if r.last != row {
			r.last = row
			r.n++
		}
		r.cost += one.Cost.Value
		f.rows[row].fire(r, &one)
		if one.Severity.Rank() > r.grave.Rank() {
			r.grave = one.Severity
		}
		if cmp.Or(cmp.Compare(one.Severity.Rank(), r.proof.Severity.Rank()), cmp.Compare(one.Cost.Value, r.proof.Cost.Value), f.compare(r.worst, row)) > 0 {
			r.worst, r.proof = row, one
		}
	}
}

// fire takes in a finding of the row.
func (r *row) fire(code *firing, one *analysis.Finding) {
	if r.worst == nil || one.Severity.Rank() > r.level.Rank() { // they come gravest and costliest first
		r.worst, r.level, r.verdict = code, one.Severity, analysis.Headline(one.Summary)
	}
	i, known := slices.BinarySearchFunc(r.codes, code, func(c fired, of *firing) int { return cmp.Compare(c.firing.code, of.code) })
	switch {
	case !known:
		r.codes = slices.Insert(r.codes, i, fired{code, one.Severity})
	case one.Severity.Rank() > r.codes[i].level.Rank():
		r.codes[i].level = one.Severity
	}
}

// firings are the codes, gravest and most frequent first.
func (f *Fleet) firings() []*firing {
	return slices.SortedFunc(maps.Values(f.codes), func(a, b *firing) int {
		return cmp.Or(cmp.Compare(b.grave.Rank(), a.grave.Rank()), cmp.Compare(b.n, a.n), cmp.Compare(a.code, b.code))
	})
}

func (f *Fleet) findings() *analysis.Table {
	t := &analysis.Table{Name: "findings", Title: fmt.Sprintf("findings, and in how many of %d traces they fire", f.count.Traces), N: int64(f.count.Traces), Columns: []analysis.Column{
		{Name: "finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count},
		{Name: "cost", Unit: analysis.NS}, {Name: "clock", Unit: analysis.Text}, {Name: "worst", Unit: analysis.Text}, {Name: "worst_cost", Unit: analysis.NS}, {Name: "at", Unit: analysis.Moment},
	}}
	for _, r := range f.firings() {
		var at any
		if len(r.proof.Evidence) > 0 {
			at = r.proof.Evidence[0].From
		}
		t.Add(r.code, string(r.grave), r.n, r.cost, string(r.proof.Cost.Clock), f.rows[r.worst].path, r.proof.Cost.Value, at)
	}
	return t
}

// checks are results with one finding for each code that fires: that of the worst trace.
func (f *Fleet) checks() []*analysis.Result {
	byName := make(map[string]*analysis.Result)
	var out []*analysis.Result
	for _, r := range f.firings() {
		name, _, _ := strings.Cut(r.code, "/")
		res := byName[name]
		if res == nil {
			res = &analysis.Result{Name: name, Title: f.opt.Titles[name], Check: true, Outcome: analysis.Found}
			byName[name] = res
			out = append(out, res)
		}
		one := r.proof
		one.Severity, one.Trace = r.grave, f.rows[r.worst].path
		one.Summary = fmt.Sprintf("In %d of %d traces, worst in %s: %s", r.n, f.count.Traces, f.rows[r.worst].path, one.Summary)
		res.Findings = append(res.Findings, one)
	}
	return out
}

// add counts a trace.
func (g *group) add(e *Entry) {
	g.traces++
	has := func(s analysis.Severity) bool {
		return slices.ContainsFunc(e.Findings, func(f analysis.Finding) bool { return f.Severity == s })
	}
	if has(analysis.Error) {
		g.errors++
	}
	if has(analysis.Warning) {
		g.warnings++
	}
}

// compareGroups compares the groups, where there are several.
func (f *Fleet) compareGroups() *analysis.Table {
	t := &analysis.Table{Name: "groups", Title: "groups: the traces of each, and their values together", N: int64(f.count.Inputs), Columns: []analysis.Column{
		{Name: "group", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}, {Name: "failed", Unit: analysis.Count}, {Name: "with_warnings", Unit: analysis.Count}, {Name: "with_errors", Unit: analysis.Count},
		{Name: "latency_p50", Unit: analysis.NS}, {Name: "latency_p99", Unit: analysis.NS}, {Name: "syscall_p99", Unit: analysis.NS}, {Name: "stw_gc_max", Unit: analysis.NS},
	}}
	if _, all := f.groups[""]; all && len(f.groups) == 1 {
		return t
	}
	add := func(name string, g *group) {
		var stw any
		if h := g.pools["stw.gc.total"]; h != nil {
			stw = h.Max()
		}
		t.Add(name, g.traces, g.failed, g.warnings, g.errors, quantile(g.pools["sched.latency.user"], .5), quantile(g.pools["sched.latency.user"], .99), quantile(g.pools["syscall.duration"], .99), stw)
	}
	for _, name := range slices.Sorted(maps.Keys(f.groups)) {
		add(name, f.groups[name])
	}
	if f.others != nil {
		t.Title = fmt.Sprintf("groups: the traces of each, and their values together; the first %d by name, and all others as one", maxGroups)
		add("(all others)", f.others)
	}
	return t
}
