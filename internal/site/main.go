// Command site makes the documentation as static HTML, from what the repository has: the
// README and the other texts, the page of every analyzer, the metrics, the figures, and
// the help of every command. A link that leads nowhere is an error.
//
//	go run ./internal/site [-o DIR]
//
// in the root of the module. The same commit gives the same bytes.
package main

import (
	"bytes"
	"embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
)

// repository is where files are that are no page.
const repository = "https://github.com/tracelens/tracelens/blob/main/"

//go:embed page.html style.css
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page.html"))

func main() {
	log.SetFlags(0)
	log.SetPrefix("site: ")
	out := flag.String("o", "dist/site", "write into `DIR`")
	flag.Parse()
	program, err := os.MkdirTemp("", "site-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(program)
	tool := filepath.Join(program, "tracelens")
	build := exec.Command("go", "build", "-o", tool, "./cmd/tracelens")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		log.Fatal(err)
	}
	if err := generate(".", *out, tool); err != nil {
		log.Fatal(err)
	}
}

// A site is the pages made so far.
type site struct {
	root  string
	out   string
	md    goldmark.Markdown
	pages map[string]string // path of a text in the repository, to that of its page
	nav   []navigation
	wrong []error
}

type navigation struct{ Name, Path string }

// texts are those of the repository that become pages, in the order of the navigation.
var texts = []struct{ path, page, name string }{
	{"README.md", "index.html", "Start"},
	{"docs/MONITORING.md", "monitoring.html", "Monitoring"},
	{"docs/STABILITY.md", "stability.html", "Stability"},
	{"CHANGELOG.md", "changelog.html", "Changelog"},
	{"CONTRIBUTING.md", "contributing.html", "Contributing"},
	{"SECURITY.md", "security.html", "Security"},
	{"testdata/traces/README.md", "traces.html", ""},
}

// generate writes the site of the repository at root into out; tool is the program.
func generate(root, out, tool string) error {
	s := &site{root: root, out: out, pages: make(map[string]string)}
	s.md = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()), goldmark.WithRendererOptions(html.WithUnsafe()))
	for _, t := range texts {
		s.pages[t.path] = t.page
		if t.name != "" {
			s.nav = append(s.nav, navigation{t.name, t.page})
		}
	}
	s.nav = slices.Insert(s.nav, 1, navigation{"Commands", "commands.html"}, navigation{"Checks and measures", "reference.html"}, navigation{"Metrics", "metrics.html"}, navigation{"Figures", "figures.html"})
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	style, err := files.ReadFile("style.css")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "style.css"), style, 0o666); err != nil {
		return err
	}
	for _, t := range texts {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(t.path)))
		if err != nil {
			return err
		}
		if err := s.page(t.page, t.path, string(data)); err != nil {
			return err
		}
	}
	for name, markdown := range reference() { // each into a file of its own
		if err := s.page(name, "", markdown); err != nil {
			return err
		}
	}
	commands, err := help(tool)
	if err != nil {
		return err
	}
	if err := s.page("commands.html", "", commands); err != nil {
		return err
	}
	return errors.Join(append(s.wrong, deadLinks(out)...)...)
}

// page writes a text as a page. Its links are relative to where it is in the repository;
// from is "" for what is made here, with links of pages.
func (s *site) page(name, from, markdown string) error {
	source := []byte(markdown)
	doc := s.md.Parser().Parse(text.NewReader(source))
	title := name
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 1 && title == name {
				title = string(n.Lines().Value(source))
			}
		case *ast.Link:
			if from != "" {
				n.Destination = []byte(s.link(name, from, string(n.Destination)))
			}
		case *ast.Image:
			n.Destination = []byte(s.copied(name, from, string(n.Destination)))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := s.md.Renderer().Render(&body, source, doc); err != nil {
		return err
	}
	content := pictures.ReplaceAllStringFunc(body.String(), func(m string) string {
		parts := pictures.FindStringSubmatch(m)
		return parts[1] + `="` + s.copied(name, from, parts[2]) + `"`
	})
	var b bytes.Buffer
	up := strings.Repeat("../", strings.Count(name, "/"))
	err = pageTemplate.Execute(&b, map[string]any{"Title": title, "Up": up, "Nav": s.nav, "Here": name, "Body": template.HTML(content)})
	if err != nil {
		return err
	}
	return s.write(name, b.Bytes())
}

// pictures are those in HTML that a text has.
var pictures = regexp.MustCompile(`\b(src|srcset)="([^":]+)"`)

func (s *site) write(name string, data []byte) error {
	file := filepath.Join(s.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o666)
}

// link is a link of the repository as one of the site.
func (s *site) link(page, from, to string) string {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "#") || strings.HasPrefix(to, "mailto:") {
		return to
	}
	file, anchor, _ := strings.Cut(to, "#")
	if anchor != "" {
		anchor = "#" + anchor
	}
	target := path.Join(path.Dir(from), file)
	if p, ok := s.pages[target]; ok {
		return strings.Repeat("../", strings.Count(page, "/")) + p + anchor
	}
	if _, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(target))); err != nil {
		s.wrong = append(s.wrong, fmt.Errorf("%s: %s leads nowhere", from, to))
	}
	return repository + target + anchor
}

// copied is a picture of the repository, copied into the site.
func (s *site) copied(page, from, to string) string {
	if strings.Contains(to, ":") {
		return to
	}
	target := path.Join(path.Dir(from), to)
	data, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(target)))
	if err == nil {
		err = s.write("pictures/"+path.Base(target), data)
	}
	if err != nil {
		s.wrong = append(s.wrong, fmt.Errorf("%s: %w", from, err))
	}
	return strings.Repeat("../", strings.Count(page, "/")) + "pictures/" + path.Base(target)
}

// reference are the pages of analyzers, and the lists of them, of metrics and figures.
func reference() map[string]string {
	out := make(map[string]string)
	var checks, measures, metrics, figures strings.Builder
	metrics.WriteString("# Metrics\n\nThe flat list of a report, by id. Ids never change their meaning.\n\n| id | unit | better | what it is |\n|---|---|---|---|\n")
	figures.WriteString("# Figures\n\n`tracelens plot --figure NAME TRACE` draws them.\n\n| name | what it shows |\n|---|---|\n")
	for _, a := range passes.All() {
		list, folder := &measures, "measures/"
		if len(a.Thresholds) > 0 {
			list, folder = &checks, "checks/"
		}
		fmt.Fprintf(list, "| [%s](%s%s.html) | %s |\n", a.Name, folder, a.Name, cell(a.Title()))
		out[folder+a.Name+".html"] = a.Page(nil)
	}
	for _, m := range passes.Metrics() {
		better := string(m.Polarity)
		if m.Polarity == analysis.Neutral {
			better = ""
		}
		fmt.Fprintf(&metrics, "| `%s` | %s | %s | %s |\n", m.ID, m.Unit, better, cell(m.Doc))
	}
	for _, f := range passes.Figures() {
		fmt.Fprintf(&figures, "| `%s` | %s |\n", f.Name, cell(f.Doc))
	}
	out["reference.html"] = "# Checks and measures\n\nMeasures count; checks find, from a value on that each page names.\n\n## Checks\n\n| check | what it finds |\n|---|---|\n" +
		checks.String() + "\n## Measures\n\n| measure | what it counts |\n|---|---|\n" + measures.String()
	out["metrics.html"], out["figures.html"] = metrics.String(), figures.String()
	return out
}

// cell is text in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

var command = regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`)

// help is that of every command.
func help(tool string) (string, error) {
	run := func(args ...string) (string, error) {
		out, err := exec.Command(tool, args...).Output()
		if err != nil {
			return "", fmt.Errorf("tracelens %s: %w", strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	root, err := run("--help")
	if err != nil {
		return "", err
	}
	_, list, _ := strings.Cut(root, "\nCommands:\n")
	var b strings.Builder
	fmt.Fprintf(&b, "# Commands\n\n%s", fenced(root))
	for _, m := range command.FindAllStringSubmatch(list, -1) {
		if m[1] == "help" {
			continue
		}
		text, err := run("help", m[1])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## tracelens %s\n\n%s", m[1], fenced(text))
	}
	return b.String(), nil
}

func fenced(s string) string { return "```\n" + strings.TrimRight(s, "\n") + "\n```\n" }

var (
	hrefs = regexp.MustCompile(`\b(?:href|src|srcset)="([^"]*)"`)
	ids   = regexp.MustCompile(`\bid="([^"]*)"`)
)

// deadLinks are those within the site that lead to no page or place.
func deadLinks(out string) (wrong []error) {
	pages := make(map[string]string)
	err := filepath.WalkDir(out, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(out, file)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		pages[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		return []error{err}
	}
	for name, body := range pages {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, ":") {
				continue
			}
			target := name
			if to != "" {
				target = path.Join(path.Dir(name), to)
			}
			there, ok := pages[target]
			if !ok {
				wrong = append(wrong, fmt.Errorf("%s: %s leads nowhere", name, m[1]))
			} else if anchor != "" && !slices.ContainsFunc(ids.FindAllStringSubmatch(there, -1), func(id []string) bool { return id[1] == anchor }) {
				wrong = append(wrong, fmt.Errorf("%s: %s has no such place", name, m[1]))
			}
		}
	}
	return wrong
}
