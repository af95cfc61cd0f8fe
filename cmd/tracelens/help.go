package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	flagGroup = "group"   // annotation of a flag: the heading it stands under
	formatKey = "formats" // annotation of a command: the table of its formats
)

// grouped puts the flags that add adds under a heading of the help.
func grouped(cmd *cobra.Command, heading string, add func()) {
	before := make(map[string]bool)
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	add()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !before[f.Name] {
			if err := cmd.Flags().SetAnnotation(f.Name, flagGroup, []string{heading}); err != nil {
				panic(err)
			}
		}
	})
}

// useHelp lets a command and those below it print their help by usage.
func useHelp(root *cobra.Command) {
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().BoolP("help", "h", false, "print this help")
	}
	root.Flags().BoolP("version", "v", false, "print the version")
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		about := cmd.Long
		if about == "" {
			about = cmd.Short + "."
		}
		io.WriteString(cmd.OutOrStdout(), about+"\n\n"+usage(cmd)) // checked keeps an error
	})
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usage(cmd))
		return err
	})
}

// usage says how a command is used: examples, commands below it, flags by heading,
// formats.
func usage(cmd *cobra.Command) string {
	var b strings.Builder
	line := cmd.UseLine()
	if cmd == cmd.Root() {
		line = cmd.Name() + " TRACE [flags]\n  " + cmd.Name() + " COMMAND [flags]"
	}
	fmt.Fprintf(&b, "Usage:\n  %s\n", line)
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
			}
		}
	}
	b.WriteString(flagsOf(cmd))
	if formats := cmd.Annotations[formatKey]; formats != "" {
		b.WriteString("\nFormats:\n" + formats)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n'%s COMMAND --help' says more of each.\n", cmd.CommandPath())
	}
	return b.String()
}

// flagsOf lists the flags of a command under their headings, a line each.
func flagsOf(cmd *cobra.Command) string {
	const other = "Other"
	type row struct{ left, doc string }
	var headings []string
	rows := make(map[string][]row)
	width := 0
	add := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		heading := other
		if g := f.Annotations[flagGroup]; len(g) > 0 {
			heading = g[0]
		}
		if !slices.Contains(headings, heading) && heading != other {
			headings = append(headings, heading)
		}
		value, doc := pflag.UnquoteUsage(f)
		left := "      --" + f.Name
		if f.Shorthand != "" {
			left = "  -" + f.Shorthand + ", --" + f.Name
		}
		if f.Value.Type() != "bool" {
			left += " " + value
		}
		if d := f.DefValue; !slices.Contains([]string{"", "false", "0", "0s", "[]", "-1", "-"}, d) {
			doc += " (default " + d + ")"
		}
		rows[heading] = append(rows[heading], row{left, doc})
		width = max(width, len(left))
	}
	cmd.NonInheritedFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	var b strings.Builder
	for _, heading := range append(headings, other) {
		if len(rows[heading]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", heading)
		for _, r := range rows[heading] {
			fmt.Fprintf(&b, "%-*s  %s\n", width, r.left, r.doc)
		}
	}
	return b.String()
}
