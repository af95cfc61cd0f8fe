package plots

import (
	"image/color"
	"math"
	"slices"
)

// A theme is the colours of a picture. Those of the roles go back to Okabe and
// Ito, "Color Universal Design" (2008), which people with any colour vision tell
// apart; their lightness was spread so that neighbours also differ in grey
// (theme_test.go measures both).
type theme struct {
	back, text, weak, axis, grid color.Color
	roles                        [roleCount]color.Color
	series                       []color.Color // of series without a role
	ramp                         []color.Color // from little to much, by lightness
}

func rgb(hex uint32) color.Color {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

var light = theme{
	back: rgb(0xFFFFFF), text: rgb(0x1B1F24), weak: rgb(0x57606A), axis: rgb(0x8C959F), grid: rgb(0xE4E7EB),
	roles:  roleColors(false),
	series: []color.Color{rgb(0x265B9B), rgb(0xDE9512), rgb(0x1E8B68), rgb(0xF36647), rgb(0x5AADDB), rgb(0x832A5B), rgb(0x7A6C00), rgb(0x6F7991)},
	ramp:   []color.Color{rgb(0xDCEBF7), rgb(0x8CBFE3), rgb(0x3A83BD), rgb(0x08336B)},
}

var dark = theme{
	back: rgb(0x14181D), text: rgb(0xE6EAEE), weak: rgb(0x9BA5B0), axis: rgb(0x6A737D), grid: rgb(0x2A3138),
	roles:  roleColors(true),
	series: []color.Color{rgb(0x58B6FE), rgb(0xFFBF64), rgb(0x47A172), rgb(0xDF773A), rgb(0xB7D7FF), rgb(0xBF7DB8), rgb(0xBCB200), rgb(0xA9AFB0)},
	ramp:   []color.Color{rgb(0x123A5E), rgb(0x2C75AF), rgb(0x74B4E6), rgb(0xF0F8FF)},
}

// colors gives each series its colour: that of its role, or the next that is
// unlike any other of the chart. Those that are too many to be told apart are plain, as one
// alone is.
func (th *theme) colors(names []string) []color.Color {
	out := make([]color.Color, len(names))
	for i, n := range names {
		if r := roleOf(n); r != none {
			out[i] = th.roles[r]
		}
	}
	if len(names) == 1 && out[0] == nil {
		return []color.Color{th.roles[plain]}
	}
	next := 0
	for i := range out {
		for ; out[i] == nil && next < 2*len(th.series); next++ {
			c := th.series[next%len(th.series)]
			if next >= len(th.series) { // once more, paler
				out[i] = mix(c, th.back, .5)
				continue
			}
			if !slices.ContainsFunc(out, func(o color.Color) bool { return o != nil && near(o, c) }) {
				out[i] = c
			}
		}
		if out[i] == nil {
			out[i] = th.roles[plain]
		}
	}
	return out
}

// mix is the colour that lies share of the way from a to b.
func mix(a, b color.Color, share float64) color.Color {
	x, y := a.(color.NRGBA), b.(color.NRGBA)
	m := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*share)) }
	return color.NRGBA{m(x.R, y.R), m(x.G, y.G), m(x.B, y.B), 255}
}

// shade is the ramp's colour for v of 0…1.
func (th *theme) shade(v float64) color.Color {
	at := min(max(v, 0), 1) * float64(len(th.ramp)-1)
	i := min(int(at), len(th.ramp)-2)
	return mix(th.ramp[i], th.ramp[i+1], at-float64(i))
}

// on is the colour of text upon c.
func (th *theme) on(c color.Color) color.Color {
	if lightness(c) > 52 {
		return light.text
	}
	return light.back
}
