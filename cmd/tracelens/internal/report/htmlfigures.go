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
	light, _ := inline(pictures[0], pictures[0], "light", &p.inks)
	dark, _ := inline(pictures[1], pictures[1], "dark", &p.inks)
	return light + dark, nil
}

var (
	svgColor   = regexp.MustCompile(`#[0-9A-Fa-f]{6}\b`)
	svgStyle   = regexp.MustCompile(`\s+style="([^"]*)"`)
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
	darks := svgColor.FindAllString(dark, -1)
	of := func(ink string) (dark string) { dark, darks = darks[0], darks[1:]; return dark }
	_, svg, _ := strings.Cut(light, "<svg")
	svg = "<svg" + svg
	svg = svgStyle.ReplaceAllStringFunc(svg, func(style string) string {
		var classes, attributes []string
		for _, one := range strings.Split(svgStyle.FindStringSubmatch(style)[1], ";") {
			name, value, _ := strings.Cut(one, ":")
			switch {
			case svgColor.MatchString(value) && (name == "fill" || name == "stroke"):
				classes = append(classes, fmt.Sprintf("%s%d", name[:1], k.class(value, of(value))))
			case name == "font-family" || value == "normal":
			default:
				attributes = append(attributes, fmt.Sprintf(` %s="%s"`, name, value))
			}
		}
		if len(classes) > 0 {
			attributes = append(attributes, fmt.Sprintf(` class="%s"`, strings.Join(classes, " ")))
		}
		return strings.Join(attributes, "")
	})
	if len(darks) > 0 { // one outside a style
		return "", false
	}
	svg = svgPath.ReplaceAllStringFunc(svg, func(s string) string { return svgDecimal.ReplaceAllString(s, "$1") })
	root := `$1 role="img"`
	if class != "" {
		root += ` class="` + class + `"`
	}
	return template.HTML(svgSize.ReplaceAllString(svg, root)), true
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
		p.Charts = append(p.Charts, htmlChart{v.Figure.Name, v.Figure.Title, picture, &numbers})
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
			s.Figures = append(s.Figures, htmlChart{Name: v.Figure.Name, Title: v.Figure.Title, Picture: picture})
		}
	}
	return nil
}
