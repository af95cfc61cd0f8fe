package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

type auditFlags struct {
	fleetFlags
	only, skip       []string
	include, exclude []string
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

What cannot be read is listed with its reason, and ends nothing; what is no trace
below a folder is skipped. The exit code is 3 when PATH itself is not there or no
trace, when no trace was read, and under --strict when anything was not. With
--cache, a run that was ended goes on where it was, and traces that were read
before are not read again. With --emit, the results can be put together later,
or on another machine, by 'tracelens merge'.

--group-by names groups by the elements of a path: {1} is the first, {-1} the
last. --groups takes them from a CSV file: under a header such as path,service,
each row has a pattern of paths, such as web/**/*.trace, and what these have.

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
		Args: takes(1, -1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error { return auditTraces(cmd, &f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.fleetFlags.add(cmd)
	grouped(cmd, "Which files", func() {
		flags.StringSliceVar(&f.include, "include", nil, "below folders, read only what matches `PATTERNS`, such as web/**")
		flags.StringSliceVar(&f.exclude, "exclude", nil, "below folders, leave out what matches `PATTERNS`")
		flags.StringVar(&f.maxBytes, "max-bytes", "8GiB", "do not decompress a trace beyond `BYTES`")
	})
	grouped(cmd, "What to look at", func() { chosen(flags, &f.only, &f.skip) })
	grouped(cmd, "What to keep", func() {
		flags.StringVar(&f.cache, "cache", "", "keep results in `DIR`, and read only what is not there")
		flags.StringVar(&f.emit, "emit", "", "write the result of each trace into `DIR`, for merge")
		flags.StringVar(&f.reports, "reports", "", "write a page of each trace into `DIR`; html links to them")
	})
	grouped(cmd, "How to read", func() {
		flags.StringVar(&f.memory, "memory", "1GiB", "read as much at once as `BYTES` allow")
		flags.IntVar(&f.jobs, "jobs", 0, "use at most `N` CPUs, without it all; the output is the same")
		flags.DurationVar(&f.progress, "progress", 10*time.Second, "without a terminal, report progress every `TIME`; 0: never")
		flags.BoolVar(&f.watch, "watch", false, "read files as they arrive, a line for each, until interrupted")
		flags.DurationVar(&f.poll, "poll", 2*time.Second, "with --watch, look for files every `TIME`")
	})
	complete(cmd, "only", completeAnalyzers)
	complete(cmd, "skip", completeAnalyzers)
	return cmd
}

func auditTraces(cmd *cobra.Command, f *auditFlags, args []string) error {
	fl, cfg, err := f.fleet(cmd, f.cache)
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
	f.pages.inForce = levels
	opt.Analyze = func(ctx context.Context, r io.Reader, name string, jobs int) (*analysis.Report, error) {
		rep, err := analysis.Analyze(ctx, r, name, analysis.Options{Options: parse.Options{MaxBytes: opt.MaxBytes, Requests: cfg.Requests()}, Jobs: jobs, Levels: levels, Brief: f.reports == "", Bare: true}, analyzers)
		if err == nil {
			cfg.Apply(rep, today)
			if rep.Config != nil {
				rep.Config.Off = off
			}
		}
		return rep, err
	}
	defer fl.Close()
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

// intoFile is run for lines that go into a file, which is replaced by whole ones only.
func (f *auditFlags) intoFile(cmd *cobra.Command, fl *fleet.Fleet, opt *audit.Options, args []string) error {
	var verdict error
	err := writeFileAs(f.out, func(w io.Writer) error {
		verdict = f.run(cmd, fl, opt, args, w)
		return f.endLines(w)
	}, func(name string) string {
		if f.interrupted != nil {
			return partial(name)
		}
		return name
	})
	if err != nil {
		return &failure{f.out, err}
	}
	return verdict
}

func (f *auditFlags) run(cmd *cobra.Command, fl *fleet.Fleet, opt *audit.Options, args []string, out io.Writer) error {
	ctx := cmd.Context()
	skip := slices.DeleteFunc([]string{f.cache, f.emit, f.reports, f.out, f.baseline, f.writeBaseline}, func(s string) bool { return s == "" || s == "-" })
	choice, err := f.choice()
	if err != nil {
		return err
	}
	inputs, err := audit.Walk(args, cmd.InOrStdin(), choice, skip...)
	if err != nil {
		return &failure{"standard input", err}
	}
	if !f.watch {
		if err := absent(inputs); err != nil {
			return err
		}
	}
	if err := f.grouped(audit.Paths(inputs)); err != nil {
		return err
	}
	var unread []*failure // of what the user named
	skipped := 0
	named := make(map[string]bool)
	for _, in := range inputs {
		if in.Named {
			named[in.Path] = true
		}
	}
	m := newMeter(cmd.ErrOrStderr(), inputs, f.progress, f.watch || f.format == "ndjson" && f.toStdout())
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
			if err := fl.Add(e); err != nil {
				return &failure{e.Path, err}
			}
			if e.Failure != "" && named[e.Path] {
				unread = append(unread, &failure{e.Path, errors.New(e.Failure)})
			}
		}
		skipped += d.Skipped
		m.step(d)
		return nil
	}
	if f.watch {
		err = f.follow(cmd, inputs, opt, args, choice, skip, take)
	} else {
		err = audit.Run(ctx, inputs, *opt, take)
	}
	m.stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if ctx.Err() != nil && !f.watch && m.done < len(inputs) {
		f.interrupt(m.done, len(inputs))
	}
	if skipped > 0 {
		what := plural(skipped, "file") + " that are no traces"
		if skipped == 1 {
			what = "1 file that is no trace"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: skipped %s\n", what)
	}
	verdict := f.conclude(cmd, fl)
	var written *failure
	if !errors.As(verdict, &written) && f.interrupted == nil {
		// What is not whole must not look green, nor like broken budgets alone.
		if err := unreadable(unread); err != nil {
			return err
		}
		if fl.Traces() == 0 {
			return &failure{strings.Join(args, " "), errNoTrace}
		}
	}
	if f.interrupted == nil {
		return verdict // that a watch is interrupted is how it ends
	}
	how := "with --cache DIR, a run can go on where it was"
	if f.cache != "" {
		how = "the same command goes on from here"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: interrupted: %s is about %d of %d inputs; %s\n", f.reported(), m.done, len(inputs), how)
	return context.Canceled
}

// errNoTrace is the error of an audit that has nothing to go by.
var errNoTrace = errors.New("no trace was read")

// absent is the error of arguments that name nothing there is, before others are read.
func absent(inputs []audit.Input) error {
	for _, in := range inputs {
		if in.Named && (errors.Is(in.Err, audit.ErrNoMatch) || errors.Is(in.Err, fs.ErrNotExist)) {
			return &failure{in.Path, in.Err}
		}
	}
	return nil
}

// choice reads the patterns of --include and --exclude.
func (f *auditFlags) choice() (c audit.Choice, err error) {
	read := func(flag string, patterns []string) (all []func(string) bool) {
		for _, p := range patterns {
			match, e := config.FileGlob(p)
			if e != nil && err == nil {
				err = fmt.Errorf("--%s: %w", flag, e)
			}
			all = append(all, match)
		}
		return all
	}
	c = audit.Choice{Include: read("include", f.include), Exclude: read("exclude", f.exclude)}
	return c, err
}

// follow reads inputs, and then those that appear or change, once they no longer do.
func (f *auditFlags) follow(cmd *cobra.Command, inputs []audit.Input, opt *audit.Options, args []string, choice audit.Choice, skip []string, take func(audit.Done) error) error {
	if slices.Contains(args, "-") {
		return errors.New("--watch follows folders and globs, not a list on standard input")
	}
	if f.poll <= 0 {
		return fmt.Errorf("--poll %v: need more than 0", f.poll)
	}
	type state struct{ size, time int64 }
	read, last := make(map[string]state), make(map[string]state)
	ctx := cmd.Context()
	for {
		var ready []audit.Input
		for _, in := range inputs {
			if errors.Is(in.Err, audit.ErrNoMatch) || errors.Is(in.Err, fs.ErrNotExist) {
				continue // it may come
			}
			now := state{in.Size, in.Time}
			if was, seen := last[in.Path]; seen && was == now && read[in.Path] != now {
				ready = append(ready, in)
				read[in.Path] = now
			}
			last[in.Path] = now
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
		if inputs, err = audit.Walk(args, nil, choice, skip...); err != nil {
			return err
		}
	}
}

// size reads the bytes of a flag.
func size(flag, text string) (int64, error) {
	v, ok := config.ParseBytes(text)
	if !ok || v < 1 || v > math.MaxInt64/16 {
		return 0, fmt.Errorf("--%s %q: write it as 512MiB", flag, text)
	}
	return int64(v), nil
}
