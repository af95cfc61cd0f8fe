package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
)

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A meter says on standard error how far an audit is.
type meter struct {
	w            io.Writer
	terminal     bool
	every        time.Duration
	total, bytes int64 // bytes of all inputs, and of those done
	inputs, done int
	failed       int
	cached       int
	began, said  time.Time
}

func newMeter(w io.Writer, inputs []audit.Input, every time.Duration) *meter {
	m := &meter{w: w, every: every, inputs: len(inputs), began: time.Now(), said: time.Now()}
	for _, in := range inputs {
		m.total += in.Size
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("CI") == "" {
		m.terminal, m.every = true, 200*time.Millisecond
	}
	return m
}

func (m *meter) step(d audit.Done) {
	m.done++
	m.bytes += d.Bytes
	m.cached += count(d.Cached)
	if m.every <= 0 || time.Since(m.said) < m.every {
		return
	}
	m.said = time.Now()
	rate := float64(m.bytes) / time.Since(m.began).Seconds()
	left := time.Duration(0)
	if rate > 0 {
		left = time.Duration(float64(max(m.total-m.bytes, 0)) / rate * float64(time.Second)).Round(time.Second)
	}
	s := fmt.Sprintf("%d of %d inputs, %s/s, about %v left, %d failed, %d from the cache", m.done, m.inputs, analysis.FormatBytes(int64(rate)), left, m.failed, m.cached)
	if m.terminal {
		fmt.Fprint(m.w, "\r\x1b[K"+s)
	} else {
		fmt.Fprintln(m.w, "tracelens: "+s)
	}
}

func (m *meter) stop() {
	if m.terminal {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}
