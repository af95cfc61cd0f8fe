package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

type analyzeFlags struct {
	format, out, color string
	from, to           time.Duration
	only, skip         []string
	strict, full       bool
	jobs               int
}

func newAnalyze() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze TRACE",
		Short: "Report what a trace says",
		Long: `Analyze reports what each analyzer says of TRACE: a file, or - for standard
input; plain, gzip or zstd. 'tracelens explain' lists the analyzers.

A trace that is cut or damaged is analysed up to where it can be read, and the
report begins with what was lost; --strict makes that exit code 3.`,
		Example: `  tracelens analyze cpu.trace
  tracelens analyze --only latency,waits --from 1s --to 1.5s cpu.trace
  tracelens analyze --format json -o report.json cpu.trace.gz`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("analyze takes one TRACE, got %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"trace", "out", "gz", "zst"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error { return analyze(cmd, &f, args[0]) },
	}
	var formats []string
	for _, format := range report.Formats {
		formats = append(formats, format.Name+" ("+format.Doc+")")
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.format, "format", report.Formats[0].Name, "`FORMAT` of the report: "+strings.Join(formats, "; "))
	flags.StringVarP(&f.out, "output", "o", "-", "write the report to `FILE`, which is replaced only by a whole report")
	flags.DurationVar(&f.from, "from", 0, "analyse from `TIME` after the begin of the trace, such as 1.5s")
	flags.DurationVar(&f.to, "to", 0, "analyse to `TIME` after the begin of the trace; 0 is its end")
	flags.StringSliceVar(&f.only, "only", nil, "run only these `ANALYZERS`")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave out these `ANALYZERS`")
	flags.BoolVar(&f.full, "full", false, "text: also the tables, as with --only")
	flags.BoolVar(&f.strict, "strict", false, "exit with 3 when the trace is incomplete or faulty")
	flags.IntVar(&f.jobs, "jobs", 0, "work on at most `N` CPUs; 0 is all there are; the report is the same")
	flags.StringVar(&f.color, "color", "auto", "`WHEN` to mark text up: auto, always or never")
	complete := func(name string, fn cobra.CompletionFunc) {
		if err := cmd.RegisterFlagCompletionFunc(name, fn); err != nil {
			panic(err)
		}
	}
	complete("format", cobra.FixedCompletions(report.Names(), cobra.ShellCompDirectiveNoFileComp))
	complete("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	complete("only", completeAnalyzers)
	complete("skip", completeAnalyzers)
	return cmd
}

func analyze(cmd *cobra.Command, f *analyzeFlags, name string) error {
	format, err := report.Named(f.format)
	if err != nil {
		return err
	}
	if f.from < 0 || f.to < 0 || f.to > 0 && f.to <= f.from {
		return fmt.Errorf("--from %v --to %v is no window: need 0 ≤ from < to", f.from, f.to)
	}
	if f.jobs < 0 {
		return fmt.Errorf("--jobs %d: need at least 1, or 0 for all CPUs", f.jobs)
	}
	if f.jobs > 0 && f.jobs < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(f.jobs)
	}
	analyzers, err := choose(f.only, f.skip)
	if err != nil {
		return err
	}
	toStdout := f.out == "" || f.out == "-"
	var stdout io.Writer
	if toStdout {
		stdout = cmd.OutOrStdout()
	}
	opt, err := display(stdout, f.color)
	if err != nil {
		return err
	}
	opt.Brief = !f.full && len(f.only) == 0

	in := cmd.InOrStdin()
	if name == "-" {
		name = "standard input"
		if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			return errors.New("TRACE is -, but standard input is a terminal")
		}
	} else {
		file, err := os.Open(name)
		if err != nil {
			return &failure{name, err}
		}
		defer file.Close()
		in = file
	}
	if file, ok := in.(*os.File); ok && !toStdout && sameFile(file, f.out) {
		return fmt.Errorf("--output %s is the trace itself", f.out)
	}

	in, stop := progress(in, cmd.ErrOrStderr())
	rep, err := read(cmd.Context(), in, name, analysis.Options{Options: parse.Options{From: f.from, To: f.to}, Jobs: f.jobs}, analyzers)
	stop()
	if err != nil {
		return &failure{name, err}
	}
	if f.from > 0 && rep.Trace.Duration == 0 {
		return fmt.Errorf("--from %v is after the end: the trace is %s long", f.from, analysis.FormatDuration(rep.Trace.To, rep.Trace.Quantum))
	}
	rep.Tool = "tracelens " + version()

	write := func(w io.Writer) error { return format.Write(w, rep, opt) }
	if toStdout {
		if err := write(stdout); err != nil {
			return &failure{"standard output", err}
		}
	} else if err := writeFile(f.out, write); err != nil {
		return &failure{f.out, err}
	}
	switch {
	case rep.Trace.FaultKind == "io":
		return &failure{name, fmt.Errorf("reading failed: %s", rep.Trace.Fault)}
	case f.strict && !rep.Trace.Complete:
		return &failure{name, fmt.Errorf("incomplete: %s", rep.Trace.Fault)}
	}
	return nil
}

// read analyses in. It returns at once when ctx is done, though a read of in may
// be blocked for ever; the program must exit then.
func read(ctx context.Context, in io.Reader, name string, opt analysis.Options, analyzers []*analysis.Analyzer) (*analysis.Report, error) {
	type result struct {
		rep   *analysis.Report
		err   error
		fault string // of ours
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.fault = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
			done <- r
		}()
		r.rep, r.err = analysis.Analyze(ctx, in, name, opt, analyzers)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.fault != "" {
			panic(r.fault)
		}
		return r.rep, r.err
	}
}

// choose returns the analyzers of the catalogue that --only and --skip leave.
func choose(only, skip []string) ([]*analysis.Analyzer, error) {
	all := passes.All()
	var names []string
	for _, a := range all {
		names = append(names, a.Name)
	}
	for _, name := range slices.Concat(only, skip) {
		if !slices.Contains(names, name) {
			return nil, unknown("analyzer", name, names)
		}
	}
	chosen := slices.DeleteFunc(all, func(a *analysis.Analyzer) bool {
		return len(only) > 0 && !slices.Contains(only, a.Name) || slices.Contains(skip, a.Name)
	})
	if len(chosen) == 0 {
		return nil, errors.New("--only and --skip leave no analyzer")
	}
	return chosen, nil
}

// unknown is the error for a name that is not among names, with the likely ones.
func unknown(what, name string, names []string) error {
	known := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		known.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	if near := known.SuggestionsFor(name); len(near) > 0 && name != "" {
		return fmt.Errorf("unknown %s %q; did you mean %s?", what, name, strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown %s %q; there are: %s", what, name, strings.Join(names, ", "))
}

// completeAnalyzers completes the last name of a comma-separated list.
func completeAnalyzers(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	done := typed[:strings.LastIndexByte(typed, ',')+1]
	var out []string
	for _, a := range passes.All() {
		if !slices.Contains(strings.Split(done, ","), a.Name) {
			out = append(out, done+a.Name+"\t"+a.Title())
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
