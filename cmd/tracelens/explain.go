package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

func newExplain() *cobra.Command {
	var color string
	var thresholds bool
	var cf configFlags
	cmd := &cobra.Command{
		Use:   "explain [NAME | CODE | FIGURE | METRIC | TERM]",
		Short: "Say what an analyzer or metric is, how it counts, and what to do about it",
		Long: `Explain prints the page of a measure or a check: what it looks at, how it
counts, what to trust, and what to do; for a check also the values at which
it fires, where each level comes from (the default, a preset, a line of
` + config.FileName + `), and why the default is what it is.

With the id of a metric of the JSON report, or the start of some, such as
sched.latency, it says what those are; with 'terms' what P time, held up,
stopping and the other words of reports mean. Without argument it lists
measures, checks and metrics.`,
		Example: `  tracelens explain latency
  tracelens explain limits/contention
  tracelens explain sched.latency
  tracelens explain terms
  tracelens explain --thresholds --config strict.yaml`,
		Args: takes(0, 1, "NAME"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var out []string
			if len(args) == 0 {
				for _, a := range passes.All() {
					out = append(out, a.Name+"\t"+a.Title())
				}
				for _, m := range passes.Metrics() {
					out = append(out, m.ID+"\t"+m.Doc)
				}
				for _, d := range passes.Figures() {
					out = append(out, d.Name+"\t"+d.Doc)
				}
				out = append(out, "terms\twhat the words of reports mean")
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			opt, err := display(out, color)
			if err != nil {
				return err
			}
			cfg, err := cf.load(cmd)
			if err != nil {
				return err
			}
			var text string
			switch {
			case thresholds && len(args) > 0:
				return fmt.Errorf("--thresholds is about all checks; 'tracelens explain %s' says those of one", args[0])
			case thresholds:
				text = allThresholds(cfg)
			case len(args) == 0:
				text = catalogue(cfg)
			default:
				text, err = explanation(cfg, args[0], opt)
			}
			if err != nil {
				return err
			}
			if _, err := io.WriteString(out, text); err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&thresholds, "thresholds", false, "print the thresholds in force of all checks")
	cf.add(cmd)
	cmd.Flags().StringVar(&color, "color", "auto", "mark text up: `WHEN` is auto, always or never")
	return cmd
}

// catalogue lists all there is to explain.
func catalogue(cfg *config.Config) string {
	var b strings.Builder
	width := 0
	for _, a := range passes.All() {
		width = max(width, len(a.Name))
	}
	list := func(title string, checks bool) {
		b.WriteString(title)
		for _, a := range passes.All() {
			if len(a.Thresholds) > 0 != checks {
				continue
			}
			fmt.Fprintf(&b, "  %-*s  %s", width, a.Name, a.Title())
			if level, from := cfg.Severity(a); level != "" {
				fmt.Fprintf(&b, " [%s: %s]", level, report.Clean(from))
			}
			b.WriteByte('\n')
		}
	}
	list("Measures, in the order of the report:\n\n", false)
	list("\nChecks, which have findings:\n\n", true)
	b.WriteString("\nMetrics of the JSON report:\n\n")
	width = 0
	for _, m := range passes.Metrics() {
		width = max(width, len(m.ID))
	}
	for _, m := range passes.Metrics() {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, m.ID, m.Doc)
	}
	b.WriteString("\n'tracelens explain NAME' prints the page of a measure or check, or says more of metrics; 'tracelens explain terms' says what words mean; --thresholds prints the values at which checks fire.\n")
	return b.String()
}

// explanation is the page of an analyzer, the meaning of a term, or what figures and
// metrics are.
func explanation(cfg *config.Config, name string, opt report.Options) (string, error) {
	var b strings.Builder
	if a := analyzerOf(name); a != nil && !strings.Contains(name, ".") {
		if err := report.Page(&b, page(cfg, a), opt); err != nil {
			return "", err
		}
		return b.String(), nil
	}
	if text := meaning(name); text != "" {
		if err := report.Page(&b, text, opt); err != nil {
			return "", err
		}
		return b.String(), nil
	}
	for _, d := range passes.Figures() {
		if name == d.Name {
			fmt.Fprintf(&b, "%s  (figure of %s)\n    %s\n", d.Name, d.Analyzer(), sentence(d.Doc))
		}
	}
	for _, m := range passes.Metrics() {
		if name == "metrics" || m.ID == name || strings.HasPrefix(m.ID, strings.TrimSuffix(name, ".")+".") {
			about := []string{string(m.Unit), string(m.Confidence)}
			if m.Clock != "" {
				about = append(about, "in "+string(m.Clock))
			}
			if m.Polarity != analysis.Neutral {
				about = append(about, string(m.Polarity)+" is better")
			}
			fmt.Fprintf(&b, "%s  (%s)\n    %s\n", m.ID, strings.Join(about, ", "), m.Doc)
		}
	}
	if b.Len() > 0 {
		return b.String(), nil
	}
	names := append(analyzerNames(), "metrics", "terms")
	if strings.Contains(name, ".") {
		for _, m := range passes.Metrics() {
			names = append(names, m.ID)
		}
		for _, d := range passes.Figures() {
			names = append(names, d.Name)
		}
	}
	return "", unknown("analyzer or metric", name, names)
}

// page is the page of an analyzer, with the levels that count here and where they come
// from, in Markdown.
func page(cfg *config.Config, a *analysis.Analyzer) string {
	levels := make(map[string]string)
	for _, t := range cfg.Thresholds(a) {
		levels[t.Name] = t.Describe()
	}
	text := a.Page(func(t analysis.Threshold) string { return levels[t.Name] })
	switch level, from := cfg.Severity(a); level {
	case "":
	case "off":
		text += fmt.Sprintf("\n## Severity\n\nIts findings are off (%s).\n", inPage(from))
	default:
		text += fmt.Sprintf("\n## Severity\n\nIts findings are of level %s, whatever the thresholds say (%s).\n", level, inPage(from))
	}
	return text
}

// inPage makes text stand as it is in Markdown, also the name of a file.
func inPage(s string) string { return punctuation.ReplaceAllString(s, `\$0`) }

var punctuation = regexp.MustCompile("[!-/:-@\\[-`{-~]")

func sentence(s string) string {
	return strings.TrimSuffix(s, ".") + "."
}

// allThresholds is the table of thresholds, with what each is and why.
func allThresholds(cfg *config.Config) string {
	var b strings.Builder
	preset, from := cfg.Preset()
	fmt.Fprintf(&b, "Preset: %s (%s)\n", preset, report.Clean(from))
	for _, a := range passes.All() {
		level, from := cfg.Severity(a)
		for _, t := range cfg.Thresholds(a) {
			fmt.Fprintf(&b, "\n%s: %s", t.Name, report.Clean(t.Describe()))
			if level != "" {
				fmt.Fprintf(&b, " [%s: %s]", level, report.Clean(from))
			}
			fmt.Fprintf(&b, "\n    %s\n    Source: %s\n", report.Clean(sentence(t.Doc)), report.Clean(sentence(t.Source)))
		}
	}
	return b.String()
}
