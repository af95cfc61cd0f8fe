package main

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// defaultPager stays on the screen, keeps colours, and ends at once where all fits.
const defaultPager = "less -FRX"

// height is how many lines a terminal shows, 0 for what is none.
func height(w io.Writer) int {
	if o, ok := w.(*checked); ok {
		w = o.Writer
	}
	if f, ok := w.(*os.File); ok {
		if _, lines, err := term.GetSize(int(f.Fd())); err == nil {
			return lines
		}
	}
	return 0
}

// paged writes text to a terminal of so many lines: through $PAGER where it is longer.
func paged(w io.Writer, text []byte, lines int) error {
	pager := cmp.Or(os.Getenv("PAGER"), defaultPager)
	if pager == "cat" || bytes.Count(text, []byte("\n")) < lines || !runPager(pager, w, text) {
		_, err := w.Write(text)
		return err
	}
	return nil
}

// runPager shows text by a command, and says whether there is one that did. Who leaves
// it before the end has seen enough.
func runPager(pager string, w io.Writer, text []byte) bool {
	args := strings.Fields(pager)
	if len(args) == 0 {
		return false
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return false
	}
	if runtime.GOOS != "windows" {
		args = []string{"sh", "-c", pager} // as git and man: it may have quotes
	}
	if o, ok := w.(*checked); ok {
		w = o.Writer
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), w, os.Stderr
	if cmd.Start() != nil {
		return false
	}
	cmd.Wait()
	return true
}
