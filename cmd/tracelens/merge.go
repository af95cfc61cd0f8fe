package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
)

func newMerge() *cobra.Command {
	var f fleetFlags
	cmd := &cobra.Command{
		Use:   "merge DIR...",
		Short: "Put together what 'audit --emit' wrote, on one machine or many",
		Long: `Merge reports what one audit of all the traces would: the output is the same,
however the traces were shared among audits. An entry that is damaged, or made
by another version or configuration, is an error: the report would not be whole.`,
		Example: "  tracelens merge shards/*",
		Args:    takes(1, -1, "DIR"),
		RunE:    func(cmd *cobra.Command, args []string) error { return merge(cmd, &f, args) },
	}
	cmd.Flags().SortFlags = false
	f.add(cmd)
	return cmd
}

func merge(cmd *cobra.Command, f *fleetFlags, dirs []string) error {
	fl, _, err := f.fleet(cmd)
	if err != nil {
		return err
	}
	files, err := audit.Walk(dirs, cmd.InOrStdin(), audit.Choice{})
	if err != nil {
		return &failure{"standard input", err}
	}
	var entries []audit.Input
	for _, file := range files {
		if file.Err != nil || strings.HasSuffix(file.Path, audit.Suffix) {
			entries = append(entries, file)
		}
	}
	n := 0
	for _, file := range entries {
		if cmd.Context().Err() != nil {
			f.interrupt(n, len(entries))
			break
		}
		if file.Err != nil {
			return &failure{file.Path, file.Err}
		}
		data, err := os.ReadFile(file.Path)
		if err != nil {
			return &failure{file.Path, err}
		}
		e, err := fleet.Decode(data)
		if err != nil {
			return &failure{file.Path, err}
		}
		if err := fl.Add(e); err != nil {
			return &failure{file.Path, err}
		}
		n++
	}
	if n == 0 && f.interrupted == nil {
		return &failure{strings.Join(dirs, " "), errors.New("no entries of an audit: make them with 'tracelens audit --emit DIR'")}
	}
	var paths []audit.Input
	for _, e := range fl.Entries() {
		paths = append(paths, audit.Input{Path: e.Path})
	}
	if err := f.grouped(paths); err != nil {
		return err
	}
	if f.format == "ndjson" {
		lines := func(w io.Writer) error {
			for _, e := range fl.Entries() {
				if err := line(w, e); err != nil {
					return err
				}
			}
			return nil
		}
		if err := f.into(cmd, lines); err != nil {
			return err
		}
	}
	verdict := f.conclude(cmd, fl)
	if f.interrupted != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: interrupted: %s is about %d of %d entries\n", f.reported(), n, len(entries))
		return context.Canceled
	}
	return verdict
}
