package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

// A requestCondition chooses requests of one type by how long they take.
type requestCondition struct {
	text, kind, name string // kind: as RequestKind names it, "" for any
	op, value        string
	quantile         float64 // 0…1; else limit
	limit            int64   // ns
}

var (
	whereText  = regexp.MustCompile(`^\s*(\S.*?)\s*(>=|<=|>|<)\s*(\S+)\s*$`)
	whereKinds = map[string]parse.RequestKind{
		"task": parse.RequestTask, "region": parse.RequestRegion, "http": parse.RequestHTTP, "http2": parse.RequestHTTP2, "grpc": parse.RequestGRPC,
		"sql": parse.RequestSQL, "entry": parse.RequestEntry, "goroutine": parse.RequestJob, "job": parse.RequestJob,
	}
)

// parseWhere reads a condition such as "task:GET /fast > p99".
func parseWhere(text string) (c requestCondition, err error) {
	m := whereText.FindStringSubmatch(text)
	if m == nil {
		return c, fmt.Errorf("--where %q: write it as 'task:GET /fast > p99' or 'main.handle > 5ms', with >, >=, < or <=", text)
	}
	c = requestCondition{text: strings.TrimSpace(text), name: m[1], op: m[2], value: m[3]}
	if kind, name, ok := strings.Cut(m[1], ":"); ok && name != "" {
		if k, known := whereKinds[strings.ToLower(kind)]; known {
			c.kind, c.name = k.String(), strings.TrimSpace(name)
		}
	}
	if p, ok := strings.CutPrefix(m[3], "p"); ok {
		q, err := strconv.ParseFloat(p, 64)
		if err != nil || !(q > 0 && q < 100) {
			return c, fmt.Errorf("--where %q: %q is not a quantile: write it as p99", text, m[3])
		}
		c.quantile = q / 100
		return c, nil
	}
	d, err := time.ParseDuration(m[3])
	if err != nil || d < 2 {
		return c, fmt.Errorf("--where %q: %q is neither a quantile such as p99 nor a duration such as 5ms", text, m[3])
	}
	c.limit = int64(d)
	return c, nil
}

// longer reports whether the condition chooses what takes longer, not what is shorter.
func (c *requestCondition) longer() bool { return c.op[0] == '>' }

// split is the duration up to which requests are on the shorter side.
func (c *requestCondition) split() int64 {
	if c.op == ">=" || c.op == "<" {
		return c.limit - 1
	}
	return c.limit
}

// find is the type that the condition names.
func (c *requestCondition) find(all []*measures.Served) (*measures.Served, error) {
	var names []string
	var found, ends []*measures.Served
	for _, s := range all {
		if s.N == 0 || c.kind != "" && s.Kind != c.kind {
			continue
		}
		names = append(names, report.Clean(short(s.Name)))
		switch {
		case s.Name == c.name:
			found = append(found, s)
		case strings.HasSuffix(s.Name, "/"+c.name), strings.HasSuffix(s.Name, "."+c.name): // without its package
			ends = append(ends, s)
		}
	}
	if len(found) == 0 {
		found = ends
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var whole []string
		for _, s := range found {
			whole = append(whole, strings.ToLower(s.Kind)+":"+report.Clean(short(s.Name)))
		}
		return nil, fmt.Errorf("%s is the name of several types: write %s", c.name, strings.Join(whole, " or "))
	case len(names) == 0:
		return nil, fmt.Errorf("the trace has no %s that began and were done in it", strings.TrimSpace(c.kind+" requests"))
	default:
		return nil, fmt.Errorf("unknown type of requests %q; near are %s; 'tracelens requests TRACE' lists all", c.name, nearest(c.name, names))
	}
}

// nearest are five of the names, those first that have the longest piece of name in them. A
// name is at most as long as the user types it.
func nearest(name string, names []string) string {
	like := func(n string) int {
		n, name := strings.ToLower(n), strings.ToLower(name)
		for size := len(name); size > 2; size-- { // the longest piece of it
			for at := range len(name) - size + 1 {
				if strings.Contains(n, name[at:at+size]) {
					return size
				}
			}
		}
		return 0
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return like(b) - like(a) })
	return strings.Join(names[:min(len(names), 5)], ", ")
}

// short is a name for an error.
func short(name string) string {
	const most = 100
	if r := []rune(name); len(r) > most {
		return string(r[:most]) + "…"
	}
	return name
}

// compareWhere compares chosen requests of a trace with the others of their type.
func compareWhere(cmd *cobra.Command, f *compareFlags, name string) error {
	c, err := parseWhere(f.where)
	if err != nil {
		return err
	}
	for _, other := range []string{"per", "fail-on", "memory"} {
		if cmd.Flags().Changed(other) {
			return fmt.Errorf("--%s is for traces of two sides, not for --where", other)
		}
	}
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	if format.Name == benchfmt.Name {
		return errors.New("--where has no values for benchstat, which wants those of several traces")
	}
	if name == "-" {
		return errors.New("compare reads no trace from standard input: keep it in a file")
	}
	cfg, err := f.load(cmd)
	if err != nil {
		return err
	}
	in := inputFlags{jobs: f.jobs, requests: cfg.Requests()}
	read := func(choice measures.RequestChoice) (*analysis.Report, error) {
		return in.analyze(cmd, name, f.out, []*analysis.Analyzer{measures.SelectRequests(choice)})
	}
	trace, out, err := c.compare(name, read)
	if err != nil {
		return err
	}
	out.Tool = trace.Tool
	if err := f.write(cmd, format, out, true); err != nil {
		return err
	}
	if f.strict && !trace.Trace.Sound() {
		return &failure{name, errors.New("it was read only in part, or contradicts itself")}
	}
	return in.fault(trace)
}

// compare reads a trace twice, for the type and its quantile first, and returns what it says
// of requests and how the chosen ones differ.
func (c *requestCondition) compare(name string, read func(measures.RequestChoice) (*analysis.Report, error)) (rep, out *analysis.Report, err error) {
	if rep, err = read(measures.RequestChoice{Slowest: 1, Quantile: c.quantile}); err != nil {
		return nil, nil, err
	}
	typ, err := c.find(measures.ServedOf(rep))
	if err != nil {
		return nil, nil, unmet(name, err)
	}
	condition := c.text
	if c.quantile > 0 {
		v, ok := measures.QuantileOf(rep, typ)
		if !ok {
			return nil, nil, unmet(name, fmt.Errorf("%d requests of %s are too few for %s, which needs %.0f: take a lower quantile or a duration", typ.N, typ.Name, c.value, math.Ceil(1/(1-c.quantile)-1e-9)))
		}
		c.limit = v
		condition += ", which is " + analysis.FormatDuration(c.limit, rep.Trace.Quantum)
	}
	if rep, err = read(measures.RequestChoice{Slowest: 5, Split: c.split()}); err != nil {
		return nil, nil, err
	}
	chosen, others := half(rep, measures.SideLonger, typ), half(rep, measures.SideOthers, typ)
	if !c.longer() {
		chosen, others = others, chosen
	}
	switch {
	case chosen == nil || chosen.N == 0:
		return nil, nil, unmet(name, fmt.Errorf("none of %d requests of %s is %s", typ.N, c.name, c.op+" "+analysis.FormatDuration(c.limit, rep.Trace.Quantum)))
	case others == nil || others.N == 0:
		return nil, nil, unmet(name, fmt.Errorf("all %d requests of %s are %s: there are no others", typ.N, c.name, c.op+" "+analysis.FormatDuration(c.limit, rep.Trace.Quantum)))
	}
	return rep, compare.Split(rep.Trace, condition, chosen, others, c.slowest(rep, chosen)), nil
}

// unmet says that the trace has no such requests: it was read, so the condition is at fault.
func unmet(name string, err error) error {
	return fmt.Errorf("%s: %w", report.Clean(name), err)
}

// half are the requests of a type on one side.
func half(rep *analysis.Report, side string, typ *measures.Served) *measures.Served {
	for _, s := range measures.SplitOf(rep, side) {
		if s.Name == typ.Name && s.Kind == typ.Kind {
			return s
		}
	}
	return nil
}

// slowest are the slowest of the chosen ones, for 'tracelens requests --id'.
func (c *requestCondition) slowest(rep *analysis.Report, chosen *measures.Served) *analysis.Table {
	if !c.longer() {
		return nil
	}
	var all *analysis.Table
	for _, t := range rep.Results[0].Tables {
		if t.Name == "requests.slowest" {
			all = t
		}
	}
	if all == nil {
		return nil
	}
	t := &analysis.Table{Name: "compare.slowest", Title: "the slowest of them; 'tracelens requests --id ID' shows one step by step", N: chosen.N}
	columns := []string{"id", "began", "took", "most of the time"}
	for _, col := range all.Columns {
		if slices.Contains(columns, col.Name) {
			t.Columns = append(t.Columns, col)
		}
	}
	for i := range all.Rows {
		if took, _ := all.Cell(i, "took").(int64); all.Cell(i, "requests") != chosen.Name || all.Cell(i, "kind") != chosen.Kind || took <= c.split() {
			continue
		}
		var row []any
		for _, col := range columns {
			row = append(row, all.Cell(i, col))
		}
		t.Add(row...)
	}
	return t
}
