package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelp: every command has an example, every flag a heading and one line that fits.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := newRoot()
	short := regexp.MustCompile(`^[A-Z].*[^.]$`)
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Hidden {
			return
		}
		for _, c := range cmd.Commands() {
			each(c)
		}
		text := string(output(t, "", append(strings.Fields(cmd.CommandPath())[1:], "--help")...))
		if cmd.Name() != "help" && !strings.Contains(text, "\nExamples:\n") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if !short.MatchString(cmd.Short) {
			t.Errorf("%s: %q", cmd.CommandPath(), cmd.Short)
		}
		examples := false
		for line := range strings.Lines(text) {
			examples = strings.HasPrefix(line, "Examples:") || examples && line != "\n"
			if n := len([]rune(line)) - 1; n > 100 && !examples {
				t.Errorf("%s: a line of %d characters: %s", cmd.CommandPath(), n, line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" && !f.Hidden {
				t.Errorf("%s --%s says nothing", cmd.CommandPath(), f.Name)
			}
			if !f.Hidden && !strings.Contains(text, "--"+f.Name) {
				t.Errorf("%s --%s is not in the help", cmd.CommandPath(), f.Name)
			}
		})
	}
	each(root)
}
