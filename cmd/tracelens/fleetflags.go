package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// fleetFlags say how entries become a report: what audit and merge have in common.
type fleetFlags struct {
	configFlags
	outputFlags
	groupBy, groups         string
	group                   func(path string) string // nil for none
	noGroup                 string                   // the name of what is in none
	page                    func(path string) string // the file of a trace's report; nil without --reports
	pages                   pages
	baseline, writeBaseline string
	strict                  bool
	interrupted             *analysis.Interrupted // nil for a run to the end
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	f.outputFlags.add(cmd, append(slices.Clone(report.Formats), ndjson)...)
	flags := cmd.Flags()
	grouped(cmd, "Groups and budgets", func() {
		flags.StringVar(&f.groupBy, "group-by", "", "compare groups named by `TEMPLATE`, such as host={-2}")
		flags.StringVar(&f.groups, "groups", "", "compare groups of `FILE`, a CSV: a pattern of paths, what they have")
		flags.StringVar(&f.baseline, "baseline", "", "what was broken in `FILE` is broken only when it is worse now")
		flags.StringVar(&f.writeBaseline, "write-baseline", "", "write the present values of the budgets to `FILE`")
		flags.BoolVar(&f.strict, "strict", false, "exit with 3 when an input cannot be read, or only in part")
	})
	f.configFlags.add(cmd)
}

// ndjson is written while traces are read, not from their report.
var ndjson = report.Format{Name: "ndjson", Doc: "a line for each trace as it is read, for programs"}

// fleet returns the empty fleet that the flags ask for, and the configuration. It sets
// aside in dir what does not fit into memory.
func (f *fleetFlags) fleet(cmd *cobra.Command, dir string) (*fleet.Fleet, *config.Config, error) {
	if _, err := f.check(cmd); err != nil {
		return nil, nil, err
	}
	cfg, err := f.load(cmd)
	if err != nil {
		return nil, nil, err
	}
	group, err := groupBy(f.groupBy)
	if err != nil {
		return nil, nil, err
	}
	if f.groups != "" {
		if group != nil {
			return nil, nil, errors.New("--group-by and --groups are two ways to name groups: take one")
		}
		if group, err = groupsOf(f.groups); err != nil {
			return nil, nil, &failure{f.groups, err}
		}
	}
	f.group, f.noGroup = group, "?"
	if f.groups == "" {
		f.noGroup = placeholder.ReplaceAllString(f.groupBy, "?")
	}
	opt := fleet.Options{Group: group, Budgets: cfg.Budgets(), Titles: make(map[string]string), Dir: dir}
	for _, a := range passes.All() {
		opt.Titles[a.Name] = a.Title()
	}
	if f.baseline != "" {
		data, err := os.ReadFile(f.baseline)
		if err != nil {
			return nil, nil, &failure{f.baseline, err}
		}
		var b baselineFile
		if err := json.Unmarshal(data, &b); err != nil || b.Schema != 1 {
			return nil, nil, &failure{f.baseline, errors.New("not a baseline of this version: make one with --write-baseline")}
		}
		opt.Baseline = b.Budgets
	}
	return fleet.New(opt), cfg, nil
}

// baselineFile is how a baseline is kept.
type baselineFile struct {
	Schema  int            `json:"schema"`
	Budgets fleet.Baseline `json:"budgets"`
}

// errInconclusive is the error of budgets that nothing can be said of.
var errInconclusive = errors.New("too little data")

// conclude writes the report of a fleet and says how it went.
func (f *fleetFlags) conclude(cmd *cobra.Command, fl *fleet.Fleet) error {
	rep, err := fl.Report("audit")
	if err != nil {
		return &failure{"audit", err}
	}
	if f.interrupted != nil {
		rep.Fleet.Interrupted, rep.Trace.Complete, rep.Trace.Fault = f.interrupted, false, f.interrupted.String()
	}
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	if format.Write != nil {
		if f.page != nil {
			f.links = func(path string) string {
				if !fl.HasTrace(path) {
					return ""
				}
				return f.besideOutput(f.page(path))
			}
		}
		if err := f.write(cmd, format, rep, true); err != nil {
			return err
		}
	}
	if f.writeBaseline != "" && f.interrupted == nil {
		baseline, err := fl.NewBaseline()
		if err != nil {
			return &failure{"audit", err}
		}
		err = writeFile(f.writeBaseline, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(baselineFile{1, baseline})
		})
		if err != nil {
			return &failure{f.writeBaseline, err}
		}
	}
	broken, open, err := verdicts(fl)
	if err != nil {
		return &failure{"audit", err}
	}
	grave := f.tooMany(rep)
	switch {
	case len(broken) > 0 && f.writeBaseline == "":
		return &brokenBudgets{broken}
	case grave != nil:
		return grave
	case f.strict && rep.Fleet.Failed+rep.Fleet.Partial+rep.Fleet.Odd > 0:
		return &failure{"audit", fmt.Errorf("%d inputs cannot be read, %d only in part, %d contradict themselves", rep.Fleet.Failed, rep.Fleet.Partial, rep.Fleet.Odd)}
	case len(open) > 0:
		return inconclusive(open)
	}
	return nil
}

// interrupt lets the report be one of a part of the inputs: the files that it would
// replace stay as they are.
func (f *fleetFlags) interrupt(done, of int) {
	f.interrupted = &analysis.Interrupted{Done: done, Of: of}
	f.out, f.assets = partial(f.out), partial(f.assets)
}

// partial is the name of what is not whole.
func partial(name string) string {
	if name == "" || name == "-" {
		return name
	}
	if dir, ok := strings.CutSuffix(filepath.ToSlash(name), "/"); ok {
		return dir + ".partial/"
	}
	return name + ".partial"
}

// verdicts are the names of the budgets that are broken, and of those that nothing can
// be said of.
func verdicts(fl *fleet.Fleet) (broken, open []string, err error) {
	all, err := fl.Check()
	for _, j := range all {
		switch j.Verdict {
		case fleet.Broken:
			broken = append(broken, j.Name)
		case fleet.Inconclusive:
			open = append(open, j.Name)
		}
	}
	return broken, open, err
}

// unreadable is the error of inputs that could not be read, nil for none.
func unreadable(inputs []*failure) error {
	switch n := len(inputs); n {
	case 0:
		return nil
	case 1:
		return inputs[0]
	default:
		return &failure{inputs[0].name, fmt.Errorf("%w; and %s more that cannot be read", inputs[0].err, plural(n-1, "file"))}
	}
}

func inconclusive(budgets []string) error {
	return fmt.Errorf("%w to check the budgets: %s", errInconclusive, strings.Join(budgets, ", "))
}

// brokenBudgets is the error of an audit whose budgets do not hold.
type brokenBudgets struct{ names []string }

func (b *brokenBudgets) Error() string { return "broken budgets: " + strings.Join(b.names, ", ") }

// line writes an entry without its pools as one line of JSON.
func line(w io.Writer, e *fleet.Entry) error {
	one := *e
	one.Pools = nil
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&one); err != nil {
		return err
	}
	_, err := w.Write(report.Escape(b.Bytes()))
	return err
}

// endLines says after the lines of a run that was ended how far it came.
func (f *fleetFlags) endLines(w io.Writer) error {
	if f.interrupted == nil {
		return nil
	}
	return json.NewEncoder(w).Encode(struct {
		Interrupted *analysis.Interrupted `json:"interrupted"`
	}{f.interrupted})
}

// arrived says in one line what a trace came to.
func arrived(w io.Writer, e *fleet.Entry) error {
	say := e.Failure
	if say == "" {
		var all []*analysis.Finding
		for i := range e.Findings {
			all = append(all, &e.Findings[i])
		}
		say = worst(all)
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", report.Clean(e.Path), report.Clean(say))
	return err
}
