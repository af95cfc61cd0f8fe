package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
)

// A meter says on standard error how far an audit is: by a bar on a terminal, else by a
// line from time to time.
type meter struct {
	w            io.Writer
	bar          *bar
	every        time.Duration // of lines
	total, bytes int64         // of all inputs, and of those done
	inputs       int
	began, said  time.Time

	mu                   sync.Mutex // the bar reads what follows
	done, failed, cached int
}

// newMeter is for inputs. Where lines go to the terminal as well, a bar would be in
// their way.
func newMeter(w io.Writer, inputs []audit.Input, every time.Duration, lines bool) *meter {
	m := &meter{w: w, every: every, inputs: len(inputs), began: time.Now(), said: time.Now()}
	for _, in := range inputs {
		m.total += in.Size
	}
	if onTerminal(w) {
		m.every = 0
		if !lines {
			m.bar = newBar(w, m.total, m.counts)
		}
	}
	return m
}

// counts are the inputs so far.
func (m *meter) counts() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d of %d inputs, %d failed, %d from the cache", m.done, m.inputs, m.failed, m.cached)
}

func (m *meter) step(d audit.Done) {
	m.mu.Lock()
	m.done++
	m.cached += count(d.Cached)
	for _, e := range d.Entries {
		m.failed += count(e.Failure != "")
	}
	m.mu.Unlock()
	m.bytes += d.Bytes
	if m.bar != nil {
		m.bar.IncrInt64(d.Bytes)
	}
	if m.every <= 0 || time.Since(m.said) < m.every {
		return
	}
	m.said = time.Now()
	rate := float64(m.bytes) / time.Since(m.began).Seconds()
	left := time.Duration(0)
	if rate > 0 {
		left = time.Duration(float64(max(m.total-m.bytes, 0)) / rate * float64(time.Second)).Round(time.Second)
	}
	fmt.Fprintf(m.w, "tracelens: %s, %s/s, about %v left\n", m.counts(), analysis.FormatBytes(int64(rate)), left)
}

func (m *meter) stop() {
	if m.bar != nil {
		m.bar.stop()
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
