package measures

import (
	"regexp"

	"github.com/tracelens/tracelens/analysis"
)

// A Life is the time that goroutines of one kind spent in one state at one place, as a
// report tells it.
type Life struct {
	Kind, State, Place string
	N, NS              int64
	Parked             bool // they had nothing to do
}

// LivesOf reads the parts of lives from a report, also from one that was saved. What its
// table leaves out is one Life of kind "others". There are none where the measure kinds
// did not run.
func LivesOf(rep *analysis.Report) (out []Life) {
	others := int64(rep.Metrics["kinds.busy"].Value)
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if res.Name != Kinds.Name || t.Name != "kinds.places" {
				continue
			}
			for r := range t.Rows {
				l := Life{Parked: t.Cell(r, "parked") != nil}
				l.Kind, _ = t.Cell(r, "function").(string)
				l.State, _ = t.Cell(r, "state").(string)
				l.Place, _ = t.Cell(r, "place").(string)
				l.N, _ = t.Cell(r, "spans").(int64)
				l.NS, _ = t.Cell(r, "total").(int64)
				if !l.Parked {
					others -= l.NS
				}
				out = append(out, l)
			}
		}
	}
	if len(out) > 0 && others > 0 {
		out = append(out, Life{Kind: "others", NS: others})
	}
	return out
}

// StartsOf reads from a report where the GC cycles began, by what began them and at which
// place. There are at most ten, the most frequent ones.
func StartsOf(rep *analysis.Report) map[string]int64 {
	out := make(map[string]int64)
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if res.Name != GC.Name || t.Name != "gc.starts" {
				continue
			}
			for r := range t.Rows {
				trigger, _ := t.Cell(r, "trigger").(string)
				site, _ := t.Cell(r, "site").(string)
				n, _ := t.Cell(r, "count").(int64)
				out[trigger+" at "+Unlined(site)] += n
			}
		}
	}
	return out
}

var line = regexp.MustCompile(`:\d+`)

// Unlined is the name of a place without lines of files: the same where only other code of
// the file has changed.
func Unlined(place string) string { return line.ReplaceAllString(place, "") }
