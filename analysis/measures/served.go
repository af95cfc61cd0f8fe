package measures

import (
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// A Served is the requests of one type, as a report tells them.
type Served struct {
	Name, Kind string
	N          int64 // that began and were done in the trace
	Total      int64 // ns, of these
	P50, P99   int64 // ns; 0 where there are too few
	// Parts are their time in ns by what they were at and what that goroutine did for which
	// they waited. They sum to Total; of a type of which the report keeps a sample, by the
	// shares that the parts have there.
	Parts map[string]float64
}

// Whole reports whether they are no part of other requests by their kind.
func (s *Served) Whole() bool {
	return s.Kind != parse.RequestRegion.String() && s.Kind != parse.RequestSQL.String()
}

// Halves of requests, see RequestChoice.Split.
const (
	SideLonger = "longer"
	SideOthers = "others"
)

// untold is the part of a type whose parts the report does not have.
const untold = "not told: the report has the parts of other types, which take more time"

// ServedOf reads the types of requests from a report, also from one that was saved.
func ServedOf(rep *analysis.Report) []*Served {
	return servedIn(rep, "requests.types", "requests.parts", "")
}

// SplitOf reads those of one half, of a report with RequestChoice.Split.
func SplitOf(rep *analysis.Report, side string) []*Served {
	return servedIn(rep, "requests.sides", "requests.sides.parts", side)
}

// QuantileOf is that of RequestChoice.Quantile in ns, of a type that has a request beyond it.
func QuantileOf(rep *analysis.Report, of *Served) (ns int64, ok bool) {
	rows(rep, "requests.quantile", func(text func(string) string, number func(string) int64) {
		if text("requests") == of.Name && text("kind") == of.Kind {
			ns, ok = number("takes"), true
		}
	})
	return ns, ok
}

// rows gives each row of the tables of a name.
func rows(rep *analysis.Report, table string, take func(text func(string) string, number func(string) int64)) {
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if t.Name != table {
				continue
			}
			for r := range t.Rows {
				take(
					func(column string) string { s, _ := t.Cell(r, column).(string); return s },
					func(column string) int64 { n, _ := t.Cell(r, column).(int64); return n },
				)
			}
		}
	}
}

func servedIn(rep *analysis.Report, types, parts, side string) (out []*Served) {
	type key struct{ name, kind string }
	by := make(map[key]*Served)
	rows(rep, types, func(text func(string) string, number func(string) int64) {
		if text("side") != side {
			return
		}
		s := &Served{Name: text("requests"), Kind: text("kind"), N: number("whole"), Total: number("total"), P50: number("p50"), P99: number("p99"), Parts: make(map[string]float64)}
		by[key{s.Name, s.Kind}] = s
		out = append(out, s)
	})
	kept := make(map[*Served]int64)
	rows(rep, parts, func(text func(string) string, number func(string) int64) {
		s := by[key{text("requests"), text("kind")}]
		if s == nil || text("side") != side {
			return
		}
		part, was := text("at"), text("which was")
		switch who := text("for"); {
		case who != "":
			part += " for " + who + ", which was " + was
		case strings.HasPrefix(was, part): // where a run ended
			part = was
		}
		if side == "" { // else both halves are of one program
			part = Unlined(part)
		}
		s.Parts[part] += float64(number("total"))
		kept[s] += number("total")
	})
	for _, s := range out {
		switch {
		case s.Total == 0 || kept[s] == s.Total:
		case kept[s] == 0:
			s.Parts[untold] = float64(s.Total)
		default:
			for part := range s.Parts {
				s.Parts[part] *= float64(s.Total) / float64(kept[s])
			}
		}
	}
	return out
}
