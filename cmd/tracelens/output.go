package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/plots"
)

// outputFlags say how a report is written.
type outputFlags struct {
	format, out, color string
	full, noPager      bool
	assets             string
	failOn, sourceRoot string
	table              string
	formats            []report.Format
	links              func(text string) string   // of texts in tables; nil for none
	inForce            map[string]analysis.Levels // of thresholds, for the pages
}

func (f *outputFlags) add(cmd *cobra.Command, formats ...report.Format) {
	f.formats = formats
	var names []string
	var table strings.Builder
	for _, format := range formats {
		fmt.Fprintf(&table, "  %-11s  %s\n", format.Name, format.Doc)
		names = append(names, format.Name)
	}
	if cmd.Annotations == nil {
		cmd.Annotations = make(map[string]string)
	}
	cmd.Annotations[formatKey] = table.String()
	flags := cmd.Flags()
	grouped(cmd, "Output", func() {
		flags.StringVar(&f.format, "format", "", "`FORMAT` of the report; without it that of --output's suffix, or "+formats[0].Name)
		flags.StringVarP(&f.out, "output", "o", "-", "write the report to `FILE`, which is replaced only by a whole one")
		flags.BoolVar(&f.full, "full", false, "text, markdown: also the tables")
		flags.StringVar(&f.table, "table", "", "csv: write the table `NAME`; with -o DIR/ csv writes all")
		flags.StringVar(&f.assets, "assets", "", "markdown: draw the charts into `DIR`, and show them")
		flags.StringVar(&f.sourceRoot, "source-root", "", "sarif: make paths below `DIR` relative, a folder or a prefix")
		flags.BoolVar(&f.noPager, "no-pager", false, "on a terminal, show what is longer than it without $PAGER")
		flags.StringVar(&f.color, "color", "auto", "mark text up: `WHEN` is auto, always or never")
		flags.StringVar(&f.failOn, "fail-on", "", "exit with 1 for findings at or above `LEVEL`: note, warning, error")
	})
	for name, values := range map[string][]string{"format": names, "color": {"auto", "always", "never"}, "fail-on": {"note", "warning", "error"}} {
		complete(cmd, name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	for _, name := range []string{"source-root", "assets"} {
		complete(cmd, name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		})
	}
}

// complete says how the values of a flag are completed.
func complete(cmd *cobra.Command, flag string, fn cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, fn); err != nil {
		panic(err)
	}
}

// suffixes are the formats that a file of that suffix may hold, what it means by itself
// first.
var suffixes = map[string][]string{
	".txt":      {"text", "markdown", "csv", "openmetrics"},
	".md":       {"markdown"},
	".markdown": {"markdown"},
	".html":     {"html"},
	".htm":      {"html"},
	".json":     {"json", "sarif", "ndjson"},
	".ndjson":   {"ndjson"},
	".jsonl":    {"ndjson"},
	".sarif":    {"sarif"},
	".xml":      {"junit"},
	".csv":      {"csv"},
	".parquet":  {"parquet"},
	".prom":     {"openmetrics"},
	".png":      {"png"},
	".svg":      {"svg"},
	".pdf":      {"pdf"},
}

// byName is the format of an output file: what --format says, or the suffix of its name;
// the two must not contradict each other.
func byName(cmd *cobra.Command, format, out string) (string, error) {
	suffix := strings.ToLower(filepath.Ext(out))
	may := suffixes[suffix]
	switch asked := cmd.Flags().Changed("format"); {
	case len(may) == 0 || asked && slices.Contains(may, format):
		return format, nil
	case asked:
		return "", fmt.Errorf("--format %s and --output %s contradict each other: %s is %s", format, out, suffix, may[0])
	}
	return may[0], nil
}

// check returns the format that was asked for.
func (f *outputFlags) check(cmd *cobra.Command) (report.Format, error) {
	name, err := byName(cmd, f.format, f.out)
	if err != nil {
		return report.Format{}, err
	}
	if f.format = name; name == "" {
		f.format = f.formats[0].Name
	}
	format, err := report.Named(f.formats, f.format)
	switch {
	case err != nil:
		return format, err
	case f.table != "" && f.format != "csv":
		return report.Format{}, fmt.Errorf("--table is for --format csv; %s has no use for it", f.format)
	case f.assets != "" && f.format != "markdown":
		return report.Format{}, fmt.Errorf("--assets is for --format markdown; %s has no use for it", f.format)
	case f.failOn != "" && analysis.Severity(f.failOn).Rank() == 0:
		return report.Format{}, fmt.Errorf("unknown --fail-on %q; there are: note, warning, error", f.failOn)
	}
	_, err = display(nil, f.color)
	return format, err
}

// write writes a report, and its charts before it. The text is brief where nobody
// asked for more.
func (f *outputFlags) write(cmd *cobra.Command, format report.Format, rep *analysis.Report, brief bool) error {
	var stdout io.Writer
	if f.toStdout() {
		stdout = cmd.OutOrStdout()
	}
	opt, err := display(stdout, f.color)
	if err != nil {
		return err
	}
	if (format.Name == "parquet" || format.Name == "html") && isTerminal(stdout) {
		return fmt.Errorf("%s does not belong on a terminal: name a file with --output", format.Name)
	}
	if format.Name != "html" { // which reads them as they are
		rep.Unpack()
	}
	opt.Brief, opt.Full = brief && !f.full, f.full
	if slices.Contains([]string{"html", "openmetrics"}, format.Name) {
		opt.MetricDocs = metricDocs()
	}
	if slices.Contains([]string{"html", "sarif"}, format.Name) {
		opt.Pages = analyzerPages(f.inForce)
	}
	if format.Name == "brief" && rep.Config == nil { // else it is not known here what was in force
		opt.Limits = defaultLimits()
	}
	opt.FailOn, opt.SourceRoot, opt.Links = analysis.Severity(f.failOn), sourceRoot(f.sourceRoot), f.links
	if opt.Charts, err = f.charts(rep); err != nil {
		return err
	}
	if format.Name == "csv" {
		if f.table != "" {
			var names []string
			for _, t := range report.Tables(rep) {
				names = append(names, t.Name)
			}
			if opt.Table = f.table; !slices.Contains(names, f.table) {
				return unknown("table", f.table, names)
			}
		} else if strings.HasSuffix(filepath.ToSlash(f.out), "/") {
			return f.tables(rep, format, opt)
		}
	}
	return f.into(cmd, func(w io.Writer) error { return format.Write(w, rep, opt) })
}

// tables writes the metrics, where there are some, and each table into a file of a folder.
func (f *outputFlags) tables(rep *analysis.Report, format report.Format, opt report.Options) error {
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return &failure{f.out, err}
	}
	var names []string
	if rep.Fleet == nil {
		names = []string{""}
	}
	for _, t := range report.Tables(rep) {
		names = append(names, t.Name)
	}
	for _, name := range names {
		opt.Table = name
		file := filepath.Join(f.out, fileName(cmp.Or(name, "metrics"))+".csv")
		if err := writeFile(file, func(w io.Writer) error { return format.Write(w, rep, opt) }); err != nil {
			return &failure{file, err}
		}
	}
	return nil
}

// defaultLimits are the thresholds of checks, by name.
func defaultLimits() map[string]string {
	limits := make(map[string]string)
	for _, a := range passes.Checks() {
		var all []string
		for _, t := range config.Default().Thresholds(a) {
			all = append(all, strings.TrimPrefix(t.Name, a.Name+".")+" "+t.Short())
		}
		limits[a.Name] = strings.Join(all, "; ")
	}
	return limits
}

// toStdout says whether the output is no file.
func (f *outputFlags) toStdout() bool { return f.out == "" || f.out == "-" }

// reported is the output in words.
func (f *outputFlags) reported() string {
	if f.toStdout() {
		return "the report"
	}
	return report.Clean(f.out)
}

// into writes to the output.
func (f *outputFlags) into(cmd *cobra.Command, write func(io.Writer) error) error {
	if f.toStdout() {
		out := cmd.OutOrStdout()
		var err error
		if lines := height(out); lines > 0 && !f.noPager {
			var text bytes.Buffer
			if err = write(&text); err == nil {
				err = paged(out, text.Bytes(), lines)
			}
		} else {
			err = write(out)
		}
		if err != nil {
			return &failure{"standard output", err}
		}
	} else if err := writeFile(f.out, write); err != nil {
		return &failure{f.out, err}
	}
	return nil
}

// charts draws the main figures into the folder of --assets.
func (f *outputFlags) charts(rep *analysis.Report) (charts []report.Chart, err error) {
	if f.assets == "" {
		return nil, nil
	}
	if err := os.MkdirAll(f.assets, 0o777); err != nil {
		return nil, &failure{f.assets, err}
	}
	opt := report.PlotOptions(rep)
	opt.Format = "png"
	for _, v := range report.MainFigures(rep) {
		chart := report.Chart{Title: v.Figure.Title}
		for _, theme := range []struct {
			suffix string
			dark   bool
			path   *string
		}{{".png", false, &chart.Path}, {"-dark.png", true, &chart.Dark}} {
			file := filepath.Join(f.assets, fileName(v.Figure.Name)+theme.suffix)
			opt.Dark = theme.dark
			if err := writeFile(file, func(w io.Writer) error { return plots.Draw(w, v.Figure, v.Table, opt) }); err != nil {
				return nil, &failure{file, err}
			}
			*theme.path = f.besideOutput(file)
		}
		charts = append(charts, chart)
	}
	return charts, nil
}

// fileName makes a name that a file may have of one that a saved report may have made up.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, name)
	return name[max(0, len(name)-100):]
}

// besideOutput is a file as the output refers to it.
func (f *outputFlags) besideOutput(file string) string {
	if f.out != "" && f.out != "-" {
		if rel, err := filepath.Rel(filepath.Dir(f.out), file); err == nil {
			file = rel
		}
	}
	return filepath.ToSlash(file)
}

// tooMany is the error of a report with findings that --fail-on does not let pass.
func (f *outputFlags) tooMany(rep *analysis.Report) error {
	level := analysis.Severity(f.failOn)
	if n := config.AtOrAbove(rep, level); f.failOn != "" && n > 0 {
		return &tooGrave{rep.Trace.Name, n, level}
	}
	return nil
}

// sourceRoot is the folder of that name as paths in traces have it, or the name as
// it is where there is no such folder.
func sourceRoot(dir string) string {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		if abs, err := filepath.Abs(dir); err == nil {
			return filepath.ToSlash(abs)
		}
	}
	return dir
}

// analyzerPages are those of the analyzers, by name, with the levels in force.
func analyzerPages(inForce map[string]analysis.Levels) map[string]string {
	describe := func(t analysis.Threshold) string {
		if l, ok := inForce[t.Name]; ok {
			t.Levels = l
		}
		return t.Describe(nil)
	}
	out := make(map[string]string)
	for _, a := range passes.All() {
		out[a.Name] = a.Page(describe)
	}
	return out
}

func metricDocs() map[string]string {
	out := make(map[string]string)
	for _, m := range passes.Metrics() {
		out[m.ID] = m.Doc
	}
	return out
}

const (
	defaultWidth = 100 // where there is no terminal
	minWidth     = 40
)

// display says how to write to w, which is nil for a file: how wide, and whether
// --color lets text be marked up there. See https://no-color.org and
// https://bixense.com/clicolors.
func display(w io.Writer, when string) (report.Options, error) {
	opt := report.Options{Width: defaultWidth}
	tty := false
	if o, ok := w.(*checked); ok {
		w = o.Writer
	}
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			tty = true
			opt.Terminal = true
			if width > 0 {
				opt.Width = max(width, minWidth)
			}
		}
	}
	switch when {
	case "always":
		opt.Color, opt.Terminal = true, true
	case "never":
	case "auto":
		force := os.Getenv("CLICOLOR_FORCE")
		switch {
		case w == nil, os.Getenv("NO_COLOR") != "":
		case force != "" && force != "0":
			opt.Color = true
		default:
			opt.Color = tty && os.Getenv("TERM") != "dumb"
		}
	default:
		return opt, fmt.Errorf("unknown --color %q; there are: auto, always, never", when)
	}
	return opt, nil
}

// isTerminal says whether w is one, and no file or pipe.
func isTerminal(w io.Writer) bool {
	if o, ok := w.(*checked); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// writeFile replaces the file by what write writes, or leaves it as it was. What
// is no regular file, such as a pipe or /dev/null, is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	return writeFileAs(name, write, func(name string) string { return name })
}

// writeFileAs lets as choose the file when all is written.
func writeFileAs(name string, write func(io.Writer) error, as func(name string) string) error {
	info, err := os.Stat(name)
	mode := fs.FileMode(0o666) // before umask
	if err == nil {
		if !info.Mode().IsRegular() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			return errors.Join(write(f), f.Close())
		}
		mode = info.Mode().Perm()
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".tracelens-%x.tmp", rand.Uint64()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // also where write panics; once renamed, it is not there
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := errors.Join(write(w), w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, as(name))
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil || !a.Mode().IsRegular() {
		return false
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}
