package drill

import (
	"fmt"
	"regexp"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// Logs are the messages of runtime/trace.Log whose category or text matches.
func Logs(pattern *regexp.Regexp, page Page) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:  "log",
		Doc:   "log: what the program wrote with runtime/trace.Log\n",
		Kinds: parse.KindsOf(parse.KindLog),
		New:   func() analysis.Collector { return &logFold{pattern: pattern, page: page} },
		Run:   runLogs,
	}
}

// maxLogs is how many messages are kept, the first ones.
const maxLogs = 1 << 20

type logFold struct {
	pattern *regexp.Regexp
	page    Page
	n       int64
	logs    []logged
}

type logged struct {
	at parse.Time
	g  parse.GoID
	parse.Log
}

func (f *logFold) Event(e *parse.Event) {
	f.n++
	if len(f.logs) < maxLogs {
		f.logs = append(f.logs, logged{e.Time, e.G, e.Log})
	}
}

func (f *logFold) Merge(next analysis.Collector) {
	o := next.(*logFold)
	f.n += o.n
	f.logs = append(f.logs, o.logs[:min(len(o.logs), maxLogs-len(f.logs))]...)
}

func runLogs(p *analysis.Pass) error {
	f, tr := analysis.Fold[*logFold](p), p.Trace
	if f.n == 0 {
		p.NotApplicable("the program wrote nothing with runtime/trace.Log in what was read")
		return nil
	}
	t := &analysis.Table{
		Name: "log.messages", Title: fmt.Sprintf("messages of runtime/trace.Log that match %q", f.pattern),
		Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "G", Unit: analysis.G}, {Name: "task", Unit: analysis.Count}, {Name: "category", Unit: analysis.Text}, {Name: "message", Unit: analysis.Text}},
	}
	matches := make(map[[2]parse.StringID]bool)
	var names []string
	for _, l := range f.logs {
		key := [2]parse.StringID{l.Category, l.Message}
		is, known := matches[key]
		if !known {
			category, message := tr.String(l.Category), measures.LogText(tr, l.Category, l.Message)
			is = f.pattern.MatchString(category) || f.pattern.MatchString(message)
			matches[key] = is
			names = append(names, category)
			if len(message) <= 100 {
				names = append(names, message)
			}
		}
		if !is {
			continue
		}
		if t.N++; len(t.Rows) < f.page.end() {
			var task any
			if l.Task != 0 {
				task = int64(l.Task)
			}
			t.Add(p.Rel(l.at), goCell(l.g), task, tr.String(l.Category), measures.LogText(tr, l.Category, l.Message))
		}
	}
	left := ""
	if kept := int64(len(f.logs)); kept < f.n {
		left = fmt.Sprintf(" of the first %s; %s later ones were not looked at", analysis.FormatCount(kept), analysis.FormatCount(f.n-kept))
	}
	if t.N == 0 {
		p.NotApplicable(fmt.Sprintf("none of %s messages%s matches %q; near are %s", analysis.FormatCount(f.n), left, f.pattern, near(f.pattern.String(), names)))
		return nil
	}
	p.Say("%s of %s messages match%s.", analysis.FormatCount(t.N), analysis.FormatCount(f.n), left)
	t.More = t.N - int64(len(t.Rows))
	p.Table(f.page.of(t))
	return nil
}
