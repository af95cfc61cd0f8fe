package parse

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// BenchmarkWire is decoding and ordering alone; BenchmarkRead has the reference
// reader's drain of the same traces beside it.
func BenchmarkWire(b *testing.B) {
	for _, path := range []string{"../testdata/traces/http-healthy.trace", "../testdata/traces/gc-assist.trace", "../../shared/corpus/real/etcd-embed.trace", "../../shared/corpus/io/net-echo.trace"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		version, err := headerVersion(data)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(path[len(path)-20:], func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			events := 0
			for b.Loop() {
				r, err := wire.NewReader(bufio.NewReader(bytes.NewReader(data)), version, tables{newSymbols()})
				if err != nil {
					b.Fatal(err)
				}
				for events = 0; ; events++ {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
