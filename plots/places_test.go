package plots

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/internal/svgtest"
)

// sizes are that of a page and what suits a figure.
var sizes = []struct{ width, height int }{{560, 420}, {0, 0}}

// picture draws an example with its text as text, and reads it.
func picture(t *testing.T, e example, width, height int) *svgtest.Picture {
	t.Helper()
	o := e.options()
	o.Text, o.Width, o.Height = true, width, height
	p, err := svgtest.Parse(render(t, e, o))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// No text stands over another, or outside of the picture; nor where names are long.
func TestTextsApart(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		long := *e.tab
		long.Rows = nil
		for _, r := range e.tab.Rows {
			r = slices.Clone(r)
			for i, c := range long.Columns {
				if s, ok := r[i].(string); ok && c.Unit == analysis.Text && roleOf(s) == none {
					r[i] = "example.com/some/where/pkg.(*Handler[go.shape.int])." + strings.Repeat("Serve", 4) + strings.ReplaceAll(s, "/", "") + " (select in net/http.(*persistConn).roundTrip)"
				}
			}
			long.Rows = append(long.Rows, r)
		}
		for _, size := range sizes {
			for what, e := range map[string]example{name: e, name + " with long names": {e.fig, &long}} {
				for _, fault := range picture(t, e, size.width, size.height).Faults() {
					t.Errorf("%s at %v: %s", what, size, fault)
				}
			}
		}
	}
}

// An axis is read from two of its labels.
type scale struct {
	a, b, va, vb float64
	log          bool
}

func (s scale) at(v float64) float64 {
	if s.log {
		return s.a + (s.b-s.a)*(math.Log(v)-math.Log(s.va))/(math.Log(s.vb)-math.Log(s.va))
	}
	return s.a + (s.b-s.a)*(v-s.va)/(s.vb-s.va)
}

func scaleOf(t *testing.T, p *svgtest.Picture, low string, vlow float64, high string, vhigh float64, log bool) scale {
	t.Helper()
	a, ok1 := p.Find(low)
	b, ok2 := p.Find(high)
	if !ok1 || !ok2 {
		t.Fatalf("the axis has no labels %q and %q", low, high)
	}
	return scale{a.X + a.Width/2, b.X + b.Width/2, vlow, vhigh, log}
}

// What a label says is where it stands.
func TestLabelsStandWhereTheySay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		example, low, high string
		vlow, vhigh        float64
		log                bool
	}{
		{"ecdf", "1 µs", "10 µs", 1e3, 1e4, true},
		{"histogram", "2 µs", "20 µs", 2e3, 2e4, true},
	} {
		e := examples[c.example]
		for _, size := range sizes {
			p := picture(t, e, size.width, size.height)
			x := scaleOf(t, p, c.low, c.vlow, c.high, c.vhigh, c.log)
			for _, r := range e.fig.Refs {
				i := slices.IndexFunc(p.Texts, func(text svgtest.Text) bool { return text.Text == r.Label && text.Y > p.Height*.15 })
				if i < 0 {
					t.Errorf("%s: no label %q", c.example, r.Label)
					continue
				}
				if at, l := x.at(float64(r.Value)), p.Texts[i]; at < l.X-8 || at > l.X+l.Width+8 {
					t.Errorf("%s at %v: %q stands at %.0f to %.0f, its value is at %.0f", c.example, size, r.Label, l.X, l.X+l.Width, at)
				}
			}
		}
	}
	// A line of a figure over time, and what is drawn at a moment.
	for _, size := range sizes {
		p := picture(t, examples["stems"], size.width, size.height)
		x := scaleOf(t, p, "20 ms", 20e6, "80 ms", 80e6, false)
		for _, part := range p.Parts {
			_, moment, ok := strings.Cut(part.Title, " at ")
			if !ok {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSuffix(moment, " ms"), 64)
			if err != nil {
				t.Fatalf("%q: %v", part.Title, err)
			}
			if x0, _, x1, _ := part.Box(); math.Abs((x0+x1)/2-x.at(v*1e6)) > 1 {
				t.Errorf("%q is drawn at %.1f, that moment is at %.1f", part.Title, (x0+x1)/2, x.at(v*1e6))
			}
		}
	}
}

var percent = regexp.MustCompile(`([\d.]+) %`)

func shareIn(t *testing.T, title string) float64 {
	t.Helper()
	m := percent.FindStringSubmatch(title)
	if m == nil {
		t.Fatalf("%q tells no share", title)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v / 100
}

// Areas are the shares that their titles tell, and those of a whole sum to it.
func TestAreasAreShares(t *testing.T) {
	t.Parallel()
	// Each state of a lane is drawn down to the ground, behind those below it: its own area
	// is what it has beyond the next.
	for name, lanes := range map[string]int{"lanes": 2, "spans": 2, "area": 1, "goroutines": 2} {
		p := picture(t, examples[name], 0, 0)
		var stacks [][]svgtest.Part
		who := ""
		for _, part := range p.Parts {
			if !strings.HasSuffix(part.Title, "on average") {
				continue
			}
			lane, _, _ := strings.Cut(part.Title, ": ")
			if i := strings.LastIndex(lane, ", "); i >= 0 {
				lane = lane[:i]
			} else {
				lane = "all"
			}
			if lane != who {
				stacks, who = append(stacks, nil), lane
			}
			stacks[len(stacks)-1] = append(stacks[len(stacks)-1], part)
		}
		if len(stacks) != lanes {
			t.Errorf("%s: %d lanes, want %d", name, len(stacks), lanes)
		}
		for _, s := range stacks {
			whole := s[0].Area() // the uppermost: the sum of all
			sum, told := 0.0, 0.0
			for i, part := range s {
				own := part.Area()
				if i+1 < len(s) {
					own -= s[i+1].Area()
				}
				sum += own
				told += shareIn(t, part.Title)
				all := 0.0
				for _, o := range s {
					all += shareIn(t, o.Title)
				}
				if got, want := own/whole, shareIn(t, part.Title)/all; math.Abs(got-want) > .015 {
					t.Errorf("%s: %q has %.3f of the area, want %.3f", name, part.Title, got, want)
				}
			}
			if math.Abs(sum/whole-1) > 1e-6 || told > 1.001 {
				t.Errorf("%s: the parts are %.3f of the whole, and told to be %.3f", name, sum/whole, told)
			}
		}
	}
	// A level of a flame graph, and its blocks.
	p := picture(t, examples["flame"], 0, 0)
	level := make(map[float64]float64)
	for _, part := range p.Parts {
		x0, y0, x1, _ := part.Box()
		level[y0] += x1 - x0
	}
	widest := 0.0
	for _, w := range level {
		widest = max(widest, w)
	}
	for _, part := range p.Parts {
		_, share, _ := strings.Cut(part.Title, ", ")
		if x0, _, x1, _ := part.Box(); math.Abs((x1-x0)/widest-shareIn(t, share)) > .01 {
			t.Errorf("%q is %.3f of the width", part.Title, (x1-x0)/widest)
		}
	}
	// Bars are as long as what they count.
	per := 0.0
	for _, part := range picture(t, examples["bars"], 0, 0).Parts {
		v, err := strconv.ParseFloat(strings.TrimSuffix(part.Title[strings.LastIndex(part.Title, ": ")+2:], " ms"), 64)
		if err != nil {
			t.Fatal(err)
		}
		x0, _, x1, _ := part.Box()
		if per == 0 {
			per = (x1 - x0) / v
		}
		if math.Abs((x1-x0)/v-per) > per*.01 {
			t.Errorf("%q is %.1f wide: %.2f for 1 ms, another %.2f", part.Title, x1-x0, (x1-x0)/v, per)
		}
	}
}
