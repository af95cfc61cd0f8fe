package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/internal/svgtest"
	"github.com/tracelens/tracelens/plots"
)

// shownCharts are the pictures of the README.
var shownCharts = [][]string{
	{"--figure", "lanes.goroutines", "pool-too-small.trace"},
	{"--figure", "timeline.spans", "--from", "1ms", "--to", "30ms", "mixed-go126.trace"},
	{"--figure", "stw.waterfall", "procs-8.trace"},
	{"--figure", "latency.cause", "http-healthy.trace"},
	{"--figure", "gc.cycle", "gc-assist.trace"},
	{"--figure", "waits.function", "gc-assist.trace"},
}

// TestShownCharts draws the README's pictures again and compares pixels: not all
// machines round alike, and the last line names the version.
func TestShownCharts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	charts := filepath.Join(root, "testdata", "charts")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "testdata", "traces"))
	for _, args := range shownCharts {
		for _, theme := range []string{"light", "dark"} {
			name := args[1]
			if theme == "dark" {
				name += "-dark"
			}
			name += ".png"
			if !strings.Contains(string(readme), "testdata/charts/"+name) {
				t.Errorf("the README does not show %s", name)
			}
			var out, stderr bytes.Buffer
			if code := run(context.Background(), append([]string{"plot", "-o", "-", "--theme", theme}, args...), nil, &out, &stderr); code != 0 {
				t.Fatalf("%s: exit code %d: %s", name, code, &stderr)
			}
			file := filepath.Join(charts, name)
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			shown, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := differing(t, shown, out.Bytes()); n > 50 {
				t.Errorf("%s is not what is drawn now: %d pixels differ; look at the new one, then -update", name, n)
			}
		}
	}
}

// differing counts the pixels that differ by more than rounding, above the footer.
func differing(t *testing.T, a, b []byte) (n int) {
	t.Helper()
	x, err := png.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	y, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if x.Bounds() != y.Bounds() {
		return x.Bounds().Dx() * x.Bounds().Dy()
	}
	box := x.Bounds()
	box.Max.Y -= 70
	for py := box.Min.Y; py < box.Max.Y; py++ {
		for px := box.Min.X; px < box.Max.X; px++ {
			if far(x, y, px, py) {
				n++
			}
		}
	}
	return n
}

func far(a, b image.Image, x, y int) bool {
	ar, ag, ab, _ := a.At(x, y).RGBA()
	br, bg, bb, _ := b.At(x, y).RGBA()
	d := func(p, q uint32) uint32 { return max(p, q) - min(p, q) }
	return max(d(ar, br), d(ag, bg), d(ab, bb)) > 0x1000
}

// TestEveryFigure draws every figure of every trace of the module, each in both themes
// somewhere, and holds the catalogue of figures against them.
func TestEveryFigure(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of pictures")
	}
	traces, err := filepath.Glob("../../testdata/traces/*.trace")
	if err != nil || len(traces) == 0 {
		t.Fatalf("no traces (%v)", err)
	}
	drawn := make(map[string]bool)
	categories := make(map[string][]string) // by figure
	for _, path := range traces {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := analysis.Analyze(context.Background(), f, filepath.Base(path), analysis.Options{}, passes.All())
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if w := measures.LaneWindowOf(rep); w != nil {
			again, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			second, err := analysis.Analyze(context.Background(), again, filepath.Base(path), analysis.Options{}, []*analysis.Analyzer{measures.Lanes(w)})
			again.Close()
			if err != nil {
				t.Fatal(err)
			}
			measures.ShowLanes(rep, w, second.Results[0])
		}
		for _, v := range report.Figures(rep) {
			if r := []rune(v.Figure.Title); len(r) == 0 || len(r) > 100 {
				t.Errorf("%s: %s: the title has %d characters: %s", path, v.Figure.Name, len(r), v.Figure.Title)
			}
			for _, name := range colored(v) {
				if list := categories[v.Figure.Name]; !slices.Contains(list, name) {
					categories[v.Figure.Name] = append(list, name)
				}
			}
			// The themes differ in colours alone: once in the dark is enough.
			for _, dark := range []bool{false, true}[:2-count(drawn[v.Figure.Name])] {
				opt := report.PlotOptions(rep)
				opt.Format, opt.Dark = "svg", dark
				var b bytes.Buffer
				if err := plots.Draw(&b, v.Figure, v.Table, opt); err != nil {
					t.Errorf("%s: %v", path, err)
				} else if strings.Contains(b.String(), "NaN") {
					t.Errorf("%s: %s: a place is not a number", path, v.Figure.Name)
				}
			}
			for _, size := range [][2]int{{560, 420}, {0, 0}} {
				opt := report.PlotOptions(rep)
				opt.Format, opt.Text, opt.Width, opt.Height = "svg", true, size[0], size[1]
				var b bytes.Buffer
				if err := plots.Draw(&b, v.Figure, v.Table, opt); err != nil {
					t.Fatal(err)
				}
				p, err := svgtest.Parse(b.Bytes())
				if err != nil {
					t.Fatalf("%s: %s: %v", path, v.Figure.Name, err)
				}
				for _, fault := range p.Faults() {
					t.Errorf("%s: %s at %v: %s", path, v.Figure.Name, size, fault)
				}
			}
			drawn[v.Figure.Name] = true
		}
		if n := len(report.MainFigures(rep)); n < 4 || n > 6 {
			t.Errorf("%s: %d main figures, want 4 to 6", path, n)
		}
	}
	var b strings.Builder
	for _, figure := range slices.Sorted(maps.Keys(categories)) {
		slices.Sort(categories[figure])
		fmt.Fprintf(&b, "%s: %s\n", figure, strings.Join(categories[figure], ", "))
	}
	const file = "../../plots/testdata/categories.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if known, err := os.ReadFile(file); err != nil || string(known) != b.String() {
		t.Errorf("%s (%v) is not what figures have: give what is new a role, then -update:\n%s", file, err, b.String())
	}
	for _, d := range passes.Figures() {
		if !drawn[d.Name] {
			t.Errorf("no trace has a figure %s", d.Name)
		}
		delete(drawn, d.Name)
	}
	for name := range drawn {
		t.Errorf("figure %s is not in the catalogue", name)
	}
	if err := plots.Empty(io.Discard, "a figure", "nothing happened", plots.Options{Format: "png"}); err != nil {
		t.Error(err)
	}
}

// colored are the categories that a figure tells apart by colour, without those that the
// program names.
func colored(v report.View) (names []string) {
	column := v.Figure.Series
	switch v.Figure.Mark {
	case analysis.Area, analysis.Steps, analysis.Line, analysis.Stems, analysis.Bars:
		if column == "" && len(v.Figure.Y) > 1 {
			return v.Figure.Y
		}
	case analysis.Panels:
		return v.Figure.Y
	case analysis.ECDF, analysis.Points, analysis.Flame, analysis.Gantt, analysis.Graph:
	case analysis.Lanes, analysis.Goroutines:
		if v.Figure.End == "" {
			return v.Figure.Y
		}
		column = v.Figure.Y[0]
	default:
		return nil // these have a ramp, or colours of their own
	}
	for r := range v.Table.Rows {
		if s, ok := v.Table.Cell(r, column).(string); ok && column != "task" && column != "last goroutine" {
			names = append(names, s)
		}
	}
	return names
}
