package sniff

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func squeezed(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

func TestLook(t *testing.T) {
	t.Parallel()
	trace, err := os.ReadFile("../../../../testdata/traces/idle.trace")
	if err != nil {
		t.Fatal(err)
	}
	profile := func(name string, how int) []byte {
		var b bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&b, how); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	unzipped := func(b []byte) []byte { plain, _ := unpack(b); return plain }
	dump := filepath.Join(t.TempDir(), "dump")
	f, err := os.Create(dump)
	if err != nil {
		t.Fatal(err)
	}
	debug.WriteHeapDump(f.Fd())
	f.Close()
	heap, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	if err := tw.WriteHeader(&tar.Header{Name: "a.trace", Size: int64(len(trace)), Mode: 0o666}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(trace); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string // part of the name, "" for none
		do   string
	}{
		{"trace", trace, "", ""},
		{"gzip", zipped(t, trace), "", ""},
		{"zstd", squeezed(t, trace), "", ""},
		{"double gzip", zipped(t, zipped(t, trace)), "compressed twice", "gzip -dc FILE | tracelens analyze -"},
		{"zstd in gzip", zipped(t, squeezed(t, trace)), "compressed twice", "gzip -dc FILE"},
		{"gzip in zstd", squeezed(t, zipped(t, trace)), "compressed twice", "zstd -dc FILE"},
		{"heap profile", profile("heap", 0), "pprof", "go tool pprof FILE"},
		{"goroutine profile", profile("goroutine", 0), "pprof", "go tool pprof FILE"},
		{"plain profile", unzipped(profile("heap", 0)), "pprof", "go tool pprof FILE"},
		{"text profile", profile("goroutine", 1), "as text", "/debug/pprof/trace"},
		{"heap dump", heap, "heap dump", "viewcore"},
		{"xz", []byte("\xfd7zXZ\x00\x00"), "xz", "xz -dc FILE | tracelens"},
		{"bzip2", []byte("BZh91AY&SY"), "bzip2", "bzip2 -dc"},
		{"zip", []byte("PK\x03\x04"), "zip archive", "unzip -p"},
		{"tar", archive.Bytes(), "tar archive", "tracelens audit FILE"},
		{"tar.gz", zipped(t, archive.Bytes()), "tar archive", "tracelens audit FILE"},
		{"perf", []byte("PERFILE2h\x00\x00"), "perf", "perf report"},
		{"perfetto", []byte("\x0a\x08\x40\x80\x80\x01\x50\x01\x68\x01\x0a\x04\x40\x81\x80\x01"), "Perfetto", "ui.perfetto.dev"},
		{"chrome", []byte(`{"displayTimeUnit":"ns","traceEvents":[`), "Chrome", "ui.perfetto.dev"},
		{"test", []byte(`{"Time":"2026-01-01T00:00:00Z","Action":"start","Package":"x"}` + "\n"), "go test -json", "-trace"},
		{"report", []byte("{\n  \"schema\": 1,\n  \"tool\": \"tracelens v1\",\n"), "saved report", "tracelens render FILE"},
		{"text", []byte("# A text\n\nof no kind.\n"), "", ""},
		{"empty", nil, "", ""},
		{"zeros", make([]byte, 100), "", ""},
		{"broken gzip", []byte("\x1f\x8b\x00"), "", ""},
	} {
		head := c.data[:min(len(c.data), HeadSize)]
		k, ok := Look(head)
		if ok != (c.want != "") || !strings.Contains(k.Name, c.want) || !strings.Contains(k.Do, c.do) {
			t.Errorf("%s: %+v, %v; want %q, %q", c.name, k, ok, c.want, c.do)
		}
		if is := IsTrace(head); is != (c.name == "trace" || c.name == "gzip" || c.name == "zstd") {
			t.Errorf("%s: a trace: %v", c.name, is)
		}
	}
}

// TestTraces: no trace is taken for anything else, whatever is cut off.
func TestTraces(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../../../testdata/traces/*.trace")
	if err != nil || len(paths) == 0 {
		t.Fatal("no traces", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if k, ok := Look(data[:min(len(data), HeadSize)]); ok || !IsTrace(data[:32]) {
			t.Errorf("%s is %+v", path, k)
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte("\x0a\x04\x08\x01\x10\x02\x12\x02\x08\x01"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("go1.7 heap dump\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, ok := Look(data); ok && (k.Name == "" || IsTrace(data)) {
			t.Errorf("%+v of a trace: %v", k, IsTrace(data))
		}
	})
}
