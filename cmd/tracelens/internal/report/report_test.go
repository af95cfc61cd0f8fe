package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func load(t *testing.T, path string) *analysis.Report {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rep := new(analysis.Report)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(rep); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rep
}

// analyzed is the whole report of one of the module's traces.
func analyzed(t *testing.T, name string) *analysis.Report {
	t.Helper()
	in, err := os.Open("../../../../testdata/traces/" + name + ".trace")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	rep, err := analysis.Analyze(t.Context(), in, name, analysis.Options{}, passes.All())
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what is written now (-golden +now; -update rewrites it):\n%s", path, diff)
	}
}

// TestText renders saved reports: what the analyzers say today does not matter.
func TestText(t *testing.T) {
	for _, c := range []struct {
		in, out string
		opt     Options
	}{
		{"every-shape.json", "every-shape.txt", Options{Width: 100}},
		{"every-shape.json", "every-shape-narrow.txt", Options{Width: 56}},
		{"every-shape.json", "every-shape-color.txt", Options{Width: 100, Color: true}},
		{"stw-kinds.json", "stw-kinds.txt", Options{Width: 100}},
		{"checks.json", "checks.txt", Options{Width: 100, Brief: true}},
	} {
		var b bytes.Buffer
		if err := Text(&b, load(t, filepath.Join("testdata", c.in)), c.opt); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", c.out), b.Bytes())
		for line := range strings.Lines(b.String()) {
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > c.opt.Width {
				t.Errorf("%s: %d cells of %d: %q", c.out, n, c.opt.Width, line)
			}
		}
	}
}

// TestJSONAgain: a report that is read and written again is the same.
func TestJSONAgain(t *testing.T) {
	for _, name := range []string{"every-shape.json", "stw-kinds.json", "checks.json"} {
		path := filepath.Join("testdata", name)
		var b bytes.Buffer
		if err := JSON(&b, load(t, path), Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, path, b.Bytes())
	}
}

// TestTableWidth draws random tables: no line is wider than asked, numbers are
// whole or their column is left out, and what is left out is said.
func TestTableWidth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"main.", "github.com/some/where/", "(*Type).", "Method", "処理する", "…", "é", " ", "[go.shape.int]", "\x1b[31m", "\xff"}
	for range 2000 {
		width := 40 + rng.IntN(120)
		table := &analysis.Table{Name: "random", Title: "random rows", N: 7}
		for c := range 1 + rng.IntN(9) {
			unit := []analysis.Unit{analysis.Text, analysis.NS, analysis.Count, analysis.Ratio}[rng.IntN(4)]
			table.Columns = append(table.Columns, analysis.Column{Name: fmt.Sprintf("column %d of it", c), Unit: unit})
		}
		for range rng.IntN(5) + 1 {
			var row []any
			for _, c := range table.Columns {
				switch c.Unit {
				case analysis.Text:
					s := ""
					for range rng.IntN(12) {
						s += pieces[rng.IntN(len(pieces))]
					}
					row = append(row, s)
				case analysis.Ratio:
					row = append(row, rng.Float64())
				default:
					row = append(row, rng.Int64N(1e12))
				}
			}
			table.Add(row...)
		}
		p := newPrinter(Options{Width: width}, 64)
		p.table(table)
		out := p.b.String()
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			if n := ansi.StringWidth(line); n > width {
				t.Fatalf("%d cells of %d: %q", n, width, line)
			}
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Fatalf("unprintable at %d: %q", i, line)
			}
		}
		shown := 0
		for i, c := range table.Columns {
			if c.Unit == analysis.Text || strings.Contains(out, " "+analysis.Format(table.Rows[0][i], c.Unit, 64)) {
				shown++
			}
		}
		if shown < len(table.Columns) && !strings.Contains(out, "… and ") {
			t.Fatalf("columns are missing without a word:\n%s", out)
		}
	}
}

// TestAlike: rows that differ still do so when they are cut.
func TestAlike(t *testing.T) {
	names := []string{
		"some-long-service-a/2026-11-29/host/one.trace", "some-long-service-b/2026-11-29/host/one.trace", "some-long-service-b/2026-11-30/host/one.trace",
		"a-check-with-a-long-name/variant-of-it-one", "a-check-with-a-long-name/variant-of-it-two", "main.(*Server).handleRequestOfOneKind:120", "main.(*Client).handleRequestOfOneKind:120",
	}
	for width := 40; width < 120; width++ {
		table := &analysis.Table{Name: "t", Title: "t", Columns: []analysis.Column{{Name: "name", Unit: analysis.Text}, {Name: "what", Unit: analysis.Text}, {Name: "n", Unit: analysis.Count}}}
		for _, name := range names {
			table.Add(name, "the same for all of them, and rather long", int64(1))
		}
		p := newPrinter(Options{Width: width}, 1)
		p.table(table)
		rows := make(map[string]bool)
		row := ""
		for line := range strings.Lines(p.b.String()) {
			if ansi.StringWidth(strings.TrimSuffix(line, "\n")) > width {
				t.Fatalf("%d: too wide: %q", width, line)
			}
			row += line
			if strings.HasSuffix(line, "  1\n") { // the first line of a row has its number
				rows[row], row = true, ""
			}
		}
		rows[row] = true
		if len(rows) < len(names) {
			t.Errorf("at width %d only %d of %d rows differ:\n%s", width, len(rows), len(names), p.b.String())
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"main.run", 8, "main.run"},
		{"main.(*Server).handleRequest:120", 20, "main…ndleRequest:120"},
		{"main.read:12 (os.(*File).Read)", 20, "main.read:12 (os.(*…"},
		{"main.read:12 (os.(*File).Read)", 15, "main.read:12…"},
		{"main.read:12 (os.(*File).Read)", 14, "main.read:12…"},
		{"main.read:12 (os.(*File).Read)", 13, "main.read:12"},
		{"main.read:12 (os.(*File).Read)", 10, "ma…read:12"},
		{"処理する関数", 7, "…る関数"},
		{"abc", 1, "…"},
	} {
		got := shorten(c.in, c.width)
		if got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestDirectories(t *testing.T) {
	for in, want := range map[string]string{
		"net/http.(*conn).serve":                            "http.(*conn).serve",
		"github.com/a-b/c.d/v2.F:12 (os.(*File).Read)":      "v2.F:12 (os.(*File).Read)",
		"slices.SortFunc[go.shape.[]example.com/x/y.T]":     "slices.SortFunc[go.shape.[]y.T]",
		"13.9 ms/s … 59.4 ms/s":                             "13.9 ms/s … 59.4 ms/s",
		"main.run:3 (vendor/golang.org/x/net/http2.(*T).f)": "main.run:3 (http2.(*T).f)",
	} {
		if got := directories.ReplaceAllString(in, "$2"); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"main.処理 µs – é 🚀":   "main.処理 µs – é 🚀",
		"a\x1b[2Jb":          `a\x1b[2Jb`,
		"two\nlines\tand\r":  `two\nlines\tand\r`,
		"c1 \u009b31m":       `c1 \u009b31m`,
		"bidi \u202egnp.exe": `bidi \u202egnp.exe`,
		"zero\u200bwidth":    `zero\u200bwidth`,
		"bad \xff\xc3(":      `bad \xff\xc3(`,
		"told \ufffd":        `told \ufffd`,
		"\x00\x7f":           `\x00\x7f`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestJSONIsPrintable(t *testing.T) {
	const name = "a\x1b[2Jb\u009b31m\u202e\u200b\U000e0041\x7f<&>"
	rep := &analysis.Report{Results: []*analysis.Result{{Name: name}}}
	var b bytes.Buffer
	if err := JSON(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("unprintable at %d: %q", i, b.String())
	}
	var back analysis.Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Results[0].Name; got != name {
		t.Errorf("reads back as %q, want %q", got, name)
	}
}

func TestPage(t *testing.T) {
	page := "# name: a title\n\nOne paragraph\nover two lines with `code` and **bold**, *stress* and _more_.\n\n## How\n\n* an item that is long enough to be\n  filled\n  * one below it\n* another\n1. first\n2. second with a_name, 2 * 3 * 4 and a \\*\n\nCode:\n\n    code   stays\n      so\n\n| a | table |\n|---|---|\n| of two | rows and so many words |\n| x | y |\n\n```\nfenced   # too\n```\n\nA [link](https://go.dev), <https://go.dev/doc>, a <b>tag</b> and \x1b[31m.\n\n* loose\n\n  more of it\n\n* last\n"
	want := `name: a title

One paragraph over two lines with ` + "`code`" + `
and bold, *stress* and *more*.

How

* an item that is long enough to be
  filled
  * one below it
* another
1. first
2. second with a_name, 2 * 3 * 4 and a *

Code:

    code   stays
      so

a · table:
* of two: rows and so many words
* x: y

    fenced   # too

A link (https://go.dev),
https://go.dev/doc, a <b>tag</b> and
\x1b[31m.

* loose

  more of it

* last
`
	var b bytes.Buffer
	if err := Page(&b, page, Options{Width: 40}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestVerdict: the sentences of the verdict come first, then the state of the program.
func TestVerdict(t *testing.T) {
	rep := &analysis.Report{
		Verdict: &analysis.Verdict{Parts: []analysis.VerdictPart{{Text: "One."}, {Text: "Two."}}},
		Results: []*analysis.Result{{Name: "limits", Leads: true, Summary: []string{"Ps idled.", "Nobody waited."}}, {Name: "x", Summary: []string{"no"}}},
	}
	if got, want := strings.Join(verdictLines(rep), "\n"), "One.\nTwo.\nIn numbers: Ps idled. Nobody waited."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := verdictLines(&analysis.Report{}); got != nil {
		t.Errorf("without a verdict: %q", got)
	}
}

// TestProse: sentences at the right of a table take several lines and lose nothing.
func TestProse(t *testing.T) {
	table := &analysis.Table{Columns: []analysis.Column{{Name: "input", Unit: analysis.Text}, {Name: "reason", Unit: analysis.Text}}}
	const reason = "it ends in the middle of a generation, which is why nothing after its start could be read"
	table.Add("a.trace", reason)
	p := newPrinter(Options{Width: 40}, 0)
	p.table(table)
	got := p.b.String()
	if !strings.Contains(strings.Join(strings.Fields(got), " "), reason) {
		t.Errorf("the sentence is cut:\n%s", got)
	}
	for _, l := range strings.Split(got, "\n") {
		if len(l) > 40 {
			t.Errorf("a line of %d cells: %q", len(l), l)
		}
	}
}

// TestAlsoCounts: what is told by its code only stands there once.
func TestAlsoCounts(t *testing.T) {
	var notes []*analysis.Finding
	for _, code := range []string{"request-path", "latency-tail", "request-path"} {
		notes = append(notes, &analysis.Finding{Code: code, Severity: analysis.Note})
	}
	p := newPrinter(Options{Width: 100}, 1)
	p.notes(notes, 1, screens[0])
	if got := strings.TrimSpace(p.b.String()); got != "also: request-path ×2, latency-tail" {
		t.Errorf("%q", got)
	}
}
