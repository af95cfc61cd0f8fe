package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
however the traces were shared among audits. An entry that is damaged is listed
with its reason, and the exit code is 3. Entries that were made by different
versions or configurations do not compare: that is an error.`,
		Example: "  tracelens merge shards/*",
		Args:    takes(1, -1, "DIR"),
		RunE:    func(cmd *cobra.Command, args []string) error { return merge(cmd, &f, args) },
	}
	cmd.Flags().SortFlags = false
	f.add(cmd)
	return cmd
}

func merge(cmd *cobra.Command, f *fleetFlags, dirs []string) error {
	fl, _, err := f.fleet(cmd, "")
	if err != nil {
		return err
	}
	defer fl.Close()
	files, err := audit.Walk(dirs, cmd.InOrStdin(), audit.Choice{})
	if err != nil {
		return &failure{"standard input", err}
	}
	files = slices.DeleteFunc(files, func(file audit.Input) bool {
		return file.Err == nil && !strings.HasSuffix(file.Path, audit.Suffix)
	})
	var unread []*failure
	var lines []emitted
	n := 0
	for _, file := range files {
		if cmd.Context().Err() != nil {
			f.interrupt(n, len(files))
			break
		}
		n++
		e, err := readEntry(file)
		if err == nil {
			if err := fl.Add(e); err != nil {
				return &failure{file.Path, err}
			}
			if f.format == "ndjson" {
				lines = append(lines, emitted{path: e.Path, hash: e.Hash, file: file.Path})
			}
			continue
		}
		unread = append(unread, &failure{file.Path, err})
		if err := fl.AddFailure(file.Path, err); err != nil {
			return &failure{file.Path, err}
		}
	}
	if n == 0 && f.interrupted == nil {
		return &failure{strings.Join(dirs, " "), errors.New("no entries of an audit: make them with 'tracelens audit --emit DIR'")}
	}
	if err := f.grouped(fl.Paths); err != nil {
		return err
	}
	if f.format == "ndjson" {
		for _, u := range unread {
			lines = append(lines, emitted{path: u.name, failure: u.err.Error()})
		}
		if err := f.into(cmd, func(w io.Writer) error { return f.lines(w, lines) }); err != nil {
			return err
		}
	}
	verdict := f.conclude(cmd, fl)
	if f.interrupted != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: interrupted: %s is about %d of %d entries\n", f.reported(), n, len(files))
		return context.Canceled
	}
	var written *failure
	if err := unreadable(unread); err != nil && !errors.As(verdict, &written) {
		return err
	}
	return verdict
}

// emitted is an entry and the file it is in, or why it is not.
type emitted struct {
	path, hash, file string
	failure          string
}

// lines writes entries by their paths, each once. They are read again: a report over many
// does not keep them.
func (f *fleetFlags) lines(w io.Writer, all []emitted) error {
	slices.SortStableFunc(all, func(a, b emitted) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.hash, b.hash)) })
	all = slices.CompactFunc(all, func(a, b emitted) bool { return a.path == b.path && a.hash == b.hash })
	for _, one := range all {
		e := &fleet.Entry{Schema: fleet.Schema, Path: one.path, Failure: one.failure}
		if one.failure == "" {
			var err error
			if e, err = readEntry(audit.Input{Path: one.file}); err != nil {
				return fmt.Errorf("%s: %w", one.file, err)
			}
		}
		if err := line(w, e); err != nil {
			return err
		}
	}
	return f.endLines(w)
}

// readEntry reads what audit --emit wrote. A fault of ours costs this one only.
func readEntry(file audit.Input) (e *fleet.Entry, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("internal error: %v", v)
		}
	}()
	if file.Err != nil {
		return nil, file.Err
	}
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return nil, err
	}
	return fleet.Decode(data)
}
