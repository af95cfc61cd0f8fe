package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Example: `  tracelens man ~/.local/share/man/man1
  man tracelens-analyze`,
		Args: takes(1, 1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return &failure{args[0], err}
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // no date: the same program gives the same pages
			return manual(root, args[0])
		},
	}
}

// manual writes the page of a command and of those below it.
func manual(cmd *cobra.Command, dir string) error {
	file := filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	err := writeFile(file, func(w io.Writer) error {
		return doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Source: "tracelens"}, w)
	})
	if err != nil {
		return &failure{file, err}
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := manual(c, dir); err != nil {
			return err
		}
	}
	return nil
}
