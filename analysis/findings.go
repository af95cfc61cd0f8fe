package analysis

import "slices"

// Findings are all findings of the report, the gravest and costliest first.
func (r *Report) Findings() []*Finding {
	var all []*Finding
	for _, res := range r.Results {
		for i := range res.Findings {
			all = append(all, &res.Findings[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *Finding) int {
		if d := b.Severity.Rank() - a.Severity.Rank(); d != 0 {
			return d
		}
		switch x, y := a.Cost.Share(), b.Cost.Share(); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
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

// Fold moves the findings that another explains to its symptoms, and gives it the
// severity of the gravest. Of a chain, all go to its first cause. To fold again changes nothing.
func (r *Report) Fold() {
	cause := make(map[string]string) // code to the code that explains it
	for _, f := range r.Findings() {
		for _, code := range f.Explains {
			if cause[code] == "" && code != f.Code {
				cause[code] = f.Code
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
