package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

type analyzeFlags struct {
	inputFlags
	configFlags
	format, out, color string
	only, skip         []string
	full, verbose      bool
	failOn, sourceRoot string
}

func newAnalyze() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze TRACE",
		Short: "Report what a trace says",
		Long: `Analyze reports what each analyzer says of TRACE: a file, or - for standard
input; plain, gzip or zstd. 'tracelens explain' lists the analyzers.

A trace that is cut or damaged is analysed up to where it can be read, and the
report begins with what was lost; --strict makes that exit code 3.

Which judges are asked, from where on values matter, and which findings are
accepted may be set in ` + config.FileName + `; 'tracelens explain JUDGE' says what is in
force. --fail-on makes findings exit code 1, for CI.`,
		Example: `  tracelens analyze cpu.trace
  tracelens analyze --only latency,waits --from 1s --to 1.5s cpu.trace
  tracelens analyze --format json -o report.json cpu.trace.gz
  tracelens analyze --fail-on error --format sarif --source-root . -o tracelens.sarif cpu.trace`,
		Args: oneTrace, ValidArgsFunction: completeTrace,
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
	f.window(flags)
	flags.StringSliceVar(&f.only, "only", nil, "run only these `ANALYZERS`")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave out these `ANALYZERS`")
	flags.BoolVar(&f.full, "full", false, "text: also the tables, as with --only")
	f.reading(flags)
	f.configFlags.add(cmd)
	flags.StringVar(&f.failOn, "fail-on", "", "exit with 1 when a finding is at or above `LEVEL`: note, warning or error; junit: what is a failure, warning without it")
	flags.StringVar(&f.sourceRoot, "source-root", "", "sarif: make paths below `DIR` relative to it; it may also be the begin of the paths in the trace")
	flags.BoolVar(&f.verbose, "verbose", false, "say also which suppressions match nothing")
	flags.StringVar(&f.color, "color", "auto", "`WHEN` to mark text up: auto, always or never")
	complete := func(name string, fn cobra.CompletionFunc) {
		if err := cmd.RegisterFlagCompletionFunc(name, fn); err != nil {
			panic(err)
		}
	}
	complete("format", cobra.FixedCompletions(report.Names(), cobra.ShellCompDirectiveNoFileComp))
	complete("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	var levels []string
	for _, level := range analysis.Severities {
		levels = append(levels, string(level))
	}
	complete("fail-on", cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	complete("source-root", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	complete("only", completeAnalyzers)
	complete("skip", completeAnalyzers)
	return cmd
}

func analyze(cmd *cobra.Command, f *analyzeFlags, name string) error {
	format, err := report.Named(f.format)
	if err != nil {
		return err
	}
	analyzers, err := choose(f.only, f.skip)
	if err != nil {
		return err
	}
	failOn := analysis.Severity(f.failOn)
	if f.failOn != "" && failOn.Rank() == 0 {
		return fmt.Errorf("unknown --fail-on %q; there are: note, warning, error", f.failOn)
	}
	cfg, err := f.configFlags.load()
	if err != nil {
		return err
	}
	analyzers, off := switchOff(cfg, analyzers, f.only)
	if len(analyzers) == 0 {
		return fmt.Errorf("%s switches off all that --only and --skip leave", cfg.File)
	}
	f.levels = cfg.Levels(passes.All())
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
	opt.FailOn = failOn
	opt.SourceRoot = sourceRoot(f.sourceRoot)
	opt.Pages = pages()

	rep, err := f.inputFlags.analyze(cmd, name, f.out, analyzers)
	if err != nil {
		return err
	}
	configure(cfg, rep, off, cmd.ErrOrStderr(), f.verbose)
	write := func(w io.Writer) error { return format.Write(w, rep, opt) }
	if toStdout {
		if err := write(stdout); err != nil {
			return &failure{"standard output", err}
		}
	} else if err := writeFile(f.out, write); err != nil {
		return &failure{f.out, err}
	}
	if err := f.fault(rep); err != nil {
		return err
	}
	if n := config.AtOrAbove(rep, failOn); f.failOn != "" && n > 0 {
		return &tooGrave{rep.Trace.Name, n, failOn}
	}
	return nil
}

// sourceRoot is the folder of that name as paths in traces have it, or the name as
// it is where there is no such folder.
func sourceRoot(dir string) string {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		if abs, err := filepath.Abs(dir); err == nil {
			return filepath.ToSlash(abs)
		}
	}
	return dir
}

// pages are those of the analyzers, by name.
func pages() map[string]string {
	out := make(map[string]string)
	for _, a := range passes.All() {
		out[a.Name] = a.Doc
	}
	return out
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
	return config.Unknown(what, name, names)
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
