package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tracelens/tracelens/analysis"
)

var ciCases = []struct {
	in, out string
	opt     Options
}{
	{"checks.json", "checks", Options{SourceRoot: "/src/app/", FailOn: analysis.Error, Pages: map[string]string{"lock-convoy": "# lock-convoy: one lock\n\nMany goroutines\nwait for `it`.\n\n* a\n* b\n"}}},
	{"checks.json", "checks-windows", Options{SourceRoot: `C:\src`}},
	{"every-shape.json", "every-shape", Options{}},
}

func TestSARIF(t *testing.T) {
	schema := sarifOfficial(t)
	for _, c := range ciCases {
		var b bytes.Buffer
		if err := SARIF(&b, load(t, filepath.Join("testdata", c.in)), c.opt); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", c.out+".sarif"), b.Bytes())
		valid(t, schema, b.Bytes())
	}
}

// sarifOfficial is the official schema of SARIF 2.1.0, errata 01. Its licence does
// not let it be committed here: it is read from the source of a module that has it.
func sarifOfficial(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, d := range f.Decls {
		if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.CONST {
			text = constant(t, d.Specs[0].(*ast.ValueSpec).Values[0])
		}
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	const id = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	if got := doc.(map[string]any)["id"]; got != id || sarifSchema != id {
		t.Fatalf("the schema is %v, want %s", got, id)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// constant is the value of a sum of string literals.
func constant(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case *ast.BinaryExpr:
		return constant(t, e.X) + constant(t, e.Y)
	}
	t.Fatalf("the schema is a %T", e)
	return ""
}

// valid checks a file by the official schema, what the schema cannot say of rules and
// bases, and that another program reads it.
func valid(t *testing.T, schema *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("not valid by the official schema: %v", err)
	}
	rep, err := sarif.FromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range rep.Runs {
		for _, r := range run.Results {
			if rules := run.Tool.Driver.Rules; r.RuleIndex >= len(rules) || *rules[r.RuleIndex].ID != *r.RuleID {
				t.Errorf("rule %d of a result is not %s", r.RuleIndex, *r.RuleID)
			}
			if len(r.Locations) != 1 || len(r.PartialFingerprints) == 0 {
				t.Errorf("%s: %d locations, fingerprints %v", *r.RuleID, len(r.Locations), r.PartialFingerprints)
			}
			for _, l := range append(r.Locations, r.RelatedLocations...) {
				base := l.PhysicalLocation.ArtifactLocation.URIBaseID
				if base == nil {
					continue
				}
				if _, ok := run.OriginalUriBaseIds[*base]; !ok {
					t.Errorf("base %s is not there", *base)
				}
			}
		}
	}
}

// TestSARIFSchema: the check can fail.
func TestSARIFSchema(t *testing.T) {
	schema := sarifOfficial(t)
	for _, text := range []string{
		`{"version": "2.1.0"}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x", "informationUri": "not a uri"}}, "results": []}]}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"message": {"text": "x"}, "level": "fatal"}]}]}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"message": {"text": "x"}, "where": 1}]}]}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("valid: %s", text)
		}
	}
}

// TestSARIFOfMany: a finding of an audit that has no place in the code is at the trace that it
// is worst in, not at a file of the name audit.
func TestSARIFOfMany(t *testing.T) {
	rep := &analysis.Report{Trace: analysis.Summary{Name: "audit"}, Results: []*analysis.Result{{Name: "j", Check: true, Findings: []analysis.Finding{
		{Code: "j", Trace: "web/a b.trace", Evidence: []analysis.Evidence{{Note: "n"}}},
		{Code: "j", Trace: "web/a b.trace", Evidence: []analysis.Evidence{{Stack: []analysis.Frame{{Func: "main.f", File: "/a.go", Line: 3}}}}},
	}}}}
	var b bytes.Buffer
	if err := SARIF(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	all, err := sarif.FromBytes(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"web/a%20b.trace", "file:///a.go"} {
		r := all.Runs[0].Results[i]
		for _, l := range append(r.Locations, r.RelatedLocations...) {
			if got := *l.PhysicalLocation.ArtifactLocation.URI; got != want {
				t.Errorf("finding %d is at %s, want %s", i, got, want)
			}
		}
	}
}

// TestFingerprint: the same for another trace of the program, whose lines have moved.
func TestFingerprint(t *testing.T) {
	of := func(code, fn string, line int) string {
		f := analysis.Finding{Code: code, Evidence: []analysis.Evidence{{From: int64(line), Stack: []analysis.Frame{{Func: fn, File: "/a.go", Line: line}}}}}
		var b bytes.Buffer
		if err := SARIF(&b, &analysis.Report{Results: []*analysis.Result{{Name: "j", Check: true, Findings: []analysis.Finding{f}}}}, Options{}); err != nil {
			t.Fatal(err)
		}
		rep, err := sarif.FromBytes(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return rep.Runs[0].Results[0].PartialFingerprints["primaryLocationLineHash"]
	}
	one := of("j", "main.f", 1)
	if two := of("j", "main.f", 20); one == "" || two != one {
		t.Errorf("%q, with other lines %q", one, two)
	}
	if of("j", "main.g", 1) == one || of("j/x", "main.f", 1) == one {
		t.Error("another function or code has the same fingerprint")
	}
}

func TestPathURI(t *testing.T) {
	for path, want := range map[string]string{
		"/src/a b/ä%.go":    "file:///src/a%20b/%C3%A4%25.go",
		"github.com/x/y.go": "github.com/x/y.go",
		`C:\src\x.go`:       "file:///C:/src/x.go",
		"a:b.go":            "./a:b.go",
		"\xff\x00?#":        "%FF%00%3F%23",
		"standard input":    "standard%20input",
		"":                  "",
	} {
		if got := pathURI(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

func TestJUnit(t *testing.T) {
	for _, c := range ciCases {
		var b bytes.Buffer
		if err := JUnit(&b, load(t, filepath.Join("testdata", c.in)), c.opt); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", c.out+".junit.xml"), b.Bytes())
		wellFormed(t, b.Bytes())
	}
}

// junitForm is what may be in each element, and its attributes, by the schema of
// Jenkins' xUnit plugin (junit-10.xsd), the strictest in use; those with ! must be.
var junitForm = map[string]struct{ elements, attributes string }{
	"testsuites": {"testsuite", "name time tests failures errors"},
	"testsuite":  {"testsuite properties testcase system-out system-err", "name! tests! failures! errors! group time skipped timestamp hostname id package file log url"},
	"properties": {"property", ""},
	"property":   {"", "name! value!"},
	"testcase":   {"skipped error failure system-out system-err", "name! time classname group"},
	"failure":    {"", "type message"},
	"error":      {"", "type message"},
	"skipped":    {"", "type message"},
	"system-out": {"", ""},
}

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	open := []string{""}
	dec := xml.NewDecoder(bytes.NewReader(text))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%q", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name, in := tok.Name.Local, open[len(open)-1]
			form, known := junitForm[name]
			if !known || in != "" && !slices.Contains(strings.Fields(junitForm[in].elements), name) {
				t.Errorf("element %s in %q", name, in)
			}
			has := map[string]bool{}
			for _, a := range tok.Attr {
				has[a.Name.Local] = true
			}
			for _, a := range strings.Fields(form.attributes) {
				a, must := strings.CutSuffix(a, "!")
				if must && !has[a] {
					t.Errorf("%s without %s", name, a)
				}
				delete(has, a)
			}
			if len(has) > 0 {
				t.Errorf("%s with %v", name, has)
			}
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// TestUntrusted: whatever a trace holds, the files are valid and print nothing that a
// terminal obeys.
func TestUntrusted(t *testing.T) {
	for _, evil := range []string{
		"a\x00\x1b[2J\xff\xed\xa0\x80]]>\"'&<x>\r\n\t\u202e\ufffe\u2028\U000e0041%../",
		"=1+1\n# EOF\na{b=\"c\"} 1[f](http://evil.example)",
		strings.Repeat("long\u0301\x1b", 300),
	} {
		t.Run(Clean(evil[:8]), func(t *testing.T) {
			untrusted(t, evil, nil)
			untrusted(t, evil, &analysis.Fleet{Inputs: 1, Traces: 1})
		})
	}
}

var (
	openMetric = regexp.MustCompile(`^(# (TYPE|HELP) [a-z][a-zA-Z0-9_]* .+|[a-z][a-zA-Z0-9_]*\{[a-z]+="([^"\\]|\\[\\"n])*"(,[a-z]+="([^"\\]|\\[\\"n])*")*\} [-+0-9.e]+|# EOF)\n$`)
	sarifLink  = regexp.MustCompile(`"text": .*\]\(http`)
)

func untrusted(t *testing.T, evil string, fleet *analysis.Fleet) {
	finding := analysis.Finding{
		Code: "j/" + evil, Severity: analysis.Error, Summary: evil, Advice: evil, Caveat: evil, Confidence: analysis.Confidence(evil),
		Evidence: []analysis.Evidence{{Func: evil, Note: evil, Stack: []analysis.Frame{{Func: evil, File: evil, Line: -1}, {Func: evil, File: "/src/" + evil, Line: 1}}}},
		Symptoms: []analysis.Finding{{Code: evil, Summary: evil}},
	}
	table := func(name string) *analysis.Table {
		t := &analysis.Table{Name: name, Title: evil, Columns: []analysis.Column{
			{Name: "finding", Unit: analysis.Text}, {Name: "metric", Unit: analysis.Text}, {Name: evil, Unit: analysis.Text}, {Name: evil + "2", Unit: analysis.Unit(evil)}, {Name: "traces", Unit: analysis.Count},
		}}
		t.Add(evil, evil, evil, 1.5, int64(7))
		return t
	}
	rep := &analysis.Report{
		Fleet: fleet,
		Tool:  evil,
		Trace: analysis.Summary{Name: evil, Fault: evil, Format: evil, Start: evil + ".0"},
		Results: []*analysis.Result{
			{Name: "j" + evil, Title: evil, Check: true, Outcome: analysis.Found, Findings: []analysis.Finding{finding}},
			{Name: "k", Title: evil, Check: true, Outcome: analysis.NotApplicable, Reason: evil},
			{Name: "l", Title: evil, Check: true, Outcome: analysis.Failed, Reason: evil},
			{Name: "m" + evil, Title: evil, Outcome: analysis.Clear, Summary: []string{evil}, Tables: []*analysis.Table{table("distributions." + evil), table("findings"), table(evil)},
				Figures: []analysis.Figure{{Name: evil, Title: evil, Mark: analysis.Bars, Table: evil, X: evil, Y: []string{"traces"}}}},
		},
		Suppressed: []analysis.Suppressed{{Finding: finding, Reason: evil, Source: evil}},
		Config:     &analysis.Config{File: evil, Off: []string{evil}},
	}
	schema := sarifOfficial(t)
	for _, root := range []string{"", "/src", evil} {
		opt := Options{Width: 100, SourceRoot: root, Pages: map[string]string{"k": strings.ReplaceAll(evil, "](", "")}}
		for _, f := range Formats {
			if f.Name == "parquet" { // no text
				continue
			}
			var b, again bytes.Buffer
			if err := f.Write(&b, rep, opt); err != nil {
				t.Fatal(err)
			}
			if err := f.Write(&again, rep, opt); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
				t.Errorf("%s: written again it is other, %v", f.Name, err)
			}
			if !utf8.Valid(b.Bytes()) {
				t.Errorf("%s: not UTF-8", f.Name)
			}
			if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s: unprintable at %d: %q", f.Name, i, b.String()[max(0, i-40):i+5])
			}
			switch f.Name {
			case "sarif":
				valid(t, schema, b.Bytes())
				if m := sarifLink.FindString(b.String()); m != "" {
					t.Errorf("sarif: %.1000q", m)
				}
			case "junit":
				wellFormed(t, b.Bytes())
			case "json":
				if !json.Valid(b.Bytes()) {
					t.Error("json: not valid")
				}
			case "csv":
				if bytes.Contains(b.Bytes(), []byte(",=")) || bytes.Contains(b.Bytes(), []byte(`,"=`)) || bytes.Contains(b.Bytes(), []byte("\n=")) {
					t.Errorf("csv: a formula in %.1000q", b.String())
				}
			case "openmetrics":
				for line := range strings.Lines(b.String()) {
					if !openMetric.MatchString(line) {
						t.Errorf("openmetrics: %.1000q", line)
					}
				}
			}
		}
	}
}
