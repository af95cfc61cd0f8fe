package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

var htmlOut = flag.String("html", "", "leave the page of TestHTMLUntrusted in this file")

func html(t *testing.T, rep *analysis.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, rep, Options{Pages: map[string]string{"stw-long": "# stw-long: pauses\n\nText with `code`.\n"}}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// timed is a report with what a timeline needs: n spans under that name.
func timed(n int, name string) *analysis.Report {
	rep := &analysis.Report{
		Tool:  "tracelens test",
		Trace: analysis.Summary{Name: name, Format: "go 1.26", Duration: int64(n) * 1000, To: int64(n) * 1000, Quantum: 64, Procs: 64, Complete: true, Generations: 1},
	}
	states := []string{"user", "system", "GC worker", "assist", "syscall", "scheduler", "STW", "idle"}
	lanes := &analysis.Table{Name: "timeline.lanes", Role: analysis.RoleDensity, Detail: true, Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "P", Unit: analysis.P}}}
	for _, s := range states {
		lanes.Columns = append(lanes.Columns, analysis.Column{Name: s, Unit: analysis.Ratio})
	}
	for b := range 512 {
		for p := range 64 {
			lanes.Add(int64(b)*int64(n)*1000/512, int64(p), .1, .1, .1, .1, .1, .1, .1, .3)
		}
	}
	windows := &analysis.Table{Name: "spans.windows", Role: analysis.RoleWindows, Detail: true, Columns: []analysis.Column{{Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "spans", Unit: analysis.Count}, {Name: "wanted to", Unit: analysis.Moment}}}
	windows.Add(int64(0), int64(n)*500, int64(n), int64(n)*1000)
	spans := &analysis.Table{Name: "spans.spans", Role: analysis.RoleSpans, Detail: true, Columns: []analysis.Column{
		{Name: "P", Unit: analysis.P}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "state", Unit: analysis.Text},
		{Name: "function", Unit: analysis.Text}, {Name: "g", Unit: analysis.G}, {Name: "became runnable", Unit: analysis.Text}, {Name: "wait", Unit: analysis.NS},
		{Name: "waker", Unit: analysis.G}, {Name: "queued on", Unit: analysis.P}, {Name: "stolen from", Unit: analysis.P}, {Name: "readied at", Unit: analysis.Text},
	}}
	noise := uint64(1)
	random := func(below int64) int64 {
		noise = noise*6364136223846793005 + 1442695040888963407
		return int64(noise>>33) % below
	}
	for i := range n {
		from := int64(i) * 64 % (int64(n) * 500)
		spans.Add(int64(i*64/n), from, from+random(60), states[random(8)], fmt.Sprint(name, random(5000)), random(1e6), "unblocked", random(1e9), random(1e6), random(64), nil, fmt.Sprint(name, random(5000)))
	}
	rep.Results = []*analysis.Result{{Name: "timeline", Outcome: analysis.Clear, Tables: []*analysis.Table{lanes}}, {Name: "spans", Outcome: analysis.Clear, Tables: []*analysis.Table{windows, spans}}}
	return rep
}

// TestHTMLAgain: the same bytes each time, and from a report that was saved.
func TestHTMLAgain(t *testing.T) {
	small := timed(200, "main.f")
	for i, rep := range []*analysis.Report{load(t, "testdata/every-shape.json"), load(t, "testdata/checks.json"), small} {
		first := html(t, rep)
		if html(t, rep) != first {
			t.Errorf("report %d: written again it is other", i)
		}
		saved := filepath.Join(t.TempDir(), "saved.json")
		var b bytes.Buffer
		if err := JSON(&b, rep, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(saved, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		if html(t, load(t, saved)) != first {
			t.Errorf("report %d: saved and read it gives another page", i)
		}
	}
}

// TestHTMLCompared: the head of a page about two sides counts what differs, also types of
// requests and places, and what only seems to.
func TestHTMLCompared(t *testing.T) {
	page := func(c *analysis.Comparison) string {
		return html(t, &analysis.Report{Trace: analysis.Summary{Name: "a → b"}, Comparison: c, Verdict: new(analysis.Verdict)})
	}
	if got := page(&analysis.Comparison{}); !strings.Contains(got, ">no difference</span>") {
		t.Error("it does not say that nothing differs")
	}
	got := page(&analysis.Comparison{
		Requests: []analysis.RequestChange{{Mean: analysis.Change{Judged: analysis.SeemsWorse}}},
		Parts:    []analysis.Change{{Judged: analysis.SeemsWorse}, {Judged: analysis.Unknown}},
		Metrics:  []analysis.Change{{Judged: analysis.SeemsOther}, {Judged: analysis.Same}},
	})
	for _, want := range []string{">2 seem worse</span>", ">1 seems changed</span>"} {
		if !strings.Contains(got, want) || strings.Contains(got, "no difference") {
			t.Errorf("it does not say %s", want)
		}
	}
}

// TestHTMLSize: the page of the largest report that the defaults allow.
func TestHTMLSize(t *testing.T) {
	if n := len(html(t, timed(100_000, "github.com/some/module/package.(*Type).Method"))); n > 10_000_000 {
		t.Errorf("the page has %d bytes, want less than 10 MB", n)
	}
}

// TestHTMLPolicy: the page asks for nothing, and its policy allows what it holds only.
func TestHTMLPolicy(t *testing.T) {
	page := html(t, load(t, "testdata/checks.json"))
	for what, element := range map[string]string{"style-src": "style", "script-src": "script"} {
		text := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1)
		if len(text) != 1 {
			t.Fatalf("%d elements %s, want 1", len(text), element)
		}
		policy := strings.ReplaceAll(page[:strings.Index(page, "<title>")], "&#43;", "+")
		if want := what + " " + "&#39;" + hash(text[0][1]) + "&#39;"; !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if !strings.Contains(page, `content="default-src &#39;none&#39;;`) {
		t.Error("the policy does not begin by forbidding everything")
	}
	for _, bad := range []string{`src="http`, `href="http`, "@import", " style=", " onclick=", "fetch(", "XMLHttpRequest", "WebSocket"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// TestHTMLUntrusted: what a trace calls itself is text, everywhere.
func TestHTMLUntrusted(t *testing.T) {
	const evil = "<script>hacked=1</script></script><img src=x onerror=hacked=1>\"'`${hacked=1}\u2028\u2029]]>--><!--\x1b[31m{{.}}"
	p, g := int64(1), int64(2)
	finding := analysis.Finding{
		Code: "stw-long/" + evil, Severity: analysis.Error, Summary: evil, Advice: evil, Caveat: evil, Confidence: analysis.Measured,
		Evidence: []analysis.Evidence{{From: 1000, To: 9000, P: &p, G: &g, Func: evil, Note: evil, Stack: []analysis.Frame{{Func: evil, File: evil, Line: 1}}}},
		Symptoms: []analysis.Finding{{Code: evil, Severity: analysis.Note, Summary: evil}},
	}
	rep := timed(100, evil)
	rep.Tool, rep.Trace.Fault, rep.Trace.Start = evil, evil, evil
	table := &analysis.Table{Name: evil, Title: evil, Columns: []analysis.Column{{Name: evil, Unit: analysis.Text}, {Name: "n", Unit: analysis.Count}}}
	table.Add(evil, int64(3))
	rep.Results = append(rep.Results,
		&analysis.Result{Name: "j" + evil, Title: evil, Check: true, Outcome: analysis.Found, Findings: []analysis.Finding{finding}},
		&analysis.Result{Name: "limits", Title: evil, Outcome: analysis.Clear, Summary: []string{evil}},
		&analysis.Result{Name: "m" + evil, Title: evil, Outcome: analysis.Clear, Summary: []string{evil}, Tables: []*analysis.Table{table},
			Figures: []analysis.Figure{{Name: evil, Title: evil, Mark: analysis.Bars, Table: evil, X: evil, Y: []string{"n"}}}},
		&analysis.Result{Name: "k" + evil, Title: evil, Check: true, Outcome: analysis.NotApplicable, Reason: evil})
	rep.Suppressed = []analysis.Suppressed{{Finding: finding, Reason: evil}}
	rep.Config = &analysis.Config{File: evil, Off: []string{evil}}
	page := html(t, rep)
	if *htmlOut != "" {
		if err := os.WriteFile(*htmlOut, []byte(page), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d elements <script, want the data and the script", n)
	}
	if n := strings.Count(page, "</script"); n != 2 {
		t.Errorf("%d ends of scripts, want 2", n)
	}
	for _, bad := range []string{"<img src=x", "<!--", "\u2028", "\x1b"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;hacked=1") {
		t.Error("the name is not on the page as text")
	}
	// In pictures, too.
	for _, m := range regexp.MustCompile(`data:image/svg\+xml;base64,([^"]*)`).FindAllStringSubmatch(page, -1) {
		svg, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(m[1], "&#43;", "+"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(svg, []byte("<script")) || bytes.Contains(svg, []byte("<img")) {
			t.Error("a picture holds markup of the trace")
		}
	}
}

// TestHTMLData: the timeline's data says what the tables say.
func TestHTMLData(t *testing.T) {
	rep := timed(50, "main.f")
	d := newHTMLPage(rep, Options{}).timeline()
	column := func(name string) (values []int64) {
		b, err := json.Marshal(d.Spans[name].Values)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &values); err != nil {
			t.Fatal(err)
		}
		return values
	}
	gaps, lengths := column("from"), column("to")
	spans, at := rep.Results[1].Tables[1], int64(0)
	for i := range gaps {
		from := at + gaps[i]
		at = from + lengths[i]
		if from != spans.Cell(i, "from") || at != spans.Cell(i, "to") {
			t.Fatalf("span %d is from %d to %d, want %v to %v", i, from, at, spans.Cell(i, "from"), spans.Cell(i, "to"))
		}
		if got := d.Strings[d.Spans["function"].Values[i]]; got != spans.Cell(i, "function") {
			t.Fatalf("span %d is %q, want %v", i, got, spans.Cell(i, "function"))
		}
	}
	if !strings.HasPrefix(d.exact(), "Exact spans in 1 window (25 µs in all)") || !strings.Contains(d.exact(), "1 window cut short") {
		t.Errorf("it is exact where: %s", d.exact())
	}
}

// TestPageVerdict: the page begins with what findings say and why, without what to do.
func TestPageVerdict(t *testing.T) {
	p := htmlPage{Tiles: make([]htmlTile, 1)}
	p.rep = &analysis.Report{Verdict: &analysis.Verdict{Parts: []analysis.VerdictPart{
		{Code: "a", Text: "It waits at main.get:1. Because: main.put holds it. Unlock sooner. Now."},
		{Code: "b", Text: "It polls. Wait instead."},
		{Text: "CPU is the limit. GC is not."},
	}}}
	want := []string{"It waits at main.get:1. Because: main.put holds it.", "It polls.", "CPU is the limit. GC is not."}
	if got := p.verdict(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
