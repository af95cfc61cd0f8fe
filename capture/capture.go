// Package capture keeps a flight recorder running in a service, and writes what it
// holds when something goes wrong: the seconds before it, as an execution trace.
//
// A Recorder is all there is. Trigger writes a file, at most one each Debounce, and
// keeps the folder within its bounds; Watch triggers when a request takes too long;
// ServeHTTP gives the present window to whoever asks. The package imports nothing but the
// standard library. 'tracelens FILE' says what is in a file.
package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say what is kept, and where. The zero value of each field is a good default.
type Options struct {
	Dir       string        // for files; made where there is none; without it the folder for temporary files
	Name      string        // the start of their names; without it the name of the program
	LookBack  time.Duration // the least that a file goes back, if MaxBytes allow; 10 s without it
	MaxBytes  uint64        // about so large is a file, and so much memory is held; 8 MiB without it
	Debounce  time.Duration // the least time between two files; 1 min without it, none where negative
	KeepFiles int           // at most so many files stay, the newest; 20 without it
	KeepBytes int64         // and at most so many bytes of them; 256 MiB without it

	// Wrote is called with each file of Watch, and with why there is none; nil for nobody.
	// It may be called from several goroutines at the same time.
	Wrote func(path string, err error)
}

// About is what NAME.trace.json says of NAME.trace.
type About struct {
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"` // of the end
	Bytes   int64     `json:"bytes"`
	Program string    `json:"program"`
	Host    string    `json:"host,omitempty"`
	Go      string    `json:"go"`
}

// ErrDebounced is the error of a trigger too soon after another, whose file is about the
// same moments.
var ErrDebounced = errors.New("capture: a file was written a moment ago")

// ErrStopped is the error of a Recorder after Stop.
var ErrStopped = errors.New("capture: stopped")

// A Recorder holds the last seconds of this program's execution trace. Its methods may be
// called at the same time.
type Recorder struct {
	opt     Options
	program string
	host    string

	mu      sync.Mutex // of all that follows; also, one may write at a time
	fr      *trace.FlightRecorder
	last    time.Time // when the last file was begun
	stopped bool

	watching sync.WaitGroup
	pending  chan struct{} // holds one while Watch triggers
}

// Start begins to record. The runtime allows one flight recorder in a program; it goes
// together with runtime/trace.Start and /debug/pprof/trace.
func Start(opt Options) (*Recorder, error) {
	r := &Recorder{opt: opt, program: filepath.Base(os.Args[0]), pending: make(chan struct{}, 1)}
	r.host, _ = os.Hostname()
	o := &r.opt
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Name == "" {
		o.Name = r.program
	}
	o.Name = strings.Map(fileRune, o.Name)
	if o.LookBack <= 0 {
		o.LookBack = 10 * time.Second
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 8 << 20
	}
	if o.Debounce == 0 {
		o.Debounce = time.Minute
	}
	if o.KeepFiles <= 0 {
		o.KeepFiles = 20
	}
	if o.KeepBytes <= 0 {
		o.KeepBytes = 256 << 20
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r.fr = trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: o.LookBack, MaxBytes: o.MaxBytes})
	if err := r.fr.Start(); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return r, nil
}

// fileRune is what may stand in the name of a file.
func fileRune(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c) {
		return c
	}
	return '_'
}

// Stop ends the recording, after files that are being written.
func (r *Recorder) Stop() {
	r.mu.Lock()
	if !r.stopped {
		r.stopped = true
		r.fr.Stop()
	}
	r.mu.Unlock()
	r.watching.Wait()
}

// Trigger writes what the recorder holds, and beside it as JSON the reason and what else
// About has, and returns the path of the trace. A file appears whole or not at all. The
// error is ErrDebounced where another was begun less than Debounce before.
func (r *Recorder) Trigger(reason string) (path string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return "", ErrStopped
	}
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < r.opt.Debounce {
		return "", ErrDebounced
	}
	before := r.last
	r.last = now
	if path, err = r.write(reason, now); err != nil {
		r.last = before // the next may try again
		return "", fmt.Errorf("capture: %w", err)
	}
	return path, nil
}

const suffix = ".trace"

func (r *Recorder) write(reason string, now time.Time) (path string, err error) {
	temp, err := os.CreateTemp(r.opt.Dir, "."+r.opt.Name+"-*.tmp")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name()) // once renamed, it is not there
	defer temp.Close()
	n, err := r.fr.WriteTo(temp)
	if err == nil {
		err = temp.Close()
	}
	if err != nil {
		return "", err
	}
	stem := filepath.Join(r.opt.Dir, r.opt.Name+"-"+now.UTC().Format("20060102T150405.000000Z"))
	path = stem + suffix
	for i := 2; exists(path); i++ {
		path = stem + "-" + strconv.Itoa(i) + suffix
	}
	about, err := json.MarshalIndent(About{Reason: reason, Time: time.Now().UTC(), Bytes: n, Program: r.program, Host: r.host, Go: runtime.Version()}, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path+".json", append(about, '\n'), 0o666); err != nil {
		os.Remove(path + ".json")
		return "", err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		os.Remove(path + ".json")
		return "", err
	}
	return path, r.trim()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// trim removes the oldest files that are too many, or too much. The newest stays.
func (r *Recorder) trim() error {
	paths, err := filepath.Glob(filepath.Join(globQuoted(r.opt.Dir), globQuoted(r.opt.Name)+"-*"+suffix))
	if err != nil {
		return err
	}
	type file struct {
		path string
		at   time.Time
		size int64
	}
	var files []file
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && exists(path+".json") {
			files = append(files, file{path, info.ModTime(), info.Size()})
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := b.at.Compare(a.at); c != 0 {
			return c
		}
		return strings.Compare(b.path, a.path)
	})
	total := int64(0)
	for i, f := range files {
		total += f.size
		if i > 0 && (i >= r.opt.KeepFiles || total > r.opt.KeepBytes) {
			total -= f.size
			if err := errors.Join(os.Remove(f.path), os.Remove(f.path+".json")); err != nil {
				return err
			}
		}
	}
	return nil
}

// globQuoted is a name as filepath.Match takes it literally, where that can be.
func globQuoted(s string) string {
	if runtime.GOOS == "windows" {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// Watch triggers when a request takes longer than slow, with the method and path as the
// reason. The request is answered first, and nothing waits for the file.
func (r *Recorder) Watch(slow time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		defer func() {
			took := time.Since(began)
			if took <= slow {
				return
			}
			reason := fmt.Sprintf("%s %s took %v", req.Method, req.URL.Path, took)
			select {
			case r.pending <- struct{}{}:
			default:
				return // one is under way, which shows this request as well
			}
			r.mu.Lock()
			if r.stopped {
				r.mu.Unlock()
				<-r.pending
				return
			}
			r.watching.Add(1)
			r.mu.Unlock()
			go func() {
				defer r.watching.Done()
				defer func() { <-r.pending }()
				path, err := r.Trigger(reason)
				if r.opt.Wrote != nil && !errors.Is(err, ErrDebounced) && !errors.Is(err, ErrStopped) {
					r.opt.Wrote(path, err)
				}
			}()
		}()
		next.ServeHTTP(w, req)
	})
}

// ServeHTTP answers GET with what the recorder holds, for 'tracelens URL' or a browser. It
// needs the same care as net/http/pprof: a trace names functions, files and annotations.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET gives the last seconds as a trace", http.StatusMethodNotAllowed)
		return
	}
	var b bytes.Buffer
	r.mu.Lock()
	err := ErrStopped
	if !r.stopped {
		_, err = r.fr.WriteTo(&b)
	}
	r.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", r.opt.Name+suffix))
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if req.Method == http.MethodGet {
		w.Write(b.Bytes()) // an error is of who asked
	}
}
