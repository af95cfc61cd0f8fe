package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

type showFlags struct {
	inputFlags
	configFlags
	drillFlags
	offset, limit int
}

func newShow() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show TRACE [WHAT]",
		Short: "Show one thing of a trace: a finding, a window, a table, metrics",
		Long: `Show prints WHAT of TRACE, a trace or a report that was saved as JSON:

  findings   a line for each, with its handle (without WHAT as well)
  f3         the third finding, with all its evidence
  w12        a piece of evidence: its window of time, its stack, commands to open it
  checks     what found nothing, what could not tell, and why
  metrics    all of them, or those that begin with a word, such as sched.latency
  tables     their names
  NAME       the rows of the table of that name

The handles are those of --format brief; the same trace, version and flags give
the same. What is left out is said, with the --offset that shows it. Text in
double quotes is data from the trace.

Of a trace it also shows, in place of WHAT, what happened:

  --goroutine 42        what that goroutine did, span by span, and its critical
                        path: whom it waited for, and what that one did meanwhile
  --at 3.2s             what each P and goroutine did at that moment
  --place main.get:94   waits, holders and the longest times at a place of the code
  --log PATTERN         messages of runtime/trace.Log`,
		Example: `  tracelens show cpu.trace f1
  tracelens show cpu.trace --goroutine 42 --from 1.2s --to 1.3s
  tracelens show cpu.trace --place main.order --format json
  tracelens show cpu.trace metrics
  tracelens show --offset 20 report.json latency.function`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return fmt.Errorf("show takes a TRACE and WHAT, got %d arguments", len(args))
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"findings", "f1", "w1", "checks", "metrics", "tables"}, cobra.ShellCompDirectiveNoFileComp
			}
			return completeTrace(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.drills() {
				return f.drill(cmd, args)
			}
			what := "findings"
			if len(args) == 2 {
				what = args[1]
			}
			if f.offset < 0 || f.limit < 1 {
				return fmt.Errorf("--offset %d --limit %d: need at least 0 and 1", f.offset, f.limit)
			}
			rep, err := f.report(cmd, args[0])
			if err != nil {
				return err
			}
			text, err := show(rep, what, f.offset, f.limit)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	grouped(cmd, "Output", func() {
		flags.IntVar(&f.offset, "offset", 0, "leave out the first `N` of a list")
		flags.IntVar(&f.limit, "limit", 20, "show at most `N` of a list")
	})
	grouped(cmd, "What to look at", func() {
		f.drillFlags.add(flags)
		f.window(flags)
	})
	grouped(cmd, "How to read", func() { f.reading(flags) })
	f.configFlags.add(cmd)
	return cmd
}

// report reads a saved report, or analyses a trace.
func (f *showFlags) report(cmd *cobra.Command, name string) (*analysis.Report, error) {
	if file, err := os.Open(name); err == nil {
		in := bufio.NewReader(file)
		head, _ := in.Peek(1)
		if string(head) == "{" {
			defer file.Close()
			rep, err := analysis.Decode(in)
			if err != nil {
				return nil, &failure{name, err}
			}
			return rep, nil
		}
		file.Close()
	}
	cfg, err := f.configFlags.load(cmd)
	if err != nil {
		return nil, err
	}
	analyzers, off := switchOff(cfg, passes.All(), nil)
	f.levels, f.requests = cfg.Levels(passes.All()), cfg.Requests()
	rep, err := f.inputFlags.analyze(cmd, name, "", analyzers)
	if err != nil {
		return nil, err
	}
	configure(cfg, rep, off, cmd.ErrOrStderr(), f.verbose)
	return rep, f.fault(rep)
}

var handle = regexp.MustCompile(`^([fw])([1-9][0-9]{0,8})$`)

// A listing is a part of a list, with what it leaves out.
type listing struct {
	b             strings.Builder
	offset, limit int
	n, shown      int
}

// add takes a line if it is of the part.
func (p *listing) add(format string, args ...any) {
	if p.n >= p.offset && p.shown < p.limit {
		fmt.Fprintf(&p.b, format+"\n", args...)
		p.shown++
	}
	p.n++
}

// end says what is left out, and how to get it.
func (p *listing) end() string {
	if p.offset > 0 {
		fmt.Fprintf(&p.b, "(from number %d of %d)\n", p.offset+1, p.n)
	}
	if more := p.n - p.offset - p.shown; more > 0 {
		fmt.Fprintf(&p.b, "… %d more: --offset %d\n", more, p.offset+p.shown)
	}
	return p.b.String()
}

// most characters of a piece of text from the trace.
const quotedMost = 600

// show is WHAT of a report as text.
func show(rep *analysis.Report, what string, offset, limit int) (string, error) {
	p := &listing{offset: offset, limit: limit}
	if m := handle.FindStringSubmatch(what); m != nil {
		i, err := strconv.Atoi(m[2])
		if err != nil {
			return "", err
		}
		if m[1] == "f" {
			return showFinding(rep, i, p)
		}
		return showWindow(rep, i)
	}
	switch what {
	case "findings":
		for i, f := range rep.Findings() {
			p.add("f%d %s %s: %s", i+1, f.Severity, report.Clean(f.Code), report.Quoted(f.Summary, 300))
		}
		if p.n == 0 {
			p.b.WriteString("no findings: 'checks' says what was looked for\n")
		}
		return p.end(), nil
	case "checks":
		for _, res := range rep.Results {
			if res.Check && (len(res.Findings) == 0 || res.Outcome != analysis.Found) {
				p.add("%s %s: %s", report.Clean(res.Name), report.Clean(string(res.Outcome)), report.Quoted(strings.TrimSpace(strings.Join(append(slices.Clone(res.Summary), res.Reason), " ")), 300))
			}
		}
		return p.end(), nil
	case "tables":
		for _, t := range report.Tables(rep) {
			p.add("%s (%s): %s", report.Clean(t.Name), plural(len(t.Rows), "row"), report.Quoted(t.Title, 200))
		}
		return p.end(), nil
	}
	for _, t := range report.Tables(rep) {
		if t.Name == what {
			return showTable(rep, t, p), nil
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rep.Metrics)) {
		if m := rep.Metrics[id]; what == "metrics" || id == what || strings.HasPrefix(id, strings.TrimSuffix(what, ".")+".") {
			p.add("%s = %s (n = %s, %s)", report.Clean(id), analysis.Format(m.Value, m.Unit, rep.Trace.Quantum), analysis.FormatCount(m.N), m.Confidence)
		}
	}
	if p.n > 0 {
		return p.end(), nil
	}
	names := []string{"findings", "checks", "metrics", "tables"}
	for _, t := range report.Tables(rep) {
		names = append(names, t.Name)
	}
	return "", unknown("WHAT", what, names)
}

func showFinding(rep *analysis.Report, i int, p *listing) (string, error) {
	findings := rep.Findings()
	if i > len(findings) {
		return "", fmt.Errorf("no f%d: the trace has %s", i, plural(len(findings), "finding"))
	}
	f := findings[i-1]
	b := &p.b
	fmt.Fprintf(b, "f%d %s %s\nsays: %s\ncost: %s; %s\n", i, f.Severity, report.Clean(f.Code), report.Quoted(f.Summary, quotedMost), costText(rep, f), f.Confidence)
	if f.Advice != "" {
		fmt.Fprintf(b, "do: %s\n", report.Quoted(f.Advice, quotedMost))
	}
	if f.Caveat != "" {
		fmt.Fprintf(b, "but: %s\n", report.Quoted(f.Caveat, quotedMost))
	}
	for _, s := range f.Symptoms {
		relation := "it causes"
		if s.Reason {
			relation = "because"
		}
		fmt.Fprintf(b, "%s: %s %s\n", relation, report.Clean(s.Code), report.Quoted(s.Summary, quotedMost))
	}
	window := 1
	for _, before := range findings[:i-1] {
		window += len(before.Evidence)
	}
	for k := range f.Evidence {
		e := &f.Evidence[k]
		p.add("w%d %s %s", window+k, windowText(rep, e), report.Quoted(strings.TrimSpace(report.Place(e)+" "+e.Note), quotedMost))
	}
	return p.end(), nil
}

func costText(rep *analysis.Report, f *analysis.Finding) string {
	c := f.Cost
	if c.Total <= 0 {
		return "not known"
	}
	return fmt.Sprintf("%s %s, %s of %s", analysis.FormatDuration(c.Value, rep.Trace.Quantum), c.Clock, analysis.FormatRatio(c.Share()), analysis.FormatDuration(c.Total, rep.Trace.Quantum))
}

// windowText says when evidence is, and of whom.
func windowText(rep *analysis.Report, e *analysis.Evidence) string {
	s := analysis.FormatMoment(e.From)
	if e.To > e.From {
		s += " +" + analysis.FormatDuration(e.To-e.From, rep.Trace.Quantum)
	}
	if e.P != nil {
		s += fmt.Sprintf(" P %d", *e.P)
	}
	if e.G != nil {
		s += fmt.Sprintf(" G %d", *e.G)
	}
	return s
}

func showWindow(rep *analysis.Report, i int) (string, error) {
	n := 0
	for k, f := range rep.Findings() {
		if i > n+len(f.Evidence) {
			n += len(f.Evidence)
			continue
		}
		e := &f.Evidence[i-n-1]
		var b strings.Builder
		fmt.Fprintf(&b, "w%d of f%d %s: %s %s\n", i, k+1, report.Clean(f.Code), windowText(rep, e), report.Quoted(strings.TrimSpace(e.Func+" "+e.Note), quotedMost))
		for _, frame := range e.Stack {
			fmt.Fprintf(&b, "  %s\n", report.Quoted(fmt.Sprintf("%s %s:%d", frame.Func, frame.File, frame.Line), quotedMost))
		}
		for _, o := range report.Openings(rep, e.From, e.To) {
			fmt.Fprintf(&b, "open: %s  # %s\n", o.Command, o.Then)
		}
		return b.String(), nil
	}
	return "", fmt.Errorf("no w%d: the findings have %s", i, plural(n, "window"))
}

func showTable(rep *analysis.Report, t *analysis.Table, p *listing) string {
	var heads []string
	for _, c := range t.Columns {
		heads = append(heads, report.Clean(c.Name))
	}
	fmt.Fprintf(&p.b, "table %s: %s\n%s\n", report.Clean(t.Name), report.Quoted(t.Title, quotedMost), strings.Join(heads, " | "))
	for _, row := range t.Rows {
		var cells []string
		for i, c := range row {
			cell := analysis.Format(c, t.Columns[i].Unit, rep.Trace.Quantum)
			if t.Columns[i].Unit == analysis.Text && c != nil {
				cell = report.Quoted(cell, 200)
			}
			cells = append(cells, cell)
		}
		p.add("%s", strings.Join(cells, " | "))
	}
	text := p.end()
	if t.More > 0 {
		text += fmt.Sprintf("(%s are in no report)\n", plural(int(t.More), "more row"))
	}
	return text
}
