package parse

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/parse/internal/v1"
	"github.com/tracelens/tracelens/parse/internal/wire"
)

// BenchmarkV1 compares a drain of the reference reader with ours on traces of Go 1.16 and
// 1.21. x-drain is the speed relative to the reference.
func BenchmarkV1(b *testing.B) {
	for _, name := range []string{"versions/go1.16.15", "versions/go1.21.13"} {
		data := v1Corpus(b, name)
		version, err := headerVersion(data)
		if err != nil {
			b.Fatal(err)
		}
		var drain float64
		b.Run(name+"/reference", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			events := 0
			for b.Loop() {
				r, err := trace.NewReader(bytes.NewReader(data))
				for events = 0; err == nil; events++ {
					_, err = r.ReadEvent()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
			drain = b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(events)/drain, "events/s")
		})
		b.Run(name+"/v1", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			buf := make([]wire.Event, batchLen)
			events := 0
			for b.Loop() {
				events = 0
				r, err := v1.NewReader(bytes.NewReader(data), version, tables{newSymbols()})
				for err == nil {
					var n int
					n, err = r.Read(buf)
					events += n
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
			took := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(events)/took, "events/s")
			b.ReportMetric(drain/took, "x-drain")
		})
	}
}
