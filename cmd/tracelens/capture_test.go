package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
)

// recordable answers as programs do that can be recorded.
func recordable(t *testing.T) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc(tracePath, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("seconds") == "" {
			t.Error("it does not say for how long")
		}
		w.Write(trace26(t))
	})
	mux.HandleFunc("/old/trace", func(w http.ResponseWriter, _ *http.Request) { w.Write(testdataTrace(t, "mixed-go122.trace")) })
	mux.HandleFunc("/profile", pprof.Handler("goroutine").ServeHTTP)
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, tracePath+"?seconds=1", http.StatusFound)
	})
	mux.HandleFunc("/secret", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush" {
			http.Error(w, "who are you, "+r.Header.Get("X-Name")+"?", http.StatusUnauthorized)
			return
		}
		w.Write(trace26(t))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		data := trace26(t)
		for len(data) > 0 {
			n := min(len(data), 10_000)
			w.Write(data[:n])
			w.(http.Flusher).Flush()
			data = data[n:]
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		data := testdataTrace(t, "idle.trace")
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)-100])
	})
	return mux
}

func trace26(t *testing.T) []byte { return testdataTrace(t, "annotations.trace") }

// about reads what stands beside the only recording in a folder.
func about(t *testing.T, dir string) (path string, s sidecar) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%q, %v", paths, err)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(paths[0], ".json"), s
}

func TestCapture(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(recordable(t))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, c := range []struct {
		args []string
		code int
		want string // of what it says
		kept bool
	}{
		{[]string{host}, 0, ".trace.gz\n", true},
		{[]string{server.URL}, 0, "annotations", true},
		{[]string{server.URL + "/"}, 0, "Go 1.26 format in gzip", true},
		{[]string{server.URL + "/old/trace"}, 0, "Go 1.22 format in gzip", true},
		{[]string{server.URL + "/moved"}, 0, "Go 1.26 format in gzip", true},
		{[]string{server.URL + "/slow"}, 0, "Go 1.26 format in gzip", true},
		{[]string{server.URL + "/cut"}, 0, "INCOMPLETE", true},
		{[]string{"--header", "Authorization: Bearer hush", server.URL + "/secret?token=hush"}, 0, "Go 1.26 format", true},
		{[]string{"--header", "X-Name: hush", server.URL + "/secret"}, exitUnreadable, "401 Unauthorized\n", false},
		{[]string{"--header", "hush", server.URL + "/secret"}, exitUsage, "--header needs a line such as", false},
		{[]string{server.URL + "/profile"}, exitUnreadable, "the answer is a profile in pprof's format, not a trace: ask for /debug/pprof/trace\n", false},
		{[]string{server.URL + "/empty"}, exitUnreadable, "the answer is empty\n", false},
		{[]string{server.URL + "/none"}, exitUnreadable, "import net/http/pprof there", false},
		{[]string{"127.0.0.1:1"}, exitUnreadable, "127.0.0.1:1/debug/pprof/trace?seconds=5: ", false},
		{[]string{"--max-bytes", "8KiB", server.URL + "/cut"}, 0, "INCOMPLETE", true},
		{[]string{"--keep-if", "note", server.URL + "/old/trace"}, 0, "Go 1.22 format", true},
		{[]string{"--when", "trace.events < 5", host}, 0, "not kept: trace.events is ", false},
		{[]string{"--when", "trace.events >= 5", host}, 0, "Go 1.26 format", true},
		{[]string{"--when", "trace.event > 5", host}, exitUsage, `--when: unknown metric "trace.event"; did you mean `, false},
		{[]string{"--when", "much", host}, exitUsage, "--when: \"much\" is not a condition", false},
		{[]string{"--for", "1h", host}, exitUsage, "--for 1h0m0s: need 1ms to 15m0s", false},
		{[]string{"--every", "1s", host}, exitUsage, "--every 1s: need at least --for 5s", false},
		{[]string{"http://u:hush@[x"}, exitUsage, "URL is not valid", false},
		{[]string{"ftp://u:hush@x/y"}, exitUnreadable, "ftp is neither http nor https", false},
		{[]string{"unix:"}, exitUsage, "unix: needs the path", false},
		{[]string{"unix:/none.sock"}, exitUnreadable, "unix:/none.sock: ", false},
	} {
		dir := t.TempDir()
		var out, errs bytes.Buffer
		code := run(context.Background(), append([]string{"capture", "--no-config", "-o", dir}, c.args...), nil, &out, &errs)
		said := out.String() + errs.String()
		if c.want == "annotations" {
			c.want = "Go 1.26 format"
		}
		if code != c.code || !strings.Contains(said, c.want) || strings.Contains(said, "hush") {
			t.Errorf("%q: exit code %d, want %d, %q; %s", c.args, code, c.code, c.want, said)
		}
		noTemporary(t, dir)
		files, err := os.ReadDir(dir)
		if err != nil || (len(files) == 2) != c.kept || len(files) == 1 {
			t.Errorf("%q: %d files, %v", c.args, len(files), err)
		}
		if c.kept {
			path, s := about(t, dir)
			if s.Trace.Name != filepath.Base(path) || s.Tool == "" || s.Bytes == 0 || s.Began.IsZero() || s.Why == "" || strings.Contains(fmt.Sprintf("%+v", s), "hush") || (s.Fault != "") != (c.want == "INCOMPLETE") {
				t.Errorf("%q: %+v", c.args, s)
			}
			audited(t, 0, "analyze", "--no-config", path)
		}
	}
}

// TestCaptureMany: targets are recorded at the same time, and one that fails costs no
// other; the oldest go first.
func TestCaptureMany(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(recordable(t))
	defer server.Close()
	dir := t.TempDir()
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"capture", "--no-config", "-o", dir, server.URL, server.URL + "/none", server.URL + "/old/trace", server.URL + "/empty"}, nil, &out, &errs)
	if code != exitUnreadable || strings.Count(out.String(), "\n") != 2 || strings.Count(errs.String(), "\n") != 2 {
		t.Errorf("exit code %d, %s%s", code, out.String(), errs.String())
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.trace.gz"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("%q, %v", paths, err)
	}
	mine := filepath.Join(dir, "mine.trace.gz")
	put(t, mine, []byte("not of capture"))
	audited(t, 0, "capture", "--no-config", "--keep", "1KiB", "-o", dir+"/", server.URL)
	_, err = os.Stat(mine)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.trace.gz")); len(left) != 2 || err != nil {
		t.Errorf("%q are left, want the newest and %s", left, mine)
	}
}

func TestCaptureFile(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(recordable(t))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "one.trace")
	audited(t, 0, "capture", "--no-config", "-o", file, server.URL)
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, trace26(t)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}

	// What analyze reads may be kept too.
	kept := filepath.Join(t.TempDir(), "kept.trace")
	audited(t, 0, "analyze", "--no-config", "--format", "html", "-o", os.DevNull, "--save", kept, server.URL+tracePath+"?seconds=1")
	if got, err := os.ReadFile(kept); err != nil || !bytes.Equal(got, trace26(t)) {
		t.Errorf("--save: %d bytes, %v", len(got), err)
	}
	audited(t, exitUsage, "analyze", "--no-config", "--save", kept, file)
	audited(t, exitUnreadable, "analyze", "--no-config", "--save", filepath.Join(kept, "below"), server.URL+tracePath+"?seconds=1")
	noTemporary(t, filepath.Dir(kept))
	gone := filepath.Join(t.TempDir(), "gone.trace")
	audited(t, exitUnreadable, "analyze", "--no-config", "--save", gone, server.URL+"/empty")
	if _, err := os.Stat(gone); err == nil {
		t.Error("nothing is kept in a file")
	}
}

// TestCaptureSocket records by a socket, TestCaptureTLS by TLS.
func TestCaptureSocket(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no sockets in the file system")
	}
	dir, err := os.MkdirTemp("", "tl") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "app.sock"))
	if err != nil {
		t.Skip(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: recordable(t)}}
	server.Start()
	defer server.Close()
	for _, arg := range []string{"unix:" + dir + "/app.sock", "unix://" + dir + "/app.sock:/old/trace"} {
		out := t.TempDir()
		audited(t, 0, "capture", "--no-config", "-o", out, arg)
		if path, s := about(t, out); !strings.HasPrefix(filepath.Base(path), "app-20") || s.Source != "unix:"+dir+"/app.sock" {
			t.Errorf("%s: %s of %s", arg, path, s.Source)
		}
	}
}

func TestCaptureTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(recordable(t))
	defer server.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	put(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	cmd := command(t, "capture", "--no-config", "-o", dir, server.URL)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("of unknown authority: %v, %s", err, out)
	}
	cmd = command(t, "capture", "--no-config", "-o", dir, server.URL)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+ca)
	if out, err := cmd.CombinedOutput(); err != nil && runtime.GOOS == "linux" {
		t.Errorf("%v, %s", err, out)
	}
}

// TestCaptureLive records a real server, also one that is being traced already.
func TestCaptureLive(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc(tracePath, pprof.Trace)
	server := httptest.NewServer(mux)
	defer server.Close()
	dir := t.TempDir()
	audited(t, 0, "capture", "--no-config", "--for", "50ms", "-o", dir, server.URL)
	if _, s := about(t, dir); !s.Trace.Complete || s.Asked != .05 || s.Trace.Events == 0 {
		t.Errorf("%+v", s)
	}
	if err := trace.Start(bufio.NewWriter(&bytes.Buffer{})); err != nil {
		t.Skip(err)
	}
	defer trace.Stop()
	var errs bytes.Buffer
	code := run(context.Background(), []string{"capture", "--no-config", "--for", "50ms", "-o", dir, server.URL}, nil, &bytes.Buffer{}, &errs)
	if code != exitUnreadable || !strings.Contains(errs.String(), "another capture or runtime/trace.Start is under way there") {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
}

// TestCaptureToolchains records servers of other versions of Go, those that
// TRACELENS_TOOLCHAINS names.
func TestCaptureToolchains(t *testing.T) {
	t.Parallel()
	versions := strings.Fields(os.Getenv("TRACELENS_TOOLCHAINS"))
	if len(versions) == 0 {
		t.Skip("TRACELENS_TOOLCHAINS names no version, such as go1.22.12")
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "main.go"), []byte(`package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
`))
	put(t, filepath.Join(dir, "go.mod"), []byte("module server\n\ngo 1.21\n"))
	for _, version := range versions {
		program := filepath.Join(dir, version)
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir, build.Env = dir, append(os.Environ(), "GOTOOLCHAIN="+version, "GOFLAGS=")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		cmd := exec.Command(program)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(stdout).ReadString('\n')
		if err == nil {
			out := t.TempDir()
			audited(t, 0, "capture", "--no-config", "--for", "100ms", "-o", out, strings.TrimSpace(address))
			if _, s := about(t, out); !s.Trace.Complete || s.Trace.Events == 0 {
				t.Errorf("%s: %+v", version, s)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		if err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestCaptureInterrupted: what has come is kept, and --every ends by an interrupt.
func TestCaptureInterrupted(t *testing.T) {
	t.Parallel()
	data := testdataTrace(t, "idle.trace")
	sent := make(chan bool, 100)
	mux := recordable(t)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.Write(data[:len(data)-100])
		w.(http.Flusher).Flush()
		sent <- true
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{server.URL + "/endless"}, exitInterrupted}, {[]string{"--every", "1h", server.URL}, 0}} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		out := &firstWrite{wrote: make(chan bool, 1)}
		go func() {
			select {
			case <-sent:
				// What is sent needs a moment to be read: the more, the more is kept.
				for size := int64(0); size == 0; time.Sleep(time.Millisecond) {
					temps, _ := filepath.Glob(filepath.Join(dir, ".tracelens-*"))
					for _, temp := range temps {
						if info, err := os.Stat(temp); err == nil {
							size = info.Size()
						}
					}
				}
			case <-out.wrote:
			}
			cancel()
		}()
		var errs bytes.Buffer
		code := run(ctx, append([]string{"capture", "--no-config", "-o", dir}, c.args...), nil, out, &errs)
		cancel()
		if code != c.code {
			t.Errorf("%q: exit code %d, %s", c.args, code, errs.String())
		}
		noTemporary(t, dir)
		if _, s := about(t, dir); c.code == exitInterrupted && s.Fault != "interrupted" {
			t.Errorf("%q: %+v", c.args, s)
		}
	}
}

// firstWrite says when something is written.
type firstWrite struct{ wrote chan bool }

func (f *firstWrite) Write(p []byte) (int, error) {
	select {
	case f.wrote <- true:
	default:
	}
	return len(p), nil
}

func TestWorst(t *testing.T) {
	t.Parallel()
	if got := worst([]*analysis.Finding{{Severity: analysis.Note, Summary: "a", Code: "x"}, {Severity: analysis.Error, Summary: "b", Code: "y"}, {Severity: analysis.Warning, Summary: "c", Code: "z"}}); got != "error: b (y)" {
		t.Error(got)
	}
	if got := worst(nil); got != "nothing found" {
		t.Error(got)
	}
}
