package report

import (
	"bytes"
	"context"
	"fmt"
	stdhtml "html"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	mdhtml "github.com/yuin/goldmark/renderer/html"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/analysis/verdict"
)

// rendered is Markdown as a site shows it: the elements, and the text between them.
func rendered(t *testing.T, text string) (elements map[string]int, shown string) {
	t.Helper()
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(mdhtml.WithUnsafe())).Convert([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	elements = make(map[string]int)
	for _, tag := range tags.FindAllStringSubmatch(b.String(), -1) {
		if !strings.HasPrefix(tag[0], "</") {
			elements[tag[1]]++
		}
	}
	return elements, stdhtml.UnescapeString(tags.ReplaceAllString(b.String(), ""))
}

var tags = regexp.MustCompile(`</?([a-z0-9]*)[^>]*>`) // in text, < is escaped

var hostile = []string{
	"<script>alert(1)</script>", "</summary></details><img src=x onerror=alert(1)>", "a|b|c", "**bold** __b__ ~~s~~", "`code` ``two``",
	"@someone", "#123", "owner/repo#1", "GH-1", "http://evil.example", "www.evil.example", "mail@evil.example", "[a](http://b)", "![i](http://b/i.png)",
	"&amp;&#64;", "- item", "# head", "1. one", "2) two", "> quote", "```\nfence\n```", "$math$ $$x$$", ":smile:", "line\nbreak\r\nmore", "\x1b[31mred", "a\\|b", "\u202eright to left", "+ plus", "=== ", "--- ", "<!-- x", "<http://a.b>", "tail\\",
}

// TestMarkdownUntrusted: names from a trace stand as they are, whatever they are.
func TestMarkdownUntrusted(t *testing.T) {
	for _, evil := range hostile {
		table := &analysis.Table{Name: "x.y", Title: evil, Columns: []analysis.Column{{Name: evil, Unit: analysis.Text}, {Name: "n", Unit: analysis.Count}}}
		table.Add(evil, int64(1))
		rep := &analysis.Report{
			Tool: "tracelens", Trace: analysis.Summary{Name: "x " + evil, Complete: true, Format: "go 1.26", To: 100},
			Results: []*analysis.Result{
				{Name: "limits", Check: true, Summary: []string{evil}},
				{Name: "x", Outcome: analysis.Found, Summary: []string{evil}, Tables: []*analysis.Table{table}, Findings: []analysis.Finding{{
					Code: evil, Severity: analysis.Error, Summary: evil, Advice: evil, Caveat: evil,
					Evidence: []analysis.Evidence{{From: 1, To: 2, Func: evil, Note: evil}}, Symptoms: []analysis.Finding{{Code: evil, Summary: evil}},
				}}},
			},
		}
		var b bytes.Buffer
		if err := Markdown(&b, rep, Options{Full: true, Charts: []Chart{{Title: evil, Path: "charts/a b).png", Dark: "charts/\"><img>.png"}}}); err != nil {
			t.Fatal(err)
		}
		elements, shown := rendered(t, b.String())
		for element, n := range map[string]int{"table": 3, "tr": 6, "th": 10, "td": 10, "img": 1, "picture": 1, "source": 1, "details": 4, "h3": 1, "h4": 0, "a": 0, "script": 0, "strong": 5, "em": 0, "del": 0, "li": 0, "blockquote": 0, "pre": 1, "hr": 0, "h1": 0, "h2": 0} {
			if elements[element] != n {
				t.Errorf("%q: %d <%s>, want %d, in\n%s", evil, elements[element], element, n, b.String())
			}
		}
		plain := strings.TrimSpace(Clean(evil))
		if n := strings.Count(shown, plain); n < 12 {
			t.Errorf("%q is shown %d times in\n%s", plain, n, b.String())
		}
		for _, s := range []string{"@someone", "#123", "repo#1", "://evil", "www.evil", "\x1b", "\u202e"} {
			if body, _, _ := strings.Cut(b.String(), "```"); strings.Contains(body, s) {
				t.Errorf("%q: %q stands in\n%s", evil, s, b.String())
			}
		}
	}
}

// TestMarkdownFits: what is too much for a comment loses its least parts, and says so.
func TestMarkdownFits(t *testing.T) {
	in, err := os.Open("../../../../testdata/traces/mixed-go126.trace")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	rep, err := analysis.Analyze(context.Background(), in, "mixed", analysis.Options{}, passes.All())
	if err != nil {
		t.Fatal(err)
	}
	one := rep.Findings()[0]
	for i := range 200 {
		f := *one
		f.Code = fmt.Sprintf("many/%d", i)
		f.Summary = strings.Repeat("long <name> ", 100)
		rep.Results[0].Findings = append(rep.Results[0].Findings, f)
	}
	var b, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&b, &again} {
		if err := Markdown(w, rep, Options{Full: true}); err != nil {
			t.Fatal(err)
		}
	}
	if b.Len() > 65_536 || b.Len() < 50_000 {
		t.Errorf("%d bytes", b.Len())
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("not the same twice")
	}
	if !strings.Contains(b.String(), "Left out, to fit into a comment: ") {
		t.Error("it does not say that parts are left out")
	}
	if elements, _ := rendered(t, b.String()); elements["details"] == 0 || strings.Count(b.String(), "<details>") != strings.Count(b.String(), "</details>") {
		t.Error("details are not closed")
	}
}

func TestOpenings(t *testing.T) {
	rep := &analysis.Report{Trace: analysis.Summary{Name: "a b's.trace.gz", Compression: "gzip", To: 10e9}}
	var got []string
	for _, o := range Openings(rep, 1_500_000_000, 1_500_070_000) {
		got = append(got, o.Command+"  # "+o.Then)
	}
	want := []string{
		`tracelens analyze --from 1.49997s --to 1.5001s --format html -o moment.html 'a b'\''s.trace.gz'  # moment.html`,
		`gzip -dc 'a b'\''s.trace.gz' >plain.trace && go tool trace -http=localhost:6061 plain.trace  # http://localhost:6061/trace?view=proc#1500:1500.07`,
		`gzip -dc 'a b'\''s.trace.gz' >plain.trace && gotraceui plain.trace  # at 1.50000 s`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range []string{"standard input", "http://host/trace"} {
		rep.Trace.Name = name
		if Openings(rep, 1, 2) != nil {
			t.Errorf("%s: it is no file", name)
		}
	}
}

// TestMarkdownBounded: no name is so long, nor is there so much of it, that the head
// alone were too much.
func TestMarkdownBounded(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 1<<20), strings.Repeat("\u0301", 1<<20), strings.Repeat("&", 1<<20)} {
		rep := &analysis.Report{Tool: long, Trace: analysis.Summary{Name: long, Format: long, Fault: long, Complete: true, To: 9}, Suppressed: make([]analysis.Suppressed, 99)}
		f := analysis.Finding{Code: long, Severity: analysis.Error, Summary: long}
		rep.Results = []*analysis.Result{{Name: "limits", Leads: true, Check: true, Summary: slices.Repeat([]string{long}, 99), Findings: []analysis.Finding{f}}}
		rep.Suppressed[0].Reason = long
		var b bytes.Buffer
		if err := Markdown(&b, rep, Options{}); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 65_536 {
			t.Errorf("%d bytes of %.9q", b.Len(), long)
		}
	}
}

// TestMarkdownOnce: the commands for the same moments stand there once.
func TestMarkdownOnce(t *testing.T) {
	at := func(from int64) []analysis.Evidence { return []analysis.Evidence{{From: from, To: from + 10}} }
	rep := &analysis.Report{Trace: analysis.Summary{Name: "a.trace", Complete: true, To: 1e9}, Results: []*analysis.Result{{Name: "x", Outcome: analysis.Found}}}
	for i, from := range []int64{100, 5e8, 100, 100, 5e8} {
		rep.Results[0].Findings = append(rep.Results[0].Findings, analysis.Finding{Code: fmt.Sprintf("x/%d", i), Severity: analysis.Error, Summary: "s", Evidence: at(from)})
	}
	var b bytes.Buffer
	if err := Markdown(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "Open these moments"); n != 2 || strings.Contains(b.String(), marked) {
		t.Errorf("%d blocks of commands, want 2, in\n%s", n, b.String())
	}
}

// TestMarkdownScreen: what stands in the open fits on a screen, and what is folded comes in
// the order of use.
func TestMarkdownScreen(t *testing.T) {
	for name, lines := range map[string]int{"http-healthy": 12, "mixed-go126": 22} {
		rep := analyzed(t, name)
		rep.Verdict = verdict.Of(rep)
		var b bytes.Buffer
		if err := Markdown(&b, rep, Options{Charts: []Chart{{"one", "a.png", "b.png"}, {"two", "c.png", "d.png"}}}); err != nil {
			t.Fatal(err)
		}
		depth, open := 0, []string{}
		for _, l := range strings.Split(b.String(), "\n") {
			if depth += strings.Count(l, "<details>"); strings.TrimSpace(l) != "" && (depth == 0 || depth == 1 && strings.HasPrefix(l, "<details>")) {
				open = append(open, l)
			}
			depth -= strings.Count(l, "</details>")
		}
		if len(open) > lines {
			t.Errorf("%s: %d lines in the open, want at most %d:\n%s", name, len(open), lines, strings.Join(open, "\n"))
		}
		at := -1
		for _, next := range []string{"a.png", "c.png", "Where goroutine time goes", "What else was measured", "Looked for and not found", "Metrics: "} {
			if i := strings.Index(b.String(), next); i < at || i < 0 {
				t.Errorf("%s: %q is at %d, after %d", name, next, i, at)
			} else {
				at = i
			}
		}
	}
}
