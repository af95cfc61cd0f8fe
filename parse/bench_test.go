package parse_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/parse"
)

// BenchmarkRead compares the tracker's events with a bare drain of the
// reference reader in one run: the ratio of the two is what spans cost.
func BenchmarkRead(b *testing.B) {
	for _, path := range []string{testdata + "/http-healthy.trace", testdata + "/gc-assist.trace", corpus + "/real/etcd-embed.trace", corpus + "/io/net-echo.trace"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		name := path[len(path)-min(len(path), 20):]
		var events int64
		b.Run("reference/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := trace.NewReader(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				events = 0
				for {
					if _, err := r.ReadEvent(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					events++
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
		b.Run("spans/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(*parse.Event) {}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
