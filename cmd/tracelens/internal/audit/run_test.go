package audit

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tracelens/tracelens/analysis"
)

// TestNeed: the window of a compressed trace counts.
func TestNeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.zst")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	enc, err := zstd.NewWriter(f, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(enc.Flush(), enc.Close()); err != nil {
		t.Fatal(err)
	}
	if n := need(Input{Path: path, Size: 100}); n < 64<<20+needFixed || n > 65<<20+needFixed {
		t.Errorf("it is thought to need %d bytes", n)
	}
	if n := need(Input{Path: "nowhere", Size: 1000}); n != needFixed+1000*needPerByte {
		t.Errorf("a plain one is thought to need %d bytes", n)
	}
}

// TestChanging: a file that grows, is cut, is deleted or cannot be read while it is read
// is said to be, and costs no other.
func TestChanging(t *testing.T) {
	dir := t.TempDir()
	var inputs []Input
	for _, name := range []string{"a-still", "b-grows", "c-vanishes", "d-gone", "e-still"} {
		path := filepath.Join(dir, name)
		if name != "d-gone" {
			if err := os.WriteFile(path, []byte("go 1.26 "+name), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		inputs = append(inputs, Input{Path: path, Size: 8})
	}
	want := []string{"", "it changed while it was read", "", "no such file", ""}
	if _, err := os.Stat("/proc/self/mem"); err == nil { // its first page cannot be read
		inputs = append(inputs, Input{Path: "/proc/self/mem"})
		want = append(want, "input/output error")
	}
	store, err := OpenStore(t.TempDir(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Jobs: 2, Memory: 1 << 30, MaxBytes: 1 << 20, Store: store}
	opt.Analyze = func(_ context.Context, r io.Reader, name string, _ int) (*analysis.Report, error) {
		switch filepath.Base(name) {
		case "b-grows":
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			if _, err := f.WriteString("more"); err != nil {
				return nil, err
			}
		case "c-vanishes":
			if err := os.Remove(name); err != nil {
				return nil, err
			}
		}
		if _, err := io.ReadAll(r); err != nil {
			return nil, err
		}
		return &analysis.Report{Trace: analysis.Summary{Name: name, Complete: true}}, nil
	}
	n := 0
	err = Run(context.Background(), inputs, opt, func(d Done) error {
		e := d.Entries[0]
		say := e.Failure + e.Trace.Fault
		if e.Path != inputs[n].Path || !strings.Contains(say, want[n]) || want[n] == "" && say != "" {
			t.Errorf("%s: %q, want %q of %s", e.Path, say, want[n], inputs[n].Path)
		}
		if d.Unkept != nil {
			t.Error(d.Unkept)
		}
		n++
		return nil
	})
	if err != nil || n != len(inputs) {
		t.Errorf("%d of %d inputs: %v", n, len(inputs), err)
	}
	if known, err := os.ReadDir(filepath.Join(store.dir, "entries")); err != nil || len(known) != 3 {
		t.Errorf("%d entries are kept, want those of the contents that did not change; %v", len(known), err)
	}
}
