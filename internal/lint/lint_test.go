// Package lint holds the rules about the module itself, as tests: which
// package may import which, what the module depends on, and the form of its
// files. They read the files that git tracks, for every platform and build tag.
package lint

import (
	"strconv"

	"github.com/tracelens/tracelens/analysis/passes"

	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/tracelens/tracelens"
	root   = "../.."
)

type layer struct {
	pkg string
	may []string
}

// layers tells for each package of the module which others its non-test code
// may import. A pattern is a directory; with /... also all below it. The first
// row that matches a package counts.
var layers = []layer{
	{"parse", []string{"parse/internal/..."}},
	{"parse/internal/...", []string{"parse/internal/..."}},
	{"parse/tracetest", []string{"parse", "parse/internal/..."}},
	{"analysis", []string{"parse", "analysis/sketch"}},
	{"analysis/sketch", nil},
	{"analysis/internal/tally", []string{"analysis/sketch", "parse"}},
	{"analysis/internal/say", []string{"analysis", "analysis/sketch", "analysis/internal/tally", "parse"}},
	{"analysis/internal/window", []string{"analysis", "analysis/sketch", "parse"}},
	{"analysis/internal/checktest", []string{"analysis", "analysis/analysistest", "internal/corpus", "parse", "parse/tracetest"}},
	{"analysis/measures", []string{"analysis", "analysis/sketch", "analysis/internal/...", "parse"}},
	{"analysis/checks/internal/evidence", []string{"analysis", "analysis/sketch", "analysis/internal/...", "analysis/measures", "parse"}},
	{"analysis/checks/stw", []string{"analysis", "analysis/sketch", "analysis/internal/...", "analysis/measures", "analysis/checks/internal/...", "analysis/checks/gc", "parse"}}, // pauses are the GC's
	{"analysis/checks/...", []string{"analysis", "analysis/sketch", "analysis/internal/...", "analysis/measures", "analysis/checks/internal/...", "parse"}},
	{"analysis/drill", []string{"analysis", "analysis/sketch", "analysis/measures", "parse"}},
	{"analysis/passes", []string{"analysis", "analysis/measures", "analysis/checks/..."}},
	{"analysis/verdict", []string{"analysis"}},
	{"analysis/fleet", []string{"analysis", "analysis/sketch"}}, // entries are given to it
	{"analysis/compare", []string{"analysis", "analysis/fleet", "analysis/internal/say", "analysis/measures", "analysis/sketch"}},
	{"analysis/analysistest", []string{"analysis", "internal/corpus", "parse", "parse/tracetest"}},
	{"plots/...", []string{"analysis", "plots/..."}},
	{"capture", nil},
	{"internal/bench/...", nil},
	{"internal/corpus", nil},
	{"internal/svgtest", nil},
	{"internal/site", []string{"analysis", "analysis/passes"}},
	{"cmd/tracelens/internal/config", []string{"analysis", "analysis/compare", "analysis/fleet", "analysis/verdict"}}, // a catalogue is given to it
	{"cmd/tracelens/internal/report", []string{"analysis", "analysis/fleet", "parse", "plots/...", "cmd/..."}},
	{"cmd/...", []string{"analysis", "analysis/compare", "analysis/drill", "analysis/fleet", "analysis/measures", "analysis/passes", "analysis/verdict", "cmd/...", "parse", "plots/..."}},
}

// confined names the directory that alone may import a library in non-test code.
var confined = map[string]string{
	"golang.org/x/exp/trace": "parse/...", // tests elsewhere may use it as an oracle
	"github.com/spf13/cobra": "cmd/...",
	"gonum.org/v1/plot":      "plots/...",

	"github.com/modelcontextprotocol/go-sdk": "cmd/tracelens",
	"go.yaml.in/yaml/v3":                     "cmd/tracelens/internal/config",
}

// pure are packages that import the standard library only, so that a service can link
// them without a thought.
var pure = []string{"capture"}

func matches(pattern, p string) bool {
	dir, below := strings.CutSuffix(pattern, "/...")
	return p == dir || below && strings.HasPrefix(p, dir+"/")
}

// importFault says what is wrong with an import of path imp by non-test code of
// package pkg, a directory of the module; "" if nothing.
func importFault(pkg, imp string) string {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.pkg, pkg) })
	if i < 0 {
		return "package " + pkg + " is in no row of layers"
	}
	for lib, dir := range confined {
		if matches(lib+"/...", imp) && !matches(dir, pkg) {
			return fmt.Sprintf("imports %s, which only %s may", imp, dir)
		}
	}
	if first, _, _ := strings.Cut(imp, "/"); slices.Contains(pure, pkg) && strings.Contains(first, ".") {
		return fmt.Sprintf("imports %s, and may import the standard library only", imp)
	}
	if !matches(module+"/...", imp) {
		return ""
	}
	own := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
	if slices.ContainsFunc(layers[i].may, func(m string) bool { return matches(m, own) }) {
		return ""
	}
	return fmt.Sprintf("imports %s; of this module %s may import only %q", imp, layers[i].pkg, layers[i].may)
}

func TestImportFault(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		ok       bool
	}{
		{"parse", module + "/parse/internal/wire", true},
		{"parse", module + "/analysis", false},
		{"parse/internal/wire", module + "/parse", false},
		{"analysis", module + "/parse", true},
		{"analysis", module + "/analysis/passes", false},
		{"analysis", module + "/analysis/sketch", true},
		{"analysis", module + "/analysis/internal/say", false},
		{"analysis/checks/gc", module + "/analysis/measures", true},
		{"analysis/checks/gc", module + "/analysis/checks/sched", false},
		{"analysis/measures", module + "/analysis/checks/gc", false},
		{"analysis/sketch", module + "/parse", false},
		{"analysis/passes", module + "/analysis/checks/gc", true},
		{"analysis/passes", module + "/plots", false},
		{"plots", module + "/analysis", true},
		{"plots", module + "/analysis/passes", false},
		{"plots", module + "/parse", false},
		{"cmd/tracelens", module + "/cmd/tracelens/internal/report", true},
		{"cmd/tracelens", module + "/plots", true},
		{"cmd/tracelens/internal/config", module + "/analysis/passes", false},
		{"analysis/passes", module + "/cmd/tracelens", false},
		{"somewhere", module + "/parse", false},
		{"parse", module, false},
		{"parse/internal/wire", "golang.org/x/exp/trace", true},
		{"analysis", "golang.org/x/exp/trace", false},
		{"analysis", "golang.org/x/exp/traceother", true},
		{"cmd/tracelens", "github.com/spf13/cobra/doc", true},
		{"plots", "github.com/spf13/cobra", false},
		{"cmd/tracelens/internal/config", "go.yaml.in/yaml/v3", true},
		{"cmd/tracelens", "go.yaml.in/yaml/v3", false},
		{"plots", "gonum.org/v1/plot/vg", true},
		{"plots", "strings", true},
		{"capture", "runtime/trace", true},
		{"capture", "golang.org/x/exp/trace", false},
		{"capture", "github.com/spf13/pflag", false},
		{"capture", module + "/parse", false},
	} {
		if fault := importFault(c.pkg, c.imp); (fault == "") != c.ok {
			t.Errorf("importFault(%q, %q) = %q, want ok = %v", c.pkg, c.imp, fault, c.ok)
		}
	}
}

func TestLayers(t *testing.T) {
	for name, f := range packageFiles(t) {
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if fault := importFault(path.Dir(name), imp); fault != "" {
				t.Errorf("%s: %s", name, fault)
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	docs := map[string]string{}
	for name, f := range packageFiles(t) {
		doc := f.Doc.Text()
		docs[path.Dir(name)] += doc
		if doc != "" && f.Name.Name != "main" && !strings.HasPrefix(doc, "Package "+f.Name.Name+" ") {
			t.Errorf("%s: the package doc does not begin with %q", name, "Package "+f.Name.Name)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(docs)) {
		if docs[dir] == "" {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

func TestModFile(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join(root, "go.mod")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module  struct{ Path string }
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace, Exclude []any
		Toolchain        string
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module {
		t.Errorf("go.mod: module %s, want %s", mod.Module.Path, module)
	}
	// go install MODULE/cmd/tracelens@latest refuses a module with replace or exclude.
	if len(mod.Replace) > 0 || len(mod.Exclude) > 0 || mod.Toolchain != "" {
		t.Error("go.mod: has a replace, exclude or toolchain line")
	}

	const golden = "testdata/direct-deps.txt"
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		dep, reason, _ := strings.Cut(strings.TrimSpace(line), "  — ")
		if dep == "" || reason == "" {
			t.Errorf("%s: %q is not of the form \"path  — reason\"", golden, line)
		}
		listed[dep] = true
	}
	for _, r := range mod.Require {
		if r.Indirect {
			continue
		}
		if !listed[r.Path] {
			t.Errorf("%s: direct dependency %s of go.mod is missing", golden, r.Path)
		}
		delete(listed, r.Path)
	}
	for _, dep := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s: %s is not a direct dependency in go.mod", golden, dep)
	}
}

// Brackets keep the pattern from matching this file.
var (
	unfinished  = regexp.MustCompile(`\b(TO[D]O|FIX[M]E|X[X]X)\b`)
	machinePath = regexp.MustCompile(`(^|[^\w./-])(/(home|root|Users|work)/|[A-Z]:\\Users\\)\w+`)
)

func TestFiles(t *testing.T) {
	for _, name := range tracked(t) {
		data := read(t, name)
		if strings.HasSuffix(name, ".go") {
			formatted, err := format.Source(data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !bytes.Equal(data, formatted) {
				t.Errorf("%s: not formatted by gofmt", name)
			}
		}
		banned := []*regexp.Regexp{machinePath}
		// The hashes of go.sum may spell anything, and so may a binary file.
		if path.Base(name) != "go.sum" && bytes.IndexByte(data, 0) < 0 {
			banned = append(banned, unfinished)
		}
		n := 0
		for line := range bytes.Lines(data) {
			n++
			for _, pattern := range banned {
				if m := pattern.Find(line); m != nil {
					t.Errorf("%s:%d: %q", name, n, m)
				}
			}
		}
	}
}

const (
	mostLines    = 600 // of a file without tests
	mostFunction = 120 // lines of a function
)

// long are the files and folders that may be longer, or hold longer functions.
var long = []string{
	"parse/internal/wire/order.go", // the scheduler's state machine: a case for each event
	"parse/internal/wire/generation.go",
	"parse/tracetest/...",
}

func TestSizes(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains("/"+name, "/testdata/") ||
			slices.ContainsFunc(long, func(pattern string) bool { return matches(pattern, name) }) {
			continue
		}
		for _, fault := range tooLong(t, name, read(t, name)) {
			t.Error(fault)
		}
	}
}

// tooLong says which parts of a file are too long.
func tooLong(t *testing.T, name string, data []byte) (faults []string) {
	t.Helper()
	if n := bytes.Count(data, []byte("\n")); n > mostLines {
		faults = append(faults, fmt.Sprintf("%s: %d lines, more than %d", name, n, mostLines))
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, data, 0)
	if err != nil {
		t.Error(err)
		return faults
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			first, last := set.Position(fn.Pos()).Line, set.Position(fn.End()).Line
			if n := last - first + 1; n > mostFunction {
				faults = append(faults, fmt.Sprintf("%s:%d: %s has %d lines, more than %d", name, first, fn.Name.Name, n, mostFunction))
			}
		}
	}
	return faults
}

func TestTooLong(t *testing.T) {
	for _, c := range []struct{ lines, function, faults int }{
		{mostLines, mostFunction, 0}, {mostLines + 1, mostFunction, 1}, {mostLines, mostFunction + 1, 1}, {mostLines + 1, mostFunction + 1, 2},
	} {
		function := "func f() {\n" + strings.Repeat("\n", c.function-2) + "}\n"
		text := "package p\n" + function + strings.Repeat("\n", c.lines-1-c.function)
		if got := tooLong(t, "p.go", []byte(text)); len(got) != c.faults {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// tracked returns the files that git tracks, relative to the module root, without those deleted in the work tree.
func tracked(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("not a git checkout")
	}
	// Go test caches by the files a test looks at, and does not see those of a child process.
	os.Stat(filepath.Join(root, ".git", "index"))
	cmd := exec.Command("git", "-C", root, "ls-files", "-z")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	names := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// packageFiles parses the tracked non-test Go files of the module, leaving out
// nested modules and testdata.
func packageFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	names := tracked(t)
	var nested []string
	for _, name := range names {
		if dir, ok := strings.CutSuffix(name, "/go.mod"); ok {
			nested = append(nested, dir+"/...")
		}
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.Contains("/"+name, "/testdata/") ||
			slices.ContainsFunc(nested, func(n string) bool { return matches(n, name) }) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		files[name] = f
	}
	return files
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestChecksAskModels: a check asks a measure's read model, never a table that was
// made for people.
func TestChecksAskModels(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "analysis/checks/") || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, word := range []string{".Cell(", "TableOf(", ".Columns", ".Rows"} {
			if bytes.Contains(read(t, name), []byte(word)) {
				t.Errorf("%s reads a table: %s", name, word)
			}
		}
	}
}

// TestOutputsNameNoAnalyzer: what an output must know of an analyzer stands in its
// result.
func TestOutputsNameNoAnalyzer(t *testing.T) {
	var names []string
	for _, a := range passes.All() {
		names = append(names, a.Name)
	}
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "plots/") && !strings.HasPrefix(name, "cmd/tracelens/internal/report/") || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				first, _, dotted := strings.Cut(text, ".")
				if slices.Contains(names, first) && !strings.HasSuffix(text, ".js") && (dotted || strings.Contains(text, "-")) {
					t.Errorf("%s names %q", name, text)
				}
			}
			return true
		})
	}
}
