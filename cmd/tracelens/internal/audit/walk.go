// Package audit reads many traces: it finds them, analyses them in parallel under one
// budget of memory, and keeps what they came to.
package audit

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// An Input is one file that may hold traces.
type Input struct {
	Path string // as it was found; the name of its Entry
	Size int64
	Err  error // why it cannot be read; Size is 0 then
}

// Walk finds the regular files that arguments stand for: files, folders with all below
// them, globs (** is any folders, {a,b} one of these), and - for a list on in, a path on each line. They come in the order of
// their paths, each once. Folders and files in skip are left out. What cannot be looked
// at is an Input with an Err.
func Walk(args []string, in io.Reader, skip ...string) ([]Input, error) {
	w := &walker{seen: make(map[string]bool), dirs: make(map[string]bool)}
	for _, s := range skip {
		if real, err := filepath.EvalSymlinks(s); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				w.dirs[real], w.seen[real] = true, true
			}
		}
	}
	for _, arg := range args {
		if arg == "-" {
			lines := bufio.NewScanner(in)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				if line := strings.TrimSuffix(lines.Text(), "\r"); line != "" {
					w.visit(filepath.Clean(line))
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
			if paths, err := doublestar.FilepathGlob(arg, opt...); err == nil && len(paths) > 0 {
				for _, path := range paths {
					w.visit(path)
				}
				continue
			}
		}
		w.visit(filepath.Clean(arg))
	}
	slices.SortFunc(w.found, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	return w.found, nil
}

type walker struct {
	found []Input
	seen  map[string]bool // files, by their real path
	dirs  map[string]bool // by their real path: links may go round
}

func (w *walker) visit(path string) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(real)
	}
	switch {
	case err != nil:
		w.found = append(w.found, Input{Path: path, Err: err})
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
			w.visit(filepath.Join(path, e.Name()))
		}
	case w.seen[real]:
	case !info.Mode().IsRegular():
		w.found = append(w.found, Input{Path: path, Err: errors.New("not a regular file")})
	default:
		w.seen[real] = true
		w.found = append(w.found, Input{Path: path, Size: info.Size()})
	}
}
