package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the program knows of its own making.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"commit_time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the source was not that of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Oldest   string `json:"reads_from"` // Go versions of traces
	Newest   string `json:"reads_to"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and which traces it reads",
		Long: `Version prints the version, the commit where the build recorded it, the Go that
built it, and of which Go versions it reads traces. A newer Go often writes the
format of an older one: such a trace is read. One in a format that came later is
refused, and the error says so: no number rests on a guess.`,
		Example: "  tracelens version --json",
		Args:    takes(0, 0, "argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := ownBuild()
			out := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(b)
			}
			_, err := io.WriteString(out, b.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// String says it for people.
func (b build) String() string {
	s := fmt.Sprintf("tracelens %s\n", b.Version)
	if b.Commit != "" {
		modified := ""
		if b.Modified {
			modified = ", modified"
		}
		s += fmt.Sprintf("commit %s of %s%s\n", b.Commit, b.Time, modified)
	}
	return s + fmt.Sprintf("built with %s for %s\nreads traces of %s to %s, and those of a newer Go that are in one of these formats\n", b.Go, b.Platform, b.Oldest, b.Newest)
}

func ownBuild() build {
	b := build{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Oldest: "Go 1.7", Newest: "Go 1.27"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	return b
}

// version is the module's version: that of "go install …@version", or one made
// from the commit; "(devel)" where the build did not record any.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
