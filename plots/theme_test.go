package plots

import (
	"image/color"
	"math"
	"testing"
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

// The states of a P, as they are stacked.
var stacked = []string{"user", "system", "GC worker", "assist", "syscall", "scheduler", "STW", "idle"}

func TestStatesAreToldApart(t *testing.T) {
	for name, th := range map[string]*theme{"light": &light, "dark": &dark} {
		colors := th.colors(stacked)
		for vision, m := range visions {
			for i := range stacked {
				for j := range i {
					if d := distance(lab(colors[i], m), lab(colors[j], m)); d < 14 {
						t.Errorf("%s, %s: %s and %s are %.0f apart", name, vision, stacked[i], stacked[j], d)
					}
				}
				if d := distance(lab(colors[i], m), lab(th.back, m)); d < 7 {
					t.Errorf("%s, %s: %s is %.0f from the background", name, vision, stacked[i], d)
				}
			}
		}
		for i := 1; i < len(stacked); i++ {
			if d := math.Abs(lightness(colors[i]) - lightness(colors[i-1])); d < 8 {
				t.Errorf("%s: %s and %s, which touch, are %.0f apart in grey", name, stacked[i-1], stacked[i], d)
			}
		}
	}
}

// WCAG 2.1, 1.4.3: text has a contrast of at least 4.5 to what is behind it.
func TestTextContrast(t *testing.T) {
	luminance := func(c color.Color) float64 {
		r, g, b := linear(c)
		return 0.2126*r + 0.7152*g + 0.0722*b
	}
	contrast := func(a, b color.Color) float64 {
		x, y := luminance(a), luminance(b)
		return (max(x, y) + .05) / (min(x, y) + .05)
	}
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

func TestColorsAreDistinct(t *testing.T) {
	names := []string{"user", "created", "unblocked", "runnable", "netpoll", "timer", "syscall", "gc"}
	seen := make(map[color.Color]string)
	for i, c := range light.colors(names) {
		if other := seen[c]; other != "" {
			t.Errorf("%s and %s have one colour", other, names[i])
		}
		seen[c] = names[i]
	}
	if got := light.colors([]string{"x", "user"})[1]; got != light.roles[user] {
		t.Errorf("user is %v after another series, want its own colour %v", got, light.roles[user])
	}
}
