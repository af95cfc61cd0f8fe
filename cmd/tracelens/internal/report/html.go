package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/plots"
)

//go:embed html
var htmlFiles embed.FS

var htmlTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{
		"moment": analysis.FormatMoment,
		"count":  analysis.FormatCount,
		"anchor": anchor,
	}).ParseFS(htmlFiles, "html/*.html"))
})

// Limits of what a page holds of a table.
const (
	htmlRows   = 500 // of a table
	behindRows = 200 // of the table behind a chart
)

// HTML writes a report as one page that needs nothing else: no file, no network.
func HTML(w io.Writer, rep *analysis.Report, opt Options) error {
	page := newHTMLPage(rep, opt)
	if err := page.charts(); err != nil {
		return err
	}
	data, err := pack(page.timeline())
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	page.Data = data
	if requests := page.requests(); requests != nil {
		if page.Requests, err = pack(requests); err != nil {
			return fmt.Errorf("internal error: %w", err)
		}
		page.Classes = requests.Classes
	}
	style, script := asset("style.css")+palette(page.States)+page.inks.style()+classColors(page.Classes), asset("data.js")+asset("lanes.js")+asset("timeline.js")+asset("requests.js")+asset("charts.js")+asset("page.js")
	page.Style, page.Script = template.CSS(style), template.JS(script)
	page.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", hash(style), hash(script))
	var b bytes.Buffer
	if err := htmlTemplate().Execute(&b, page); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = Clean(lines[i]) // the template has escaped what is markup
	}
	_, err = io.WriteString(w, strings.Join(lines, "\n"))
	return err
}

func asset(name string) string {
	b, err := htmlFiles.ReadFile("html/" + name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// hash is what a content-security policy calls a text by.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// anchor makes a name that may stand in an id.
func anchor(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, name)
}

// stackedStates are the states of a P, in the order in which they are stacked.
func stackedStates(rep *analysis.Report) (states []string) {
	if t := tableOf(rep, analysis.RoleDensity); t != nil {
		for _, c := range t.Columns {
			if c.Unit == analysis.Ratio {
				states = append(states, c.Name)
			}
		}
		return states
	}
	if t := tableOf(rep, analysis.RoleSpans); t != nil {
		for i := range t.Rows {
			if s, ok := t.Cell(i, "state").(string); ok && !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// palette gives the states of Ps, and those of goroutines that do not run, the colours that
// they have in charts, in both themes.
func palette(states []string) string {
	goroutine := []string{"runnable", "waiting"}
	return themed("state", len(states), func(i int, dark bool) string {
		fill, _, _ := plots.Color(states[i], dark)
		return fill
	}, "\n.state-%[1]d{background:var(--state-%[1]d);fill:var(--state-%[1]d)}") + themed("on-state", len(states), func(i int, dark bool) string {
		_, text, _ := plots.Color(states[i], dark)
		return text
	}, "") + themed("goroutine", len(goroutine), func(i int, dark bool) string {
		fill, _, _ := plots.Color(goroutine[i], dark)
		return fill
	}, "")
}

// htmlPage is what the template shows.
type htmlPage struct {
	Style  template.CSS
	Script template.JS
	Policy string
	Data   string // of the timeline

	Name, Title, Tool string
	Lost              string // what is missing of the trace
	Many              bool   // traces
	Compared          bool   // they are two sides
	Facts             []string
	Verdict           []string
	Tiles             []htmlTile
	Mini              *htmlMini // nil where nothing is known over time
	Counts            []htmlCount
	Findings          []htmlFinding
	States            []string
	HasTimeline       bool
	Fleet             *htmlFleet // nil where it is not about many traces
	Requests          string     // packed; "" for none
	Classes           []string   // of requests, by what most of their time was
	Exact             string     // which part of the timeline is
	Charts            []htmlChart
	Metrics           []htmlMetric
	Sections          []htmlSection
	Clear             []*analysis.Result
	Unable            []cannot
	Off               string
	Suppressed        []string
	Pages             []htmlDoc

	rep  *analysis.Report
	opt  Options
	inks inks
}

type htmlCount struct {
	Severity analysis.Severity
	Text     string
}

type htmlFinding struct {
	*analysis.Finding
	ID       string
	Cost     string
	Share    int // of the cost, in percent
	Evidence []htmlEvidence
	Symptoms []htmlFinding
	Page     string
	Headline string
	First    *htmlEvidence // where to look first; nil for nowhere in particular
	Chart    string        // the figure that shows it, where the page has it
}

type htmlEvidence struct {
	When, Long, P, G string
	analysis.Evidence
	Link      string
	Elsewhere []Opening
}

type htmlMetric struct {
	ID, Value, N, Doc, Polarity, Confidence, Clock, Unit string
	Sort                                                 float64
}

type htmlSection struct {
	Name, Title string
	Outcome     analysis.Outcome
	Reason      string
	Summary     []string
	Tables      []htmlTable
	Figures     []htmlChart
	Above       []htmlChart // that stand among the main ones
	Open        bool
	result      int // its place in the report
}

type htmlTable struct {
	Name, Title string
	Columns     []htmlColumn
	Rows        [][]htmlCell
	More        string
	Filter      bool // its rows can be chosen by what they say
}

type htmlColumn struct {
	Name    string
	Numeric bool
	Hint    string
}

type htmlCell struct {
	Text    string
	Sort    string // what to sort by, where it is not Text
	Numeric bool
	Link    string // to its moment
}

type htmlDoc struct {
	Name string
	HTML template.HTML
}

func newHTMLPage(rep *analysis.Report, opt Options) *htmlPage {
	p := &htmlPage{rep: rep, opt: opt, Many: rep.Many(), Compared: rep.Comparison != nil, Name: rep.Trace.Name, Tool: rep.Tool, States: stackedStates(rep)}
	p.Title = filepath.Base(rep.Trace.Name) + ": tracelens report"
	p.header()
	p.findings()
	p.tiles()
	p.Verdict = p.verdict()
	p.mini()
	p.metrics()
	p.sections()
	p.checks()
	p.fleet()
	return p
}

func (p *htmlPage) dur(ns int64) string { return analysis.FormatDuration(ns, p.rep.Trace.Quantum) }

// verdict is its sentences: without what a finding below says to do, and with the state
// in numbers only where no tiles show it.
func (p *htmlPage) verdict() (lines []string) {
	if p.rep.Fleet != nil {
		for _, res := range p.rep.Results {
			lines = append(lines, res.Summary...)
		}
		return lines
	}
	if p.rep.Verdict == nil || len(p.Tiles) == 0 {
		return verdictLines(p.rep)
	}
	for _, part := range p.rep.Verdict.Parts {
		text, rest, _ := strings.Cut(part.Text, ". ")
		why, _, _ := strings.Cut(rest, ". ")
		switch {
		case part.Code == "" || rest == "":
			text = part.Text
		case strings.HasPrefix(why, "Because: "):
			text += ". " + why + "."
		default:
			text += "."
		}
		lines = append(lines, text)
	}
	return lines
}

func (p *htmlPage) header() {
	p.Lost, p.Facts = lost(p.rep), facts(p.rep)
}

// link is to a part of the timeline, with some room at its sides; "" where there is
// none.
func (p *htmlPage) link(from, to int64, proc, g *int64) string {
	if p.Many {
		return ""
	}
	a, b := around(p.rep, from, to)
	s := fmt.Sprintf("#t=%d-%d", a, b)
	if proc != nil {
		s += fmt.Sprintf("&p=%d", *proc)
	}
	if g != nil && *g >= 0 {
		s += fmt.Sprintf("&g=%d", *g)
	}
	return s
}

func (p *htmlPage) findings() {
	n := make(map[analysis.Severity]int64)
	for i, f := range p.rep.Findings() {
		n[f.Severity]++
		p.Findings = append(p.Findings, p.finding(fmt.Sprintf("finding-%d", i+1), f))
	}
	if p.Compared {
		p.changes()
	}
	for _, s := range []analysis.Severity{analysis.Error, analysis.Warning, analysis.Note} {
		if n[s] > 0 {
			p.Counts = append(p.Counts, htmlCount{s, counted(n[s], string(s))})
		}
	}
}

// changes counts what differs: types of requests, places that goroutine time goes to, metrics.
func (p *htmlPage) changes() {
	c := p.rep.Comparison
	if c.Basis == analysis.Chosen {
		p.Counts = append(p.Counts, htmlCount{"note", counted(c.New.Requests, "request") + " chosen"})
		return
	}
	n := make(map[analysis.Judged]int64)
	for _, all := range [][]analysis.Change{c.Metrics, c.Parts} {
		for i := range all {
			n[all[i].Judged]++
		}
	}
	for i := range c.Requests {
		if ch := c.Requests[i].Differs(); ch != nil {
			n[ch.Judged]++
		}
	}
	for _, j := range []struct {
		judged analysis.Judged
		class  analysis.Severity
	}{{analysis.Worse, "warning"}, {analysis.SeemsWorse, "note"}, {analysis.Changed, "note"}, {analysis.SeemsOther, "note"}, {analysis.SeemsBetter, "note"}, {analysis.Better, "good"}} {
		if n[j.judged] > 0 {
			is := string(j.judged)
			if n[j.judged] > 1 {
				is = strings.Replace(is, "seems", "seem", 1)
			}
			p.Counts = append(p.Counts, htmlCount{j.class, analysis.FormatCount(n[j.judged]) + " " + is})
		}
	}
}

func (p *htmlPage) finding(id string, f *analysis.Finding) htmlFinding {
	v := htmlFinding{Finding: f, ID: id, Headline: analysis.Headline(f.Summary), Cost: cost(f, p.rep.Trace.Quantum)}
	v.Share = int(math.Round(100 * min(max(f.Cost.Share(), 0), 1)))
	name, _, _ := strings.Cut(f.Code, "/")
	if text, ok := p.opt.Pages[name]; ok {
		v.Page = "page-" + anchor(name)
		if !slices.ContainsFunc(p.Pages, func(d htmlDoc) bool { return d.Name == name }) {
			var b strings.Builder
			if err := markdown().Convert([]byte(text), &b); err == nil {
				p.Pages = append(p.Pages, htmlDoc{name, template.HTML(b.String())})
			}
		}
	}
	for _, e := range f.Evidence {
		row := htmlEvidence{When: analysis.FormatMoment(e.From), Evidence: e, Link: p.link(e.From, e.To, e.P, e.G), Elsewhere: Openings(p.rep, e.From, e.To)}
		if e.To > e.From {
			row.Long = p.dur(e.To - e.From)
		}
		if e.P != nil {
			row.P = fmt.Sprint(*e.P)
		}
		if e.G != nil {
			row.G = fmt.Sprint(*e.G)
		}
		v.Evidence = append(v.Evidence, row)
	}
	for i := range v.Evidence {
		if e := &v.Evidence[i]; e.Link != "" && (e.From > p.rep.Trace.From || e.Evidence.To < p.rep.Trace.To) {
			v.First = e
			break
		}
	}
	if slices.ContainsFunc(Figures(p.rep), func(shown View) bool { return shown.Figure.Name == f.Figure }) {
		v.Chart = f.Figure
	}
	for i := range f.Symptoms {
		v.Symptoms = append(v.Symptoms, p.finding(fmt.Sprintf("%s-%d", id, i+1), &f.Symptoms[i]))
	}
	return v
}

func (p *htmlPage) metrics() {
	for _, id := range slices.Sorted(maps.Keys(p.rep.Metrics)) {
		m := p.rep.Metrics[id]
		p.Metrics = append(p.Metrics, htmlMetric{
			ID: id, Value: analysis.Format(m.Value, m.Unit, p.rep.Trace.Quantum), N: analysis.FormatCount(m.N), Doc: p.opt.MetricDocs[id],
			Polarity: map[analysis.Polarity]string{analysis.Lower: "lower", analysis.Higher: "higher"}[m.Polarity],
			Clock:    string(m.Clock), Confidence: string(m.Confidence), Unit: string(m.Unit), Sort: float64(m.Value),
		})
	}
}

func (p *htmlPage) sections() {
	for i, res := range p.rep.Results {
		s := htmlSection{result: i, Name: res.Name, Title: res.Title, Outcome: res.Outcome, Reason: res.Reason, Summary: res.Summary, Open: p.Compared || res.Outcome == analysis.Failed}
		for _, t := range res.Tables {
			if t.Role == "" && (!t.Detail || p.rep.Fleet != nil) {
				s.Tables = append(s.Tables, p.table(t, htmlRows))
			}
		}
		if res.Check && !p.Many && len(res.Figures) == 0 || len(s.Summary)+len(s.Tables)+len(res.Figures) == 0 {
			continue
		}
		p.Sections = append(p.Sections, s)
	}
}

// checks says what was looked for and not found, and what cannot be told.
func (p *htmlPage) checks() {
	p.Clear, p.Unable = checks(p.rep)
	p.Off = switchedOff(p.rep)
	for i := range p.rep.Suppressed {
		s := &p.rep.Suppressed[i]
		p.Suppressed = append(p.Suppressed, fmt.Sprintf("%s: %s (%s)", s.Code, s.Summary, s.Reason))
	}
}

// table is t for people; the longest tables lose their tails.
func (p *htmlPage) table(t *analysis.Table, limit int) htmlTable {
	v := htmlTable{Name: t.Name, Title: t.Title}
	from, long, proc := -1, -1, -1 // columns that say where a row is
	for i, c := range t.Columns {
		col := htmlColumn{Name: c.Name, Numeric: c.Unit != analysis.Text}
		switch c.Polarity {
		case analysis.Lower:
			col.Hint = "lower is better"
		case analysis.Higher:
			col.Hint = "higher is better"
		}
		v.Columns = append(v.Columns, col)
		switch {
		case c.Unit == analysis.Moment && from < 0:
			from = i
		case c.Unit == analysis.NS && long < 0:
			long = i
		case c.Unit == analysis.P && proc < 0:
			proc = i
		}
	}
	rows := t.Rows[:min(len(t.Rows), limit)]
	for _, row := range rows {
		cells := make([]htmlCell, len(row))
		for i, c := range row {
			cells[i] = htmlCell{Text: analysis.Format(c, t.Columns[i].Unit, p.rep.Trace.Quantum), Numeric: v.Columns[i].Numeric}
			if text, ok := c.(string); ok && p.opt.Links != nil {
				cells[i].Link = p.opt.Links(text)
			}
			if v.Columns[i].Numeric {
				cells[i].Sort = "-Infinity" // cells without a number come last
				if v, ok := number(c); ok {
					cells[i].Sort = strconv.FormatFloat(v, 'g', -1, 64)
				}
			}
		}
		if from >= 0 {
			if at, ok := integer(row[from]); ok {
				to := at
				if long >= 0 {
					d, _ := integer(row[long])
					to += d
				}
				var on *int64
				if proc >= 0 {
					if id, ok := integer(row[proc]); ok && id >= 0 {
						on = &id
					}
				}
				cells[from].Link = p.link(at, to, on, nil)
			}
		}
		v.Rows = append(v.Rows, cells)
	}
	switch more := t.More + int64(len(t.Rows)-len(rows)); {
	case t.N > 0 && more > 0:
		v.More = fmt.Sprintf("%s more rows; n = %s", analysis.FormatCount(more), analysis.FormatCount(t.N))
	case t.N > 0:
		v.More = "n = " + analysis.FormatCount(t.N)
	case more > 0:
		v.More = analysis.FormatCount(more) + " more rows"
	}
	return v
}

// integer is a cell that holds one, also in a report read back from JSON.
func integer(cell any) (int64, bool) {
	switch x := cell.(type) {
	case int64:
		return x, true
	case float64:
		return int64(x), x == math.Trunc(x)
	}
	return 0, false
}

// pack is v as JSON, compressed, in letters.
func pack(v any) (string, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, 7) // 3 % more bytes than the best, in a tenth of its time
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
