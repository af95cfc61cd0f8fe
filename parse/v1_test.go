package parse

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/tracelens/tracelens/parse/internal/v1"
	"github.com/tracelens/tracelens/parse/internal/wire"
)

// drain reads all events of src and spells them out.
func drain(src source, sym *Symbols) (all []spelled, err error) {
	buf := make([]wire.Event, 512)
	for err == nil {
		var n int
		n, err = src.Read(buf)
		for _, e := range buf[:n] {
			all = append(all, spell(sym, e))
		}
	}
	if err == io.EOF {
		err = nil
	}
	return all, err
}

func TestV1Raw(t *testing.T) {
	paths, _ := filepath.Glob("../../shared/corpus/*/*.trace")
	more, _ := filepath.Glob("../testdata/traces/*go121.trace")
	for _, path := range append(paths, more...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		version, err := headerVersion(data)
		if err != nil || version >= 22 {
			continue
		}
		sym := newSymbols()
		own, err := v1.NewReader(bytes.NewReader(data), version, tables{sym})
		if err != nil {
			t.Error(path, err)
			continue
		}
		b, errB := drain(own, sym)
		refSym := newSymbols()
		ref, err := newXReader(bytes.NewReader(data), refSym)
		if err != nil {
			t.Log(path, len(b), errB, "REF", err)
			continue
		}
		a, errA := drain(ref, refSym)
		t.Log(path, len(a), errA, len(b), errB)
		i, diffs := 0, 0
		seen := false
		for _, x := range b {
			if x.Op == wire.OpMetric && x.Metric == wire.MetricProcs && !seen {
				seen = true
				continue
			}
			if i >= len(a) {
				break
			}
			y := a[i]
			i++
			if x.From == wire.GoUndetermined {
				x.resText = y.resText
			}
			if x.Op == wire.OpRangeBegin && x.Range == wire.RangeGC || x.Op == wire.OpGo && x.From == wire.GoWaiting {
				if y.P == -1 {
					x.P, x.M = -1, -1
				}
			}
			if x != y {
				if diffs++; diffs <= 3 {
					t.Errorf("%s event %d:\nref %+v\nown %+v", path, i-1, y, x)
				}
			}
		}
		if diffs > 0 {
			t.Error(path, "diffs", diffs)
		}
	}
}
