package measures

import "github.com/tracelens/tracelens/analysis"

// A Served is the requests of one type, as a report tells them.
type Served struct {
	Name, Kind string
	N          int64 // that began and were done in the trace
	Total      int64 // ns, of these
	P50, P99   int64 // ns; 0 where there are too few
	// Parts are shares of their time by what they were at and what that goroutine did for
	// which they waited. They sum to 1.
	Parts map[string]float64
}

// ServedOf reads the types of requests from a report, also from one that was saved.
func ServedOf(rep *analysis.Report) (out []*Served) {
	for _, res := range rep.Results {
		if res.Name != Requests.Name {
			continue
		}
		for _, t := range res.Tables {
			if t.Name != "requests.types" && t.Name != "requests.parts" {
				continue
			}
			for r := range t.Rows {
				text := func(column string) string { s, _ := t.Cell(r, column).(string); return s }
				number := func(column string) int64 { n, _ := t.Cell(r, column).(int64); return n }
				if t.Name == "requests.types" {
					out = append(out, &Served{
						Name: text("requests"), Kind: text("kind"), N: number("whole"), Total: number("total"), P50: number("p50"), P99: number("p99"), Parts: make(map[string]float64),
					})
					continue
				}
				for _, s := range out {
					if s.Name != text("requests") || s.Kind != text("kind") {
						continue
					}
					part := text("at")
					if who := text("for"); who != "" {
						part += " for " + who + ", which was " + text("which was")
					}
					share, _ := t.Cell(r, "share").(float64)
					s.Parts[Unlined(part)] += share
				}
			}
		}
	}
	return out
}
