package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/internal/corpus"
)

// audited is the output of a command line that must end with a code.
func audited(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(context.Background(), args, strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, errs.String())
	}
	return out.String()
}

func put(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// testdataTrace is one of the module's traces.
func testdataTrace(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus.Root(t), "testdata", "traces", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var some = []string{"gc-assist.trace", "memory-limit.trace", "stw-kinds.trace", "stw-straggler.trace", "spin-30ms.trace"}

// folder has n traces under a and b.
func folder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for i := range n {
		name := filepath.Join(dir, "ab"[i%2:i%2+1], fmt.Sprintf("%03d.trace", i))
		put(t, name, testdataTrace(t, some[i%len(some)]))
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAuditSame: jobs, a cache that is empty, full or damaged, and shards change nothing.
func TestAuditSame(t *testing.T) {
	t.Parallel()
	dir, cache, a, b := folder(t, 10), t.TempDir(), t.TempDir(), t.TempDir()
	common := []string{"--no-config", "--format", "json", "--group-by", "{-2}"}
	with := func(args ...string) []string { return append(args, common...) }
	want := audited(t, 0, with("audit", dir, "--jobs", "1")...)
	for _, args := range [][]string{
		with("audit", dir, "--jobs", "4", "--memory", "128MiB"),
		with("audit", filepath.Join(dir, "b"), dir, filepath.Join(dir, "a", "*.trace")),
		with("audit", dir, "--cache", cache),
		with("audit", dir, "--cache", cache),
	} {
		if got := audited(t, 0, args...); got != want {
			t.Errorf("%v: another report", args)
		}
	}
	kept, err := filepath.Glob(filepath.Join(cache, "entries", "*"))
	if err != nil || len(kept) != len(some) { // copies are kept once
		t.Fatalf("%d entries are kept, want %d (%v)", len(kept), len(some), err)
	}
	put(t, kept[0], []byte("damaged"))
	if got := audited(t, 0, with("audit", dir, "--cache", cache)...); got != want {
		t.Error("a damaged entry changes the report")
	}
	for shard, folder := range map[string]string{a: "a", b: "b"} {
		audited(t, 0, with("audit", filepath.Join(dir, folder), "--emit", shard)...)
	}
	for _, shards := range [][]string{{a, b}, {b, a}, {a, b, a}} {
		if got := audited(t, 0, with(append([]string{"merge"}, shards...)...)...); got != want {
			t.Error("shards give another report")
		}
	}
	lines := append([]string{"--no-config", "--format", "ndjson"}, dir)
	if got := audited(t, 0, append([]string{"merge", "--no-config", "--format", "ndjson"}, b, a)...); got != audited(t, 0, append([]string{"audit"}, lines...)...) {
		t.Error("shards give other lines")
	}
}

// TestAuditCache: what is known is not opened again; what changed is.
func TestAuditCache(t *testing.T) {
	t.Parallel()
	dir, cache := folder(t, 4), t.TempDir()
	args := []string{"audit", "--no-config", "--format", "json", "--cache", cache, dir}
	want := audited(t, 0, args...)
	// The same size and time: only one who reads the file can tell.
	name := filepath.Join(dir, "a", "000.trace")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	put(t, name, bytes.Repeat([]byte("x"), int(info.Size())))
	if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if audited(t, 0, args...) != want {
		t.Error("a known file was read")
	}
	put(t, name, []byte("go 1.26 trace")) // now it is of another size
	if got := audited(t, 0, args...); !strings.Contains(got, `"failed": 1`) {
		t.Error("a changed file was not read")
	}
}

// TestAuditKilled: a run that is killed goes on, and gives what one run gives.
func TestAuditKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t, 150)
	for i := range 150 { // copies would be known
		name := filepath.Join(dir, "ab"[i%2:i%2+1], fmt.Sprintf("%03d.trace", i))
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, i)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"audit", "--no-config", "--format", "json", dir}
	want := audited(t, 0, args...)
	cache := t.TempDir()
	cmd := command(t, append(args, "--cache", cache)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	finished := func() int {
		kept, _ := filepath.Glob(filepath.Join(cache, "entries", "[^.]*"))
		return len(kept)
	}
	for finished() < 5 {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || finished() >= 150 {
		t.Fatalf("it ended before it was killed: %v, %d entries", err, finished())
	}
	if got := audited(t, 0, append(args, "--cache", cache)...); got != want {
		t.Error("the run that goes on gives another report")
	}
}

// TestAuditInterrupted: the report is about what was read, and the code says so.
func TestAuditInterrupted(t *testing.T) {
	t.Parallel()
	dir := folder(t, 400)
	cmd := command(t, "audit", "--no-config", "--format", "json", "--cache", filepath.Join(t.TempDir(), "c"), dir, "--jobs", "1", "--progress", "1ms")
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	lines.Scan() // of the progress
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stderr)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !bytes.Contains(rest, []byte("goes on from here")) {
		t.Errorf("exit code %d, stderr %s", code, rest)
	}
	var rep analysis.Report
	if err := json.Unmarshal(out.Bytes(), &rep); err != nil || rep.Fleet.Inputs == 0 || rep.Fleet.Inputs >= 400 {
		t.Errorf("the report is of %+v (%v)", rep.Fleet, err)
	}
}

// mkfifo is nil where there are no named pipes.
var mkfifo func(name string) error

// TestAuditHostile: whatever lies in a folder, each is listed and nothing else is lost.
func TestAuditHostile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := testdataTrace(t, "memory-limit.trace")
	flipped := bytes.Clone(whole)
	for i := range 64 {
		flipped[len(flipped)/2+i] ^= 0x40
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	put(t, in("good.trace"), whole)
	put(t, in("empty.trace"), nil)
	put(t, in("cut.trace"), whole[:5000])
	put(t, in("flipped.trace"), flipped)
	put(t, in("text.md"), []byte("# Text"))
	put(t, in("sparse.trace"), nil)
	put(t, in("up/good.trace"), append(bytes.Clone(whole), 0))
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Truncate(in("sparse.trace"), 10<<30))
	check(os.Symlink("..", in("up/loop")))
	check(os.Symlink("self", in("self")))
	check(os.Symlink("nowhere", in("dangling")))
	if mkfifo != nil {
		check(mkfifo(in("pipe")))
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(whole)
	check(err)
	for range 64 {
		_, err := z.Write(make([]byte, 1<<20))
		check(err)
	}
	check(z.Close())
	put(t, in("bomb.trace.gz"), bomb.Bytes())
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	check(tw.WriteHeader(&tar.Header{Name: "x/member.trace", Size: int64(len(whole)), Mode: 0o666}))
	_, err = tw.Write(whole)
	check(err)
	check(tw.Close())
	put(t, in("some.tar"), archive.Bytes())
	put(t, in("cut.tar"), archive.Bytes()[:4000])

	text := audited(t, 0, "audit", "--no-config", "--format", "ndjson", "--max-bytes", "1MiB", dir)
	type entry struct {
		Path, Failure string
		Trace         analysis.Summary
	}
	got := make(map[string]entry)
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		var e entry
		check(json.Unmarshal([]byte(l), &e))
		rel, err := filepath.Rel(dir, e.Path)
		check(err)
		got[rel] = e
	}
	for name, want := range map[string]string{ // part of what is said
		"good.trace": "", "up/good.trace": "corrupt", "some.tar:x/member.trace": "",
		"empty.trace": "empty", "cut.trace": "truncated", "flipped.trace": "corrupt",
		"sparse.trace": "all zeros", "self": "too many links", "dangling": "no such file", "pipe": "not a regular file",
		"bomb.trace.gz": "corrupt", "cut.tar:x/member.trace": "EOF", "cut.tar": "EOF",
	} {
		if name == "pipe" && mkfifo == nil {
			continue
		}
		e, ok := got[name]
		say := e.Failure + e.Trace.Fault
		if !ok || !strings.Contains(say, want) || want == "" && say != "" {
			t.Errorf("%s: %q, want %q", name, say, want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("more than there is: %v", got)
	}
	if text := audited(t, exitUnreadable, "audit", "--no-config", "--format", "ndjson", "--max-bytes", "1KiB", in("bomb.trace.gz")); !strings.Contains(text, "longer than allowed") {
		t.Errorf("more than --max-bytes: %s", text)
	}
}

// TestMergeDamaged: an entry that nobody can read is listed, and costs no other.
func TestMergeDamaged(t *testing.T) {
	t.Parallel()
	dir, emit := folder(t, 3), t.TempDir()
	audited(t, 0, "audit", "--no-config", "--emit", emit, dir)
	whole, err := filepath.Glob(filepath.Join(emit, "*"))
	if err != nil || len(whole) != 3 {
		t.Fatal(whole, err)
	}
	good, err := os.ReadFile(whole[0])
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"null":    `{"schema":3,"path":"null","pools":{"sched.latency.user":null}}`,
		"bad":     `{"schema":3,"path":"bad","pools":{"sched.latency.user":{"sum":-1,"values":[5,3]}}}`,
		"old":     `{"schema":2,"path":"old"}`,
		"nothing": `null`,
	} {
		put(t, filepath.Join(emit, name+".entry"), enc.EncodeAll([]byte(text), nil))
	}
	put(t, filepath.Join(emit, "cut.entry"), good[:len(good)/2])
	var rep analysis.Report
	if err := json.Unmarshal([]byte(audited(t, exitUnreadable, "merge", "--no-config", "--format", "json", emit)), &rep); err != nil {
		t.Fatal(err)
	}
	if f := rep.Fleet; f.Traces != 3 || f.Failed != 5 {
		t.Errorf("%+v, want 3 traces and 5 entries that cannot be read", f)
	}
	if lines := audited(t, exitUnreadable, "merge", "--no-config", "--format", "ndjson", emit); strings.Count(lines, "\n") != 8 || strings.Count(lines, `"failure":"no audit entry`)+strings.Count(lines, `"failure":"an audit entry of version`) != 5 {
		t.Errorf("lines %s", lines)
	}
}

// TestAuditCacheDamaged: what is damaged in a cache is made again.
func TestAuditCacheDamaged(t *testing.T) {
	t.Parallel()
	dir, cache := folder(t, 2), t.TempDir()
	args := []string{"audit", "--no-config", "--format", "json", "--cache", cache, dir}
	want := audited(t, 0, args...)
	kept, err := filepath.Glob(filepath.Join(cache, "entries", "*"))
	if err != nil || len(kept) != 2 {
		t.Fatal(kept, err)
	}
	put(t, kept[0], []byte("nonsense"))
	put(t, kept[1], nil)
	if got := audited(t, 0, args...); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAuditArchiveRatio: an archive may hold no more than a single trace of its size.
func TestAuditArchiveRatio(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "zeros.trace", Size: 80 << 20, Mode: 0o666}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 80<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "bomb.tar.zst"), enc.EncodeAll(plain.Bytes(), nil))
	put(t, filepath.Join(dir, "good.trace"), testdataTrace(t, "memory-limit.trace"))
	if text := audited(t, 0, "audit", "--no-config", "--format", "ndjson", dir); !strings.Contains(text, "when decompressed") || strings.Count(text, `"failure"`) != 2 {
		t.Errorf("%s", text)
	}
}

// TestAuditWatch: a file that arrives gets its line, once it no longer grows; another one
// when it is overwritten.
func TestAuditWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := command(t, "audit", "--no-config", "--watch", "--poll", "20ms", dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for _, c := range []struct{ name, trace, says string }{{"b.trace", "memory-limit.trace", "error: "}, {"a.trace", "memory-limit.trace", "error: "}, {"b.trace", "mark-starves.trace", "warning: "}} {
		put(t, filepath.Join(dir, c.name), testdataTrace(t, c.trace))
		if !lines.Scan() || !strings.Contains(lines.Text(), c.name+": "+c.says) {
			t.Fatalf("%s: %q", c.name, lines.Text())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var rest strings.Builder
	for lines.Scan() {
		rest.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(rest.String(), "3 traces of 3 inputs") {
		t.Errorf("%v: %s", err, rest.String())
	}
}
