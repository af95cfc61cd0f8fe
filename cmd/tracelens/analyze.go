package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

type analyzeFlags struct {
	inputFlags
	outputFlags
	configFlags
	only, skip []string
}

func newAnalyze() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze TRACE",
		Short: "Report what a trace says",
		Long: `Analyze reports what each analyzer says of TRACE: a file, - for standard input,
or the http or https URL of a trace; plain, gzip or zstd. 'tracelens TRACE' does
the same. 'tracelens explain' lists the analyzers.

A trace that is cut or damaged is analysed up to where it can be read, and the
report begins with what was lost; --strict makes that exit code 3.

Which checks run, at which values they fire, and which findings are accepted
may be set in ` + config.FileName + `; 'tracelens explain CHECK' says what is in
force. --fail-on makes findings exit code 1, for CI; a budget of the
configuration that the trace breaks is exit code 1 as well, and one that it
has too little data for is 4.`,
		Example: `  tracelens analyze cpu.trace
  tracelens analyze http://localhost:6060/debug/pprof/trace?seconds=5
  tracelens analyze --only latency,waits --from 1s --to 1.5s cpu.trace
  tracelens analyze --format json -o report.json cpu.trace.gz
  tracelens analyze --format html -o report.html cpu.trace
  tracelens analyze --fail-on error --format sarif --source-root . -o tracelens.sarif cpu.trace`,
		Args: oneTrace, ValidArgsFunction: completeTrace,
		RunE: func(cmd *cobra.Command, args []string) error { return analyze(cmd, &f, theTrace(args)) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.outputFlags.add(cmd, report.Formats...)
	grouped(cmd, "What to look at", func() {
		f.window(flags)
		f.at(flags)
		chosen(flags, &f.only, &f.skip)
		flags.IntVar(&f.spans, "spans", -1, "keep `N` exact spans of Ps where the findings are; html: 500000")
	})
	grouped(cmd, "How to read", func() { f.reading(flags) })
	f.configFlags.add(cmd)
	exclusive(cmd)
	complete(cmd, "only", completeAnalyzers)
	complete(cmd, "skip", completeAnalyzers)
	return cmd
}

func analyze(cmd *cobra.Command, f *analyzeFlags, name string) error {
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	analyzers, err := choose(f.only, f.skip)
	if err != nil {
		return err
	}
	cfg, err := f.configFlags.load(cmd)
	if err != nil {
		return err
	}
	analyzers, off := switchOff(cfg, analyzers, f.only)
	if len(analyzers) == 0 {
		return fmt.Errorf("%s switches off all that --only and --skip leave", cfg.File)
	}
	f.levels, f.requests = cfg.Levels(passes.All()), cfg.Requests()
	f.inForce = f.levels
	if f.spans < -1 || f.spans > maxSpans {
		return fmt.Errorf("--spans %d: need 0 to %d, or -1 for what the format shows; each takes some 300 bytes of memory", f.spans, maxSpans)
	}
	if f.spans < 0 {
		f.spans = format.Spans
	}
	f.lanes = f.assets != ""
	rep, err := f.inputFlags.analyze(cmd, name, f.out, analyzers)
	if err != nil {
		return err
	}
	configure(cfg, rep, off, cmd.ErrOrStderr(), f.configFlags.verbose)
	broken, open, err := budgets(cfg, rep, len(f.only)+len(f.skip) == 0)
	if err != nil {
		return err
	}
	if err := f.write(cmd, format, rep, len(f.only) == 0); err != nil {
		return err
	}
	if err := f.fault(rep); err != nil {
		return err
	}
	if len(broken) > 0 {
		return &brokenBudgets{broken}
	}
	if err := f.tooMany(rep); err != nil {
		return err
	}
	if len(open) > 0 {
		return inconclusive(open)
	}
	return nil
}

// maxSpans bounds --spans to what fits into some 400 MB.
const maxSpans = 1_000_000

// budgets checks those of a configuration that one trace can keep or break, and adds
// what they come to to its report. Of a report that is not whole, only metrics that it
// has count.
func budgets(cfg *config.Config, rep *analysis.Report, whole bool) (broken, open []string, err error) {
	all := slices.DeleteFunc(slices.Clone(cfg.Budgets()), func(b fleet.Budget) bool {
		_, known := rep.Metrics[b.Metric]
		return b.Least > 1 || b.Group != nil || b.Traces != nil && !b.Traces(rep.Trace.Name) || !whole && !known
	})
	if len(all) == 0 {
		return nil, nil, nil
	}
	fl := fleet.New(fleet.Options{Budgets: all})
	if err := fl.Add(fleet.NewEntry(rep, "", "")); err != nil {
		return nil, nil, &failure{rep.Trace.Name, err}
	}
	res, err := fl.Budgets()
	if err != nil {
		return nil, nil, err
	}
	rep.Results = append(rep.Results, res)
	return verdicts(fl)
}

// chosen are the flags that choose analyzers.
func chosen(flags *pflag.FlagSet, only, skip *[]string) {
	flags.StringSliceVar(only, "only", nil, "run only `ANALYZERS`: names, codes or figures, by commas")
	flags.StringSliceVar(skip, "skip", nil, "leave out these `ANALYZERS`")
}

// choose returns the analyzers of the catalogue that --only and --skip leave. Both take
// codes and figures as well.
func choose(only, skip []string) ([]*analysis.Analyzer, error) {
	var named [2][]*analysis.Analyzer
	for i, names := range [][]string{only, skip} {
		for _, name := range names {
			a := analyzerOf(name)
			if a == nil {
				return nil, unknown("analyzer", name, analyzerNames())
			}
			named[i] = append(named[i], a)
		}
	}
	chosen := slices.DeleteFunc(passes.All(), func(a *analysis.Analyzer) bool {
		return len(only) > 0 && !slices.Contains(named[0], a) || slices.Contains(named[1], a)
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
