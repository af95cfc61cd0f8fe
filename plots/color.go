package plots

import (
	"image/color"
	"math"
)

// lightness is CIE L* of a colour, 0…100.
func lightness(c color.Color) float64 {
	r, g, b := linear(c)
	y := 0.2126*r + 0.7152*g + 0.0722*b
	if y <= 216.0/24389 {
		return y * 24389 / 27
	}
	return 116*math.Cbrt(y) - 16
}

// linear is a colour's linear sRGB components.
func linear(c color.Color) (r, g, b float64) {
	f := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	R, G, B, _ := c.RGBA()
	return f(R), f(G), f(B)
}

// near tells colours that are hard to tell apart.
func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	d := func(x, y uint32) float64 { return (float64(x) - float64(y)) / 0x101 }
	return math.Hypot(math.Hypot(d(ar, br), d(ag, bg)), d(ab, bb)) < 40
}
