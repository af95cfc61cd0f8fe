// Package audit reads many traces: it finds them, analyses them in parallel under one
// budget of memory, and keeps what they came to.
package audit

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// An Input is one file that may hold traces.
type Input struct {
	Path  string // as it was found; the name of its Entry
	Size  int64
	Time  int64 // when it was changed last, Unix ns
	Err   error // why it cannot be read; Size is 0 then
	Named bool  // it is an argument itself, so it has to be there and to be a trace
	Meant bool  // a pattern of the user says that it is a trace
}

// Paths yields those of inputs.
func Paths(inputs []Input) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range inputs {
			if !yield(inputs[i].Path) {
				return
			}
		}
	}
}

// A Choice says which files below folders are inputs: those that match one of Include,
// where there are any, and none of Exclude. The patterns are as config.FileGlob has them.
type Choice struct {
	Include, Exclude []func(path string) bool
}

func (c *Choice) leavesOut(path string) bool {
	path = filepath.ToSlash(path)
	matches := func(f func(string) bool) bool { return f(path) }
	return len(c.Include) > 0 && !slices.ContainsFunc(c.Include, matches) || slices.ContainsFunc(c.Exclude, matches)
}

// ErrNoMatch is the Err of a glob that no file matches.
var ErrNoMatch = errors.New("no file matches")

// Walk finds the regular files that arguments stand for: files, folders with all below
// them, globs (** is any folders, {a,b} one of these), and - for a list on in, a path on each line. They come in the order of
// their paths, each once. Folders and files in skip are left out. What cannot be looked
// at is an Input with an Err.
func Walk(args []string, in io.Reader, choice Choice, skip ...string) ([]Input, error) {
	w := &walker{choice: choice, seen: make(map[string]int), dirs: make(map[string]bool)}
	for _, s := range skip {
		if real, err := filepath.EvalSymlinks(s); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				w.dirs[real], w.seen[real] = true, -1
			}
		}
	}
	for _, arg := range args {
		if arg == "-" {
			lines := bufio.NewScanner(in)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				if line := strings.TrimSuffix(lines.Text(), "\r"); line != "" {
					w.visit(filepath.Clean(line), false)
				}
			}
			if err := lines.Err(); err != nil {
				return nil, err
			}
			continue
		}
		if _, err := os.Lstat(arg); err != nil && strings.ContainsAny(arg, "*?[{") {
			var opt []doublestar.GlobOption
			if strings.Contains(arg, "**") {
				opt = append(opt, doublestar.WithNoFollow()) // a link may go round
			}
			paths, err := doublestar.FilepathGlob(arg, opt...)
			if err == nil && len(paths) == 0 {
				err = ErrNoMatch
			}
			if err != nil {
				w.found = append(w.found, Input{Path: arg, Err: err, Named: true})
			}
			for _, path := range paths {
				w.visit(path, false)
			}
			continue
		}
		w.visit(filepath.Clean(arg), true)
	}
	slices.SortFunc(w.found, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	return w.found, nil
}

type walker struct {
	choice Choice
	found  []Input
	seen   map[string]int  // files, by their real path: where they are in found, -1 to be left out
	dirs   map[string]bool // by their real path: links may go round
}

func (w *walker) visit(path string, named bool) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(real)
	}
	at, seen := w.seen[real]
	switch {
	case err != nil:
		w.found = append(w.found, Input{Path: path, Err: err, Named: named})
	case info.IsDir():
		if w.dirs[real] {
			return
		}
		w.dirs[real] = true
		entries, err := os.ReadDir(path)
		if err != nil {
			w.found = append(w.found, Input{Path: path, Err: err})
		}
		for _, e := range entries {
			if below := filepath.Join(path, e.Name()); e.IsDir() || !w.choice.leavesOut(below) {
				w.visit(below, false)
			}
		}
	case seen:
		if named && at >= 0 {
			w.found[at].Named = true
		}
	case !info.Mode().IsRegular():
		w.found = append(w.found, Input{Path: path, Err: errors.New("not a regular file"), Named: named})
	default:
		w.seen[real] = len(w.found)
		w.found = append(w.found, Input{Path: path, Size: info.Size(), Time: info.ModTime().UnixNano(), Named: named, Meant: len(w.choice.Include) > 0})
	}
}
