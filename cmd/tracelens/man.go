package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Example: `  tracelens man ~/.local/share/man/man1
  man tracelens-analyze`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return &failure{args[0], err}
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // no date: the same program gives the same pages
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "tracelens"}, args[0]); err != nil {
				return &failure{args[0], err}
			}
			return nil
		},
	}
}
