package main

import (
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

const (
	progressSize  = 16 << 20 // input below is read before anyone wonders
	progressDelay = 500 * time.Millisecond
)

// onTerminal says whether somebody looks at progress while it goes on.
func onTerminal(stderr io.Writer) bool {
	screen, ok := stderr.(*os.File)
	return ok && os.Getenv("CI") == "" && term.IsTerminal(int(screen.Fd()))
}

// A bar shows on the terminal how many bytes have been read.
type bar struct {
	*mpb.Bar
	all   *mpb.Progress
	timer *time.Timer
}

// newBar is for total bytes, 0 where nobody knows how many; say is what else there is to
// tell, and is called from another goroutine.
func newBar(stderr io.Writer, total int64, say func() string) *bar {
	delay := make(chan any)
	b := &bar{timer: time.AfterFunc(progressDelay, func() { close(delay) })}
	b.all = mpb.New(mpb.WithOutput(stderr), mpb.WithRenderDelay(delay))
	before := []decor.Decorator{decor.CurrentKibiByte("% .1f")}
	after := []decor.Decorator{decor.AverageSpeed(decor.SizeB1024(0), "% .1f")}
	builder := mpb.NopStyle()
	if total > 0 {
		before[0] = decor.CountersKibiByte("% .1f of % .1f")
		after = append(after, decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace))
		builder = mpb.BarStyle()
	}
	if say != nil {
		after = append(after, decor.Any(func(decor.Statistics) string { return say() }, decor.WCSyncSpace))
	}
	b.Bar = b.all.New(total, builder, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(before...), mpb.AppendDecorators(after...))
	return b
}

// stop removes the bar.
func (b *bar) stop() {
	b.timer.Stop()
	b.Abort(true)
	b.all.Wait()
}

// progress shows how much of a large input has been read, in bytes of the file,
// compressed or not. The returned function ends that.
func progress(in io.Reader, stderr io.Writer) (io.Reader, func()) {
	if !onTerminal(stderr) {
		return in, func() {}
	}
	size := int64(0)
	if file, ok := in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			if size = info.Size(); size < progressSize {
				return in, func() {}
			}
		}
	}
	b := newBar(stderr, size, nil)
	return &counter{in, b}, b.stop
}

// counter moves a bar with what is read.
type counter struct {
	r   io.Reader
	bar *bar
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.bar.IncrBy(n)
	return n, err
}
