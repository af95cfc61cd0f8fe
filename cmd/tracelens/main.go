// Command tracelens says what is wrong in a Go execution trace, with proof.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// Exit codes.
const (
	exitDone         = 0
	exitFindings     = 1
	exitUsage        = 2
	exitUnreadable   = 3
	exitInconclusive = 4
	exitInterrupted  = 130
)

func main() {
	if os.Getenv("GOGC") == "" {
		collectLate()
	}
	signal.Ignore(syscall.SIGPIPE) // so that a broken pipe is an error of Write
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// collectLate lets the heap grow to 16 MB before it is first collected: a short trace
// does not come so far. From then on next to nothing is allocated while reading, and less
// memory costs no time, but where a limit of memory says what may be used.
func collectLate() {
	debug.SetGCPercent(400)
	runtime.AddCleanup(new([64]byte), func(struct{}) {
		if debug.SetMemoryLimit(-1) == math.MaxInt64 {
			debug.SetGCPercent(40)
		}
	}, struct{}{})
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if v := recover(); v != nil {
			for line := range strings.Lines(fmt.Sprintf("tracelens: internal error: %v\n%s", v, debug.Stack())) {
				indented := strings.TrimLeft(line, "\t")
				fmt.Fprintf(stderr, "%s%s\n", line[:len(line)-len(indented)], report.Clean(strings.TrimSuffix(indented, "\n")))
			}
			code = exitUnreadable
		}
	}()
	root := newRoot()
	root.SetArgs(withCommand(root, args, stdin))
	root.SetIn(stdin)
	out := &checked{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if out.err != nil {
		err = &failure{"standard output", out.err}
	}
	var fail *failure
	var grave *tooGrave
	var wrong config.Errors
	var broken *brokenBudgets
	var worse *gotWorse
	switch {
	case err == nil, brokenPipe(err):
		return exitDone
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errInconclusive):
		fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(err.Error()))
		return exitInconclusive
	case errors.As(err, &fail):
		fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(fail.Error()))
		return exitUnreadable
	case errors.As(err, &grave):
		fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(grave.Error()))
		return exitFindings
	case errors.As(err, &broken):
		fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(broken.Error()))
		return exitFindings
	case errors.As(err, &worse):
		fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(worse.Error()))
		return exitFindings
	case errors.As(err, &wrong):
		for _, e := range wrong {
			fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(e.Error()))
		}
		return exitUsage
	}
	// Cobra's own errors, and those about arguments, are about usage.
	fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(strings.Join(strings.Fields(err.Error()), " ")))
	fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return exitUsage
}

// checked is standard output. It keeps the first error, which not everyone who writes
// help, completions or a list looks at.
type checked struct {
	io.Writer
	err error
}

func (o *checked) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// brokenPipe says whether who read the output has gone, which is no fault.
func brokenPipe(err error) bool {
	const pipeClosed, pipeEnded = syscall.Errno(232), syscall.Errno(109) // of Windows: ERROR_NO_DATA, ERROR_BROKEN_PIPE
	return errors.Is(err, syscall.EPIPE) || runtime.GOOS == "windows" && (errors.Is(err, pipeClosed) || errors.Is(err, pipeEnded))
}

// A failure is an error that is not about usage: of the input, of the output, or ours.
type failure struct {
	name string // of the file it is about
	err  error
}

func (f *failure) Error() string {
	err := f.err
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err // the name is said already
	}
	return f.name + ": " + err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// tooGrave is the error of a report with findings that --fail-on does not let pass.
type tooGrave struct {
	name  string // of the trace
	n     int
	level analysis.Severity
}

func (t *tooGrave) Error() string {
	return fmt.Sprintf("%s: %s at or above %s", t.name, plural(t.n, "finding"), t.level)
}

// plural is a number of things.
func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tracelens",
		Short: "Say what is wrong in a Go execution trace, with proof",
		Long: `Tracelens reads a Go execution trace (runtime/trace, the flight recorder,
/debug/pprof/trace; Go 1.7 to 1.27) and reports how its goroutines, Ps and
garbage collector spent their time, and what they waited for.

Exit codes: 0 done; 1 findings at or above --fail-on; 2 wrong usage or
configuration; 3 the trace cannot be read, or is incomplete under --strict, or
the report cannot be written; 4 a budget has too little data; 130 interrupted.`,
		Example: `  tracelens cpu.trace
  tracelens http://localhost:6060/debug/pprof/trace?seconds=5
  tracelens audit traces/`,
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		Version: version(),
	}
	root.SetVersionTemplate(ownBuild().String())
	root.AddCommand(newAnalyze(), newCapture(), newRender(), newShow(), newRequests(), newAudit(), newMerge(), newCompare(), newPlot(), newExplain(), newMan(), newSchema(), newSkill(), newMCP(), newVersion())
	root.SetHelpCommand(newHelp())
	useHelp(root)
	return root
}
