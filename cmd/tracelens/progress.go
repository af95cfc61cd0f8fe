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

// progress shows on the terminal how much of a large file has been read, in
// bytes of the file, compressed or not. The returned function removes it.
func progress(in io.Reader, stderr io.Writer) (io.Reader, func()) {
	file, ok := in.(*os.File)
	screen, ok2 := stderr.(*os.File)
	if !ok || !ok2 || os.Getenv("CI") != "" || !term.IsTerminal(int(screen.Fd())) {
		return in, func() {}
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < progressSize {
		return in, func() {}
	}
	delay := make(chan any)
	timer := time.AfterFunc(progressDelay, func() { close(delay) })
	p := mpb.New(mpb.WithOutput(screen), mpb.WithRenderDelay(delay))
	bar := p.AddBar(info.Size(),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersKibiByte("% .1f of % .1f")),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)),
	)
	return &counter{file, bar}, func() {
		timer.Stop()
		bar.Abort(true)
		p.Wait()
	}
}

// counter moves a bar with what is read.
type counter struct {
	r   io.Reader
	bar *mpb.Bar
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.bar.IncrBy(n)
	return n, err
}
