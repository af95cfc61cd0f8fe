package passes

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestStretches: a trace that is read by stretches gives the report that it gives read at
// once, and stretches that add up to it.
func TestStretches(t *testing.T) {
	for _, path := range append(corpus.Own(t), corpus.More(t, "bugs/*.trace")...) {
		data, err := os.ReadFile(path)
		if err != nil || len(data) > 300_000 && testing.Short() {
			continue
		}
		var texts [][]byte
		for _, opt := range []analysis.Options{{Jobs: 1}, {Jobs: 1, Stretches: 3}, {Jobs: 2, Stretches: 40}} {
			rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), path, opt, All())
			if err != nil {
				break
			}
			if opt.Stretches > 0 && len(rep.Stretches) > opt.Stretches {
				t.Errorf("%s: %d stretches, at most %d were asked for", path, len(rep.Stretches), opt.Stretches)
			}
			text, err := json.Marshal(rep)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, text)
			var running, length float64
			for _, s := range rep.Stretches {
				running += float64(s.Metrics["goroutines.running.mean"].Value) * float64(s.Trace.Duration)
				length += float64(s.Trace.Duration)
			}
			whole := float64(rep.Metrics["goroutines.running.mean"].Value) * float64(rep.Trace.Duration)
			rest := (float64(rep.Trace.Duration) - length) * float64(rep.Metrics["procs.gomaxprocs.max"].Value)
			if running > whole*1.001 || running < whole-rest-whole*.001 {
				t.Errorf("%s: goroutines ran for %.0f ns, in its stretches for %.0f and at most %.0f beside them", path, whole, running, rest)
			}
		}
		for _, text := range texts[min(1, len(texts)):] {
			if !bytes.Equal(text, texts[0]) {
				t.Errorf("%s: read by stretches the report differs", path)
			}
		}
	}
}
