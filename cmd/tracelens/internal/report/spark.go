package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// sparks draws the first figure over time and the first histogram of a result, one
// line each, with the name by which plot draws them whole.
func (p *printer) sparks(res *analysis.Result, from, to int64) {
	if !p.Terminal {
		return
	}
	done := make(map[bool]bool) // by whether it is a histogram
	for i := range res.Figures {
		f := &res.Figures[i]
		k := slices.IndexFunc(res.Tables, func(t *analysis.Table) bool { return t.Name == f.Table })
		histogram := f.Mark == analysis.HistBars
		if k < 0 || done[histogram] {
			continue
		}
		line := ""
		switch f.Mark {
		case analysis.Area:
			line = p.overTime(f, res.Tables[k], from, to)
		case analysis.HistBars:
			line = p.histogram(f, res.Tables[k])
		}
		if line != "" {
			p.line(line)
			done[histogram] = true
		}
	}
}

// cells of a sparkline: enough to see a shape, and room for its caption.
func (p *printer) sparkCells() int { return min(60, p.Width-44) }

// overTime is the height of a stack of areas over time, without what is idle.
func (p *printer) overTime(f *analysis.Figure, t *analysis.Table, from, to int64) string {
	n := p.sparkCells()
	if n < 10 || to <= from {
		return ""
	}
	sums, rows := make([]float64, n), make([]int, n)
	for r := range t.Rows {
		at, ok := number(t.Cell(r, f.X))
		i := int((at - float64(from)) / float64(to-from) * float64(n))
		if !ok || i < 0 || i >= n {
			continue
		}
		rows[i]++
		for _, y := range f.Y {
			if v, ok := number(t.Cell(r, y)); ok && y != "idle" {
				sums[i] += v
			}
		}
	}
	top := 0.0
	for i := range sums {
		switch {
		case rows[i] > 0:
			sums[i] /= float64(rows[i])
		case i > 0 && len(t.Rows) < n:
			sums[i] = sums[i-1] // buckets wider than a cell
		}
		top = max(top, sums[i])
	}
	if top == 0 {
		return ""
	}
	return fmt.Sprintf("  %s  %s", spark(sums, top), Clean(f.Name))
}

// histogram is counts by octave.
func (p *printer) histogram(f *analysis.Figure, t *analysis.Table) string {
	var octaves [64]float64
	first, last, top := 63, 0, 0.0
	for r := range t.Rows {
		from, ok1 := number(t.Cell(r, f.X))
		n, ok2 := number(t.Cell(r, f.Y[0]))
		if !ok1 || !ok2 || n <= 0 {
			continue
		}
		i := min(max(int(math.Log2(max(from, 1))), 0), 63)
		octaves[i] += n
		first, last, top = min(first, i), max(last, i), max(top, octaves[i])
	}
	if top == 0 || last-first < 2 {
		return ""
	}
	return fmt.Sprintf("  %s  %s, %s to %s", spark(octaves[first:last+1], top), Clean(f.Name), p.dur(1<<first), p.dur(1<<(last+1)))
}

// spark writes values as bars of eighths; what is above zero is seen.
func spark(values []float64, top float64) string {
	var b strings.Builder
	for _, v := range values {
		switch {
		case v <= 0:
			b.WriteByte(' ')
		default:
			b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(int(v/top*8), 7)])
		}
	}
	return b.String()
}

func number(cell any) (float64, bool) {
	switch v := cell.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case analysis.Number:
		return float64(v), true
	}
	return 0, false
}
