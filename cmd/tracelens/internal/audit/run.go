package audit

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/sniff"
	"github.com/tracelens/tracelens/parse"
)

// Options say how inputs are read.
type Options struct {
	Jobs     int   // CPUs
	Memory   int64 // bytes that the inputs in flight may need together
	MaxBytes int64 // of one trace, decompressed
	Settings string
	Tool     string
	Store    *Store // nil for none
	// Again says of which input to read the traces though what they come to is known;
	// nil for none.
	Again func(path string, info fs.FileInfo) bool
	// Analyze reads one trace. It is called at the same time for several.
	Analyze func(ctx context.Context, r io.Reader, name string, jobs int) (*analysis.Report, error)
}

// Done is one Input that has been read.
type Done struct {
	Entries []*fleet.Entry // one, or one for each member of an archive
	Skipped int            // files and members that are no traces, and that nobody called so
	Bytes   int64          // of the Input
	Cached  bool
	Unkept  error // why the Store did not take it
}

const (
	// A trace is read as a stream: what is held follows from the goroutines and stacks in
	// it, at most about ten times its size in traces of nothing but goroutines. Compressed
	// ones are about a quarter of it.
	needFixed   = 32 << 20
	needPerByte = 10
	compression = 4
	maxWindow   = 128 << 20 // of zstd: parse/decompress.go

	// Large is from where on a file gets all CPUs.
	Large = 32 << 20
)

// Run reads inputs and calls each with what they came to, one at a time and in their
// order. When ctx is done, those in flight are given up and the error is ctx's. Every
// other error is of each.
func Run(ctx context.Context, inputs []Input, opt Options, each func(Done) error) error {
	cpus := semaphore.NewWeighted(int64(opt.Jobs))
	memory := semaphore.NewWeighted(opt.Memory)
	ahead := semaphore.NewWeighted(min(int64(64*opt.Jobs), opt.Memory>>20)) // results that wait for one before them
	work, stop := context.WithCancel(ctx)
	defer stop()
	order := &sequence{each: each, waiting: make(map[int]Done)}
	var g errgroup.Group
	for i, in := range inputs {
		jobs := int64(1)
		if in.Size >= Large {
			jobs = int64(opt.Jobs)
		}
		need := min(need(in), opt.Memory)
		if ahead.Acquire(work, 1) != nil || cpus.Acquire(work, jobs) != nil || memory.Acquire(work, need) != nil {
			break
		}
		if work.Err() != nil { // Acquire does not look when it need not wait
			break
		}
		g.Go(func() error {
			done := opt.read(ctx, in, int(jobs))
			cpus.Release(jobs)
			memory.Release(need)
			if ctx.Err() != nil && done.failed() {
				return nil // most likely for that reason
			}
			n, err := order.put(i, done)
			ahead.Release(n)
			if err != nil {
				stop()
			}
			return err
		})
	}
	return errors.Join(g.Wait(), order.rest(), ctx.Err())
}

// need is about how much memory the reading of an input takes.
func need(in Input) int64 {
	if in.Err != nil {
		return needFixed
	}
	size, window := in.Size, int64(0)
	if f, err := os.Open(in.Path); err == nil {
		var head zstd.Header
		first := make([]byte, zstd.HeaderMaxSize)
		n, _ := f.ReadAt(first, 0)
		f.Close()
		switch {
		case bytes.HasPrefix(first[:n], []byte{0x1f, 0x8b}):
			size *= compression
		case head.Decode(first[:n]) == nil && !head.Skippable:
			size *= compression
			if head.SingleSegment {
				head.WindowSize = head.FrameContentSize
			}
			window = int64(min(head.WindowSize, maxWindow))
		}
	}
	return needFixed + needPerByte*size + window
}

// failed reports whether an entry has no trace.
func (d *Done) failed() bool {
	return slices.ContainsFunc(d.Entries, func(e *fleet.Entry) bool { return e.Failure != "" || e.Trace.FaultKind == "io" })
}

// until fails to read once ctx is done.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// sequence calls each in order.
type sequence struct {
	sync.Mutex
	each    func(Done) error
	next    int
	waiting map[int]Done
	err     error
}

// put returns for how many inputs each was called.
func (s *sequence) put(i int, d Done) (n int64, err error) {
	s.Lock()
	defer s.Unlock()
	s.waiting[i] = d
	for s.err == nil {
		d, ok := s.waiting[s.next]
		if !ok {
			break
		}
		delete(s.waiting, s.next)
		s.next++
		n++
		s.err = s.each(d)
	}
	return n, s.err
}

// rest calls each for those that waited for one that was given up.
func (s *sequence) rest() error {
	for _, i := range slices.Sorted(maps.Keys(s.waiting)) {
		if s.err == nil {
			s.err = s.each(s.waiting[i])
		}
	}
	return s.err
}

func (o *Options) failed(path string, err error) *fleet.Entry {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the name is said already
	}
	return &fleet.Entry{Schema: fleet.Schema, Tool: o.Tool, Settings: o.Settings, Path: path, Failure: err.Error()}
}

// read makes the Entries of an input. A fault of ours costs this one only.
func (o *Options) read(ctx context.Context, in Input, jobs int) (done Done) {
	defer func() {
		if v := recover(); v != nil {
			done = Done{Entries: []*fleet.Entry{o.failed(in.Path, fmt.Errorf("internal error: %v", v))}, Bytes: in.Size}
		}
	}()
	fail := func(err error) Done {
		return Done{Entries: []*fleet.Entry{o.failed(in.Path, err)}, Bytes: in.Size}
	}
	if in.Err != nil {
		return fail(in.Err)
	}
	before, err := os.Stat(in.Path)
	if err != nil {
		return fail(err)
	}
	archive := archiveName.MatchString(in.Path)
	again := o.Again != nil && o.Again(in.Path, before)
	if o.Store != nil && !archive && !again {
		if hash := o.Store.Known(in.Path, before); hash != "" {
			if e := o.Store.Get(hash, in.Path); e != nil {
				return Done{Entries: []*fleet.Entry{e}, Bytes: in.Size, Cached: true}
			}
		}
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if archive {
		entries, skipped := o.archive(ctx, until{ctx, f}, in.Path, before.Size())
		return Done{Entries: entries, Skipped: skipped, Bytes: in.Size}
	}
	head := make([]byte, sniff.HeadSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return fail(err)
	}
	head = head[:n]
	trace := sniff.IsTrace(head)
	if !trace && !in.Named && !in.Meant && !traceName.MatchString(in.Path) {
		return Done{Skipped: 1, Bytes: in.Size}
	}
	if o.Store != nil && !again && trace {
		sum := sha256.New()
		if _, err := io.Copy(sum, until{ctx, f}); err != nil {
			return fail(err)
		}
		hash := hex.EncodeToString(sum.Sum(nil))
		if e := o.Store.Get(hash, in.Path); e != nil {
			if err := o.Store.stamp(in.Path, hash, before); err == nil {
				return Done{Entries: []*fleet.Entry{e}, Bytes: in.Size, Cached: true}
			}
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fail(err)
		}
	}
	e := o.trace(ctx, until{ctx, f}, in.Path, jobs)
	done = Done{Entries: []*fleet.Entry{e}, Bytes: in.Size}
	after, err := os.Stat(in.Path)
	if err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
		if e.Failure != "" {
			e.Failure += " (it changed while it was read)"
		} else {
			e.Trace.Complete, e.Trace.FaultKind = false, "io"
			e.Trace.Fault = strings.TrimPrefix(e.Trace.Fault+"; it changed while it was read", "; ")
		}
	} else if o.Store != nil && e.Hash != "" {
		done.Unkept = o.Store.Put(e, before)
	}
	return done
}

// traceName is what only traces are called.
var traceName = regexp.MustCompile(`(?i)\.trace(\.gz|\.zst|\.zstd)?$`)

// hashed passes on what is read, and sums it up.
type hashed struct {
	r    io.Reader
	sum  hash.Hash
	head []byte
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	h.head = append(h.head, p[:min(n, sniff.HeadSize-len(h.head))]...)
	return n, err
}

// trace makes the Entry of one trace. A fault of ours costs this one only.
func (o *Options) trace(ctx context.Context, r io.Reader, path string, jobs int) (e *fleet.Entry) {
	defer func() {
		if v := recover(); v != nil {
			e = o.failed(path, fmt.Errorf("internal error: %v", v))
		}
	}()
	h := &hashed{r: r, sum: sha256.New()}
	rep, err := o.Analyze(ctx, h, path, jobs)
	if errors.Is(err, parse.ErrUnsupported) {
		if k, ok := sniff.Look(h.head); ok {
			err = fmt.Errorf("this is %s, not a Go execution trace", k.Name)
		}
	}
	if err != nil {
		return o.failed(path, err)
	}
	if rep.Trace.Wrecked() {
		return o.failed(path, fmt.Errorf("no generation could be read whole: %s", rep.Trace.Fault))
	}
	rep.Tool = o.Tool
	if rep.Trace.FaultKind == "io" {
		return fleet.NewEntry(rep, o.Settings, "")
	}
	if _, err := io.Copy(io.Discard, h); err != nil { // what follows the trace is a part of the content
		return o.failed(path, err)
	}
	return fleet.NewEntry(rep, o.Settings, hex.EncodeToString(h.sum.Sum(nil)))
}

var archiveName = regexp.MustCompile(`(?i)\.(tar|tar\.gz|tgz|tar\.zst)$`)

// archive makes the Entries of the members of a tar file. What cannot be read of it is
// an Entry as well.
func (o *Options) archive(ctx context.Context, f io.Reader, path string, size int64) (out []*fleet.Entry, skipped int) {
	fail := func(err error) ([]*fleet.Entry, int) {
		return append(out, o.failed(path, fmt.Errorf("archive: %w", err))), skipped
	}
	r := bufio.NewReader(f)
	var plain io.Reader = r
	head, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return fail(err)
		}
		plain = z
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return fail(err)
		}
		defer z.Close()
		plain = z
	}
	limit := 8 * o.MaxBytes
	if plain != io.Reader(r) {
		limit = min(limit, 64<<20+100*size) // as of a single trace: parse/decompress.go
	}
	bounded := &io.LimitedReader{R: plain, N: limit}
	members := tar.NewReader(bounded)
	for {
		head, err := members.Next()
		switch {
		case bounded.N <= 0:
			return fail(fmt.Errorf("more than %s when decompressed", analysis.FormatBytes(limit)))
		case err == io.EOF && len(out)+skipped == 0:
			return fail(errors.New("it is empty"))
		case err == io.EOF:
			return out, skipped
		case err != nil:
			return fail(err)
		case head.Typeflag == tar.TypeReg:
			member := bufio.NewReaderSize(members, sniff.HeadSize)
			begins, err := member.Peek(sniff.HeadSize)
			if (err == nil || err == io.EOF) && !sniff.IsTrace(begins) && !traceName.MatchString(head.Name) {
				skipped++
				continue
			}
			out = append(out, o.trace(ctx, member, path+":"+head.Name, 1))
		}
	}
}

// MinMemory is the least budget: below it, what the program itself takes and one trace
// do not fit.
const MinMemory = 128 << 20

// besideHeap is what the collector does not count: the program's code, mapped, and what
// has been freed and not given back yet.
const besideHeap = 48 << 20

// Guard keeps the whole program within the budget. The collector may be lazy while it
// is far from it: a short trace leaves many times its size behind, and little lives.
func Guard(memory int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	debug.SetMemoryLimit(memory - besideHeap)
}
