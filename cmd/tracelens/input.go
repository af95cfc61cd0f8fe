package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/verdict"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/sniff"
	"github.com/tracelens/tracelens/parse"
)

// inputFlags say which part of a trace to analyse, and how.
type inputFlags struct {
	from, to time.Duration
	strict   bool
	jobs     int
	levels   map[string]analysis.Levels // of thresholds, where not the default
	spans    int                        // how many exact spans the report should hold
	lanes    bool                       // whether it should hold what the goroutines of findings did, too
	save     string
	headers  []string // for a URL
	requests []string // functions of which each call is a request
}

func (f *inputFlags) reading(flags *pflag.FlagSet) {
	flags.StringVar(&f.save, "save", "", "keep what comes from a URL or standard input in `FILE`")
	flags.StringSliceVar(&f.headers, "header", nil, "ask a URL with `HEADER`, such as 'Authorization: Bearer …'")
	flags.BoolVar(&f.strict, "strict", false, "exit with 3 when the trace is incomplete or faulty")
	flags.IntVar(&f.jobs, "jobs", 0, "use at most `N` CPUs; the output is the same")
}

func completeTrace(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"trace", "out", "gz", "zst"}, cobra.ShellCompDirectiveFilterFileExt
}

// opened is a trace to read.
type opened struct {
	in      io.Reader
	name    string // for people
	file    bool   // it has a name
	implied bool   // standard input, without a word
	size    int64  // 0 where it is not known
	close   func() error
}

// open finds the trace of that name.
func (f *inputFlags) open(cmd *cobra.Command, name string) (o *opened, err error) {
	o = &opened{in: cmd.InOrStdin(), name: name, implied: name == "", close: func() error { return nil }}
	switch {
	case name == "-" || o.implied:
		o.name = "standard input"
		if file, ok := o.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			return nil, errors.New("TRACE is -, but standard input is a terminal")
		}
	case isURL(name):
		header, err := headers(f.headers)
		if err != nil {
			return nil, err
		}
		body, public, err := (&source{url: name, header: header}).fetch(cmd.Context())
		if err != nil {
			return nil, &failure{public, err}
		}
		o.name, o.in, o.close = public, body, body.Close
	default:
		file, err := os.Open(name)
		if err != nil {
			return nil, &failure{name, err}
		}
		o.in, o.file, o.close = file, true, file.Close
	}
	if info, ok := fileOf(o.in); ok && info.IsDir() {
		o.close()
		return nil, fmt.Errorf("%s is a folder: 'tracelens audit %s' reads all traces below it", name, report.ShellQuoted(name))
	} else if ok && info.Mode().IsRegular() {
		o.size = info.Size()
	}
	return o, nil
}

// analyze reads the trace of that name, which is no file that is to be written.
func (f *inputFlags) analyze(cmd *cobra.Command, name, output string, analyzers []*analysis.Analyzer) (rep *analysis.Report, err error) {
	if f.from < 0 || f.to < 0 || f.to > 0 && f.to <= f.from {
		return nil, fmt.Errorf("--from %v --to %v is not a window: need 0 ≤ from < to", f.from, f.to)
	}
	if f.jobs < 0 {
		return nil, fmt.Errorf("--jobs %d: need at least 1, or 0 for all CPUs", f.jobs)
	}
	if f.jobs > 0 && f.jobs < runtime.GOMAXPROCS(0) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(f.jobs))
	}
	o, err := f.open(cmd, name)
	if err != nil {
		return nil, err
	}
	defer o.close()
	name = o.name
	in := o.in
	if file, ok := in.(*os.File); ok && output != "" && output != "-" && sameFile(file, output) {
		return nil, fmt.Errorf("--output %s is the trace itself", output)
	}
	if f.save != "" {
		if o.file {
			return nil, fmt.Errorf("--save is for a URL or standard input; %s is a file already", name)
		}
		kept, err := newSaved(f.save)
		if err != nil {
			return nil, &failure{f.save, err}
		}
		defer kept.discard()
		in = io.TeeReader(in, kept)
		defer func() {
			if e := kept.keep(); e != nil && err == nil {
				rep, err = nil, &failure{f.save, e}
			}
		}()
	}
	again, start, canSeek := in, int64(0), false // for a second reading
	if s, ok := in.(io.Seeker); ok {
		at, err := s.Seek(0, io.SeekCurrent)
		start, canSeek = at, err == nil
	}
	twice := f.spans > 0 || f.lanes
	if twice && !canSeek {
		spool, err := os.CreateTemp("", "tracelens-*.trace")
		if err != nil {
			return nil, &failure{"a copy of " + name, err}
		}
		os.Remove(spool.Name())       // at once, so that a killed process leaves none
		defer os.Remove(spool.Name()) // where a file that is open cannot be removed
		defer spool.Close()
		in, again, start = io.TeeReader(in, copied{spool}), spool, 0
	}
	rep, err = f.once(cmd, o, in, analyzers)
	if err != nil {
		return nil, err
	}
	var lanes *measures.LaneWindow
	var exact []*analysis.Analyzer
	if windows := measures.Windows(rep, f.spans); len(windows) > 0 {
		exact = append(exact, measures.Spans(windows, f.spans))
	}
	if twice {
		lanes = measures.LaneWindowOf(rep)
	}
	if lanes != nil {
		exact = append(exact, measures.Lanes(lanes))
	}
	if len(exact) > 0 && rep.Trace.FaultKind != "io" {
		if _, err := again.(io.Seeker).Seek(start, io.SeekStart); err != nil {
			return nil, &failure{name, err}
		}
		second, err := f.once(cmd, o, again, exact)
		if err != nil {
			return nil, err
		}
		for _, res := range second.Results {
			if res.Name == "lanes" {
				measures.ShowLanes(rep, lanes, res)
			} else {
				rep.Results = append(rep.Results, res)
			}
		}
	}
	if f.from > 0 && rep.Trace.Duration == 0 {
		return nil, fmt.Errorf("--from %v is after the end: the trace is %s long", f.from, analysis.FormatDuration(rep.Trace.To, rep.Trace.Quantum))
	}
	rep.Tool = "tracelens " + version()
	rep.Verdict = verdict.Of(rep)
	return rep, nil
}

// once reads a trace from in, and says what it is that holds none, or how far an
// interrupt let it come.
func (f *inputFlags) once(cmd *cobra.Command, o *opened, in io.Reader, analyzers []*analysis.Analyzer) (*analysis.Report, error) {
	in, stop := progress(in, cmd.ErrOrStderr())
	defer stop()
	begins := &headed{r: in}
	opt := analysis.Options{Options: parse.Options{From: f.from, To: f.to, Requests: f.requests}, Jobs: f.jobs, Levels: f.levels}
	rep, err := read(cmd.Context(), begins, o.name, opt, analyzers)
	switch {
	case err == nil:
		return rep, nil
	case errors.Is(err, context.Canceled):
		of := ""
		if o.size > 0 {
			of = " of " + analysis.FormatBytes(o.size)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: interrupted after %s%s of %s; nothing is written\n", analysis.FormatBytes(begins.n.Load()), of, report.Clean(o.name))
	case errors.Is(err, parse.ErrUnsupported) && o.implied && len(begins.head) == 0:
		return nil, takes(1, 1, "TRACE")(cmd, nil)
	case errors.Is(err, parse.ErrUnsupported):
		if k, ok := sniff.Look(begins.head); ok {
			err = fmt.Errorf("this is %s, not a Go execution trace: %s", k.Name, k.For(report.ShellQuoted(o.name)))
		}
	}
	return nil, &failure{o.name, err}
}

// headed keeps the first bytes of what is read, and counts all.
type headed struct {
	r    io.Reader
	head []byte
	n    atomic.Int64 // also read while a Read is blocked
}

func (h *headed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.n.Add(int64(n))
	h.head = append(h.head, p[:min(n, sniff.HeadSize-len(h.head))]...)
	return n, err
}

// copied is a copy of the input, whose errors are told from the input's own.
type copied struct{ *os.File }

func (c copied) Write(p []byte) (int, error) {
	n, err := c.File.Write(p)
	if err != nil {
		err = fmt.Errorf("its copy in %s cannot be written: %v", os.TempDir(), errors.Unwrap(err))
	}
	return n, err
}

// fault is the error of a trace that was not read to its end, when what could be
// read has been written.
func (f *inputFlags) fault(rep *analysis.Report) error {
	switch {
	case rep.Trace.FaultKind == "io":
		return &failure{rep.Trace.Name, fmt.Errorf("reading failed: %s", rep.Trace.Fault)}
	case rep.Trace.Wrecked():
		return &failure{rep.Trace.Name, fmt.Errorf("no generation could be read whole: %s", rep.Trace.Fault)}
	case f.strict && !rep.Trace.Complete:
		return &failure{rep.Trace.Name, fmt.Errorf("incomplete: %s", rep.Trace.Fault)}
	case f.strict && rep.Trace.Odd.Wrong() != "":
		return &failure{rep.Trace.Name, fmt.Errorf("odd: %s", rep.Trace.Odd.Wrong())}
	}
	return nil
}

// read analyses in. It returns at once when ctx is done, though a read of in may
// be blocked for ever; the program must exit then.
func read(ctx context.Context, in io.Reader, name string, opt analysis.Options, analyzers []*analysis.Analyzer) (*analysis.Report, error) {
	type result struct {
		rep   *analysis.Report
		err   error
		fault string // of ours
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.fault = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
			done <- r
		}()
		r.rep, r.err = analysis.Analyze(ctx, in, name, opt, analyzers)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.fault != "" {
			panic(r.fault)
		}
		return r.rep, r.err
	}
}
