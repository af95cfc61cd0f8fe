package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// configFlags say which configuration counts.
type configFlags struct {
	file    string
	none    bool
	verbose bool
}

func (f *configFlags) add(cmd *cobra.Command) {
	grouped(cmd, "Configuration", func() {
		cmd.Flags().StringVar(&f.file, "config", "", "read `FILE` instead of the nearest "+config.FileName+" upwards")
		cmd.Flags().BoolVar(&f.none, "no-config", false, "read no configuration")
		cmd.Flags().BoolVar(&f.verbose, "verbose", false, "say which configuration counts, and what in it has no effect")
	})
	cmd.MarkFlagsMutuallyExclusive("config", "no-config")
	if err := cmd.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)); err != nil {
		panic(err)
	}
}

func (f *configFlags) load(cmd *cobra.Command) (*config.Config, error) {
	say := func(which string) {
		if f.verbose {
			fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: configuration: %s\n", report.Clean(which))
		}
	}
	path := f.file
	if f.none {
		say("none, by --no-config")
		return config.Default(), nil
	}
	if path == "" {
		found, err := config.Find(".")
		var wrong config.Errors
		if errors.As(err, &wrong) {
			return nil, wrong
		}
		if err != nil {
			return nil, &failure{config.FileName, err}
		}
		if found == "" {
			say("none")
			return config.Default(), nil
		}
		path = found
	}
	say(path)
	return config.Load(path, passes.All())
}

// switchOff splits analyzers into those to run and the names of the checks that the
// configuration switches off. Those that --only names run nevertheless.
func switchOff(c *config.Config, analyzers []*analysis.Analyzer, only []string) (run []*analysis.Analyzer, off []string) {
	for _, a := range analyzers {
		if c.Off(a) && !slices.ContainsFunc(only, func(name string) bool { return analyzerOf(name) == a }) {
			off = append(off, a.Name)
		} else {
			run = append(run, a)
		}
	}
	return run, off
}

// configure applies c to a report and says which suppressions have no effect.
func configure(c *config.Config, rep *analysis.Report, off []string, stderr io.Writer, verbose bool) {
	c.Apply(rep, time.Now())
	if rep.Config != nil {
		rep.Config.Off = off
	}
	for _, s := range rep.Suppressions {
		switch {
		case s.Expired:
			fmt.Fprintf(stderr, "tracelens: %s: the suppression expired after %s; it would match %d of the findings (%s)\n", report.Clean(s.Source), s.Expires, s.Matched, report.Clean(s.Reason))
		case s.Matched == 0 && verbose:
			fmt.Fprintf(stderr, "tracelens: %s: the suppression matches no finding (%s)\n", report.Clean(s.Source), report.Clean(s.Reason))
		}
	}
}
