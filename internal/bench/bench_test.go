package bench

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in the README")

// TestTable: the README shows the latest results.
func TestTable(t *testing.T) {
	results, err := filepath.Glob("20*.txt")
	if err != nil || len(results) == 0 {
		t.Fatal(err, results)
	}
	latest := results[len(results)-1] // by date
	output, err := os.ReadFile(latest)
	if err != nil {
		t.Fatal(err)
	}
	table, err := Table(string(output))
	if err != nil {
		t.Fatal(latest, err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- benchmarks: made by go test ./internal/bench -update -->\n", "<!-- end -->"
	before, rest, ok1 := strings.Cut(string(readme), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("README.md has no place for the benchmarks")
	}
	if shown == table {
		return
	}
	if !*update {
		t.Fatalf("README.md does not show %s (-update rewrites it):\n%s", latest, table)
	}
	if err := os.WriteFile("../../README.md", []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
