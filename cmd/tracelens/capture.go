package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/sniff"
)

type captureFlags struct {
	configFlags
	seconds, every time.Duration
	out            string
	when, keepIf   string
	keep, maxBytes string
	headers        []string
}

func newCapture() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture URL...",
		Short: "Record traces of running programs, keep them, and say what they show",
		Long: `Capture asks each URL for a trace, writes it into a file with what is known of it
beside (FILE.json: when, how long, why, versions), and says what it shows. URL is
host:port, the address of an endpoint (without a path /debug/pprof/trace is
meant, which net/http/pprof serves), or unix:SOCKET[:PATH].

An interrupt ends the recording and keeps what has come. With --every it goes
on until then. --when and --keep-if keep only what is worth it.`,
		Example: `  tracelens capture localhost:6060
  tracelens capture --for 30s -o traces/ web1:6060 web2:6060
  tracelens capture --every 15m --keep-if warning --keep 2GiB -o traces/ localhost:6060
  tracelens capture --when 'sched.latency.user.p99 > 5ms' unix:/run/app.sock`,
		Args: takes(1, -1, "URL"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return capture(cmd, &f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	grouped(cmd, "Recording", func() {
		flags.DurationVar(&f.seconds, "for", 5*time.Second, "record so long: `TIME`")
		flags.DurationVar(&f.every, "every", 0, "record again every `TIME`, until interrupted")
		flags.StringVar(&f.maxBytes, "max-bytes", "64MiB", "end a recording at `BYTES`")
		flags.StringSliceVar(&f.headers, "header", nil, "send `HEADER`, such as 'Authorization: Bearer …'")
	})
	grouped(cmd, "What to keep", func() {
		flags.StringVarP(&f.out, "output", "o", "./", "write one trace to `FILE`, several into a folder")
		flags.StringVar(&f.when, "when", "", "keep a trace only if `CONDITION` holds, such as 'gc.mmu.100ms < 20%'")
		flags.StringVar(&f.keepIf, "keep-if", "", "keep a trace only with findings at or above `LEVEL`")
		flags.StringVar(&f.keep, "keep", "", "remove the oldest recordings of the folder beyond `BYTES`")
	})
	f.configFlags.add(cmd)
	complete(cmd, "keep-if", cobra.FixedCompletions([]string{"note", "warning", "error"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// A recorder does what captureFlags ask for.
type recorder struct {
	cfg       *config.Config
	analyzers []*analysis.Analyzer
	off       []string
	sources   []*target
	asked     time.Duration
	every     time.Duration
	when      *config.Condition
	keepIf    analysis.Severity
	folder    string
	file      string // of the only trace, "" for names of our own
	keep      int64  // bytes in the folder, 0 for all
}

// A target is a program to record.
type target struct {
	source
	host string // for the names of files
}

func (f *captureFlags) recorder(cmd *cobra.Command, args []string) (*recorder, error) {
	r := &recorder{asked: f.seconds, every: f.every, keepIf: analysis.Severity(f.keepIf)}
	var err error
	if r.cfg, err = f.load(cmd); err != nil {
		return nil, err
	}
	r.analyzers, r.off = switchOff(r.cfg, passes.All(), nil)
	if f.seconds < time.Millisecond || f.seconds > longestFetch {
		return nil, fmt.Errorf("--for %v: need 1ms to %v", f.seconds, longestFetch)
	}
	if f.every < 0 || f.every > 0 && f.every < f.seconds {
		return nil, fmt.Errorf("--every %v: need at least --for %v", f.every, f.seconds)
	}
	if f.keepIf != "" && r.keepIf.Rank() == 0 {
		return nil, unknown("--keep-if", f.keepIf, []string{"note", "warning", "error"})
	}
	if f.when != "" {
		if r.when, err = config.ParseCondition(f.when, r.analyzers); err != nil {
			return nil, fmt.Errorf("--when: %w", err)
		}
	}
	if f.keep != "" {
		if r.keep, err = size("keep", f.keep); err != nil {
			return nil, err
		}
	}
	most, err := size("max-bytes", f.maxBytes)
	if err != nil {
		return nil, err
	}
	header, err := headers(f.headers)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		t, err := targetOf(arg, f.seconds)
		if err != nil {
			return nil, err
		}
		t.header, t.most = header, most
		r.sources = append(r.sources, t)
	}
	info, err := os.Stat(f.out)
	switch {
	case strings.HasSuffix(filepath.ToSlash(f.out), "/"), err == nil && info.IsDir(), len(args) > 1, f.every > 0:
		r.folder = f.out
	default:
		r.folder, r.file = filepath.Dir(f.out), f.out
	}
	return r, nil
}

// headers reads lines such as "Name: value".
func headers(lines []string) (http.Header, error) {
	h := make(http.Header)
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(l, "\r\n") {
			return nil, errors.New("--header needs a line such as 'Authorization: Bearer …'") // it may be secret
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

const tracePath = "/debug/pprof/trace"

// targetOf reads an argument of capture.
func targetOf(arg string, seconds time.Duration) (*target, error) {
	t := new(target)
	text := arg
	if rest, ok := strings.CutPrefix(arg, "unix:"); ok {
		path := "/"
		t.socket, path, _ = strings.Cut(strings.TrimPrefix(rest, "//"), ":")
		if t.socket == "" {
			return nil, errors.New("unix: needs the path of a socket, such as unix:/run/app.sock")
		}
		t.host = strings.TrimSuffix(filepath.Base(t.socket), filepath.Ext(t.socket))
		text = "http://unix" + path
	} else if !isURL(arg) {
		text = "http://" + strings.TrimPrefix(arg, "//")
		if strings.HasPrefix(arg, ":") {
			text = "http://localhost" + arg
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("URL is not valid: need host:port, http://host:port/path or unix:SOCKET") // it may be secret
	}
	if t.host == "" {
		t.host = strings.ReplaceAll(u.Host, ":", "-")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracePath
	}
	if q := u.Query(); strings.HasSuffix(u.Path, "/trace") && !q.Has("seconds") {
		q.Set("seconds", strconv.FormatFloat(seconds.Seconds(), 'f', -1, 64))
		u.RawQuery = q.Encode()
	}
	t.url = u.String()
	return t, nil
}

func capture(cmd *cobra.Command, f *captureFlags, args []string) error {
	r, err := f.recorder(cmd, args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o777); err != nil {
		return &failure{r.folder, err}
	}
	ctx := cmd.Context()
	for {
		next := time.After(r.every)
		err := r.round(cmd)
		if r.every == 0 {
			if err == nil {
				err = ctx.Err()
			}
			return err
		}
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: %s\n", report.Clean(err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil // an interrupt is how it ends
		case <-next:
		}
	}
}

// round records all targets at the same time. All errors but the last are told at once.
func (r *recorder) round(cmd *cobra.Command) error {
	stderr := cmd.ErrOrStderr()
	var ended atomic.Int64
	began := time.Now()
	var shown *bar
	if onTerminal(stderr) {
		shown = newBar(stderr, 0, func() string {
			return fmt.Sprintf("%v of %v, %d of %d done", time.Since(began).Round(time.Second), r.asked, ended.Load(), len(r.sources))
		})
	}
	recordings := make([]*recording, len(r.sources))
	var wg sync.WaitGroup
	for i, t := range r.sources {
		wg.Go(func() {
			recordings[i] = r.record(cmd.Context(), t, shown)
			ended.Add(1)
		})
	}
	wg.Wait()
	if shown != nil {
		shown.stop()
	}
	var last error
	for _, rec := range recordings {
		err := rec.err
		if err == nil {
			err = r.conclude(cmd, rec)
		}
		rec.discard()
		if err == nil {
			continue
		}
		if last != nil {
			fmt.Fprintf(stderr, "tracelens: %s\n", report.Clean(last.Error()))
		}
		last = err
	}
	return last
}

// A recording is a trace in a file that is not kept yet.
type recording struct {
	target *target
	name   string // of the source, for people
	temp   string
	began  time.Time
	took   time.Duration
	bytes  int64  // received
	fault  string // why it is not whole
	err    error
}

func (rec *recording) discard() {
	if rec.temp != "" {
		os.Remove(rec.temp) // once renamed, it is not there
	}
}

// record fetches a trace into a file. What has come before a fault or an interrupt is
// a recording as well.
func (r *recorder) record(ctx context.Context, t *target, shown *bar) *recording {
	rec := &recording{target: t, began: time.Now()}
	body, name, err := t.fetch(ctx)
	rec.name = name
	if err != nil {
		rec.err = &failure{name, err}
		return rec
	}
	defer body.Close()
	file, err := os.CreateTemp(r.folder, ".tracelens-*.tmp")
	if err != nil {
		rec.err = &failure{r.folder, err}
		return rec
	}
	rec.temp = file.Name()
	defer file.Close()
	begins := &headed{r: body}
	var in io.Reader = begins
	if shown != nil {
		in = &counter{begins, shown}
	}
	var out io.WriteCloser = gzip.NewWriter(file)
	if r.file != "" && !strings.HasSuffix(strings.ToLower(r.file), ".gz") {
		out = file
	}
	written := &checked{Writer: out}
	_, err = io.Copy(written, in)
	rec.took, rec.bytes = time.Since(rec.began), begins.n.Load()
	if failed := errors.Join(written.err, out.Close()); failed != nil {
		rec.err = &failure{rec.temp, failed}
		return rec
	}
	if !sniff.IsTrace(begins.head) && ctx.Err() == nil {
		rec.err = &failure{name, notATrace(begins.head, err)}
		return rec
	}
	switch {
	case ctx.Err() != nil && rec.bytes == 0:
		rec.err = ctx.Err()
	case ctx.Err() != nil:
		rec.fault = "interrupted"
	case err != nil:
		rec.fault = err.Error()
	}
	return rec
}

// notATrace says what an answer is instead.
func notATrace(head []byte, err error) error {
	k, ok := sniff.Look(head)
	switch {
	case ok:
		return fmt.Errorf("the answer is %s, not a trace: ask for %s", k.Name, tracePath)
	case err != nil:
		return err
	case len(head) == 0:
		return errors.New("the answer is empty")
	}
	return fmt.Errorf("the answer is not a trace: ask for %s", tracePath)
}
