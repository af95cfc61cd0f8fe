package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/sniff"
)

type renderFlags struct {
	outputFlags
	strict bool
}

func newRender() *cobra.Command {
	var f renderFlags
	cmd := &cobra.Command{
		Use:   "render REPORT",
		Short: "Write a saved report in another format",
		Long: `Render reads REPORT, a file or - for standard input that 'tracelens analyze',
'audit' or 'merge' wrote with --format json, and writes it in any format: the
same bytes as if it had been written in that format at once. The trace is not needed.

A page whose timeline shows single spans needs a report that holds them:
'tracelens analyze --format json --spans 100000'.`,
		Example: `  tracelens analyze --format json --spans 100000 -o report.json cpu.trace
  tracelens render --format html -o report.html report.json
  tracelens render --format markdown --assets charts -o report.md report.json`,
		Args: takes(1, 1, "REPORT"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error { return render(cmd, &f, args[0]) },
	}
	cmd.Flags().SortFlags = false
	f.add(cmd, report.Formats...)
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit with 3 when the report is of an incomplete or faulty trace")
	return cmd
}

func render(cmd *cobra.Command, f *renderFlags, name string) error {
	file := name
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	var in io.Reader
	if name == "-" {
		name, in = "standard input", cmd.InOrStdin()
	} else {
		opened, err := os.Open(name)
		if err != nil {
			return &failure{name, err}
		}
		defer opened.Close()
		if f.out != "-" && sameFile(opened, f.out) {
			return fmt.Errorf("--output %s is the report itself", f.out)
		}
		in = opened
	}
	from := bufio.NewReaderSize(in, sniff.HeadSize)
	if head, _ := from.Peek(sniff.HeadSize); sniff.IsTrace(head) {
		return &failure{name, fmt.Errorf("this is a Go execution trace, not a saved report: tracelens analyze %s", report.ShellQuoted(file))}
	}
	rep, err := analysis.Decode(from)
	if err != nil {
		return &failure{name, err}
	}
	if err := f.write(cmd, format, rep, true); err != nil {
		return err
	}
	if err := (&inputFlags{strict: f.strict}).fault(rep); err != nil {
		return err
	}
	return f.tooMany(rep)
}
