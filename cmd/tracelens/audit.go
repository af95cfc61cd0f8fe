package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

// fleetFlags say how entries become a report: what audit and merge have in common.
type fleetFlags struct {
	configFlags
	outputFlags
	groupBy, groups         string
	page                    func(path string) string // the file of a trace's report; nil without --reports
	pages                   pages
	baseline, writeBaseline string
	strict                  bool
}

type auditFlags struct {
	fleetFlags
	only, skip       []string
	jobs             int
	memory, maxBytes string
	cache, emit      string
	reports          string
	progress, poll   time.Duration
	watch            bool
}

func newAudit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit PATH...",
		Short: "Compare many traces: which stands out, what fires where, do budgets hold",
		Long: `Audit reads all traces under PATH: files, folders with all below them, globs,
tar archives, or - for a list on standard input; plain, gzip or zstd. It ranks
the traces that stand out, says how each metric is distributed over them and
which findings fire in how many, and checks the budgets of ` + config.FileName + `.

What cannot be read is listed with its reason, and ends nothing; --strict makes
it exit code 3. With --cache, a run that was ended goes on where it was, and
traces that were read before are not read again. With --emit, the results can
be put together later, or on another machine, by 'tracelens merge'.

An outlier is a value whose robust z, its distance from the median by the
median absolute deviation, is 5 or more, on the bad side where a metric has one,
among at least 8 traces; sums are compared per second of trace. Differences that
cannot matter do not count: under 1 % of the trace for sums of times, 100 µs for
other times, 10 for counts, 1 % for shares. Where more than a quarter are that far,
the traces are of several kinds, and none is an outlier.`,
		Example: `  tracelens audit --cache ~/.cache/tracelens /var/traces
  tracelens audit --group-by 'service={-3} host={-2}' --format json -o fleet.json 'dumps/*.trace'
  tracelens audit --baseline traces.baseline.json --format sarif -o tracelens.sarif traces/
  tracelens audit --emit shard1 dumps/a && tracelens audit --emit shard2 dumps/b && tracelens merge shard1 shard2`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return auditTraces(cmd, &f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.fleetFlags.add(cmd)
	flags.StringVar(&f.cache, "cache", "", "keep results in `DIR`, and read only what is not there")
	flags.StringVar(&f.emit, "emit", "", "write the result of each trace into `DIR`, for merge")
	flags.StringVar(&f.reports, "reports", "", "write the report of each trace as a page into `DIR`; with --format html, the traces are links to them")
	flags.StringVar(&f.memory, "memory", "1GiB", "read as much at once as `BYTES` allow")
	flags.StringVar(&f.maxBytes, "max-bytes", "8GiB", "do not decompress a trace beyond `BYTES`")
	flags.IntVar(&f.jobs, "jobs", 0, "work on at most `N` CPUs; 0 is all there are; the output is the same")
	flags.StringSliceVar(&f.only, "only", nil, "run only these `ANALYZERS`")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave out these `ANALYZERS`")
	flags.DurationVar(&f.progress, "progress", 10*time.Second, "where standard error is no terminal, say every `TIME` how far it is; 0 for never")
	flags.BoolVar(&f.watch, "watch", false, "go on with files that arrive, a line for each, until interrupted; then report")
	flags.DurationVar(&f.poll, "poll", 2*time.Second, "with --watch, look for files every `TIME`; one that still grows waits")
	complete(cmd, "only", completeAnalyzers)
	complete(cmd, "skip", completeAnalyzers)
	return cmd
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	f.outputFlags.add(cmd, append(slices.Clone(report.Formats), ndjson)...)
	flags := cmd.Flags()
	flags.StringVar(&f.groupBy, "group-by", "", "compare groups named by `TEMPLATE`: {1} is the first element of a path, {-1} the last")
	flags.StringVar(&f.groups, "groups", "", "compare groups of `FILE`, a CSV: path, a pattern such as web/**/*.trace, then what its traces have, such as service")
	flags.StringVar(&f.baseline, "baseline", "", "a budget that `FILE` has broken already is broken only when it is worse")
	flags.StringVar(&f.writeBaseline, "write-baseline", "", "write the values that budgets have now to `FILE`")
	flags.BoolVar(&f.strict, "strict", false, "exit with 3 when an input cannot be read, or only in part")
	f.configFlags.add(cmd)
}

// ndjson is written while traces are read, not from their report.
var ndjson = report.Format{Name: "ndjson", Doc: "a line for each trace as it is read, for programs"}

// fleet returns the empty fleet that the flags ask for, and the configuration.
func (f *fleetFlags) fleet() (*fleet.Fleet, *config.Config, error) {
	if _, err := f.check(); err != nil {
		return nil, nil, err
	}
	cfg, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	group, err := groupBy(f.groupBy)
	if err != nil {
		return nil, nil, err
	}
	if f.groups != "" {
		if group != nil {
			return nil, nil, errors.New("--group-by and --groups are two ways to name groups: take one")
		}
		if group, err = groupsOf(f.groups); err != nil {
			return nil, nil, &failure{f.groups, err}
		}
	}
	opt := fleet.Options{Group: group, Budgets: cfg.Budgets(), Titles: make(map[string]string)}
	for _, a := range passes.All() {
		opt.Titles[a.Name] = a.Title()
	}
	if f.baseline != "" {
		data, err := os.ReadFile(f.baseline)
		if err != nil {
			return nil, nil, &failure{f.baseline, err}
		}
		var b baselineFile
		if err := json.Unmarshal(data, &b); err != nil || b.Schema != 1 {
			return nil, nil, &failure{f.baseline, errors.New("no baseline of this version: make one with --write-baseline")}
		}
		opt.Baseline = b.Budgets
	}
	return fleet.New(opt), cfg, nil
}

// baselineFile is how a baseline is kept.
type baselineFile struct {
	Schema  int            `json:"schema"`
	Budgets fleet.Baseline `json:"budgets"`
}

var placeholder = regexp.MustCompile(`\{(-?[0-9]+)\}`)

// groupBy makes the names of groups from a template; what a path does not have is "?".
func groupBy(template string) (func(string) string, error) {
	if template == "" {
		return nil, nil
	}
	if rest := placeholder.ReplaceAllString(template, ""); rest == template || strings.ContainsAny(rest, "{}") || strings.Contains(template, "{0}") {
		return nil, fmt.Errorf("--group-by %q: need places such as {1}, the first element of a path, or {-1}, the last", template)
	}
	return func(path string) string {
		parts := strings.FieldsFunc(filepath.ToSlash(path), func(r rune) bool { return r == '/' })
		return placeholder.ReplaceAllStringFunc(template, func(place string) string {
			i, err := strconv.Atoi(place[1 : len(place)-1])
			if i < 0 {
				i += len(parts) + 1
			}
			if err != nil || i < 1 || i > len(parts) {
				return "?"
			}
			return parts[i-1]
		})
	}, nil
}

// groupsOf reads the names of groups from a CSV file: under a header, a row has a
// pattern of paths, and what they have. The first row that matches counts; a path
// that none matches is in group "?".
func groupsOf(name string) (func(string) string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows[0]) < 2 || rows[0][0] != "path" {
		return nil, errors.New("line 1: need a header such as path,service,host")
	}
	type group struct {
		match func(string) bool
		name  string
	}
	var groups []group
	for _, row := range rows[1:] {
		var has []string
		for i, v := range row[1:] {
			has = append(has, rows[0][i+1]+"="+v)
		}
		groups = append(groups, group{config.FileGlob(row[0]), strings.Join(has, " ")})
	}
	return func(path string) string {
		path = filepath.ToSlash(path)
		for _, g := range groups {
			if g.match(path) {
				return g.name
			}
		}
		return "?"
	}, nil
}

// errInconclusive is the error of budgets that nothing can be said of.
var errInconclusive = errors.New("too little data")

// conclude writes the report of a fleet and says how it went.
func (f *fleetFlags) conclude(cmd *cobra.Command, fl *fleet.Fleet) error {
	rep := fl.Report("audit")
	format, err := f.check()
	if err != nil {
		return err
	}
	if format.Write != nil {
		if f.page != nil {
			f.links = make(map[string]string)
			for _, e := range fl.Entries() {
				if e.Failure == "" {
					f.links[e.Path] = f.besideOutput(f.page(e.Path))
				}
			}
		}
		if err := f.write(cmd, format, rep, true); err != nil {
			return err
		}
	}
	if f.writeBaseline != "" {
		err := writeFile(f.writeBaseline, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(baselineFile{1, fl.NewBaseline()})
		})
		if err != nil {
			return &failure{f.writeBaseline, err}
		}
	}
	var broken, open []string
	for _, j := range fl.Check() {
		switch j.Verdict {
		case fleet.Broken:
			broken = append(broken, j.Name)
		case fleet.Inconclusive:
			open = append(open, j.Name)
		}
	}
	grave := f.tooMany(rep)
	switch {
	case len(broken) > 0 && f.writeBaseline == "":
		return &brokenBudgets{broken}
	case grave != nil:
		return grave
	case f.strict && rep.Fleet.Failed+rep.Fleet.Partial > 0:
		return &failure{"audit", fmt.Errorf("%d inputs cannot be read, %d only in part", rep.Fleet.Failed, rep.Fleet.Partial)}
	case len(open) > 0:
		return fmt.Errorf("%w to judge the budgets: %s", errInconclusive, strings.Join(open, ", "))
	}
	return nil
}

// brokenBudgets is the error of an audit whose budgets do not hold.
type brokenBudgets struct{ names []string }

func (b *brokenBudgets) Error() string { return "broken budgets: " + strings.Join(b.names, ", ") }

func auditTraces(cmd *cobra.Command, f *auditFlags, args []string) error {
	fl, cfg, err := f.fleet()
	if err != nil {
		return err
	}
	analyzers, err := choose(f.only, f.skip)
	if err != nil {
		return err
	}
	analyzers, off := switchOff(cfg, analyzers, f.only)
	if len(analyzers) == 0 {
		return fmt.Errorf("%s switches off all that --only and --skip leave", cfg.File)
	}
	opt := audit.Options{Jobs: f.jobs, Tool: "tracelens " + version()}
	if f.jobs < 0 {
		return fmt.Errorf("--jobs %d: need at least 1, or 0 for all CPUs", f.jobs)
	}
	if f.jobs == 0 {
		opt.Jobs = runtime.GOMAXPROCS(0)
	}
	if opt.Memory, err = size("memory", f.memory); err != nil {
		return err
	}
	if opt.MaxBytes, err = size("max-bytes", f.maxBytes); err != nil {
		return err
	}
	if opt.Memory < audit.MinMemory {
		return fmt.Errorf("--memory %s: need at least %s", f.memory, analysis.FormatBytes(audit.MinMemory))
	}
	audit.Guard(opt.Memory)
	today := time.Now()
	var names []string
	for _, a := range analyzers {
		names = append(names, a.Name)
	}
	opt.Settings = audit.Digest(cfg.Settings(passes.All(), today), strings.Join(names, ","), f.maxBytes)
	levels := cfg.Levels(passes.All())
	opt.Analyze = func(ctx context.Context, r io.Reader, name string, jobs int) (*analysis.Report, error) {
		rep, err := analysis.Analyze(ctx, r, name, analysis.Options{Options: parse.Options{MaxBytes: opt.MaxBytes}, Jobs: jobs, Levels: levels, Brief: f.reports == ""}, analyzers)
		if err == nil {
			cfg.Apply(rep, today)
			if rep.Config != nil {
				rep.Config.Off = off
			}
		}
		return rep, err
	}
	if f.cache != "" {
		if opt.Store, err = audit.OpenStore(f.cache, opt.Settings, opt.Tool); err != nil {
			return &failure{f.cache, err}
		}
	}
	for _, dir := range []string{f.emit, f.reports} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return &failure{dir, err}
		}
	}
	if f.reports != "" {
		f.page = func(path string) string { return filepath.Join(f.reports, pageName(path)) }
		opt.Again = func(path string, info fs.FileInfo) bool {
			page, err := os.Stat(f.page(path))
			return err != nil || page.ModTime().Before(info.ModTime())
		}
		analyze := opt.Analyze
		opt.Analyze = func(ctx context.Context, r io.Reader, name string, jobs int) (*analysis.Report, error) {
			rep, err := analyze(ctx, r, name, jobs)
			if err == nil {
				f.pages.put(f.page(name), rep, opt.Tool)
			}
			return rep, err
		}
	}
	if f.format == "ndjson" && f.out != "-" && f.out != "" {
		return f.intoFile(cmd, fl, &opt, args)
	}
	return f.run(cmd, fl, &opt, args, cmd.OutOrStdout())
}

// pageName is the file of a trace's report: its name, and what tells it from others of
// the same name.
func pageName(path string) string {
	return fileName(filepath.Base(path)) + "-" + audit.Digest(path)[:12] + ".html"
}

// pages writes the reports of single traces.
type pages struct {
	mu  sync.Mutex
	err error // the first one
}

func (p *pages) put(file string, rep *analysis.Report, tool string) {
	rep.Tool = tool
	err := writeFile(file, func(w io.Writer) error {
		return report.HTML(w, rep, report.Options{Pages: analyzerPages(), MetricDocs: metricDocs()})
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

// intoFile is run for lines that go into a file, which is replaced by whole ones only.
func (f *auditFlags) intoFile(cmd *cobra.Command, fl *fleet.Fleet, opt *audit.Options, args []string) error {
	var verdict error
	err := writeFile(f.out, func(w io.Writer) error {
		verdict = f.run(cmd, fl, opt, args, w)
		return nil
	})
	if err != nil {
		return &failure{f.out, err}
	}
	return verdict
}

func (f *auditFlags) run(cmd *cobra.Command, fl *fleet.Fleet, opt *audit.Options, args []string, out io.Writer) error {
	ctx := cmd.Context()
	skip := slices.DeleteFunc([]string{f.cache, f.emit, f.reports, f.out, f.baseline, f.writeBaseline}, func(s string) bool { return s == "" || s == "-" })
	inputs, err := audit.Walk(args, cmd.InOrStdin(), skip...)
	if err != nil {
		return &failure{"standard input", err}
	}
	m := newMeter(cmd.ErrOrStderr(), inputs, f.progress)
	warned := false
	take := func(d audit.Done) error {
		if err := f.pages.fault(); err != nil {
			return err
		}
		if d.Unkept != nil && !warned {
			warned = true
			fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: the cache cannot be written: %s\n", report.Clean(d.Unkept.Error()))
		}
		for _, e := range d.Entries {
			if f.emit != "" {
				if err := audit.Emit(f.emit, e); err != nil {
					return &failure{f.emit, err}
				}
			}
			if f.format == "ndjson" {
				if err := line(out, e); err != nil {
					return &failure{"output", err}
				}
			} else if f.watch {
				if err := arrived(out, e); err != nil {
					return &failure{"output", err}
				}
			}
			m.failed += count(e.Failure != "")
			if err := fl.Add(e); err != nil {
				return &failure{e.Path, err}
			}
		}
		m.step(d)
		return nil
	}
	if f.watch {
		err = f.follow(cmd, inputs, opt, args, skip, take)
	} else {
		err = audit.Run(ctx, inputs, *opt, take)
	}
	m.stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if verdict := f.conclude(cmd, fl); ctx.Err() == nil || verdict != nil && f.watch {
		return verdict
	}
	if f.watch {
		return nil // an interrupt is how it ends
	}
	how := "with --cache DIR, a run can go on where it was"
	if f.cache != "" {
		how = "the same command goes on from here"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: interrupted: the report is about %d of %d inputs; %s\n", m.done, len(inputs), how)
	return context.Canceled
}

// follow reads inputs, and then those that appear or change, once they no longer grow.
func (f *auditFlags) follow(cmd *cobra.Command, inputs []audit.Input, opt *audit.Options, args, skip []string, take func(audit.Done) error) error {
	if slices.Contains(args, "-") {
		return errors.New("--watch follows folders and globs, not a list on standard input")
	}
	if f.poll <= 0 {
		return fmt.Errorf("--poll %v: need more than 0", f.poll)
	}
	read := make(map[string]bool)
	last := make(map[string]int64)
	ctx := cmd.Context()
	for {
		var ready []audit.Input
		for _, in := range inputs {
			if was, seen := last[in.Path]; seen && was == in.Size && !read[in.Path] {
				ready = append(ready, in)
				read[in.Path] = true
			}
			last[in.Path] = in.Size
		}
		if err := audit.Run(ctx, ready, *opt, take); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.poll):
		}
		var err error
		if inputs, err = audit.Walk(args, nil, skip...); err != nil {
			return err
		}
	}
}

// line writes an entry without its pools as one line of JSON.
func line(w io.Writer, e *fleet.Entry) error {
	one := *e
	one.Pools = nil
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&one); err != nil {
		return err
	}
	_, err := w.Write(report.Escape(b.Bytes()))
	return err
}

// arrived says in one line what a trace came to.
func arrived(w io.Writer, e *fleet.Entry) error {
	say := e.Failure
	if say == "" {
		say = "nothing found"
		worst := 0
		for _, f := range e.Findings {
			if f.Severity.Rank() > worst {
				worst = f.Severity.Rank()
				say = fmt.Sprintf("%s: %s (%s)", f.Severity, f.Summary, f.Code)
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", report.Clean(e.Path), report.Clean(say))
	return err
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// size reads the bytes of a flag.
func size(flag, text string) (int64, error) {
	v, ok := config.ParseBytes(text)
	if !ok || v < 1 || v > math.MaxInt64/16 {
		return 0, fmt.Errorf("--%s %q: write it as 512MiB", flag, text)
	}
	return int64(v), nil
}

// A meter says on standard error how far an audit is.
type meter struct {
	w            io.Writer
	terminal     bool
	every        time.Duration
	total, bytes int64 // bytes of all inputs, and of those done
	inputs, done int
	failed       int
	cached       int
	began, said  time.Time
}

func newMeter(w io.Writer, inputs []audit.Input, every time.Duration) *meter {
	m := &meter{w: w, every: every, inputs: len(inputs), began: time.Now(), said: time.Now()}
	for _, in := range inputs {
		m.total += in.Size
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("CI") == "" {
		m.terminal, m.every = true, 200*time.Millisecond
	}
	return m
}

func (m *meter) step(d audit.Done) {
	m.done++
	m.bytes += d.Bytes
	m.cached += count(d.Cached)
	if m.every <= 0 || time.Since(m.said) < m.every {
		return
	}
	m.said = time.Now()
	rate := float64(m.bytes) / time.Since(m.began).Seconds()
	left := time.Duration(0)
	if rate > 0 {
		left = time.Duration(float64(max(m.total-m.bytes, 0)) / rate * float64(time.Second)).Round(time.Second)
	}
	s := fmt.Sprintf("%d of %d inputs, %s/s, about %v left, %d failed, %d from the cache", m.done, m.inputs, analysis.FormatBytes(int64(rate)), left, m.failed, m.cached)
	if m.terminal {
		fmt.Fprint(m.w, "\r\x1b[K"+s)
	} else {
		fmt.Fprintln(m.w, "tracelens: "+s)
	}
}

func (m *meter) stop() {
	if m.terminal {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}
