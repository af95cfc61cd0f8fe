package tracetest

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
)

// TestSplit: what Split takes apart is written as it was, but for the padding of
// sizes.
func TestSplit(t *testing.T) {
	paths := corpus.Own(t)
	n := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(data, []byte("go 1.21")) || bytes.HasPrefix(data, []byte("go 1.11")) || bytes.HasPrefix(data, []byte("go 1.19")) {
			continue
		}
		f, err := Split(data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		n++
		if again, err := Split(f.Clone().Bytes()); err != nil || !reflect.DeepEqual(again, f) || len(f.Bytes()) < len(data)*9/10 {
			t.Errorf("%s: taken apart and written again it is another", path)
		}
		was := f.Bytes()
		c := f.Clone()
		c.Mutate([]byte("any script: \x00\x11\x22\x33\x44\x19\x1a\x1b\x1c\x1d\x1e\x1f\xff"))
		if !bytes.Equal(f.Bytes(), was) {
			t.Errorf("%s: to change a clone changed it", path)
		}
		if bytes.Equal(c.Bytes(), was) {
			t.Errorf("%s: a mutation changed nothing", path)
		}
	}
	if n < 30 {
		t.Errorf("only %d traces", n)
	}
}
