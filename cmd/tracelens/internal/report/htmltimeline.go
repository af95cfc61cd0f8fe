package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
)

// timelineData is what the page's timeline draws. Times are ns since the start of
// the trace; texts are indexes into Strings.
type timelineData struct {
	From    int64            `json:"from"`
	To      int64            `json:"to"`
	Quantum int64            `json:"quantum"`
	States  []string         `json:"states"`
	Strings []string         `json:"strings"`
	Density *densityData     `json:"density"`
	Windows [][3]int64       `json:"windows"` // from, exact to, wanted to
	Spans   map[string]*list `json:"spans"`   // columns by name
	Bands   map[string]*list `json:"bands"`
	Marks   []markData       `json:"marks"`
}

// densityData is shares of the time of each P by state in buckets: Share in 1/1000,
// rows of one value per state.
type densityData struct {
	At    []int64 `json:"at"`  // starts of buckets, in order
	P     []int64 `json:"p"`   // of the rows
	Row   []int64 `json:"row"` // bucket of the rows
	Share []int64 `json:"share"`
}

// list is a column of integers, analysis.None where there is none: times as differences
// from the one before; of spans, from as the gap after the end of the one before, and to
// as the length.
type list struct {
	Unit   analysis.Unit `json:"unit"`
	Values integers      `json:"values"`
}

// Units of the times of spans.
const (
	spanGap    analysis.Unit = "gap"
	spanLength analysis.Unit = "length"
)

// integers are written with null for None.
type integers []int64

func (l integers) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 4*len(l)+2)
	b = append(b, '[')
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		if v == analysis.None {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, v, 10)
		}
	}
	return append(b, ']'), nil
}

type markData struct {
	From     int64             `json:"from"`
	To       int64             `json:"to"`
	P        int64             `json:"p"` // -1 for none
	G        int64             `json:"g"` // likewise
	Severity analysis.Severity `json:"severity"`
	Text     string            `json:"text"`
	Finding  string            `json:"finding"` // the id of its card
}

func (p *htmlPage) timeline() *timelineData {
	t := p.rep.Trace
	d := &timelineData{From: t.From, To: t.To, Quantum: t.Quantum, States: p.States, Strings: []string{}, Windows: [][3]int64{}, Marks: []markData{}}
	ids := make(map[string]int64)
	if lanes := tableOf(p.rep, analysis.RoleDensity); lanes != nil {
		d.Density = density(lanes, d.States)
	}
	// The last that tells spans is the one that was made for it.
	spans, windows := tableOf(p.rep, analysis.RoleSpans), tableOf(p.rep, analysis.RoleWindows)
	switch {
	case windows != nil:
		for i := range windows.Rows {
			var w [3]int64
			for k, name := range []string{"from", "to", "wanted to"} {
				w[k], _ = integer(windows.Cell(i, name))
			}
			d.Windows = append(d.Windows, w)
		}
	case spans != nil:
		d.Windows = append(d.Windows, [3]int64{t.From, t.To, t.To})
	}
	if spans != nil {
		d.Spans = d.spans(spans, ids)
	}
	if bands := tableOf(p.rep, analysis.RoleBands); bands != nil {
		d.Bands = d.columns(bands, ids)
	}
	for i := range p.Findings {
		for _, e := range p.Findings[i].Evidence {
			m := markData{From: e.From, To: e.To, P: -1, G: -1, Severity: p.Findings[i].Severity, Text: Clean(p.Findings[i].Code + ": " + e.Note), Finding: p.Findings[i].ID}
			if e.Evidence.P != nil {
				m.P = *e.Evidence.P
			}
			if e.Evidence.G != nil {
				m.G = *e.Evidence.G
			}
			d.Marks = append(d.Marks, m)
		}
	}
	p.HasTimeline = t.To > t.From && (d.Density != nil || d.Spans != nil)
	p.Exact = d.exact()
	return d
}

// exact says which part of the timeline is.
func (d *timelineData) exact() string {
	var exact, cut int64
	for _, w := range d.Windows {
		exact += w[1] - w[0]
		if w[1] < w[2] {
			cut++
		}
	}
	whole := exact >= d.To-d.From
	switch {
	case d.Spans == nil && d.Density == nil:
		return ""
	case d.Spans == nil:
		return "Shares of time only: this report holds no exact spans (analyze --spans N)."
	case whole:
		return "Every span of the whole trace is exact."
	}
	s := fmt.Sprintf("Exact spans in %s (%s in all), the rest as shares of time.", counted(int64(len(d.Windows)), "window"), analysis.FormatDuration(exact, d.Quantum))
	if cut > 0 {
		s += fmt.Sprintf(" %s cut short: more spans with --spans.", counted(cut, "window"))
	}
	return s
}

// tableOf is the last table with a role, nil if there is none.
func tableOf(rep *analysis.Report, role analysis.Role) (found *analysis.Table) {
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if t.Role == role {
				found = t
			}
		}
	}
	return found
}

// columns are the columns of a table for the page.
func (d *timelineData) columns(t *analysis.Table, ids map[string]int64) map[string]*list {
	out := make(map[string]*list)
	for i, c := range t.Columns {
		l := &list{c.Unit, d.cells(t, i, ids)}
		if c.Unit == analysis.Moment {
			var before int64
			for k, v := range l.Values {
				if v != analysis.None {
					l.Values[k], before = v-before, v
				}
			}
		}
		out[c.Name] = l
	}
	return out
}

// spans are the columns of a table of spans.
func (d *timelineData) spans(t *analysis.Table, ids map[string]int64) map[string]*list {
	out := make(map[string]*list)
	for i, c := range t.Columns {
		out[c.Name] = &list{c.Unit, d.cells(t, i, ids)}
	}
	from, to := out["from"], out["to"]
	if from == nil || to == nil {
		return out
	}
	from.Unit, to.Unit = spanGap, spanLength
	from.Values, to.Values = slices.Clone(from.Values), slices.Clone(to.Values)
	var before int64
	for k := range from.Values {
		a, b := from.Values[k], to.Values[k]
		from.Values[k], to.Values[k], before = a-before, b-a, b
	}
	return out
}

// cells are those of a column; texts as indexes into Strings.
func (d *timelineData) cells(t *analysis.Table, column int, ids map[string]int64) integers {
	text := t.Columns[column].Unit == analysis.Text
	if p := t.Packed; p != nil {
		if !text {
			return p.Columns[column]
		}
		mine, same := make([]int64, len(p.Texts)), true
		for i, s := range p.Texts {
			mine[i] = d.text(ids, s)
			same = same && mine[i] == int64(i)
		}
		if same {
			return p.Columns[column]
		}
		out := slices.Clone(p.Columns[column])
		for k, v := range out {
			if v != analysis.None {
				out[k] = mine[v]
			}
		}
		return out
	}
	out := make(integers, len(t.Rows))
	for k, row := range t.Rows {
		out[k] = analysis.None
		if s, ok := row[column].(string); text && ok {
			out[k] = d.text(ids, s)
		} else if v, ok := integer(row[column]); ok {
			out[k] = v
		}
	}
	return out
}

func (d *timelineData) text(ids map[string]int64, s string) int64 {
	id, ok := ids[s]
	if !ok {
		id = int64(len(d.Strings))
		ids[s] = id
		d.Strings = append(d.Strings, Clean(s))
	}
	return id
}

func density(t *analysis.Table, states []string) *densityData {
	d := &densityData{}
	for i := range t.Rows {
		at, _ := integer(t.Cell(i, "at"))
		d.At = append(d.At, at)
	}
	rows := slices.Clone(d.At)
	slices.Sort(d.At)
	d.At = slices.Compact(d.At)
	for i, at := range rows {
		p, _ := integer(t.Cell(i, "P"))
		bucket, _ := slices.BinarySearch(d.At, at)
		d.P = append(d.P, p)
		d.Row = append(d.Row, int64(bucket))
		for _, s := range states {
			share, _ := number(t.Cell(i, s))
			d.Share = append(d.Share, int64(math.Round(1000*share)))
		}
	}
	return d
}
