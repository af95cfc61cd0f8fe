package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and which traces it reads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "tracelens %s\nbuilt with %s for %s/%s\nreads traces of Go 1.11 to Go 1.26\n",
				version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
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
