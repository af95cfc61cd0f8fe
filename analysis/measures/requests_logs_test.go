package measures

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestRequestLogs: each request has what it logged, and what those that are parts of it did:
// one id, and the rows of two queries.
func TestRequestLogs(t *testing.T) {
	a := SelectRequests(RequestChoice{Slowest: 30, Type: "task request"})
	path := filepath.Join(corpus.Root(t), "testdata", "traces", "annotations.trace")
	rep := analysistest.Report(t, path, a)
	logs, slowest := analysistest.ResultTable(t, rep, "requests.logs"), analysistest.ResultTable(t, rep, "requests.slowest")
	ids, rows := make(map[string]string), make(map[string]int)
	for i := range logs.Rows {
		id, text := logs.Cell(i, "id").(string), logs.Cell(i, "message").(string)
		switch logs.Cell(i, "category") {
		case "id":
			if ids[id] != "" {
				t.Errorf("request %s has the ids %s and %s", id, ids[id], text)
			}
			ids[id] = text
		case "rows":
			rows[id]++
		}
	}
	seen := make(map[string]bool)
	for i := range slowest.Rows {
		id := slowest.Cell(i, "id").(string)
		seen[ids[id]] = true
		if rows[id] != 2 {
			t.Errorf("request %s has %d messages of queries", id, rows[id])
		}
	}
	if len(seen) != 24 || ids[slowest.Cell(0, "id").(string)] != "15" {
		t.Errorf("%d ids; the slowest request has %q, want 15", len(seen), ids[slowest.Cell(0, "id").(string)])
	}
	analysistest.Law(t, path, []*analysis.Analyzer{a})
}

// TestSpanIDs: the ids that dd-trace-go logs of its spans go with their request as numbers,
// those of parts with the whole as well; of many messages the first are kept, and others
// counted. What is logged in no request is in none.
func TestSpanIDs(t *testing.T) {
	w := tracetest.NewWriter(26)
	w.Event(1, 1000, tracetest.ProcStatus, 0, tracetest.ProcRunning)
	w.Event(1, 1020, tracetest.GoStatus, 1, 1, tracetest.GoRunning)
	dd := w.String("datadog.uint64_span_id")
	log := func(at uint64, task uint64, category uint64, text string) {
		w.Event(1, at, tracetest.Log, task, category, w.String(text), 0)
	}
	log(1500, 0, dd, "outside!")
	w.Event(1, 2000, tracetest.TaskBegin, 7, 0, w.String("http.request"), 0)
	log(2100, 7, dd, "\x08\x07\x06\x05\x04\x03\x02\xf1")
	w.Event(1, 2200, tracetest.TaskBegin, 8, 7, w.String("sql"), 0)
	log(2300, 8, dd, "\x01\x00\x00\x00\x00\x00\x00\x00")
	for i := range 20 {
		log(uint64(2400+10*i), 8, w.String("row"), strconv.Itoa(i))
	}
	w.Event(1, 3000, tracetest.TaskEnd, 8, 0)
	w.Event(1, 4000, tracetest.TaskEnd, 7, 0)
	w.EndGeneration()
	path := filepath.Join(t.TempDir(), "dd.trace")
	if err := os.WriteFile(path, w.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	rep := analysistest.Report(t, path, SelectRequests(RequestChoice{Slowest: 5}))
	logs := analysistest.ResultTable(t, rep, "requests.logs")
	spans, n := make(map[string][]string), make(map[string]int)
	for i := range logs.Rows {
		id := logs.Cell(i, "id").(string)
		n[id]++
		if logs.Cell(i, "category") == "datadog.uint64_span_id" {
			spans[id] = append(spans[id], logs.Cell(i, "message").(string))
		}
	}
	if got := spans["t7"]; len(got) != 2 || got[0] != "17366446428893087496" || got[1] != "1" {
		t.Errorf("spans of the request: %q", got)
	}
	if got := spans["t8"]; len(got) != 1 || got[0] != "1" {
		t.Errorf("spans of its part: %q", got)
	}
	if n["t7"] != 16 || n["t8"] != 16 || logs.More != 22+21-32 {
		t.Errorf("%v messages, %d more", n, logs.More)
	}
}
