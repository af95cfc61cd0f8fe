package capture

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracelens/tracelens/parse"
)

// start records into a folder of its own. One recorder may run in a program, so these
// tests do not run side by side.
func start(t *testing.T, opt Options) *Recorder {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	r, err := Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// events reads a whole trace, or fails.
func events(t *testing.T, r io.Reader) int {
	t.Helper()
	n := 0
	tr, err := parse.Read(context.Background(), r, parse.Options{}, func(*parse.Event) { n++ })
	if err != nil {
		t.Fatal(err)
	}
	if tr.Fault != nil {
		t.Fatal(tr.Fault)
	}
	return n
}

func traces(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestTrigger(t *testing.T) {
	r := start(t, Options{Name: "a b/c", Debounce: time.Hour})
	path, err := r.Trigger("why\nnot")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := events(t, f); n == 0 {
		t.Error("no events")
	}
	if base := filepath.Base(path); !strings.HasPrefix(base, "a_b_c-20") || !strings.HasSuffix(base, "Z.trace") {
		t.Errorf("it is called %s", base)
	}
	data, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var about About
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &about); err != nil || about.Reason != "why\nnot" || about.Bytes != info.Size() || about.Go != runtime.Version() || about.Time.IsZero() {
		t.Errorf("%+v, %v", about, err)
	}
	if path, err := r.Trigger("again"); !errors.Is(err, ErrDebounced) || path != "" {
		t.Errorf("%q, %v, want %v", path, err, ErrDebounced)
	}
	r.Stop()
	if _, err := r.Trigger("late"); !errors.Is(err, ErrStopped) {
		t.Errorf("%v, want %v", err, ErrStopped)
	}
	r.Stop()
}

// TestTriggers: of many at the same time each file is whole, the bounds are kept, and
// nothing else is left.
func TestTriggers(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Debounce: -1, KeepFiles: 5})
	if err := os.WriteFile(filepath.Join(dir, r.opt.Name+"-mine.trace"), nil, 0o666); err != nil { // without a JSON it is somebody else's
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := r.Trigger("many"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.Stop()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2*5+1 {
		t.Errorf("%d files, want 5 with what is said of each, and that of somebody else", len(entries))
	}
	for _, path := range traces(t, dir) {
		if strings.HasSuffix(path, "-mine.trace") {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		events(t, f)
		f.Close()
	}
	for wait := 0; runtime.NumGoroutine() > before && wait < 1000; wait++ {
		time.Sleep(time.Millisecond) // the runtime's own end a moment later
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, before %d", n, before)
	}
}

func TestDebounce(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Debounce: time.Hour})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := r.Trigger("storm"); err != nil && !errors.Is(err, ErrDebounced) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(traces(t, dir)); n != 1 {
		t.Errorf("%d files of a storm, want 1", n)
	}
}

func TestKeepBytes(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Debounce: -1, KeepBytes: 1})
	var last string
	for range 3 {
		path, err := r.Trigger("large")
		if err != nil {
			t.Fatal(err)
		}
		last = path
	}
	if got := traces(t, dir); len(got) != 1 || got[0] != last {
		t.Errorf("%q are left, want %s", got, last)
	}
}

// TestFails: a folder that is gone is an error, and the next trigger tries again.
func TestFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	r := start(t, Options{Dir: dir, Debounce: time.Hour})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if path, err := r.Trigger("gone"); err == nil || errors.Is(err, ErrDebounced) {
		t.Errorf("%q, %v", path, err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Trigger("back"); err != nil {
		t.Error(err)
	}
	if _, err := Start(Options{Dir: dir}); err == nil {
		t.Error("two recorders run")
	}
}

func TestServe(t *testing.T) {
	r := start(t, Options{})
	server := httptest.NewServer(r)
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if events(t, res.Body) == 0 || res.ContentLength <= 0 || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%+v", res)
	}
	res, err = http.Post(server.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", res.Status)
	}
	r.Stop()
	res, err = http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Stop: %s", res.Status)
	}
}

func TestWatch(t *testing.T) {
	wrote := make(chan string, 100)
	r := start(t, Options{Debounce: time.Hour, Wrote: func(path string, err error) {
		if err != nil {
			t.Error(err)
		}
		wrote <- path
	}})
	server := httptest.NewServer(r.Watch(-1, http.NotFoundHandler())) // each takes longer
	defer server.Close()
	quick := httptest.NewServer(r.Watch(time.Hour, http.NotFoundHandler()))
	defer quick.Close()
	get := func(url string) {
		res, err := http.Get(url + "/path")
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	}
	get(quick.URL)
	if n := len(traces(t, r.opt.Dir)); n != 0 {
		t.Errorf("%d files of a quick request", n)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { get(server.URL) })
	}
	wg.Wait()
	path := <-wrote
	r.Stop()
	data, err := os.ReadFile(path + ".json")
	if err != nil || !strings.Contains(string(data), `"reason": "GET /path took `) {
		t.Errorf("%s, %v", data, err)
	}
	if n := len(traces(t, r.opt.Dir)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	get(server.URL) // after Stop
}
