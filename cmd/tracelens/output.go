package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

const (
	defaultWidth = 100 // where there is no terminal
	minWidth     = 40
)

// display says how to write to w, which is nil for a file: how wide, and whether
// --color lets text be marked up there. See https://no-color.org and
// https://bixense.com/clicolors.
func display(w io.Writer, when string) (report.Options, error) {
	opt := report.Options{Width: defaultWidth}
	tty := false
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			tty = true
			opt.Terminal = true
			if width > 0 {
				opt.Width = max(width, minWidth)
			}
		}
	}
	switch when {
	case "always":
		opt.Color, opt.Terminal = true, true
	case "never":
	case "auto":
		force := os.Getenv("CLICOLOR_FORCE")
		switch {
		case w == nil, os.Getenv("NO_COLOR") != "":
		case force != "" && force != "0":
			opt.Color = true
		default:
			opt.Color = tty && os.Getenv("TERM") != "dumb"
		}
	default:
		return opt, fmt.Errorf("unknown --color %q; there are: auto, always, never", when)
	}
	return opt, nil
}

// writeFile replaces the file by what write writes, or leaves it as it was. What
// is no regular file, such as a pipe or /dev/null, is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	mode := fs.FileMode(0o666) // before umask
	if err == nil {
		if !info.Mode().IsRegular() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			return errors.Join(write(f), f.Close())
		}
		mode = info.Mode().Perm()
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d.tmp", filepath.Base(name), os.Getpid()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = errors.Join(write(w), w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil || !a.Mode().IsRegular() {
		return false
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}
