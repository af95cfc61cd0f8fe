package plots

import (
	"image/color"
	"math"
	"slices"
	"strings"
)

// A role is what a series means. A role has the same colour in every chart.
type role int

const (
	none role = iota
	user
	system
	gcWorker
	assist
	syscall
	scheduler
	idle
	stw
	stopping // the world is being stopped
	limit    // what the others are held against: GOMAXPROCS, the heap goal
	waiting  // runnable, but on no P
	gcIdle   // GC work on Ps that nobody else wanted
	held     // a goroutine that waits for something
	roleCount
)

// roles are the words by which series are known, in lower case.
var roles = map[string]role{
	"user": user, "running": user, "heap": user,
	"system": system, "runtime": system,
	"gc worker": gcWorker, "gcworker": gcWorker, "workers": gcWorker, "dedicated worker": gcWorker, "fractional worker": gcWorker, "mark": gcWorker,
	"idle workers": gcIdle, "idle worker": gcIdle,
	"assist": assist, "mark assist": assist, "gcassist": assist, "assists": assist,
	"syscall": syscall, "system call": syscall, "calls": syscall,
	"scheduler": scheduler,
	"idle":      idle, "idle ps": idle, "no p": idle,
	"stw": stw, "stopped": stw, "gc stopped": stw, "pauses": stw,
	"sweep termination stw": stw, "mark termination stw": stw,
	"stopping": stopping, "gc stopping": stopping,
	"gomaxprocs": limit, "goal": limit,
	"runnable": waiting,
	"waiting":  held, "held up": held, "blocked": held,
}

func roleOf(name string) role { return roles[strings.ToLower(name)] }

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
	roles: [...]color.Color{
		user: rgb(0x0072B2), system: rgb(0x7CC4EE), gcWorker: rgb(0xC8500A), assist: rgb(0xF0B032),
		syscall: rgb(0x009E73), scheduler: rgb(0xDC8FBD), idle: rgb(0xE6E9ED), stw: rgb(0x111418),
		stopping: rgb(0x959CA4), limit: rgb(0x1B1F24), waiting: rgb(0xD55E00), gcIdle: rgb(0xE9B795), held: rgb(0x8A4FA3),
	},
	series: []color.Color{rgb(0x0072B2), rgb(0xE69F00), rgb(0x009E73), rgb(0xD55E00), rgb(0x56B4E9), rgb(0xA8508A), rgb(0x7A6A00), rgb(0x57606A)},
	ramp:   []color.Color{rgb(0xDCEBF7), rgb(0x8CBFE3), rgb(0x3A83BD), rgb(0x08336B)},
}

var dark = theme{
	back: rgb(0x14181D), text: rgb(0xE6EAEE), weak: rgb(0x9BA5B0), axis: rgb(0x6A737D), grid: rgb(0x2A3138),
	roles: [...]color.Color{
		user: rgb(0x2E86CC), system: rgb(0xA9DBF7), gcWorker: rgb(0xD9601F), assist: rgb(0xFFCB5C),
		syscall: rgb(0x1AA97D), scheduler: rgb(0xE29AC6), idle: rgb(0x2F3740), stw: rgb(0xFFFFFF),
		stopping: rgb(0x929BA5), limit: rgb(0xE6EAEE), waiting: rgb(0xF2803A), gcIdle: rgb(0x8A5A3C), held: rgb(0xB184E6),
	},
	series: []color.Color{rgb(0x3D9BDB), rgb(0xF2B63C), rgb(0x2EBD94), rgb(0xF2803A), rgb(0x8FD0F5), rgb(0xD184B8), rgb(0xC9B93A), rgb(0x9BA5B0)},
	ramp:   []color.Color{rgb(0x123A5E), rgb(0x2C75AF), rgb(0x74B4E6), rgb(0xF0F8FF)},
}

// colors gives each series its colour: that of its role, or the next that is
// unlike any other of the chart.
func (th *theme) colors(names []string) []color.Color {
	out := make([]color.Color, len(names))
	for i, n := range names {
		if r := roleOf(n); r != none {
			out[i] = th.roles[r]
		}
	}
	next := 0
	for i := range out {
		for ; out[i] == nil && next < len(th.series); next++ {
			if c := th.series[next]; !slices.ContainsFunc(out, func(o color.Color) bool { return o != nil && near(o, c) }) {
				out[i] = c
			}
		}
		if out[i] == nil { // more series than colours can tell apart
			out[i] = th.series[i%len(th.series)]
		}
	}
	return out
}

// shade is the ramp's colour for v of 0…1.
func (th *theme) shade(v float64) color.Color {
	at := min(max(v, 0), 1) * float64(len(th.ramp)-1)
	i := min(int(at), len(th.ramp)-2)
	a, b := th.ramp[i].(color.NRGBA), th.ramp[i+1].(color.NRGBA)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*(at-float64(i)))) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// on is the colour of text upon c.
func (th *theme) on(c color.Color) color.Color {
	if lightness(c) > 52 {
		return light.text
	}
	return light.back
}
