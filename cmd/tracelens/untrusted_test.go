package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// hostile is what a program, or who made a trace of it, may call things. The
// last is as long as the format allows.
var hostile = []string{
	"\x1b[31mred\x1b]0;title\a\x1b[2J",
	"<script>hacked=1</script><img src=x onerror=hacked=1>",
	"two\r\nlines\n# EOF\n\ttab",
	"\u202egnp.exe\u200b\u2066\U000e0041\u009b31m",
	"=cmd|' !A0",
	"+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1",
	"a|b`c`*d*_e_[f](javascript:g)~h~\\",
	"\"}'>]]>&<!--{{.}}",
	"\xff\xfe\xc3(",
	"::error::workflow command",
	"https:~~evil.example", "@someone #123",
	strings.Repeat("long\u0301 ", 142),
}

// renamed is a trace of Go 1.22 or later in which the names that are chosen begin with
// hostile ones.
func renamed(t *testing.T, data []byte, chosen func(string) bool) []byte {
	t.Helper()
	const head, batch, stringTable, text, end = 16, 1, 4, 5, 52
	out := slices.Clone(data[:head])
	in := data[head:]
	number := func(b *[]byte) uint64 {
		v, n := binary.Uvarint(*b)
		if n <= 0 {
			t.Fatal("no trace")
		}
		*b = (*b)[n:]
		return v
	}
	for names := 0; len(in) > 0; {
		if in[0] == end {
			out, in = append(out, end), in[1:]
			continue
		}
		if in[0] != batch {
			t.Fatalf("a batch of type %d", in[0])
		}
		begin := in
		in = in[1:]
		number(&in)
		number(&in)
		number(&in)
		header := begin[:len(begin)-len(in)]
		size := number(&in)
		body := in[:size]
		in = in[size:]
		if body[0] != stringTable {
			out = append(out, begin[:len(begin)-len(in)]...)
			continue
		}
		for body = body[1:]; len(body) > 0; {
			body = body[1:] // text
			id, n := number(&body), 0
			n = int(number(&body))
			name := string(body[:n])
			body = body[n:]
			if chosen(name) {
				name = hostile[names%len(hostile)] + name
				name = name[:min(len(name), 1024)]
				names++
			}
			one := binary.AppendUvarint([]byte{stringTable, text}, id)
			one = append(binary.AppendUvarint(one, uint64(len(name))), name...)
			out = append(binary.AppendUvarint(append(out, header...), uint64(len(one))), one...)
		}
	}
	return out
}

var annotation = []string{"request", "decode", "validate", "query", "execute", "forgotten"}

// ofProgram are the names of a program of testdata/traces that are its own.
func ofProgram(name string) bool {
	return strings.HasPrefix(name, "main.") || strings.HasPrefix(name, "tracegen/") || slices.Contains(annotation, name)
}

// ofFile is a hostile name that a file may have.
func ofFile(s string) string {
	if runtime.GOOS == "windows" {
		return "evil"
	}
	return strings.ReplaceAll(s[:min(len(s), 200)], "/", ":")
}

// obeyed finds what a terminal obeys, or reads other than it stands there.
func obeyed(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r != '\n' && !unicode.IsPrint(r) {
			return i
		}
		i += n
	}
	return -1
}

var (
	markup     = regexp.MustCompile(`\x1b\[(1|2|1;31)?m`) // ours
	openMetric = regexp.MustCompile(`^(# (TYPE|HELP) [a-z][a-z0-9_]* .+|[a-z][a-z0-9_]*(\{[a-z]+="([^"\\]|\\[\\"n])*"(,[a-z]+="([^"\\]|\\[\\"n])*")*\})? [-+0-9.eE]+|# EOF)$`)
	sarifLink  = regexp.MustCompile(`"text": .*\]\(javascript`)
	plainValue = regexp.MustCompile(`^[-+]?[0-9.]+(e[-+]?[0-9]+)?$`)
)

// wrong says what is wrong with a report in a format, whatever its names are; "" if
// nothing.
func wrong(format string, out []byte) string {
	if format == "parquet" {
		return "" // no text
	}
	text := out
	if format == "svg" {
		text = bytes.ReplaceAll(out, []byte("\n\t"), []byte("\n")) // its indents
	}
	if i := obeyed(text); i >= 0 {
		return fmt.Sprintf("unprintable: %q", text[max(0, i-60):min(len(text), i+20)])
	}
	switch format {
	case "html":
		scripts := 1
		for _, with := range []string{`<div id="tl" class="tl"`, `<div id="rq" class="rq"`} {
			if bytes.Contains(out, []byte(with)) {
				scripts++
			}
		}
		if n := bytes.Count(out, []byte("<script")); n != scripts || bytes.Contains(out, []byte("<img src=x")) {
			return "markup of a name"
		}
	case "markdown":
		body, _, _ := bytes.Cut(out, []byte("```"))
		body = pictures.ReplaceAll(body, nil)
		for _, s := range []string{"<script", "<img", "](javascript", "@someone", "#123", "\n::error"} {
			if bytes.Contains(body, []byte(s)) {
				return "markup of a name: " + s
			}
		}
	case "json", "sarif":
		if !json.Valid(out) {
			return "no JSON"
		}
		if link := sarifLink.Find(out); format == "sarif" && link != nil {
			return "a link: " + string(link)
		}
	case "ndjson":
		for line := range bytes.Lines(out) {
			if !json.Valid(line) {
				return "no JSON: " + string(line)
			}
		}
	case "junit", "svg":
		for d := xml.NewDecoder(bytes.NewReader(out)); ; {
			tok, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				return err.Error()
			}
			if e, ok := tok.(xml.StartElement); ok && slices.Contains([]string{"script", "img", "foreignObject", "a"}, e.Name.Local) {
				return "element " + e.Name.Local
			}
		}
	case "csv":
		rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
		if err != nil {
			return err.Error()
		}
		for _, row := range rows {
			for _, cell := range row {
				r, _ := utf8.DecodeRuneInString(cell)
				if strings.ContainsRune("=+-@\t\r＝＋－＠", r) && !plainValue.MatchString(cell) {
					return "a formula: " + cell
				}
			}
		}
	case "openmetrics":
		for line := range strings.Lines(string(out)) {
			if !openMetric.MatchString(strings.TrimSuffix(line, "\n")) {
				return "no line of OpenMetrics: " + line
			}
		}
		if n := bytes.Count(out, []byte("# EOF\n")); n != 1 {
			return "it ends more than once"
		}
	}
	return ""
}

// TestWrong: the check can fail.
func TestWrong(t *testing.T) {
	for format, bad := range map[string][]string{
		"text":        {"\x1b[31m", "\u202e", "\r", "\u009b", "\xff"},
		"html":        {"<script<script", `<div id="tl" class="tl"<script`, "<script<img src=x"},
		"markdown":    {"<script", "[f](javascript:g)", "x\n::error"},
		"json":        {"{"},
		"sarif":       {`{"text": "[f](javascript:g)"}`},
		"ndjson":      {"1\n{\n"},
		"junit":       {"<a", "<x><script/></x>"},
		"csv":         {"a,=1", "a,-1+1", "a,b\nc", "a,@x"},
		"openmetrics": {"# EOF\n# EOF\n", "a{b=\"c\nd\"} 1\n# EOF\n", "a{b=\"c\\x\"} 1\n"},
	} {
		for _, s := range bad {
			if wrong(format, []byte(s)) == "" {
				t.Errorf("%s: nothing is wrong with %q", format, s)
			}
		}
	}
}

// TestUntrustedTraces: whatever a trace and its file are called, in every command and
// format the output is valid and obeys no one.
func TestUntrustedTraces(t *testing.T) {
	if testing.Short() {
		t.Skip("two hundred reports")
	}
	t.Parallel()
	dir := t.TempDir()
	everything := func(string) bool { return true }
	for i, c := range []struct {
		trace  string
		chosen func(string) bool
		cut    int
	}{
		{"annotations", ofProgram, 0},
		{"lock-5ms", ofProgram, 0},
		{"gc-assist", ofProgram, 0},
		{"mixed-go126", ofProgram, 0},
		{"mixed-go122", everything, 0},
		{"stw-kinds", everything, 0},
		{"idle", everything, 100},
	} {
		data := renamed(t, testdataTrace(t, c.trace+".trace"), c.chosen)
		put(t, filepath.Join(dir, "in", ofFile(hostile[i])+"-"+c.trace+".trace"), data[:len(data)-c.cut])
	}
	files, err := os.ReadDir(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	// says runs a command line and checks what it writes.
	says := func(t *testing.T, format string, args ...string) []byte {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != exitDone {
			t.Errorf("%q: exit code %d: %q", args, code, errs.String())
		}
		if i := obeyed(errs.Bytes()); i >= 0 {
			t.Errorf("%q: an error is unprintable: %q", args, errs.String())
		}
		if bad := wrong(format, out.Bytes()); bad != "" {
			t.Errorf("%q: %q", args, bad)
		}
		return out.Bytes()
	}
	t.Run("each", func(t *testing.T) {
		for i, file := range files {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(dir, "in", file.Name())
				for _, f := range report.Formats {
					says(t, f.Name, "analyze", "--no-config", "--full", "--format", f.Name, path)
				}
				saved := says(t, "json", "analyze", "--no-config", "--format", "json", "--spans", "1000", path)
				if strings.HasSuffix(path, "-annotations.trace") {
					// The names arrive: else nothing is shown here.
					var text map[string]any
					if err := json.Unmarshal(saved, &text); err != nil || !bytes.Contains(saved, []byte(`\u001b[31mred`)) || !bytes.Contains(saved, []byte(`<script>hacked=1</script>`)) {
						t.Errorf("no hostile name in the report: %v", err)
					}
				}
				colored := output(t, "", "analyze", "--no-config", "--full", "--color", "always", path)
				if bad := wrong("text", markup.ReplaceAll(colored, nil)); bad != "" {
					t.Errorf("%q in colour: %q", file.Name(), bad)
				}
				says(t, "text", "show", "--no-config", "--goroutine", "1", path)
				says(t, "text", "show", "--no-config", "--at", "1ms", path)
				charts := filepath.Join(dir, fmt.Sprint("charts", i), ofFile(hostile[3]))
				says(t, "text", "plot", "--list", path)
				for _, format := range []string{"svg", "png", "pdf"} {
					says(t, "text", "plot", "--figure", "all", "--format", format, "--scale", ".25", "--out", charts, path)
				}
				drawn, err := filepath.Glob(filepath.Join(charts, "*.svg"))
				if err != nil || len(drawn) == 0 {
					t.Errorf("%q: %d charts, %v", file.Name(), len(drawn), err)
				}
				for _, chart := range drawn {
					svg, err := os.ReadFile(chart)
					if err != nil {
						t.Fatal(err)
					}
					if bad := wrong("svg", svg); bad != "" {
						t.Errorf("%q: %q", chart, bad)
					}
				}
				says(t, "markdown", "analyze", "--no-config", "--format", "markdown", "--assets", charts, path)
			})
		}
	})
	in := filepath.Join(dir, "in")
	annotations, err := filepath.Glob(filepath.Join(in, "*-annotations.trace"))
	if err != nil || len(annotations) != 1 {
		t.Fatalf("%q, %v", annotations, err)
	}
	typ := taskName(t, annotations[0])
	for _, format := range []string{"text", "markdown", "html", "json", "csv"} {
		says(t, format, "compare", "--no-config", "--format", format, annotations[0], filepath.Join(in, files[0].Name()))
		says(t, format, "compare", "--no-config", "--format", format, "--where", "task:"+typ+" > p50", annotations[0])
	}
	for _, f := range append(slices.Clone(report.Formats), ndjson) {
		says(t, f.Name, "audit", "--no-config", "--full", "--group-by", "{-1}", "--format", f.Name, in)
	}
	says(t, "text", "audit", "--no-config", "--progress", "1ns", "--reports", filepath.Join(dir, "pages"), "--emit", filepath.Join(dir, "emit"), "--cache", filepath.Join(dir, "cache"), in)
	says(t, "text", "merge", "--no-config", filepath.Join(dir, "emit"))
	pages, err := filepath.Glob(filepath.Join(dir, "pages", "*.html"))
	if err != nil || len(pages) != len(files) {
		t.Errorf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if bad := wrong("html", text); bad != "" {
			t.Errorf("%s: %q", page, bad)
		}
	}
	noTemporary(t, dir)
}

// taskName is the type of most tasks of a trace.
func taskName(t *testing.T, path string) string {
	t.Helper()
	rep, err := analysis.Decode(bytes.NewReader(output(t, "", "requests", "--no-config", "--format", "json", path)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range measures.ServedOf(rep) {
		if s.Kind == "task" && s.N > 10 {
			return s.Name
		}
	}
	t.Fatal("no tasks")
	return ""
}

// noTemporary fails when a file is left that nobody asked for.
func noTemporary(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".tmp") || strings.Contains(d.Name(), ".tmp-") || strings.HasPrefix(d.Name(), "tracelens-")) {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUntrustedArguments: what is given on the command line is not obeyed either, where
// an error names it.
func TestUntrustedArguments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join("..", "..", "testdata", "traces", "idle.trace")
	file := filepath.Join(dir, "file")
	put(t, file, nil)
	for _, name := range append(slices.Clone(hostile), strings.Repeat("very long ", 10_000)) {
		missing, below := filepath.Join(dir, name), filepath.Join(file, ofFile(name))
		for _, args := range [][]string{
			{"analyze", missing}, {"analyze", "http://127.0.0.1:1/" + name}, {"analyze", name + "://host"}, {"analyze", name, name},
			{"analyze", "-o", below, good}, {"analyze", "--only", name, good}, {"analyze", "--format", name, good}, {"analyze", "--color", name, good},
			{"analyze", "--fail-on", name, good}, {"analyze", "--from", name, good}, {"analyze", "--" + name, good}, {"analyze", "--config", missing, good},
			{"analyze", "--format", "markdown", "--assets", below, good},
			{"render", missing}, {"render", file, name}, {"plot", missing}, {"plot", "--figure", name, good}, {"plot", "--size", name, good},
			{"plot", "--out", below, good}, {"audit", "--strict", missing}, {"audit", "--memory", name, dir}, {"audit", "--group-by", name, dir},
			{"audit", "--groups", missing, dir}, {"audit", "--baseline", missing, dir}, {"audit", "--write-baseline", below, good}, {"audit", "--cache", below, good}, {"audit", "--emit", below, good},
			{"audit", "--reports", below, good}, {"compare", missing, good}, {"compare", "--per", name, good, good}, {"compare", "--fail-on", name, good, good},
			{"compare", "--where", name, good}, {"compare", "--where", name + " > p50", good}, {"compare", "--where", "main.main > " + name, good}, {"merge", missing}, {"man", below}, {"explain", "x" + name}, {"x" + name},
		} {
			var out, errs bytes.Buffer
			if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code == exitDone || errs.Len() == 0 {
				t.Errorf("%.300q: exit code %d, %q", args, code, errs.String())
			}
			if i := max(obeyed(errs.Bytes()), obeyed(out.Bytes())); i >= 0 {
				t.Errorf("%.300q: unprintable: %.300q %.300q", args, errs.String(), out.String())
			}
		}
	}
}

// TestAssetsStay: a report that names a figure like a path writes nothing elsewhere.
func TestAssetsStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	put(t, report, []byte(`{"schema":2,"results":[{"name":"a","tables":[{"name":"t","columns":[{"name":"c","unit":"count"}],"rows":[[1]]}],"figures":[{"name":"../../out","title":"x","mark":"bars","table":"t","x":"c","y":["c"]}]}]}`))
	audited(t, 0, "render", "--format", "markdown", "--assets", filepath.Join(dir, "a", "b"), report)
	drawn, err := filepath.Glob(filepath.Join(dir, "a", "b", "*.png"))
	if _, out := os.Stat(filepath.Join(dir, "out.png")); err != nil || len(drawn) != 2 || out == nil {
		t.Errorf("drawn %q, %v; elsewhere: %v", drawn, err, out == nil)
	}
}

// pictures are those that Markdown itself has.
var pictures = regexp.MustCompile(`<picture>(<source media="\(prefers-color-scheme: dark\)" srcset="[^"<>]*">)?<img alt="[^"<>]*" src="[^"<>]*"></picture>`)
