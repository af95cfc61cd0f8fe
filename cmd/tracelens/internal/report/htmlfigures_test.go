package report

import (
	"regexp"
	"strings"
	"testing"
)

// TestInline: one picture of two, with a class for each pair of colours; two where they
// differ in more.
func TestInline(t *testing.T) {
	var k inks
	light := "<?xml?>\n<svg width=\"420pt\" height=\"300pt\" viewBox=\"0 0 420 300\">\n<text x=\"1.234\" stroke=\"#FFFFFF\" stroke-width=\"1.5\"\n\tstyle=\"font-family:Sans;font-weight:bold;font-size:12px;fill:#000000\">#1 &lt;#abcdef</text><path d=\"M0.125,2\" style=\"fill:none;stroke:#000000\" /><stop stop-color=\"#000000\"/></svg>"
	dark := strings.NewReplacer("#FFFFFF", "#101010", "#000000", "#EEEEEE").Replace(light)
	got, ok := inline(light, dark, "", &k)
	if !ok || strings.Contains(string(got), "style=") {
		t.Fatalf("%v %s", ok, got)
	}
	for _, want := range []string{`<svg role="img" viewBox="0 0 420 300">`, `class="s0 f1"`, `font-weight="bold" font-size="12px"`, `stroke-width="1.5"`, `fill="none" class="s1"`, `x="1.2"`, `d="M0.1,2"`, `stop-color="var(--ink-1)"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if _, ok := inline(light, strings.Replace(dark, "viewBox", "viewbox", 1), "", &k); ok {
		t.Error("pictures that differ in more than colours are one")
	}
	if style := k.style(); !strings.Contains(style, "--ink-0:#FFFFFF;--ink-1:#000000;") || !strings.Contains(style, "--ink-0:#101010;--ink-1:#EEEEEE;") {
		t.Errorf("the style is %s", style)
	}
}

// TestHTMLFigures: every figure of a report is on its page, once, as a picture.
func TestHTMLFigures(t *testing.T) {
	for _, name := range []string{"mixed-go126", "http-healthy", "gc-assist", "cpu-samples"} {
		rep := analyzed(t, name)
		page := html(t, rep)
		pictures := make(map[string]string)
		for _, m := range regexp.MustCompile(`(?s)<figure class="chart[^"]*" id="chart-([^"]*)"[^>]*>(.*?)</figure>`).FindAllStringSubmatch(page, -1) {
			if pictures[m[1]] != "" {
				t.Errorf("%s: %s is there twice", name, m[1])
			}
			pictures[m[1]] = m[2]
		}
		all := Figures(rep)
		for _, v := range all {
			picture := pictures[anchor(v.Figure.Name)]
			if n := strings.Count(picture, "<svg"); n < 1 || n > 2 || strings.Count(picture, "</svg>") != n || len(picture) < 300 {
				t.Errorf("%s: %s has %d pictures, %d bytes", name, v.Figure.Name, n, len(picture))
			}
		}
		if len(pictures) != len(all) {
			t.Errorf("%s: %d pictures of %d figures", name, len(pictures), len(all))
		}
	}
}
