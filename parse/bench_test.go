package parse

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// BenchmarkRead compares, in one run, a bare drain of the reference reader with
// decoding and ordering alone, and with the tracker's events: the ratios are what
// each step costs.
func BenchmarkRead(b *testing.B) {
	for _, path := range []string{
		"../testdata/traces/http-healthy.trace", "../testdata/traces/gc-assist.trace",
		"../../shared/corpus/real/etcd-embed.trace", "../../shared/corpus/io/net-echo.trace",
	} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the corpus is not everywhere
		}
		version, err := headerVersion(data)
		if err != nil {
			b.Fatal(err)
		}
		name := path[len(path)-20:]
		bench := func(step string, drain func() (events int64, err error)) {
			b.Run(step+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				var events int64
				for b.Loop() {
					var err error
					if events, err = drain(); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
		bench("reference", func() (events int64, err error) {
			r, err := trace.NewReader(bytes.NewReader(data))
			for ; err == nil; events++ {
				_, err = r.ReadEvent()
			}
			return events, err
		})
		bench("wire", func() (events int64, err error) {
			r, err := wire.NewReader(bufio.NewReader(bytes.NewReader(data)), version, tables{newSymbols()})
			buf := make([]wire.Event, 512)
			for n := 0; err == nil; events += int64(n) {
				n, err = r.Read(buf)
			}
			return events, err
		})
		bench("spans", func() (int64, error) {
			tr, err := Read(context.Background(), bytes.NewReader(data), Options{}, func(*Event) {})
			if err != nil {
				return 0, err
			}
			return tr.Events, nil
		})
	}
}
