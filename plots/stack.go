package plots

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// A stack is values of several series over the same spans of time, drawn on top
// of each other.
type stack struct {
	hairs  bool // a span is at least a px wide, where nothing follows at once
	unit   analysis.Unit
	names  []string
	colors []color.Color
	spans  []span
	values [][]float64 // by series, then by span
}

// order puts what is idle last, so that what happened stands on the ground.
func (s *stack) order() {
	for i := range len(s.names) {
		if roleOf(s.names[i]) != idle {
			continue
		}
		s.names = append(append(s.names[:i:i], s.names[i+1:]...), s.names[i])
		s.colors = append(append(s.colors[:i:i], s.colors[i+1:]...), s.colors[i])
		s.values = append(append(s.values[:i:i], s.values[i+1:]...), s.values[i])
		return
	}
}

// top is the largest sum.
func (s *stack) top() (most float64) {
	for i := range s.spans {
		sum := 0.0
		for _, v := range s.values {
			sum += v[i]
		}
		most = max(most, sum)
	}
	return most
}

// coarsen draws together what is thinner than a width: each part has its share of the time
// in which anything is known.
func (s *stack) coarsen(width float64) {
	var spans []span
	values := make([][]float64, len(s.values))
	for i := 0; i < len(s.spans); {
		first := i
		for i++; i < len(s.spans) && s.spans[i].to-s.spans[first].from <= width*1.0001 && s.spans[i].from-s.spans[i-1].to < width/8; i++ {
		}
		all := 0.0
		for _, sp := range s.spans[first:i] {
			all += sp.to - sp.from
		}
		spans = append(spans, span{s.spans[first].from, s.spans[i-1].to, s.spans[first].row})
		for k := range values {
			sum := 0.0
			for j := first; j < i; j++ {
				sum += s.values[k][j] * (s.spans[j].to - s.spans[j].from)
			}
			if all > 0 {
				sum /= all
			}
			values[k] = append(values[k], sum)
		}
	}
	s.spans, s.values = spans, values
}

// mean of a series over the time of all spans.
func (s *stack) mean(k int) float64 {
	sum, all := 0.0, 0.0
	for i, sp := range s.spans {
		sum += s.values[k][i] * (sp.to - sp.from)
		all += sp.to - sp.from
	}
	if all == 0 {
		return 0
	}
	return sum / all
}

// drawStack draws a stack, whose parts say what they are on average.
func (c *chart) drawStack(dc draw.Canvas, s *stack, who string, x, y func(float64) vg.Length) {
	s.draw(dc, x, y, func(k int, fill func()) {
		title := s.names[k] + ": " + number(s.mean(k), 0, s.unit) + " on average"
		if who != "" {
			title = who + ", " + title
		}
		c.part(title, fill)
	})
}

// draw fills each series from the ground up to the sum with those below it, the
// highest first: so neighbours have no seam between them, and a series is one
// path however many spans it has.
func (s *stack) draw(dc draw.Canvas, x, y func(float64) vg.Length, part func(k int, fill func())) {
	sum := make([]float64, len(s.spans))
	for _, v := range s.values {
		for i := range sum {
			sum[i] += v[i]
		}
	}
	for k := len(s.values) - 1; k >= 0; k-- {
		if anyOf(s.values[k]) {
			part(k, func() { s.fill(dc, s.colors[k], sum, x, y) })
		}
		for i := range sum {
			sum[i] -= s.values[k][i]
		}
	}
}

func anyOf(values []float64) bool {
	for _, v := range values {
		if v > 0 {
			return true
		}
	}
	return false
}

// fill draws runs of spans without a gap as one polygon each.
func (s *stack) fill(dc draw.Canvas, col color.Color, tops []float64, x, y func(float64) vg.Length) {
	ground := y(0)
	const fine = px / 8 // what nobody can see
	var path vg.Path
	open := false
	var lastX, lastY vg.Length
	end := func() {
		if open {
			path.Line(vg.Point{X: lastX, Y: lastY})
			path.Line(vg.Point{X: lastX, Y: ground})
			path.Close()
			open = false
		}
	}
	for i, sp := range s.spans {
		x0, x1, top := x(sp.from), x(sp.to), y(max(tops[i], 0))
		if s.hairs && tops[i] > 1e-12 && x1-x0 < px {
			next := i + 1
			for next < len(tops) && tops[next] <= 1e-12 {
				next++
			}
			x1 = x0 + px
			if next < len(tops) {
				x1 = min(x1, max(x(s.spans[next].from), x(sp.to)))
			}
		}
		x0, x1 = max(x0, dc.Min.X), min(x1, dc.Max.X)
		top = min(top, dc.Max.Y)
		if x1 <= x0 {
			continue
		}
		if tops[i] <= 1e-12 || top-ground < fine/4 {
			end()
			continue
		}
		switch {
		case open && x0-lastX > fine:
			end()
			fallthrough
		case !open:
			path.Move(vg.Point{X: x0, Y: ground})
			path.Line(vg.Point{X: x0, Y: top})
			open = true
		case top-lastY > fine || lastY-top > fine:
			path.Line(vg.Point{X: lastX, Y: lastY})
			path.Line(vg.Point{X: lastX, Y: top})
		default:
			lastX = x1
			continue // on the same level
		}
		lastX, lastY = x1, top
	}
	end()
	if len(path) > 0 {
		dc.SetColor(col)
		dc.Fill(path)
	}
}
