package plots

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// Colour vision deficiencies, from linear sRGB to linear sRGB: Machado, Oliveira
// and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
// Deficiency" (2009), severity 1.
var visions = map[string][3][3]float64{
	"normal": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protan": {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deutan": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritan": {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// lab is CIE L*a*b* (D65) of a colour as somebody sees it.
func lab(c color.Color, m [3][3]float64) [3]float64 {
	r, g, b := linear(c)
	var v [3]float64
	for i := range v {
		v[i] = min(max(m[i][0]*r+m[i][1]*g+m[i][2]*b, 0), 1)
	}
	x := (0.4124*v[0] + 0.3576*v[1] + 0.1805*v[2]) / 0.95047
	y := 0.2126*v[0] + 0.7152*v[1] + 0.0722*v[2]
	z := (0.0193*v[0] + 0.1192*v[1] + 0.9505*v[2]) / 1.08883
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	return [3]float64{116*f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))}
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// together are categories that figures tell apart by colour: what those of the traces of
// the module have (cmd/tracelens writes the file), and what they may have.
func together(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/categories.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		figure, names, _ := strings.Cut(strings.TrimSpace(line), ": ")
		out[figure] = strings.Split(names, ", ")
	}
	out["requests.causes"] = append(out["requests.causes"], "network", "other waits", "not known")
	for r := range parse.NumReady {
		out["latency.cause"] = append(out["latency.cause"], r.String())
	}
	for o := range parse.NumOrigins {
		out["stealing.latency"] = append(out["stealing.latency"], o.String())
	}
	for _, names := range out {
		slices.Sort(names)
	}
	for figure, names := range out {
		out[figure] = slices.Compact(names)
	}
	return out
}

// Every category has a role, and those that stand in one figure are told apart with any
// colour vision, on any background.
func TestCategoriesAreToldApart(t *testing.T) {
	for figure, names := range together(t) {
		for _, n := range names {
			if roleOf(n) == none {
				t.Errorf("%s: %q has no role", figure, n)
			}
		}
		for name, th := range map[string]*theme{"light": &light, "dark": &dark} {
			colors := th.colors(names)
			for vision, m := range visions {
				for i := range names {
					for j := range i {
						if d := distance(lab(colors[i], m), lab(colors[j], m)); d < 14 && roleOf(names[i]) != roleOf(names[j]) {
							t.Errorf("%s, %s, %s: %s and %s are %.0f apart", figure, name, vision, names[i], names[j], d)
						}
					}
				}
			}
		}
	}
}

// No two roles have one colour, and none that of a series without a role.
func TestOneMeaningPerColor(t *testing.T) {
	for name, th := range map[string]*theme{"light": &light, "dark": &dark} {
		normal := visions["normal"]
		for r := user; r < roleCount; r++ {
			for o := user; o < r; o++ {
				if d := distance(lab(th.roles[r], normal), lab(th.roles[o], normal)); d < 8 {
					t.Errorf("%s: %v and %v are %.1f apart", name, meanings[r].words, meanings[o].words, d)
				}
			}
			for i, c := range th.series {
				if d := distance(lab(th.roles[r], normal), lab(c, normal)); d < 8 {
					t.Errorf("%s: %v and the series %d are %.1f apart", name, meanings[r].words, i, d)
				}
			}
			for vision, m := range visions {
				if d := distance(lab(th.roles[r], m), lab(th.back, m)); d < 20 && r != idle || d < 7 {
					t.Errorf("%s, %s: %v is %.0f from the background", name, vision, meanings[r].words, d)
				}
			}
			// Half of what WCAG 2.1, 1.4.11 wants of what stands alone: these have names beside them.
			if k := contrast(th.roles[r], th.back); k < 1.5 && r != idle && r != gcIdle {
				t.Errorf("%s: the contrast of %v to the background is %.1f", name, meanings[r].words, k)
			}
		}
	}
	words := make(map[string]bool)
	for _, m := range meanings {
		for _, w := range m.words {
			if words[strings.ToLower(w)] {
				t.Errorf("%q has two meanings", w)
			}
			words[strings.ToLower(w)] = true
		}
	}
}

// The states of a P, as they are stacked: those that touch differ in grey.
func TestNeighboursDifferInGrey(t *testing.T) {
	stacked := []string{"user", "system", "GC worker", "assist", "syscall", "scheduler", "STW", "idle"}
	for name, th := range map[string]*theme{"light": &light, "dark": &dark} {
		colors := th.colors(stacked)
		for i := 1; i < len(stacked); i++ {
			if d := math.Abs(lightness(colors[i]) - lightness(colors[i-1])); d < 8 {
				t.Errorf("%s: %s and %s, which touch, are %.0f apart in grey", name, stacked[i-1], stacked[i], d)
			}
		}
	}
}

// contrast of two colours by WCAG 2.1.
func contrast(a, b color.Color) float64 {
	luminance := func(c color.Color) float64 {
		r, g, b := linear(c)
		return 0.2126*r + 0.7152*g + 0.0722*b
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// WCAG 2.1, 1.4.3: text has a contrast of at least 4.5 to what is behind it.
func TestTextContrast(t *testing.T) {
	for name, th := range map[string]*theme{"light": &light, "dark": &dark} {
		for what, c := range map[string]color.Color{"text": th.text, "weak text": th.weak} {
			if r := contrast(c, th.back); r < 4.5 {
				t.Errorf("%s: contrast of %s is %.1f", name, what, r)
			}
		}
		for r := user; r < roleCount; r++ {
			// Large or bold marks: 3 is enough.
			if c := contrast(th.on(th.roles[r]), th.roles[r]); c < 4 {
				t.Errorf("%s: contrast of a name on role %d is %.1f", name, r, c)
			}
		}
	}
}

// Series of any names have one swatch each, up to twice as many as there are hues; a role
// keeps its colour beside any others.
func TestColorsAreDistinct(t *testing.T) {
	for _, th := range []*theme{&light, &dark} {
		var names []string
		for i := range 2 * len(th.series) {
			names = append(names, fmt.Sprint("main.work", i))
		}
		seen := make(map[color.Color]string)
		for i, c := range th.colors(names) {
			if other := seen[c]; other != "" {
				t.Errorf("%s and %s have one colour", other, names[i])
			}
			seen[c] = names[i]
		}
		if got := th.colors([]string{"x", "user"})[1]; got != th.roles[user] {
			t.Errorf("user is %v after another series, want its own colour %v", got, th.roles[user])
		}
	}
}
