package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestRWMutexWriterStall(t *testing.T) {
	checktest.Run(t, RwmutexWriterStall, casesRWMutexWriterStall)
}

func casesRWMutexWriterStall(t *testing.T) {
	tr, w := checktest.Recorded(t)
	reader, writer := w["blkReader"], w["blkWriter"]
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"healthy", checktest.Waits(reader, 100e6, 200e3, 1000, 2), ""},
		{"no reader", checktest.Waits(writer, 100e6, 5e6, 40, 1), ""},
		{"8 readers", checktest.Waits(reader, 100e6, 5e6, 480, 8), "rwmutex-writer-stall warning"},
		{"4 readers", checktest.Waits(reader, 100e6, 5e6, 240, 4), "rwmutex-writer-stall warning"},
		{"3 readers", checktest.Waits(reader, 100e6, 5e6, 180, 3), "rwmutex-writer-stall note"},
		{"3.9 ms", checktest.Waits(reader, 100e6, 3900e3, 480, 8), "rwmutex-writer-stall note"},
		{"0.9 ms", checktest.Waits(reader, 100e6, 900e3, 1600, 8), ""},
		{"1 ms", checktest.Waits(reader, 100e6, 1e6, 1600, 8), "rwmutex-writer-stall note"},
		{"half a reader", checktest.Waits(reader, 100e6, 5100e3, 10, 1), "rwmutex-writer-stall note"},
		{"less than half", checktest.Waits(reader, 100e6, 4800e3, 10, 1), ""},
		{"9 waits", checktest.Waits(reader, 100e6, 100e6, 9, 9), ""},
	} {
		if got := checktest.Found(checktest.RunOn(t, tr, RwmutexWriterStall, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	readers := checktest.Waits(reader, 100e6, 8e6, 320, 8)
	for _, c := range []struct {
		writer int64 // ns of each 8 ms that the writer waits
		behind bool
	}{{0, false}, {1500e3, false}, {2500e3, true}, {8e6, true}} {
		var writes []parse.Event
		for i := int64(0); i < 40 && c.writer > 0; i++ {
			writes = append(writes, checktest.Waits(writer, 100e6+i*8e6, c.writer, 1, 1)...)
		}
		f := checktest.RunOn(t, tr, RwmutexWriterStall, readers, writes).Findings[0]
		if got := strings.Contains(f.Summary, "slow readers"); got != c.behind {
			t.Errorf("writer waits %d of 8 ms: %s", c.writer, f.Summary)
		}
	}
	for _, name := range []string{"real/etcd-embed", "io/http-mix"} {
		t.Run(name, func(t *testing.T) {
			if r := checktest.On(t, corpus.Trace(t, name), RwmutexWriterStall); r.Outcome != analysis.Clear {
				t.Errorf("%+v", r)
			}
		})
	}
}
