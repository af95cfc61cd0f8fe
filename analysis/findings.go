package analysis

import (
	"cmp"
	"slices"
	"strings"
)

// What a finding must cost to be more than a note, or more than a warning: a share of
// wall time, or of the lives of those who wait, and so much time. It is the same for all
// checks, whatever their thresholds are about.
const (
	warningShare = .02  // less is within what two runs of one program differ by
	errorShare   = .05  // one second in twenty is lost: what stops of the world may take before they are an error (stw-long)
	leastCost    = 10e6 // ns: a time slice (proc.go:forcePreemptNS)
)

// grade lowers the severities of findings to what their cost and their confidence bear.
// A finding that has no cost, or that is about the file, keeps its own.
func (r *Report) grade() {
	for _, res := range r.Results {
		for i := range res.Findings {
			f := &res.Findings[i]
			most := Error
			if f.Confidence == Heuristic {
				most = Warning
			}
			if share := max(f.Cost.Rate(r.Trace.Duration), f.Cost.Share()); f.Cost.Total > 0 && res.About != File {
				switch {
				case share < warningShare || f.Cost.Value < leastCost:
					most = Note
				case share < errorShare:
					most = Warning
				}
			}
			if f.Severity.Rank() > most.Rank() {
				f.Severity = most
			}
		}
	}
}

// Findings are all findings of the report, the gravest first; of equals what costs most,
// in the one currency of all costs.
func (r *Report) Findings() []*Finding {
	var all []*Finding
	for _, res := range r.Results {
		for i := range res.Findings {
			all = append(all, &res.Findings[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *Finding) int {
		return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), cmp.Compare(b.Cost.Rate(r.Trace.Duration), a.Cost.Rate(r.Trace.Duration)))
	})
	return all
}

// cover leaves out the findings that a finer one says better: one that is no less
// grave, or that is about the same place, to which it then leaves its severity.
func (r *Report) cover(analyzers []*Analyzer) {
	place := func(f *Finding) string {
		if len(f.Evidence) == 0 {
			return ""
		}
		return f.Evidence[0].Func
	}
	finer := func(coarse *Finding) *Finding {
		for i, a := range analyzers {
			if !slices.Contains(a.Covers, coarse.Code) {
				continue
			}
			for k := range r.Results[i].Findings {
				f := &r.Results[i].Findings[k]
				if f.Severity.Rank() >= coarse.Severity.Rank() || place(f) != "" && place(f) == place(coarse) {
					return f
				}
			}
		}
		return nil
	}
	for _, res := range r.Results {
		res.Findings = slices.DeleteFunc(res.Findings, func(coarse Finding) bool {
			f := finer(&coarse)
			if f != nil && f.Severity.Rank() < coarse.Severity.Rank() {
				f.Severity = coarse.Severity
			}
			return f != nil
		})
	}
}

const (
	explainsFrom = .6 // of a symptom, as everywhere: what explains 60 % explains it
	fewInside    = 3  // a symptom that is seen less often may coincide by chance
	rare         = .5 // of wall: a cause that acts for longer has all inside it
	instant      = .1 // of wall: evidence that is longer is of a stretch, not of an event
)

// inside says whether what shows a finding is for the most part inside some times, of
// which it is no matter of course.
func (r *Report) inside(f *Finding, times []Evidence) bool {
	wall := float64(r.Trace.Duration)
	var acts, all, in int64
	for _, t := range times {
		acts += t.To - t.From
	}
	n := 0
	for _, e := range f.Evidence {
		length := e.To - e.From
		if length <= 0 || float64(length) > instant*wall {
			continue
		}
		n++
		all += length
		for _, t := range times {
			in += max(0, min(e.To, t.To)-max(e.From, t.From))
		}
	}
	return n >= fewInside && float64(acts) <= rare*wall && float64(in) >= explainsFrom*float64(all)
}

// foldReasons moves findings to those that they say the reason of: see Because.
func (r *Report) foldReasons() {
	all := r.Findings()
	moved, begun := make(map[*Finding]bool), make(map[*Finding]bool)
	var fold func(f *Finding)
	fold = func(f *Finding) {
		if begun[f] {
			return
		}
		begun[f] = true
		for _, b := range f.Because {
			for _, s := range all {
				if moved[s] || s == f || !b.matches(s, r.atMost(f, s)) {
					continue
				}
				if fold(s); moved[f] {
					return // they are each other's reason
				}
				moved[s] = true
				if s.Severity.Rank() > f.Severity.Rank() {
					f.Severity = s.Severity
				}
				reason := *s
				reason.Reason = true
				f.Symptoms = append(f.Symptoms, reason)
			}
		}
	}
	for _, f := range all {
		if !moved[f] {
			fold(f)
		}
	}
	for _, res := range r.Results {
		var left []Finding
		for i := range res.Findings {
			if !moved[&res.Findings[i]] {
				left = append(left, res.Findings[i])
			}
		}
		res.Findings = left
	}
}

// atMost is how grave a reason of a finding may be: no graver than that is, but for a
// warning that costs less, to which the finding is what it comes to.
func (r *Report) atMost(f, reason *Finding) Severity {
	if wall := r.Trace.Duration; f.Severity == Note && f.Cost.Rate(wall) > reason.Cost.Rate(wall) {
		return Warning
	}
	return f.Severity
}

// matches reports whether a finding is of the check, about the place, and no graver than
// what it is a reason of; less grave where it is about the whole program.
func (b *Because) matches(f *Finding, of Severity) bool {
	check, _, _ := strings.Cut(f.Code, "/")
	if check != b.Check || f.Severity.Rank() > of.Rank() && !b.Told {
		return false
	}
	if b.Place == "" {
		return f.Severity.Rank() < of.Rank()
	}
	if len(f.Evidence) == 0 {
		return false
	}
	about, _, _ := strings.Cut(f.Evidence[0].Func, " ")
	fn, _, _ := strings.Cut(about, ":")
	its, _, _ := strings.Cut(b.Place, ":")
	return about == b.Place || about == its || fn == b.Place
}

// Fold moves the findings that another explains to its symptoms, and gives it the
// severity of the gravest. Of a chain, all go to its first cause, but for those that say why
// a finding is, which go before: see Because. A finding explains those
// that it names, and those that are no graver and happen while it acts. To fold again
// changes nothing.
func (r *Report) Fold() {
	r.foldReasons()
	cause := make(map[string]string) // code to the code that explains it
	all := r.Findings()              // the gravest causes first
	for _, f := range all {
		for _, code := range f.Explains {
			if cause[code] == "" && code != f.Code {
				cause[code] = f.Code
			}
		}
	}
	about := make(map[string]Subject)
	for _, res := range r.Results {
		about[res.Name] = res.About
	}
	for _, f := range all {
		for _, s := range all {
			check, _, _ := strings.Cut(s.Code, "/")
			if s.Severity.Rank() <= f.Severity.Rank() && s.Code != f.Code && cause[s.Code] == "" && cause[f.Code] != s.Code && about[check] != File && r.inside(s, f.During) {
				cause[s.Code] = f.Code
			}
		}
	}
	root := func(code string) string {
		for range len(cause) {
			c := cause[code]
			if c == "" {
				break
			}
			code = c
		}
		return code
	}
	symptoms := make(map[string][]Finding)
	for _, res := range r.Results {
		res.Findings = slices.DeleteFunc(res.Findings, func(f Finding) bool {
			// A ring of causes explains nothing.
			first := root(f.Code)
			if first == f.Code || cause[first] != "" {
				return false
			}
			symptoms[first] = append(symptoms[first], f)
			return true
		})
	}
	for _, res := range r.Results {
		for i := range res.Findings {
			f := &res.Findings[i]
			f.Symptoms = append(f.Symptoms, symptoms[f.Code]...)
			for _, s := range symptoms[f.Code] { // a cause is as grave as what it does
				if s.Severity.Rank() > f.Severity.Rank() {
					f.Severity = s.Severity
				}
			}
			delete(symptoms, f.Code) // the first of several with one code has them
		}
	}
}
