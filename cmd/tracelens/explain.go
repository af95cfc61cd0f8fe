package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

func newExplain() *cobra.Command {
	var color string
	cmd := &cobra.Command{
		Use:   "explain [ANALYZER | METRIC]",
		Short: "Say what an analyzer or metric is, how it counts, and what to do about it",
		Long: `Explain prints the page of an analyzer: what it looks at, how it counts, what
to trust, and what to do. With the id of a metric of the JSON report, or the
begin of some, such as sched.latency, it says what those are; 'metrics' lists
them all. Without argument it lists the analyzers in the order of the report.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var out []string
			if len(args) == 0 {
				for _, a := range passes.All() {
					out = append(out, a.Name+"\t"+a.Title())
				}
				for _, m := range analysis.Metrics() {
					out = append(out, m.ID+"\t"+m.Doc)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			opt, err := display(out, color)
			if err != nil {
				return err
			}
			text, err := explanation(args)
			if err != nil {
				return err
			}
			if err := text(out, opt); err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&color, "color", "auto", "`WHEN` to mark text up: auto, always or never")
	return cmd
}

// explanation returns what writes the answer.
func explanation(args []string) (func(io.Writer, report.Options) error, error) {
	var names []string
	width := 0
	for _, a := range passes.All() {
		names = append(names, a.Name)
		width = max(width, len(a.Name))
		if len(args) == 1 && args[0] == a.Name {
			return func(w io.Writer, opt report.Options) error { return report.Page(w, a.Doc, opt) }, nil
		}
	}
	plain := func(b *strings.Builder) func(io.Writer, report.Options) error {
		return func(w io.Writer, _ report.Options) error {
			_, err := io.WriteString(w, b.String())
			return err
		}
	}
	var b strings.Builder
	if len(args) == 0 {
		b.WriteString("Analyzers, in the order of the report:\n\n")
		for _, a := range passes.All() {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, a.Name, a.Title())
		}
		b.WriteString("\n'tracelens explain ANALYZER' prints the page of one, 'tracelens explain metrics' lists the metrics.\n")
		return plain(&b), nil
	}
	for _, m := range analysis.Metrics() {
		if args[0] == "metrics" || m.ID == args[0] || strings.HasPrefix(m.ID, strings.TrimSuffix(args[0], ".")+".") {
			about := []string{string(m.Unit), string(m.Confidence)}
			if m.Clock != "" {
				about = append(about, "in "+string(m.Clock))
			}
			if m.Polarity != analysis.Neutral {
				about = append(about, string(m.Polarity)+" is better")
			}
			fmt.Fprintf(&b, "%s  (%s)\n    %s\n", m.ID, strings.Join(about, ", "), m.Doc)
		}
	}
	if b.Len() > 0 {
		return plain(&b), nil
	}
	for _, m := range analysis.Metrics() {
		names = append(names, m.ID)
	}
	if !strings.Contains(args[0], ".") {
		names = append(names[:len(passes.All())], "metrics")
	}
	return nil, unknown("analyzer or metric", args[0], names)
}
