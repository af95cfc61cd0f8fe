package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/plots"
)

// written are command lines that write to standard output, one for each way to.
func written(t *testing.T) (all [][]string) {
	dir, one := t.TempDir(), analysistest.Testdata(t, "annotations")
	audited(t, 0, "audit", "--no-config", "--emit", filepath.Join(dir, "emit"), one)
	saved := filepath.Join(dir, "saved.json")
	audited(t, 0, "analyze", "--no-config", "--format", "json", "-o", saved, one)
	for _, f := range report.Formats {
		all = append(all, []string{"analyze", "--no-config", "--format", f.Name, one}, []string{"render", "--format", f.Name, saved},
			[]string{"audit", "--no-config", "--format", f.Name, one})
	}
	for _, f := range plots.Formats {
		all = append(all, []string{"plot", "--figure", "timeline.lanes", "--format", f, "-o", "-", one})
	}
	return append(all,
		[]string{"audit", "--no-config", "--format", "ndjson", one},
		[]string{"merge", "--no-config", "--format", "ndjson", filepath.Join(dir, "emit")},
		[]string{"merge", "--no-config", filepath.Join(dir, "emit")},
		[]string{"plot", "--list"}, []string{"plot", "--list", one}, []string{"plot", "--out", filepath.Join(dir, "charts"), one},
		[]string{"explain"}, []string{"explain", "stealing"}, []string{"explain", "--thresholds"},
		[]string{"version"}, []string{"--help"}, []string{"analyze", "--help"}, []string{"completion", "bash"}, []string{"completion", "fish"})
}

// fails fails as a disk or pipe does, after some bytes.
type fails struct {
	left int
	err  error
}

func (f *fails) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) {
		return n, f.err
	}
	return n, nil
}

// TestFullDisk: output that cannot be written is said, in every command and format,
// also when only its end cannot; a pipe whose reader has gone is no fault.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("two hundred reports")
	}
	t.Parallel()
	for _, args := range written(t) {
		var whole bytes.Buffer
		if code := run(context.Background(), args, nil, &whole, io.Discard); code != exitDone || whole.Len() == 0 {
			t.Fatalf("%q: exit code %d, %d bytes", args, code, whole.Len())
		}
		for _, room := range []int{0, whole.Len() - 1} {
			var errs bytes.Buffer
			code := run(context.Background(), args, nil, &fails{room, syscall.ENOSPC}, &errs)
			if want := "tracelens: standard output: " + syscall.ENOSPC.Error() + "\n"; code != exitUnreadable || errs.String() != want {
				t.Errorf("%q, disk full after %d of %d bytes: exit code %d, %q", args, room, whole.Len(), code, errs.String())
			}
			errs.Reset()
			if code := run(context.Background(), args, nil, &fails{room, syscall.EPIPE}, &errs); code != exitDone || errs.Len() > 0 {
				t.Errorf("%q, pipe closed after %d of %d bytes: exit code %d, %q", args, room, whole.Len(), code, errs.String())
			}
		}
	}
}

// toFiles are command lines that write files into dir.
func toFiles(t *testing.T, dir string) (all [][]string) {
	one := analysistest.Testdata(t, "annotations")
	in := func(name string) string { return filepath.Join(dir, name) }
	saved := filepath.Join(t.TempDir(), "saved.json")
	audited(t, 0, "analyze", "--no-config", "--format", "json", "-o", saved, one)
	emitted := t.TempDir()
	audited(t, 0, "audit", "--no-config", "--emit", emitted, one)
	for _, f := range report.Formats {
		all = append(all, []string{"analyze", "--no-config", "--format", f.Name, "-o", in("report"), one}, []string{"render", "--format", f.Name, "-o", in("report"), saved},
			[]string{"audit", "--no-config", "--format", f.Name, "-o", in("report"), one})
	}
	for _, f := range plots.Formats {
		all = append(all, []string{"plot", "--figure", "timeline.lanes", "--format", f, "-o", dir, one})
	}
	return append(all,
		[]string{"analyze", "--no-config", "--format", "markdown", "--assets", dir, one},
		[]string{"audit", "--no-config", "--format", "ndjson", "-o", in("report"), one}, []string{"merge", "--no-config", "--format", "ndjson", "-o", in("report"), emitted},
		[]string{"audit", "--no-config", "--emit", dir, one}, []string{"audit", "--no-config", "--reports", dir, one}, []string{"man", dir})
}

// TestFileTooLarge: a file that cannot be written whole is said, the old one stays, and
// nothing is left of the new one. The limit on the size of files stands for a full disk.
func TestFileTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("forty reports")
	}
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no shell that sets limits")
	}
	dir := t.TempDir()
	for _, args := range toFiles(t, dir) {
		put(t, filepath.Join(dir, "report"), []byte("old"))
		cmd := command(t, args...)
		cmd.Args = append([]string{sh, "-c", `ulimit -f 0; exec "$@"`, sh, cmd.Path}, args...)
		cmd.Path = sh
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != exitUnreadable || !strings.HasPrefix(string(out), "tracelens: "+dir) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%q: %v, %q", args, err, out)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%q: %d files are left, %v", args, len(entries)-1, err)
		}
		if old, err := os.ReadFile(filepath.Join(dir, "report")); err != nil || string(old) != "old" {
			t.Errorf("%q: the old file is %q, %v", args, old, err)
		}
	}
}

// TestCopyTooLarge: when a pipe cannot be kept for a second reading, the pipe is not to blame.
func TestCopyTooLarge(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no shell that sets limits")
	}
	temp := t.TempDir()
	cmd := command(t, "analyze", "--no-config", "--format", "html", "-")
	cmd.Args = append([]string{sh, "-c", `ulimit -f 0; exec "$@"`, sh, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Stdin, cmd.Env = sh, bytes.NewReader(testdataTrace(t, "idle.trace")), append(os.Environ(), "TMPDIR="+temp)
	out, _ := cmd.CombinedOutput()
	if want := "tracelens: standard input: its copy in " + temp + " cannot be written: "; cmd.ProcessState.ExitCode() != exitUnreadable || !strings.HasPrefix(string(out), want) {
		t.Errorf("exit code %d, %q", cmd.ProcessState.ExitCode(), out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestMergeLines: merge writes lines to where it is told.
func TestMergeLines(t *testing.T) {
	t.Parallel()
	dir, one := t.TempDir(), analysistest.Testdata(t, "annotations")
	audited(t, 0, "audit", "--no-config", "--emit", filepath.Join(dir, "emit"), one)
	want := audited(t, 0, "merge", "--no-config", "--format", "ndjson", filepath.Join(dir, "emit"))
	out := filepath.Join(dir, "lines")
	if said := audited(t, 0, "merge", "--no-config", "--format", "ndjson", "-o", out, filepath.Join(dir, "emit")); said != "" {
		t.Errorf("on standard output: %q", said)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != want || want == "" {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestStopAnywhere: a command that is interrupted, at whatever moment, leaves no
// goroutine, no temporary file and no part of a report; the old report stands.
func TestStopAnywhere(t *testing.T) {
	traces, one, steps := folder(t, 6), analysistest.Testdata(t, "gc-sweep"), 8
	if testing.Short() {
		one, steps = analysistest.Testdata(t, "lock-5ms"), 3
	}
	piped, err := os.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	defer piped.Close()
	shards := t.TempDir()
	audited(t, 0, "audit", "--no-config", "--emit", shards, traces)
	for _, args := range [][]string{
		{"analyze", "--no-config", "--format", "html", "-o", "OUT/report", one},
		{"analyze", "--no-config", "--format", "html", "--jobs", "1", "-o", "OUT/report", "-"},
		{"analyze", "--no-config", "--format", "markdown", "--assets", "OUT", "-o", "OUT/report", one},
		{"plot", "--out", "OUT", one},
		{"audit", "--no-config", "--emit", "OUT/emit", "--cache", "OUT/cache", "--reports", "OUT/pages", "--format", "json", "-o", "OUT/report", traces},
		{"audit", "--no-config", "--format", "ndjson", "-o", "OUT/report", traces},
		{"merge", "--no-config", "--format", "json", "-o", "OUT/report", shards},
		{"merge", "--no-config", "--format", "ndjson", "-o", "OUT/report", shards},
	} {
		whole := time.Duration(0) // how long it takes; it says where the moments are, and nothing rests on it
		for step := range steps {
			out, temp := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", temp)
			t.Setenv("TMP", temp)
			if _, err := piped.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			old := filepath.Join(out, "report")
			put(t, old, []byte("old"))
			before, began := runtime.NumGoroutine(), time.Now()
			ctx, cancel := context.WithCancel(context.Background())
			if step == 1 {
				cancel()
			} else if step > 1 {
				time.AfterFunc(time.Duration(rand.Int64N(int64(whole))), cancel)
			}
			deaf := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("%q does not end", args)) })
			var errs bytes.Buffer
			code := run(ctx, strings.Split(strings.ReplaceAll(strings.Join(args, "\n"), "OUT", out), "\n"), onlyReader{piped}, io.Discard, &errs)
			deaf.Stop()
			cancel()
			if step == 0 {
				whole = time.Since(began)
			}
			if code != exitInterrupted && (code != exitDone || step == 1) {
				t.Errorf("%q, step %d: exit code %d, %s", args, step, code, errs.String())
			}
			// Where input cannot be told to stop, who reads it needs a moment.
			for wait := 0; runtime.NumGoroutine() > before && wait < 1000; wait++ {
				time.Sleep(10 * time.Millisecond)
			}
			if n := runtime.NumGoroutine(); n > before {
				stacks := make([]byte, 1<<20)
				t.Errorf("%q, step %d: %d goroutines, before %d:\n%s", args, step, n, before, stacks[:runtime.Stack(stacks, true)])
			}
			noTemporary(t, out)
			noTemporary(t, temp)
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("%q, step %d: %v are left, %v", args, step, left, err)
			}
			if args[0] == "plot" {
				continue
			}
			got, err := os.ReadFile(old)
			if wrote := string(got) != "old"; err != nil || wrote != (code == exitDone) {
				t.Errorf("%q, step %d: exit code %d, and a new report: %v, %v", args, step, code, wrote, err)
			}
			// What there is of it says so, and is whole itself.
			part, err := os.ReadFile(partial(old))
			if err == nil && (code == exitDone || !bytes.Contains(part, []byte(`"interrupted":`)) || !bytes.HasSuffix(part, []byte("}\n"))) {
				t.Errorf("%q, step %d: exit code %d, and a part that ends in %q", args, step, code, part[max(0, len(part)-100):])
			}
		}
	}
}

// onlyReader is input that cannot seek.
type onlyReader struct{ io.Reader }
