package passes

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// BenchmarkSmall is a whole report of a short trace, as an audit makes thousands of,
// beside reading it alone.
func BenchmarkSmall(b *testing.B) {
	data, err := os.ReadFile(analysistest.Testdata(b, "http-healthy"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(*parse.Event) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("analyze", func(b *testing.B) {
		for b.Loop() {
			if _, err := analysis.Analyze(context.Background(), bytes.NewReader(data), "", analysis.Options{Jobs: 1}, All()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
