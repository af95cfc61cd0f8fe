package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// withCommand puts analyze before arguments that begin with a trace: it is what most
// people want.
func withCommand(root *cobra.Command, args []string, stdin io.Reader) []string {
	if len(args) == 0 {
		if info, ok := fileOf(stdin); ok && info.Mode().IsRegular() {
			return []string{"analyze", "-"}
		}
		return args
	}
	first := args[0]
	if names(root, args[:1]) || slices.Contains([]string{"help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, first) {
		return args // also where a file is called so
	}
	if isTraceName(first) || strings.HasPrefix(first, "-") && slices.ContainsFunc(args[1:], isTraceName) && !names(root, args[1:]) {
		return append([]string{"analyze"}, args...)
	}
	return args
}

// isTraceName says whether an argument can only be a trace.
func isTraceName(arg string) bool {
	if arg == "-" || isURL(arg) {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil
}

// names says whether one of the arguments is a command.
func names(root *cobra.Command, args []string) bool {
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return slices.Contains(args, c.Name()) })
}

// fileOf describes input that is a file of the system, such as a pipe.
func fileOf(in io.Reader) (os.FileInfo, bool) {
	f, ok := in.(*os.File)
	if !ok || f == nil {
		return nil, false
	}
	info, err := f.Stat()
	return info, err == nil
}

// takes is the check of a command's arguments: from least to most, which is negative for
// any number, of what it calls WHAT.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n >= least && (most < 0 || n <= most) {
			return nil
		}
		want := "no " + what
		switch {
		case most < 0:
			want = "at least one " + what
		case most == 1 && least == 1:
			want = "one " + what
		case most == 1:
			want = "at most one " + what
		}
		return fmt.Errorf("%s takes %s, got %d", cmd.Name(), want, len(args))
	}
}

// oneTrace is the check of a command that takes one TRACE. Without one, standard input
// is it where that comes from a file or a pipe.
func oneTrace(cmd *cobra.Command, args []string) error {
	err := takes(1, 1, "TRACE")(cmd, args)
	switch {
	case len(args) == 0 && piped(cmd.InOrStdin()):
		return nil
	case len(args) > 1:
		for _, other := range []struct{ name, what string }{{"compare", "sets them beside each other"}, {"audit", "reads many"}} {
			if names(cmd.Root(), []string{other.name}) {
				err = fmt.Errorf("%w: '%s %s' %s", err, cmd.Root().Name(), other.name, other.what)
			}
		}
	}
	return err
}

// piped says whether somebody has put something into standard input.
func piped(in io.Reader) bool {
	info, ok := fileOf(in)
	return ok && (info.Mode().IsRegular() || info.Mode()&os.ModeNamedPipe != 0)
}

// theTrace is the TRACE of a command line that oneTrace has accepted, "" for what has
// been put into standard input without a word.
func theTrace(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// meanings are what people call a command that has another name here.
var meanings = map[string][]string{
	"analyze": {"report", "check", "read", "run", "summary", "stats", "show-report", "top", "inspect"},
	"audit":   {"scan", "batch", "fleet", "lint", "all", "many"},
	"capture": {"record", "fetch", "download", "trace", "live"},
	"compare": {"diff", "benchstat", "versus", "delta"},
	"explain": {"doc", "docs", "describe", "what", "why", "list", "checks", "metrics"},
	"export":  {"convert", "pprof", "perfetto", "cut", "trim", "dump"},
	"man":     {"manual", "manpages"},
	"plot":    {"chart", "charts", "draw", "graph", "figure", "png", "svg"},
	"render":  {"format", "html", "convert"},
	"view":    {"serve", "open", "ui", "http", "web", "browse"},
}

// unknownCommand is the error for a first word that is neither a command nor a trace.
func unknownCommand(root *cobra.Command, word string) error {
	var commands, near []string
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		commands = append(commands, c.Name())
		if slices.Contains(meanings[c.Name()], strings.ToLower(word)) {
			near = append(near, c.Name())
		}
	}
	if len(near) == 0 {
		if root.SuggestionsMinimumDistance == 0 {
			root.SuggestionsMinimumDistance = 2
		}
		near = root.SuggestionsFor(word)
	}
	switch {
	case strings.ContainsAny(word, `./\`):
		_, err := os.Stat(word)
		return &failure{word, err}
	case len(near) > 0:
		return fmt.Errorf("unknown command %q; did you mean %s?", report.Clean(word), strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q; there are: %s", report.Clean(word), strings.Join(commands, ", "))
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say how a command is used",
		Args:  takes(0, 1, "COMMAND"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, c := range cmd.Root().Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					out = append(out, c.Name()+"\t"+c.Short)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			if len(args) == 1 {
				i := slices.IndexFunc(about.Commands(), func(c *cobra.Command) bool { return c.Name() == args[0] })
				if i < 0 {
					return unknownCommand(about, args[0])
				}
				about = about.Commands()[i]
			}
			return about.Help()
		},
	}
}
