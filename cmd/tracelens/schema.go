package main

import (
	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

func newSchema() *cobra.Command {
	kinds := []string{"report", "config"}
	return &cobra.Command{
		Use:   "schema [report | config]",
		Short: "Print the JSON Schema of reports, or of the configuration",
		Long: `Schema prints the JSON Schema of what --format json writes, or of
` + config.FileName + `. docs/STABILITY.md says what may change in them, and when.`,
		Example: `  tracelens schema > report.schema.json
  tracelens schema config > tracelens.schema.json`,
		Args: takes(0, 1, "NAME"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return kinds, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := report.Schema
			if len(args) > 0 && args[0] != kinds[0] {
				if args[0] != kinds[1] {
					return unknown("schema", args[0], kinds)
				}
				var err error
				if out, err = config.Schema(passes.All()); err != nil {
					return &failure{"schema", err}
				}
			}
			if _, err := cmd.OutOrStdout().Write(out); err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
}
