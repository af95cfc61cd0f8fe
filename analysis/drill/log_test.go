package drill

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestSpanIDs: the ids of dd-trace-go's spans are numbers, other messages are as they
// were written.
func TestSpanIDs(t *testing.T) {
	w := tracetest.NewWriter(26)
	w.Event(1, 1000, tracetest.ProcStatus, 0, tracetest.ProcRunning)
	w.Event(1, 1020, tracetest.GoStatus, 1, 1, tracetest.GoRunning)
	for i, l := range [][2]string{
		{"datadog.uint64_span_id", "\x08\x07\x06\x05\x04\x03\x02\xf1"},
		{"datadog.uint64_span_id", "short"},
		{"other", "eightlet"},
	} {
		w.Event(1, uint64(2000+20*i), tracetest.Log, 0, w.String(l[0]), w.String(l[1]), 0)
	}
	w.EndGeneration()
	path := filepath.Join(t.TempDir(), "dd.trace")
	if err := os.WriteFile(path, w.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := report(t, path, parse.Options{}, Logs(regexp.MustCompile("."), Page{0, 9})).Tables[0].Rows
	for i, want := range []string{"17366446428893087496", "short", "eightlet"} {
		if len(rows) != 3 || rows[i][4] != want {
			t.Fatalf("messages are %v, want %q in row %d", rows, want, i)
		}
	}
}
