package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
)

// plain is a cell for programs: numbers in their base units, "" for none.
func plain(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	}
	return fmt.Sprint(cell)
}

// field is text as a cell of CSV: what a spreadsheet would take for a formula gets a '
// before it, also in the wide forms that some take for the same.
func field(s string) string {
	s = Clean(s)
	if r, _ := utf8.DecodeRuneInString(s); strings.ContainsRune("=+-@＝＋－＠", r) {
		return "'" + s
	}
	return s
}

// CSV writes the metrics, a row each: id, value, unit, n; of many traces, which have none, a
// row for each trace, whatever else the report has; of a comparison what is compared. With a Table in the options it writes that one. Values are in
// base units, which the names of columns end in.
func CSV(w io.Writer, rep *analysis.Report, opt Options) error {
	out := csv.NewWriter(w)
	tables := Tables(rep)
	i := slices.IndexFunc(tables, func(t *analysis.Table) bool {
		return opt.Table == t.Name || opt.Table == "" && t.Role == analysis.RoleEvery
	})
	switch {
	case opt.Table != "" && i < 0:
		return fmt.Errorf("the report has no table %q", opt.Table)
	case opt.Table == "" && rep.Comparison != nil:
		comparisonCSV(out, rep.Comparison)
	case opt.Table == "" && (rep.Fleet == nil || len(tables) == 0):
		out.Write([]string{"metric", "value", "unit", "n"})
		for _, id := range slices.Sorted(maps.Keys(rep.Metrics)) {
			m := rep.Metrics[id]
			value := ""
			if v := float64(m.Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
				value = strconv.FormatFloat(v, 'f', -1, 64)
			}
			out.Write([]string{field(id), value, field(string(m.Unit)), strconv.FormatInt(m.N, 10)})
		}
	default:
		tableCSV(out, tables[max(i, 0)])
	}
	out.Flush()
	return out.Error() // also of the writes
}

// comparisonCSV writes the metrics of both sides; where the sides are requests of one
// trace, what their mean consists of.
func comparisonCSV(out *csv.Writer, c *analysis.Comparison) {
	number := func(v analysis.Number) string { return strconv.FormatFloat(float64(v), 'g', -1, 64) }
	if c.Basis == analysis.Chosen {
		out.Write([]string{"requests", "kind", "at", "others_ns", "chosen_ns"})
		for _, r := range c.Requests {
			for _, p := range r.Parts {
				out.Write([]string{field(r.Name), field(r.Kind), field(p.Name), number(p.Old), number(p.New)})
			}
		}
		return
	}
	maybe := func(v *analysis.Number) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	out.Write([]string{"metric", "unit", "per", "old", "new", "difference_from", "difference_to", "p", "judged"})
	for _, ch := range c.Metrics {
		out.Write([]string{field(ch.Name), field(string(ch.Unit)), field(ch.Per), number(ch.Old), number(ch.New), maybe(ch.Lo), maybe(ch.Hi), maybe(ch.P), field(string(ch.Judged))})
	}
}

// Tables are all tables of a report.
func Tables(rep *analysis.Report) (all []*analysis.Table) {
	for _, res := range rep.Results {
		all = append(all, res.Tables...)
	}
	return all
}

func tableCSV(out *csv.Writer, t *analysis.Table) {
	var names []string
	for _, c := range t.Columns {
		name := field(strings.ReplaceAll(c.Name, " ", "_"))
		switch c.Unit {
		case analysis.NS, analysis.Moment:
			name += "_ns"
		case analysis.Bytes:
			name += "_bytes"
		case analysis.Ratio:
			name += "_ratio"
		case analysis.PerS:
			name += "_per_second"
		}
		names = append(names, name)
	}
	out.Write(names)
	for _, row := range t.Rows {
		var cells []string
		for k, c := range t.Columns {
			cell := plain(row[k])
			if c.Unit == analysis.Text {
				cell = field(cell)
			}
			cells = append(cells, cell)
		}
		out.Write(cells)
	}
}
