package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/plots"
)

type plotFlags struct {
	inputFlags
	figures       []string
	format, out   string
	size, theme   string
	scale         float64
	list, text    bool
	width, height int // of size
}

func newPlot() *cobra.Command {
	var f plotFlags
	cmd := &cobra.Command{
		Use:   "plot TRACE",
		Short: "Draw charts of a trace as files",
		Long: `Plot draws figures of TRACE, a file or - for standard input, into files
named after them, such as timeline.lanes.png, and prints their names and what
they say. Without --figure it draws those that matter most for this trace.

One figure goes into the file that --output names, in the format of its suffix;
several, or one where the name ends in /, go into that folder, which is created.

A figure has the same colours, size and time axis in every trace, so pictures
can be compared. The same trace gives the same bytes.`,
		Example: `  tracelens plot cpu.trace
  tracelens plot --figure stw.waterfall -o stops.png cpu.trace
  tracelens plot --figure latency.cause,stw.waterfall --format svg -o charts/ cpu.trace
  tracelens plot --figure timeline.lanes --from 1.2s --to 1.21s --theme dark -o - cpu.trace > window.png`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.list && len(args) == 0 {
				return nil
			}
			return oneTrace(cmd, args)
		},
		ValidArgsFunction: completeTrace,
		RunE:              func(cmd *cobra.Command, args []string) error { return plot(cmd, &f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	grouped(cmd, "Output", func() {
		flags.StringSliceVar(&f.figures, "figure", nil, "draw these `FIGURES`, or all; without it those that matter most")
		flags.BoolVar(&f.list, "list", false, "list the figures of TRACE, * the main ones; or without TRACE, all")
		flags.StringVar(&f.format, "format", plots.Formats[0], "`FORMAT` of the files: "+strings.Join(plots.Formats, ", "))
		flags.StringVarP(&f.out, "output", "o", "./", "write one figure to `FILE` or -, several into a folder")
		flags.StringVar(&f.size, "size", "", "`WxH` of each picture in px of 1/96 inch, such as 960x400")
		flags.Float64Var(&f.scale, "scale", 2, "`PIXELS` of a PNG to one px")
		flags.StringVar(&f.theme, "theme", "light", "`THEME`: light, or dark, whose files end in -dark")
		flags.BoolVar(&f.text, "text", false, "svg: letters as text, to select and search, in a font of the viewer")
		flags.StringVar(&f.out, "out", "./", "")
		if err := flags.MarkHidden("out"); err != nil { // what --output was called first
			panic(err)
		}
	})
	grouped(cmd, "What to look at", func() {
		f.window(flags)
		f.at(flags)
	})
	exclusive(cmd)
	grouped(cmd, "How to read", func() { f.reading(flags) })
	complete(cmd, "format", cobra.FixedCompletions(plots.Formats, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "theme", cobra.FixedCompletions([]string{"light", "dark"}, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "figure", completeFigures)
	return cmd
}

func (f *plotFlags) check(cmd *cobra.Command) (err error) {
	if f.format, err = byName(cmd, f.format, f.out); err != nil {
		return err
	}
	if !slices.Contains(plots.Formats, f.format) {
		return unknown("--format", f.format, plots.Formats)
	}
	if f.theme != "light" && f.theme != "dark" {
		return unknown("--theme", f.theme, []string{"light", "dark"})
	}
	if f.size != "" {
		if n, err := fmt.Sscanf(f.size+" ", "%dx%d ", &f.width, &f.height); n != 2 || err != nil || f.size != fmt.Sprintf("%dx%d", f.width, f.height) {
			return fmt.Errorf("--size %q is not WxH, such as 960x400", f.size)
		}
		if f.width < plots.MinWidth || f.height < plots.MinHeight || f.width > plots.MaxSide || f.height > plots.MaxSide {
			return fmt.Errorf("--size %s: need %dx%d to %[4]dx%[4]d", f.size, plots.MinWidth, plots.MinHeight, plots.MaxSide)
		}
	}
	if f.text && f.format != "svg" {
		return fmt.Errorf("--text is for svg, not for %s", f.format)
	}
	if !(f.scale >= .25 && f.scale <= 16) {
		return fmt.Errorf("--scale %v: need 0.25 to 16", f.scale)
	}
	return nil
}

func plot(cmd *cobra.Command, f *plotFlags, args []string) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.list && len(args) == 0 {
		listFigures(cmd.OutOrStdout())
		return nil
	}
	name := theTrace(args)
	analyzers, err := f.analyzers()
	if err != nil {
		return err
	}
	f.lanes = len(f.figures) == 0 || f.list || slices.ContainsFunc(f.figures, func(name string) bool { return name == "all" || ofLanes(name) })
	rep, err := f.inputFlags.analyze(cmd, name, "", analyzers)
	if err != nil {
		return err
	}
	if rep.Trace.Fault != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "tracelens: %s: %s\n", report.Clean(rep.Trace.Name), report.Clean(rep.Trace.Fault))
	}
	all, main := report.Figures(rep), report.MainFigures(rep)
	if f.list {
		w := 0
		for _, v := range all {
			w = max(w, len(v.Figure.Name))
		}
		for _, v := range all {
			mark := " "
			if slices.Contains(main, v) {
				mark = "*"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %-*s  %s\n", mark, w, v.Figure.Name, report.Clean(v.Figure.Title))
		}
		return f.fault(rep)
	}
	chosen := main
	switch {
	case slices.Contains(f.figures, "all"):
		chosen = all
	case len(f.figures) > 0:
		chosen = nil
		for _, figure := range f.figures {
			i := slices.IndexFunc(all, func(v report.View) bool { return v.Figure.Name == figure })
			if i < 0 {
				all = append(all, missing(rep, figure))
				i = len(all) - 1
			}
			chosen = append(chosen, all[i])
		}
	}
	if f.out == "-" && len(chosen) != 1 {
		return errors.New("--output - writes one picture: name one --figure")
	}
	if f.out == "-" && f.format != "svg" && isTerminal(cmd.OutOrStdout()) {
		return fmt.Errorf("%s does not belong on a terminal: name a file with --output", f.format)
	}
	folder := f.intoFolder(len(chosen))
	if !folder && len(chosen) != 1 {
		return fmt.Errorf("--output %s is one file, for %d figures: name one --figure, or a folder", f.out, len(chosen))
	}
	if folder {
		if err := os.MkdirAll(f.out, 0o777); err != nil {
			return &failure{f.out, err}
		}
	}
	opt := report.PlotOptions(rep)
	opt.Format, opt.Width, opt.Height, opt.Scale, opt.Dark = f.format, f.width, f.height, f.scale, f.theme == "dark"
	opt.Text = f.text
	for _, v := range chosen {
		if err := cmd.Context().Err(); err != nil {
			return err // what is drawn is whole
		}
		draw := func(w io.Writer) error {
			if v.Table == nil {
				return plots.Empty(w, v.Figure.Title, v.Why, opt)
			}
			return plots.Draw(w, v.Figure, v.Table, opt)
		}
		if f.out == "-" {
			if err := draw(cmd.OutOrStdout()); err != nil {
				return &failure{"standard output", err}
			}
			continue
		}
		file := f.out
		if folder {
			file = v.Figure.Name
			if opt.Dark {
				file += "-dark"
			}
			file = filepath.Join(f.out, file+"."+f.format)
		}
		if err := writeFile(file, draw); err != nil {
			return &failure{file, err}
		}
		says := v.Figure.Title
		if v.Why != "" {
			says += ": " + v.Why
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", report.Clean(file), report.Clean(says))
	}
	return f.fault(rep)
}

// intoFolder says whether --output is a folder, for n figures.
func (f *plotFlags) intoFolder(n int) bool {
	if f.out == "-" {
		return false
	}
	info, err := os.Stat(f.out)
	return strings.HasSuffix(filepath.ToSlash(f.out), "/") || err == nil && info.IsDir() || n != 1 && len(suffixes[strings.ToLower(filepath.Ext(f.out))]) == 0
}

// analyzers are those that the figures need.
func (f *plotFlags) analyzers() ([]*analysis.Analyzer, error) {
	var names, only []string
	for _, d := range passes.Figures() {
		names = append(names, d.Name)
	}
	for _, figure := range f.figures {
		if figure == "all" || ofLanes(figure) {
			return choose(nil, nil)
		}
		i := slices.Index(names, figure)
		if i < 0 {
			return nil, unknown("figure", figure, names)
		}
		only = append(only, passes.Figures()[i].Analyzer())
	}
	return choose(only, nil)
}

// ofLanes tells the figures that follow from findings.
func ofLanes(figure string) bool {
	return slices.ContainsFunc(measures.LaneFigures, func(d analysis.FigureDef) bool { return d.Name == figure })
}

// missing stands for a figure of which the trace has nothing.
func missing(rep *analysis.Report, figure string) report.View {
	v := report.View{Figure: &analysis.Figure{Name: figure}, Why: "nothing of this happened in the time analysed"}
	for _, d := range passes.Figures() {
		if d.Name != figure {
			continue
		}
		v.Figure.Title = d.Doc
		for _, res := range rep.Results {
			if res.Name == d.Analyzer() && res.Reason != "" {
				v.Why = res.Reason
			}
		}
	}
	return v
}

func listFigures(w io.Writer) {
	width := 0
	for _, d := range passes.Figures() {
		width = max(width, len(d.Name))
	}
	for _, d := range passes.Figures() {
		fmt.Fprintf(w, "%-*s  %s\n", width, d.Name, d.Doc)
	}
}

// completeFigures completes the last name of a comma-separated list.
func completeFigures(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	done := typed[:strings.LastIndexByte(typed, ',')+1]
	out := []string{"all\tevery figure of the trace"}
	for _, d := range passes.Figures() {
		if !slices.Contains(strings.Split(done, ","), d.Name) {
			out = append(out, done+d.Name+"\t"+d.Doc)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
