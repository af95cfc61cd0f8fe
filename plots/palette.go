package plots

import (
	"fmt"
	"image/color"
)

// Color is the colour of a series of that name, as CSS has it, and that of text upon
// it; ok is false for a name that means nothing.
func Color(name string, inDark bool) (fill, text string, ok bool) {
	th := &light
	if inDark {
		th = &dark
	}
	r := roleOf(name)
	ok = r != none
	if !ok {
		r = plain
	}
	return css(th.roles[r]), css(th.on(th.roles[r])), ok
}

// Colors are the colours of series of these names in one picture, as CSS has them.
func Colors(names []string, inDark bool) (out []string) {
	th := &light
	if inDark {
		th = &dark
	}
	for _, c := range th.colors(names) {
		out = append(out, css(c))
	}
	return out
}

func css(c color.Color) string {
	v := c.(color.NRGBA)
	return fmt.Sprintf("#%02x%02x%02x", v.R, v.G, v.B)
}
