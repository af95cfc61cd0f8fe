package wire

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/tracelens/tracelens/internal/bench"
)

// BenchmarkDecode splits a trace into generations and decodes its events without
// ordering them: what BenchmarkReport of package parse compares can be no faster.
func BenchmarkDecode(b *testing.B) {
	for _, load := range bench.Loads {
		data := bench.Trace(b, load, "10")
		b.Run(load, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var events int64
			for b.Loop() {
				var err error
				if events, err = decodeAll(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func decodeAll(data []byte) (events int64, err error) {
	r, err := NewReader(bufio.NewReader(bytes.NewReader(data)), 26, ids{})
	if err != nil {
		return 0, err
	}
	for {
		more, err := r.readMarked(&r.g)
		if err != nil || !more {
			return events, err
		}
		for _, t := range r.g.threads {
			for {
				ok, err := r.g.refill(t)
				if err != nil {
					return events, err
				}
				if !ok {
					break
				}
				events += int64(len(t.evs))
			}
		}
	}
}

// ids gives every string and stack the id 1.
type ids struct{}

func (ids) String([]byte) uint32 { return 1 }
func (ids) Log([]byte) uint32    { return 1 }
func (ids) Name(uint32)          {}
func (ids) Stack([]Frame) uint32 { return 1 }
