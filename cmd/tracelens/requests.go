package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

type requestsFlags struct {
	inputFlags
	outputFlags
	configFlags
	choice measures.RequestChoice
}

func newRequests() *cobra.Command {
	var f requestsFlags
	cmd := &cobra.Command{
		Use:   "requests TRACE",
		Short: "Where the time of requests goes, and why the slow ones are slow",
		Long: `Requests shows how long requests took by type, where their time went, what the
slow ones differ by, and the slowest of them step by step: what would have had
to be shorter for the request to be, along all goroutines that it waited for.

A request is a runtime/trace task or region, a request that net/http or
google.golang.org/grpc serves, a call of database/sql, a goroutine that is
started for a piece of work, or a call of a function that tracelens.yaml names
under requests. 'tracelens explain requests' says how each is told.`,
		Example: `  tracelens requests cpu.trace
  tracelens requests --type GetOrder --slowest 10 cpu.trace
  tracelens requests --id 4711.3 cpu.trace
  tracelens requests --format csv --table requests.parts cpu.trace`,
		Args: oneTrace, ValidArgsFunction: completeTrace,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, theTrace(args)) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	formats := []report.Format{{Name: "text", Doc: "for people: the types, then the slowest requests step by step", Write: report.Requests}}
	for _, name := range []string{"json", "csv", "html"} {
		i := slices.IndexFunc(report.Formats, func(f report.Format) bool { return f.Name == name })
		formats = append(formats, report.Formats[i])
	}
	f.outputFlags.add(cmd, formats...)
	grouped(cmd, "What to look at", func() {
		f.window(flags)
		flags.StringVar(&f.choice.Type, "type", "", "only types with `TEXT` in their kind or name, such as gRPC or GetOrder")
		flags.IntVar(&f.choice.Slowest, "slowest", 3, "the slowest `N` requests of each type step by step")
		flags.StringVar(&f.choice.ID, "id", "", "request `ID` step by step, such as 12.3, or t17 for task 17")
	})
	grouped(cmd, "How to read", func() { f.reading(flags) })
	f.configFlags.add(cmd)
	for _, name := range []string{"assets", "source-root", "fail-on"} {
		if err := flags.MarkHidden(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

func (f *requestsFlags) run(cmd *cobra.Command, name string) error {
	format, err := f.check(cmd)
	switch {
	case err != nil:
		return err
	case f.choice.Slowest < 1 || f.choice.Slowest > 1000:
		return fmt.Errorf("--slowest %d: need 1 to 1,000", f.choice.Slowest)
	case f.choice.ID != "" && (cmd.Flags().Changed("slowest") || f.choice.Type != ""):
		return errors.New("--id is one request: leave out --slowest and --type")
	}
	cfg, err := f.configFlags.load(cmd)
	if err != nil {
		return err
	}
	f.requests = cfg.Requests()
	rep, err := f.analyze(cmd, name, f.out, []*analysis.Analyzer{measures.SelectRequests(f.choice)})
	if err != nil {
		return err
	}
	rep.Verdict = nil
	switch res := rep.Results[0]; res.Outcome {
	case analysis.NotApplicable:
		return fmt.Errorf("%s: %s", report.Clean(name), report.Clean(res.Reason))
	case analysis.Failed:
		return fmt.Errorf("internal error: %s", res.Reason)
	}
	if f.choice.ID != "" {
		report.KeepRequest(rep, f.choice.ID)
	}
	if err := f.write(cmd, format, rep, false); err != nil {
		return err
	}
	return f.fault(rep)
}
