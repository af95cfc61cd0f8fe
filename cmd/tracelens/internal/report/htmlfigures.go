package report

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/plots"
)

// chartWidth is what two charts beside each other have, in px, so that their text is as
// large as that around them.
const chartWidth = 560

// htmlChart is a figure as part of the page: one picture whose colours follow the theme,
// or one for each.
type htmlChart struct {
	Name, Title string
	Picture     template.HTML
	Table       *htmlTable
	Time        string // that its x axis shows, as from-to in ns; "" for another axis
}

// inks are the colours of all pictures of a page, a class for each pair of a light and a
// dark one: the page's policy allows no element a style of its own.
type inks struct {
	classes map[[2]string]int
	pairs   [][2]string
}

func (k *inks) class(light, dark string) int {
	pair := [2]string{light, dark}
	id, ok := k.classes[pair]
	if !ok {
		if k.classes == nil {
			k.classes = make(map[[2]string]int)
		}
		id = len(k.pairs)
		k.classes[pair] = id
		k.pairs = append(k.pairs, pair)
	}
	return id
}

// style is what gives the classes their colours.
func (k *inks) style() string {
	return themed("ink", len(k.pairs), func(i int, dark bool) string {
		if dark {
			return k.pairs[i][1]
		}
		return k.pairs[i][0]
	}, "\n.f%[1]d{fill:var(--ink-%[1]d);background:var(--ink-%[1]d)}.s%[1]d{stroke:var(--ink-%[1]d)}")
}

// themed defines the variables --NAME-0 and on in both themes, and a rule for each, if any.
func themed(name string, n int, color func(i int, dark bool) string, rule string) string {
	var b strings.Builder
	vars := func(dark bool) {
		for i := range n {
			fmt.Fprintf(&b, "--%s-%d:%s;", name, i, color(i, dark))
		}
	}
	b.WriteString("\n:root{")
	vars(false)
	b.WriteString("}\n:root[data-theme=dark]{")
	vars(true)
	b.WriteString("}\n@media (prefers-color-scheme:dark){:root:not([data-theme=light]){")
	vars(true)
	b.WriteString("}}")
	for i := range n {
		if rule != "" {
			fmt.Fprintf(&b, rule, i)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// draw is the picture of a figure.
func (p *htmlPage) draw(v View) (template.HTML, error) {
	var pictures [2]string
	for i, dark := range []bool{false, true} {
		o := PlotOptions(p.rep)
		o.Format, o.Dark, o.Text, o.Width = "svg", dark, true, chartWidth
		var b bytes.Buffer
		if err := plots.Draw(&b, v.Figure, v.Table, o); err != nil {
			return "", err
		}
		pictures[i] = b.String()
	}
	if svg, ok := inline(pictures[0], pictures[1], "", &p.inks); ok {
		return svg, nil
	}
	light, _ := inline(pictures[0], pictures[0], "light", &p.inks) // the same is always the same
	dark, _ := inline(pictures[1], pictures[1], "dark", &p.inks)
	return light + dark, nil
}

var (
	svgColor   = regexp.MustCompile(`#[0-9A-Fa-f]{6}\b`)
	svgTag     = regexp.MustCompile(`<[a-z][^>]*>`)
	svgInk     = regexp.MustCompile(`\s+(fill|stroke)="ink(\d+)"`)
	svgStyle   = regexp.MustCompile(`\s+style="([^"]*)"`)
	anyInk     = regexp.MustCompile(`"ink(\d+)"`)
	svgSize    = regexp.MustCompile(`(<svg) width="[^"]*" height="[^"]*"`)
	svgPath    = regexp.MustCompile(` (d|x|y|transform)="[^"]*"`)
	svgDecimal = regexp.MustCompile(`(\.\d)\d+`)
)

// inline makes one picture for the page of two that differ in their colours only: their
// styles become attributes, their colours classes. It fails where they differ in more.
func inline(light, dark, class string, k *inks) (template.HTML, bool) {
	if svgColor.ReplaceAllString(light, "") != svgColor.ReplaceAllString(dark, "") {
		return "", false
	}
	var darks []string // in elements, not in what is written
	for _, tag := range svgTag.FindAllString(dark, -1) {
		darks = append(darks, svgColor.FindAllString(tag, -1)...)
	}
	_, svg, _ := strings.Cut(light, "<svg")
	svg = svgTag.ReplaceAllStringFunc("<svg"+svg, func(tag string) string {
		return unstyled(svgColor.ReplaceAllStringFunc(tag, func(ink string) string {
			other := darks[0]
			darks = darks[1:]
			return fmt.Sprintf("ink%d", k.class(ink, other))
		}))
	})
	svg = anyInk.ReplaceAllString(svg, `"var(--ink-$1)"`)
	svg = svgPath.ReplaceAllStringFunc(svg, func(s string) string { return svgDecimal.ReplaceAllString(s, "$1") })
	root := `$1 role="img"`
	if class != "" {
		root += ` class="` + class + `"`
	}
	return template.HTML(svgSize.ReplaceAllString(svg, root)), true
}

// unstyled is an element without a style: its colours are classes, the rest attributes.
func unstyled(tag string) string {
	var classes, attributes []string
	for _, m := range svgInk.FindAllStringSubmatch(tag, -1) {
		classes = append(classes, m[1][:1]+m[2])
	}
	tag = svgInk.ReplaceAllString(tag, "")
	if m := svgStyle.FindStringSubmatch(tag); m != nil {
		for _, one := range strings.Split(m[1], ";") {
			name, value, _ := strings.Cut(one, ":")
			ink, colored := strings.CutPrefix(value, "ink")
			switch {
			case colored && (name == "fill" || name == "stroke"):
				classes = append(classes, name[:1]+ink)
			case name == "font-family" || value == "normal":
			default:
				attributes = append(attributes, fmt.Sprintf(`%s="%s"`, name, value))
			}
		}
		tag = svgStyle.ReplaceAllString(tag, "")
	}
	if len(classes) > 0 {
		attributes = append(attributes, fmt.Sprintf(`class="%s"`, strings.Join(classes, " ")))
	}
	if len(attributes) == 0 {
		return tag
	}
	name := strings.IndexAny(tag, " \t\n/>")
	return tag[:name] + " " + strings.Join(attributes, " ") + tag[name:]
}

// over is the time that the x axis of a figure shows, "" where it shows something else.
func (p *htmlPage) over(v View) string {
	for _, c := range v.Table.Columns {
		if c.Name == v.Figure.X && c.Unit == analysis.Moment && !p.Many {
			return fmt.Sprintf("%d-%d", p.rep.Trace.From, p.rep.Trace.To)
		}
	}
	return ""
}

// charts draws all figures: the main ones with their numbers, the others for their
// measures.
func (p *htmlPage) charts() error {
	main := MainFigures(p.rep)
	for _, v := range main {
		picture, err := p.draw(v)
		if err != nil {
			return err
		}
		numbers := p.table(v.Table, behindRows)
		p.Charts = append(p.Charts, htmlChart{v.Figure.Name, v.Figure.Title, picture, &numbers, p.over(v)})
	}
	for i := range p.Sections {
		s := &p.Sections[i]
		for _, v := range Figures(&analysis.Report{Results: p.rep.Results[s.result : s.result+1]}) {
			if slices.ContainsFunc(main, func(m View) bool { return m.Figure.Name == v.Figure.Name }) {
				s.Above = append(s.Above, htmlChart{Name: v.Figure.Name, Title: v.Figure.Title})
				continue
			}
			picture, err := p.draw(v)
			if err != nil {
				return err
			}
			s.Figures = append(s.Figures, htmlChart{Name: v.Figure.Name, Title: v.Figure.Title, Picture: picture, Time: p.over(v)})
		}
	}
	return nil
}
