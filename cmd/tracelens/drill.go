package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/drill"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

// drillFlags say of which one thing of a trace everything is to be shown.
type drillFlags struct {
	goroutine     int64
	moment        time.Duration
	place, log    string
	format, table string
}

// drillNames are the flags of which one is given.
var drillNames = []string{"goroutine", "at", "place", "log"}

func (f *drillFlags) add(flags *pflag.FlagSet) {
	flags.Int64Var(&f.goroutine, "goroutine", -1, "the spans of goroutine `N`, and its critical path")
	f.moment = -1
	flags.Var((*moment)(&f.moment), "at", "who ran and who waited for what at the moment `T`, such as 3.2s")
	flags.Lookup("at").DefValue = ""
	flags.StringVar(&f.place, "place", "", "what happened at a `PLACE`: a function, :LINE or not, or a part of it")
	flags.StringVar(&f.log, "log", "", "messages of runtime/trace.Log that match the regular expression `PATTERN`")
	flags.StringVar(&f.format, "format", "text", "of these four: text, json or csv as `FORMAT`")
	flags.StringVar(&f.table, "table", "", "csv: write the table `NAME`, not the first")
}

// drills reports whether one of them is asked for.
func (f *drillFlags) drills() bool {
	return f.goroutine != -1 || f.moment != -1 || f.place != "" || f.log != "" || f.format != "text" || f.table != ""
}

// keptSpans is how many spans a critical path may keep in memory: 200 MB.
const keptSpans = 4 << 20

// drill shows one thing of a trace.
func (f *showFlags) drill(cmd *cobra.Command, args []string) error {
	var given []string
	for _, name := range drillNames {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	page := drill.Page{Offset: f.offset, Limit: f.limit}
	switch {
	case len(given) == 0:
		return fmt.Errorf("--format and --table are for one of --%s", strings.Join(drillNames, ", --"))
	case len(given) > 1:
		return fmt.Errorf("%s: only one of them at a time", strings.Join(given, " and "))
	case len(args) > 1:
		return fmt.Errorf("%s stands in place of WHAT: leave out %q", given[0], args[1])
	case f.offset < 0 || f.limit < 1 || f.offset > 1<<30 || f.limit > 1<<20:
		return fmt.Errorf("--offset %d --limit %d: need at least 0 and 1, at most %d and %d", f.offset, f.limit, 1<<30, 1<<20)
	case !slices.Contains([]string{"text", "json", "csv"}, f.format):
		return unknown("format", f.format, []string{"text", "json", "csv"})
	case f.table != "" && f.format != "csv":
		return errors.New("--table is for --format csv")
	}
	var names drill.Names
	if given[0] == "--at" && (f.moment < 0 || f.from > 0 || f.to > 0) {
		return fmt.Errorf("--at %v is a moment from the start of the trace, 0 or more, without --from and --to", f.moment)
	}
	a, err := f.question(given[0], page, &names)
	if err != nil {
		return err
	}
	name := args[0]
	if given[0] == "--goroutine" {
		copied, err := f.reread(cmd, name)
		if err != nil {
			return err
		}
		if copied != "" {
			defer os.Remove(copied)
			name = copied
		}
	}
	rep, err := f.inputFlags.analyze(cmd, name, "", []*analysis.Analyzer{a})
	if err != nil {
		return err
	}
	rep.Trace.Name, rep.Verdict = args[0], nil
	res := rep.Results[0]
	switch res.Outcome {
	case analysis.NotApplicable:
		return fmt.Errorf("%s: %s", report.Clean(args[0]), report.Clean(res.Reason))
	case analysis.Failed:
		return fmt.Errorf("internal error: %s", res.Reason)
	}
	if given[0] == "--goroutine" {
		if err := f.path(cmd, name, res, page, names); err != nil {
			return &failure{args[0], err}
		}
	}
	if err := f.writeDrilled(cmd.OutOrStdout(), rep); err != nil {
		return &failure{"standard output", err}
	}
	return f.fault(rep)
}

// question is the analyzer that answers what one of the flags asks.
func (f *drillFlags) question(flag string, page drill.Page, names *drill.Names) (*analysis.Analyzer, error) {
	switch flag {
	case "--goroutine":
		return drill.Goroutine(parse.GoID(f.goroutine), page, names), nil
	case "--at":
		return drill.Moment(f.moment, page), nil
	case "--place":
		if f.place == "" {
			return nil, errors.New("--place needs a name, or a part of it")
		}
		return drill.Place(f.place, page), nil
	}
	pattern, err := regexp.Compile(f.log)
	if err != nil {
		return nil, fmt.Errorf("--log %q is no regular expression: %v", f.log, err)
	}
	return drill.Logs(pattern, page), nil
}

// reread makes a copy of what can be read only once, and returns its name; "" for a file.
func (f *showFlags) reread(cmd *cobra.Command, name string) (string, error) {
	o, err := f.open(cmd, name)
	if err != nil {
		return "", err
	}
	defer o.close()
	if _, regular := o.in.(io.Seeker); o.file && regular && o.size > 0 {
		return "", nil
	}
	spool, err := os.CreateTemp("", "tracelens-*.trace")
	if err != nil {
		return "", &failure{"a copy of " + name, err}
	}
	defer spool.Close()
	if _, err := io.Copy(spool, o.in); err != nil {
		os.Remove(spool.Name())
		return "", &failure{"a copy of " + name, err}
	}
	return spool.Name(), nil
}

// path adds the critical path of the goroutine in the window.
func (f *showFlags) path(cmd *cobra.Command, name string, res *analysis.Result, page drill.Page, names drill.Names) error {
	read := func(opt parse.Options, sink parse.Sink) (*parse.Trace, error) {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in, stop := progress(file, cmd.ErrOrStderr())
		defer stop()
		return parse.ReadTo(cmd.Context(), in, opt, sink)
	}
	return addPath(res, read, parse.GoID(f.goroutine), f.from, f.to, page, names)
}

// addPath adds the critical path of a goroutine to what is said of it.
func addPath(res *analysis.Result, read drill.Reading, g parse.GoID, from, to time.Duration, page drill.Page, names drill.Names) error {
	path, err := drill.CriticalPath(read, g, from, to, keptSpans)
	if err != nil {
		return err
	}
	sums, parts := path.Tables(page, names)
	res.Tables = append([]*analysis.Table{sums, parts}, res.Tables...)
	return nil
}

// writeDrilled writes what was found in the format asked for.
func (f *showFlags) writeDrilled(w io.Writer, rep *analysis.Report) error {
	switch f.format {
	case "json":
		return report.JSON(w, rep, report.Options{})
	case "csv":
		table := f.table
		if tables := report.Tables(rep); table == "" && len(tables) > 0 {
			table = tables[0].Name
		}
		return report.CSV(w, rep, report.Options{Table: table})
	}
	opt, err := display(w, "auto")
	if err != nil {
		return err
	}
	return report.Drilled(w, rep, opt, f.offset)
}

// quotedDrill is what was found for an assistant: what comes from the trace in quotes.
func quotedDrill(rep *analysis.Report, offset int) string {
	var b strings.Builder
	for _, s := range rep.Results[0].Summary {
		fmt.Fprintf(&b, "%s\n", report.Quoted(s, quotedMost))
	}
	for _, t := range report.Tables(rep) {
		p := &listing{limit: len(t.Rows)}
		b.WriteString("\n")
		one := *t
		one.More = 0
		b.WriteString(showTable(rep, &one, p))
		for _, l := range report.Paged(t, offset) {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}
