package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/internal/corpus"
)

var update = flag.Bool("update", false, "rewrite the output shown in the README")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tracelens": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	root := corpus.Root(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("ESC", "\x1b")
			env.Setenv("TRACES", filepath.Join(root, "testdata", "traces"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gzip": func(ts *testscript.TestScript, _ bool, args []string) {
				compress(ts, args, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
			},
			"zstd": func(ts *testscript.TestScript, _ bool, args []string) {
				compress(ts, args, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
			},
			"status": func(ts *testscript.TestScript, _ bool, args []string) { // status CODE ARGS…
				for i, a := range args {
					if i > 0 && !strings.HasPrefix(a, "-") {
						if _, err := os.Stat(ts.MkAbs(a)); err == nil {
							args[i] = ts.MkAbs(a)
						}
					}
				}
				code := run(context.Background(), args[1:], nil, io.Discard, io.Discard)
				if strconv.Itoa(code) != args[0] {
					ts.Fatalf("exit code %d, want %s", code, args[0])
				}
			},
			"head": func(ts *testscript.TestScript, _ bool, args []string) { // head BYTES IN OUT
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[1])[:n]), 0o666))
			},
		},
	})
}

// compress is the script command gzip or zstd IN OUT.
func compress(ts *testscript.TestScript, args []string, to func(io.Writer) (io.WriteCloser, error)) {
	var b bytes.Buffer
	w, err := to(&b)
	ts.Check(err)
	_, err = io.WriteString(w, ts.ReadFile(args[0]))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o666))
}

// command is the program as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("tracelens") // of testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, args...)
}

func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := command(t, "analyze", analysistest.Testdata(t, "idle"))
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, stderr %q; want exit code 0 and silence", err, stderr.String())
	}
}

func TestInterrupt(t *testing.T) {
	far := regexp.MustCompile(`^tracelens: interrupted after [0-9.]+ (B|KiB) of standard input; nothing is written\n$`)
	data, err := os.ReadFile(analysistest.Testdata(t, "gc-sweep"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "analyze", "-")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More than a pipe holds: when all but its end is written, it is being read.
	if len(data) < 96<<10 {
		t.Fatalf("%d bytes fit in a pipe", len(data))
	}
	if _, err := in.Write(data[:len(data)-100]); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Skip(err)
	}
	deaf := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	cmd.Wait()
	deaf.Stop()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || stdout.Len() > 0 || !far.MatchString(stderr.String()) {
		t.Errorf("exit code %d, stdout %q, stderr %q; want %d, and how far it came", code, stdout.String(), stderr.String(), exitInterrupted)
	}
}

// sick fails as a bad disk does, in the middle.
type sick struct{ r io.Reader }

func (s sick) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err == io.EOF {
		err = syscall.EIO
	}
	return n, err
}

func TestReadError(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(analysistest.Testdata(t, "idle"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 10, 100, len(data) - 100, len(data)} {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), []string{"analyze", "-"}, sick{bytes.NewReader(data[:n])}, &stdout, &stderr)
		if reported := strings.HasPrefix(stdout.String(), "INCOMPLETE: reading it failed: "); reported != (n > 1000) {
			t.Errorf("cut at %d: stdout %.100q", n, stdout.String())
		}
		if code != exitUnreadable || !strings.Contains(stderr.String(), "standard input: ") || !strings.Contains(stderr.String(), syscall.EIO.Error()) {
			t.Errorf("cut at %d: exit code %d, stderr %q", n, code, stderr.String())
		}
	}
}

// broken fails as only our own code should.
type broken struct{}

func (broken) Read([]byte) (int, error) { panic("no such thing") }

func TestInternalError(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"analyze", "-"}, broken{}, &stdout, &stderr)
	if code != exitUnreadable || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "tracelens: internal error: no such thing\n") || !strings.Contains(stderr.String(), "broken.Read") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
}

// TestWriteFile: a failed write leaves the old file and nothing else.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "report")
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error { io.WriteString(w, text); return err }
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("holds %q, %v; want %q", got, err, want)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%d files, %v; want 1", len(entries), err)
		}
	}
	if err := writeFile(name, write("one", nil)); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	if err := writeFile(name, write("half", bad)); !errors.Is(err, bad) {
		t.Errorf("error %v, want %v", err, bad)
	}
	check("one")
	if err := writeFile(name, write("two", nil)); err != nil {
		t.Fatal(err)
	}
	check("two")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v; want that of the old file", info.Mode(), err)
	}
}

func TestColor(t *testing.T) {
	for _, c := range []struct {
		when, noColor, force string
		file                 bool
		want                 bool
	}{
		{when: "auto"}, // no terminal
		{when: "always", want: true},
		{when: "always", noColor: "1", want: true},
		{when: "never", force: "1"},
		{when: "auto", force: "1", want: true},
		{when: "auto", force: "0"},
		{when: "auto", force: "1", noColor: "1"},
		{when: "auto", force: "1", file: true},
		{when: "always", file: true, want: true},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("CLICOLOR_FORCE", c.force)
		var w io.Writer = io.Discard
		if c.file {
			w = nil
		}
		opt, err := display(w, c.when)
		if err != nil || opt.Color != c.want || opt.Width != defaultWidth {
			t.Errorf("%+v: %+v, %v", c, opt, err)
		}
	}
	if _, err := display(io.Discard, "sometimes"); err == nil {
		t.Error("--color sometimes is accepted")
	}
}

// TestEveryTrace: every file gives a report or says why not, whatever is in it.
func TestEveryTrace(t *testing.T) {
	each := func(t *testing.T, paths []string) {
		for _, path := range paths {
			t.Run(filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path)), func(t *testing.T) {
				t.Parallel()
				everyTrace(t, path)
			})
		}
	}
	own, err := filepath.Glob(filepath.Join(corpus.Root(t), "testdata", "traces", "*.trace"))
	if err != nil || len(own) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	each(t, own)
	t.Run("corpus", func(t *testing.T) { each(t, corpus.Files(t, "*/*.trace")) })
}

func everyTrace(t *testing.T, path string) {
	ids := map[string]analysis.MetricDef{}
	for _, m := range passes.Metrics() {
		ids[m.ID] = m
	}
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"analyze", "--format", "json", path}, nil, &stdout, &stderr)
	if code == exitUnreadable {
		// Of a file without a whole generation there is a report, of what can be said.
		if msg := stderr.String(); stdout.Len() > 0 != strings.Contains(msg, "no generation could be read whole") || !strings.HasPrefix(msg, "tracelens: ") || strings.Contains(msg, "internal error") || strings.Count(msg, "\n") != 1 {
			t.Errorf("stdout %q, stderr %q", stdout.String(), msg)
		}
		return
	}
	if code != exitDone || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
		return
	}
	var rep analysis.Report
	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rep); err != nil {
		t.Error(err)
		return
	}
	if rep.Schema != analysis.Schema || !strings.HasPrefix(rep.Tool, "tracelens ") || len(rep.Results) != len(passes.All()) {
		t.Errorf("schema %d, tool %q, %d results", rep.Schema, rep.Tool, len(rep.Results))
	}
	if rep.Trace.Complete != (rep.Trace.Fault == "") {
		t.Errorf("complete %v with fault %q", rep.Trace.Complete, rep.Trace.Fault)
	}
	for id, m := range rep.Metrics {
		if d, ok := ids[id]; !ok || d.Unit != m.Unit {
			t.Errorf("metric %s in %q is not in the list", id, m.Unit)
		}
	}
	for _, r := range rep.Results {
		if r.Outcome == analysis.Failed {
			t.Errorf("%s: %s", r.Name, r.Reason)
		}
		for _, table := range r.Tables {
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Errorf("table %s of %s: a row of %d cells", table.Name, r.Name, len(row))
				}
			}
		}
	}
	var text bytes.Buffer
	if err := report.Text(&text, &rep, report.Options{Full: true, Width: defaultWidth}); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(text.Bytes(), []byte("\n")); n >= 400 {
		t.Errorf("the whole text has %d lines", n)
	}
	var screen bytes.Buffer
	if err := report.Text(&screen, &rep, report.Options{Brief: true, Width: 100}); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(screen.Bytes(), []byte("\n")); n > 40 {
		t.Errorf("the first screen has %d lines:\n%s", n, screen.String())
	}
	var brief, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&brief, &again} {
		if err := report.Agent(w, &rep, report.Options{Limits: defaultLimits()}); err != nil {
			t.Error(err)
		}
	}
	if n := utf8.RuneCount(brief.Bytes()); n > 8_000 || !bytes.Equal(brief.Bytes(), again.Bytes()) {
		t.Errorf("brief: %d characters, the same twice: %v", n, bytes.Equal(brief.Bytes(), again.Bytes()))
	}
	for line := range strings.Lines(text.String()) {
		if bad := imprecise(line, rep.Trace.Quantum); bad != "" {
			t.Errorf("%q in %q", bad, line)
		}
	}
}

var (
	durationText = regexp.MustCompile(`(<?)([\d,]*\d(?:\.\d+)?) (ns|µs|ms|s)\b`)
	momentText   = regexp.MustCompile(`^(\d+\.\d{3} ms|\d+\.\d{5} s)$`)
)

// imprecise returns a duration in line that has more than three significant
// digits or is below the clock's quantum, "" if there is none.
func imprecise(line string, quantum int64) string {
	for _, m := range durationText.FindAllStringSubmatch(line, -1) {
		text := m[2] + " " + m[3]
		if momentText.MatchString(text) {
			continue
		}
		digits := strings.NewReplacer(",", "", ".", "").Replace(m[2])
		if !strings.Contains(m[2], ".") {
			digits = strings.TrimRight(digits, "0")
		}
		ns, err := strconv.ParseFloat(m[2], 64)
		if len(strings.TrimLeft(digits, "0")) > 3 || m[3] == "ns" && m[1] == "" && err == nil && ns > 0 && ns < float64(quantum) {
			return m[0]
		}
	}
	return ""
}

func TestImprecise(t *testing.T) {
	for line, want := range map[string]string{
		"p50 18.9 µs of 12,345 starts": "",
		"max 1.234 s":                  "1.234 s",
		"worst at 1.23456 s, 0.001 ms": "",
		"1234 ns":                      "1234 ns",
		"12,340 ms":                    "12,340 ms",
		"<64 ns, 64 ns clock":          "",
		"32 ns":                        "32 ns",
		"0.0123 s":                     "",
		"120 s":                        "",
	} {
		if got := imprecise(line, 64); got != want {
			t.Errorf("imprecise(%q) = %q, want %q", line, got, want)
		}
	}
}

// TestREADME runs the commands shown in the README and compares what is shown
// of their output: a block that begins with "$ tracelens …"; "| head -n N" ends
// the output early.
func TestREADME(t *testing.T) {
	root := corpus.Root(t)
	path := filepath.Join(root, "README.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	t.Setenv("CLICOLOR_FORCE", "")
	blocks := 0
	head := regexp.MustCompile(`^(.*?)(?: \| head -n (\d+))?$`)
	shown := regexp.MustCompile("(?ms)^```\n\\$ ((?:tracelens|go run \\./cmd/tracelens) [^\n]*)\n(.*?)^```\n")
	now := shown.ReplaceAllStringFunc(string(data), func(block string) string {
		blocks++
		line := shown.FindStringSubmatch(block)[1]
		m := head.FindStringSubmatch(line)
		args := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(m[1], "go run ./cmd/"), "tracelens "))
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), args, nil, &stdout, &stderr); code != exitDone {
			t.Errorf("%s: exit code %d: %s", line, code, stderr.String())
		}
		lines := slices.Collect(strings.Lines(stdout.String()))
		if m[2] != "" {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			lines = lines[:min(n, len(lines))]
		}
		return "```\n$ " + line + "\n" + strings.Join(lines, "") + "```\n"
	})
	if blocks < 4 {
		t.Errorf("the README shows %d commands", blocks)
	}
	if *update {
		if err := os.WriteFile(path, []byte(now), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(data), now); diff != "" {
		t.Errorf("README.md shows other output than there is now (-shown +now; -update rewrites it):\n%s", diff)
	}
}

// TestInterruptTemporary: whenever the analysis of a stream is interrupted, no copy of
// the stream is left.
func TestInterruptTemporary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	data, err := os.ReadFile("../../testdata/traces/netpoll-echo.trace")
	if err != nil {
		t.Fatal(err)
	}
	for at := range 8 {
		ctx, cancel := context.WithCancel(context.Background())
		in := io.MultiReader(bytes.NewReader(data[:at*len(data)/7]), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		}))
		run(ctx, []string{"analyze", "--spans", "100", "--no-config", "-"}, in, io.Discard, io.Discard)
		cancel()
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("interrupted at byte %d: %v left (%v)", at*len(data)/7, left, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
