package plots

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tracelens/tracelens/analysis"
)

var update = flag.Bool("update", false, "write the goldens")

// table makes a Table from a line "name unit, name unit, …" and rows.
func table(columns string, rows ...[]any) *analysis.Table {
	t := &analysis.Table{Name: "t", Title: "what the rows are", N: 40}
	for _, c := range strings.Split(columns, ", ") {
		name, unit, _ := strings.Cut(c, ":")
		t.Columns = append(t.Columns, analysis.Column{Name: name, Unit: analysis.Unit(unit)})
	}
	t.Rows = rows
	return t
}

type example struct {
	fig analysis.Figure
	tab *analysis.Table
}

const ms = int64(1e6)

// examples has one small figure for each mark.
var examples = map[string]example{
	"lanes": {
		analysis.Figure{Mark: analysis.Lanes, X: "at", Y: []string{"user", "GC worker", "idle"}, Series: "P", Title: "P 1 was idle most of the time"},
		table("at:moment, P:p, user:ratio, GC worker:ratio, idle:ratio",
			[]any{0 * ms, int64(0), .75, .25, 0.}, []any{0 * ms, int64(1), .0, .0, 1.},
			[]any{50 * ms, int64(0), 1., .0, 0.}, []any{50 * ms, int64(1), .5, .0, .5}),
	},
	"spans": {
		analysis.Figure{Mark: analysis.Lanes, X: "from", End: "to", Y: []string{"state"}, Series: "P", Title: "every span"},
		table("P:p, from:moment, to:moment, state:text, function:text",
			[]any{int64(0), 0 * ms, 60 * ms, "user", "main.work"}, []any{int64(0), 60 * ms, 100 * ms, "idle", nil},
			[]any{int64(1), 20 * ms, 30 * ms, "syscall", "main.read"}, []any{int64(1), 30 * ms, 31 * ms, "STW", nil}),
	},
	"area": {
		analysis.Figure{Mark: analysis.Area, X: "at", Y: []string{"user", "syscall", "never", "idle"}, Title: "Ps were busy for half of the time"},
		table("at:moment, user:ratio, syscall:ratio, never:ratio, idle:ratio",
			[]any{0 * ms, .5, .0, .0, .5}, []any{25 * ms, .25, .01, .0, .74}, []any{50 * ms, .6, .0, .0, .4}, []any{75 * ms, .6, .0, .0, .4}),
	},
	"ecdf": {
		analysis.Figure{Mark: analysis.ECDF, X: "latency", Y: []string{"share"}, Series: "cause", Title: "Half of the waits were under 2 µs",
			Refs: []analysis.Ref{{Axis: "x", Value: 2000, Label: "p50 2 µs"}, {Axis: "x", Value: 90_000, Label: "p90 90 µs"}}},
		table("cause:text, latency:ns, share:ratio",
			[]any{"all", int64(1000), .25}, []any{"all", int64(2000), .5}, []any{"all", int64(90_000), 1.},
			[]any{"created", int64(0), .5}, []any{"created", int64(3000), 1.}),
	},
	"flame": {
		analysis.Figure{Mark: analysis.Flame, X: "total", Y: []string{"goroutines", "state", "place"}, Series: "state", Title: "Three quarters of the time went to main.handle"},
		table("goroutines:text, state:text, place:text, total:ns",
			[]any{"main.main", "waiting", "main.main:9", int64(10 * ms)}, []any{"main.handle", "running", nil, int64(10 * ms)},
			[]any{"main.handle", "waiting", "main.get:5", int64(15 * ms)}, []any{"main.handle", "waiting", "main.put:7", int64(5 * ms)}),
	},
	"flame-stacks": {
		analysis.Figure{Mark: analysis.Flame, X: "samples", Y: []string{"1", "2", "3"}, Series: "code", Title: "Most samples are in main.spin"},
		table("samples:count, code:text, 1:text, 2:text, 3:text",
			[]any{int64(0), "user", "main.main", nil, nil}, []any{int64(6), "user", "main.main", "main.spin", nil}, []any{int64(2), "runtime", "main.main", "runtime.mallocgc", nil}),
	},
	"panels": {
		analysis.Figure{Mark: analysis.Panels, X: "at", Y: []string{"running", "calls", "GOMAXPROCS"}, Title: "Two ran at once"},
		table("at:moment, running:count, calls:count, GOMAXPROCS:count", []any{0 * ms, 1.5, int64(0), 4.}, []any{20 * ms, 2., int64(3), 4.}, []any{40 * ms, 1., int64(0), 4.}, []any{60 * ms, 1., int64(0), 4.}, []any{80 * ms, 2., int64(0), 4.}),
	},
	"goroutines": {
		analysis.Figure{Mark: analysis.Goroutines, X: "from", End: "to", Series: "goroutine", Y: []string{"state", "woken by"}, Title: "G 2 waits for 40 ms until G 1 wakes it"},
		table("goroutine:text, from:moment, to:moment, state:text, woken by:text",
			[]any{"main.hold, G 1", 10 * ms, 50 * ms, "running", nil}, []any{"main.wait, G 2", 10 * ms, 50 * ms, "held up", "main.hold, G 1"}, []any{"main.wait, G 2", 50 * ms, 60 * ms, "running", nil}),
	},
	"graph": {
		analysis.Figure{Mark: analysis.Graph, X: "from", End: "to", Y: []string{"share"}, Series: "state", Title: "main.get waits for main.put, which sleeps"},
		table("from:text, to:text, state:text, share:ratio",
			[]any{"main.get waits at main.get:5", "main.put waits at main.put:9", "blocked", .75}, []any{"main.get waits at main.get:5", "main.list runs", "running", .2},
			[]any{"main.put waits at main.put:9", "asleep at main.put:11", "asleep", 1.}, []any{"main.put waits at main.put:9", "main.get waits at main.get:5", "blocked", .1}),
	},
	"queues": {
		analysis.Figure{Mark: analysis.HeatTime, X: "begin", End: "end", Series: "queue", Y: []string{"goroutines"}, Title: "P 0 had a queue of 3"},
		table("queue:text, begin:moment, end:moment, goroutines:count",
			[]any{"global", 0 * ms, 50 * ms, .5}, []any{"P 0", 0 * ms, 50 * ms, 3.}, []any{"P 0", 50 * ms, 100 * ms, 1.}),
	},
	"histogram": {
		analysis.Figure{Mark: analysis.HistBars, X: "from", End: "to", Y: []string{"count"}, Title: "Calls took 1 µs to 64 µs",
			Refs: []analysis.Ref{{Axis: "x", Value: 20_000, Label: "20 µs"}}},
		table("from:ns, to:ns, count:count", []any{int64(1024), int64(2047), int64(30)}, []any{int64(2048), int64(2559), int64(20)}, []any{int64(61440), int64(65535), int64(1)}),
	},
	"matrix": {
		analysis.Figure{Mark: analysis.Matrix, X: "thief", Series: "victim", Y: []string{"stolen"}, Title: "P 1 steals from P 0"},
		table("victim:p, thief:p, stolen:count", []any{int64(0), int64(1), int64(412)}, []any{int64(1), int64(0), int64(3)}),
	},
	"heat": {
		analysis.Figure{Mark: analysis.HeatTime, X: "begin", End: "end", Series: "from", Y: []string{"waits", "to"}, Title: "Waits became longer"},
		table("begin:moment, end:moment, from:ns, to:ns, waits:count",
			[]any{0 * ms, 50 * ms, int64(0), int64(1000), int64(5)}, []any{50 * ms, 100 * ms, int64(1000), int64(2000), int64(90)}),
	},
	"steps": {
		analysis.Figure{Mark: analysis.Steps, X: "time", Y: []string{"high"}, Series: "series", Title: "The heap in use reaches 6 MiB"},
		table("time:moment, series:text, high:bytes",
			[]any{0 * ms, "heap", int64(1 << 20)}, []any{0 * ms, "goal", int64(4 << 20)}, []any{40 * ms, "heap", int64(6 << 20)}, []any{41 * ms, "goal", int64(8 << 20)}),
	},
	"line": {
		analysis.Figure{Mark: analysis.Line, X: "window", Y: []string{"utilization"}, Title: "Any 100 ms leave 80 %"},
		table("window:ns, utilization:ratio", []any{1 * ms, 0.}, []any{10 * ms, .3}, []any{100 * ms, .8}),
	},
	"line-over-time": {
		analysis.Figure{Mark: analysis.Line, X: "at", Y: []string{"running", "GOMAXPROCS"}, Title: "Two ran at once",
			Refs: []analysis.Ref{{Axis: "y", Value: 1, Label: "one"}}},
		table("at:moment, running:count, GOMAXPROCS:count", []any{0 * ms, 1.5, 4.}, []any{20 * ms, 2., 4.}, []any{60 * ms, 1., 4.}),
	},
	"bars": {
		analysis.Figure{Mark: analysis.Bars, X: "function", Y: []string{"waits"}, Series: "P was", Title: "main.work made the others wait"},
		table("function:text, P was:text, waits:ns, share:ratio",
			[]any{"main.work", "user", 30 * ms, .75}, []any{"main.work", "syscall", 6 * ms, .15}, []any{"main.read", "syscall", 4 * ms, .1}),
	},
	"gantt": {
		analysis.Figure{Mark: analysis.Gantt, X: "from", End: "to", Y: []string{"row"}, Series: "what", Title: "GC cycle 3 took 40 ms"},
		table("row:text, what:text, from:moment, to:moment",
			[]any{"phases", "mark", 10 * ms, 48 * ms}, []any{"phases", "STW", 48 * ms, 50 * ms}, []any{"P 0 worker", "dedicated worker", 11 * ms, 48 * ms}),
	},
	"stems": {
		analysis.Figure{Mark: analysis.Stems, X: "at", Y: []string{"stopping", "stopped"}, Title: "The longest stop took 3 ms"},
		table("at:moment, stopping:ns, stopped:ns", []any{10 * ms, 2 * ms, 1 * ms}, []any{70 * ms, 0 * ms, 1 * ms},
			[]any{75 * ms, 0 * ms, 1 * ms}, []any{80 * ms, 1 * ms, 1 * ms}, []any{90 * ms, 0 * ms, 2 * ms}),
	},
	"points": {
		analysis.Figure{Mark: analysis.Points, X: "began", Y: []string{"took"}, Series: "mostly", Title: "Requests take 1 ms"},
		table("began:moment, took:ns, mostly:text", []any{10 * ms, 1 * ms, "running"}, []any{20 * ms, 30 * ms, "other waits"}, []any{90 * ms, 1 * ms, "running"},
			[]any{40 * ms, 2 * ms, "running"}, []any{60 * ms, 3 * ms, "network"}),
	},
	"waterfall": {
		analysis.Figure{Mark: analysis.Waterfall, X: "requested", Y: []string{"stopped"}, End: "restarted", Series: "p", Title: "P 1 stopped 2 ms late"},
		table("p:p, requested:moment, stopped:moment, restarted:moment, doing:text",
			[]any{int64(0), 10 * ms, 10 * ms, 13 * ms, "stopper"}, []any{int64(1), 10 * ms, 12 * ms, 13 * ms, "user"}),
	},
}

func (e example) options() Options {
	return Options{Format: "svg", Width: 480, From: 0, To: 100 * ms, Quantum: 1, Footer: "x.trace, go 1.26"}
}

func render(t *testing.T, e example, o Options) []byte {
	t.Helper()
	e.fig.Name = t.Name()
	var b bytes.Buffer
	if err := Draw(&b, &e.fig, e.tab, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGoldens compares pictures as SVG with their text as text. Only sizes and
// places are rounded: another architecture may differ in the last digit.
func TestGoldens(t *testing.T) {
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			c := newChart(&e.fig, e.tab, e.options())
			if err := marks[e.fig.Mark](c); err != nil {
				t.Fatal(err)
			}
			w, h, err := c.size()
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := writeSVG(&b, c, w, h, true); err != nil {
				t.Fatal(err)
			}
			got := readable(b.String())
			file := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got; look at the picture, then -update:\n%s", d)
			}
		})
	}
}

var decimals = regexp.MustCompile(`(\.\d)\d+`)

func readable(svg string) string { return decimals.ReplaceAllString(svg, "$1") }

func TestEveryMarkHasAGolden(t *testing.T) {
	for m := range marks {
		found := false
		for _, e := range examples {
			found = found || e.fig.Mark == m
		}
		if !found {
			t.Errorf("no example of mark %s", m)
		}
	}
}

// A figure without anything to draw says why; one that misses columns, or whose
// cells are of the wrong kind, does not break anything.
func TestNothingToDraw(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		for what, rows := range map[string][][]any{
			"no rows":     nil,
			"nil cells":   {make([]any, len(e.tab.Columns))},
			"not numbers": {oneOf(e.tab, math.NaN())},
			"infinite":    {oneOf(e.tab, math.Inf(1))},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				tab := *e.tab
				tab.Rows = rows
				c := newChart(&e.fig, &tab, e.options())
				err := marks[e.fig.Mark](c)
				if empty := noData(""); !errors.As(err, &empty) || empty == "" {
					t.Fatalf("got error %v, want a reason why there is nothing", err)
				}
				svg := render(t, example{e.fig, &tab}, e.options())
				if err := wellFormed(svg); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// oneOf is a row of which each number is v.
func oneOf(t *analysis.Table, v float64) []any {
	row := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		row[i] = v
		if c.Unit == analysis.Text {
			row[i] = "x"
		}
	}
	return row
}

// Fewer than five values are said in a sentence.
func TestFewValues(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"stems": "3 values only: 3 ms at 10.000 ms, 1 ms at 70.000 ms, 1 ms at 75.000 ms", "points": "3 values only: 1 ms at 10.000 ms, 30 ms at 20.000 ms, 1 ms at 90.000 ms",
		"ecdf": "3 values only: 1 µs, 2 µs, 90 µs", "histogram": "4 values only: 2.05 µs, 2.05 µs, 2.56 µs, 65.5 µs",
	} {
		e := examples[name]
		tab := *e.tab
		tab.N = 3
		if name == "histogram" {
			tab.Rows = [][]any{{int64(1024), int64(2047), int64(2)}, {int64(2048), int64(2559), int64(1)}, {int64(61440), int64(65535), int64(1)}}
		} else {
			tab.Rows = tab.Rows[:3]
		}
		err := marks[e.fig.Mark](newChart(&e.fig, &tab, e.options()))
		if empty := noData(""); !errors.As(err, &empty) || !strings.HasSuffix(string(empty), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestMissingColumn(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		fig := e.fig
		fig.X = "no such"
		if err := Draw(io.Discard, &fig, e.tab, e.options()); err == nil || !strings.Contains(err.Error(), `no column "no such"`) {
			t.Errorf("%s: got error %v, want one that names the column", name, err)
		}
	}
}

// Hard input is drawn: one row, negative and huge numbers, times outside of those
// analysed, an analysed time of nothing, names of any length and any bytes.
func TestHardInput(t *testing.T) {
	names := []string{"", strings.Repeat("github.com/a/very/long/path.(*Type[go.shape.struct { x int }]).Method", 20), "<script>&\"'", "\x1b[31m\xff\x00\u202e", "日本語🙂"}
	for name, e := range examples {
		variants := map[string]*analysis.Table{}
		one := *e.tab
		one.Rows = e.tab.Rows[:1]
		variants["one row"] = &one
		for _, v := range []any{int64(-5), int64(math.MaxInt64), int64(math.MinInt64), 1e300, -1e-300, int64(1)} {
			tab := *e.tab
			tab.Rows = append([][]any{}, e.tab.Rows...)
			row := append([]any{}, e.tab.Rows[0]...)
			for i, c := range tab.Columns {
				if c.Unit != analysis.Text {
					row[i] = v
				}
			}
			tab.Rows = append(tab.Rows, row)
			variants[fmt.Sprintf("%v", v)] = &tab
		}
		for i, s := range names {
			tab := *e.tab
			tab.Title = s
			tab.Rows = nil
			for _, r := range e.tab.Rows {
				row := append([]any{}, r...)
				for j, c := range tab.Columns {
					if c.Unit == analysis.Text {
						row[j] = s
					}
				}
				tab.Rows = append(tab.Rows, row)
			}
			variants[fmt.Sprintf("name %d", i)] = &tab
		}
		for what, tab := range variants {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				for i, o := range []Options{e.options(), {Format: "svg", Width: MinWidth, Height: MinHeight, From: 50 * ms, To: 51 * ms}, {Format: "png", Scale: .5}, {Format: "pdf", Dark: true, From: 5, To: 5}} {
					if testing.Short() && i > 1 {
						break
					}
					e := example{e.fig, tab}
					e.fig.Title = tab.Title
					got := render(t, e, o)
					switch o.Format {
					case "svg":
						if err := wellFormed(got); err != nil {
							t.Error(err)
						}
						if bytes.Contains(got, []byte("NaN")) || bytes.Contains(got, []byte("Inf")) {
							t.Error("a place is not a number")
						}
					case "png":
						if _, err := png.Decode(bytes.NewReader(got)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
}

func wellFormed(svg []byte) error {
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestSameBytes(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		for _, format := range Formats {
			o := e.options()
			o.Format = format
			if !bytes.Equal(render(t, e, o), render(t, e, o)) {
				t.Errorf("%s: two %s of one figure differ", name, format)
			}
		}
	}
}

// TestNothingCut looks at the outermost pixels, which nothing may reach, and for
// something drawn inside.
func TestNothingCut(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		for _, dark := range []bool{false, true} {
			o := e.options()
			o.Format, o.Dark, o.Scale = "png", dark, 2
			img, err := png.Decode(bytes.NewReader(render(t, e, o)))
			if err != nil {
				t.Fatal(err)
			}
			back := img.At(0, 0)
			b := img.Bounds()
			inside := 0
			for y := b.Min.Y; y < b.Max.Y; y++ {
				for x := b.Min.X; x < b.Max.X; x++ {
					if same(img.At(x, y), back) {
						continue
					}
					if inside++; !(image.Point{x, y}).In(b.Inset(6)) {
						t.Fatalf("%s: something reaches the edge at %d,%d of %v", name, x, y, b)
					}
				}
			}
			if inside < 1000 {
				t.Errorf("%s: only %d pixels are drawn", name, inside)
			}
		}
	}
}

func same(a, b color.Color) bool {
	r, g, bl, _ := a.RGBA()
	x, y, z, _ := b.RGBA()
	return r == x && g == y && bl == z
}

// TestExactLanes checks the picture of spans against the spans: the share of a
// lane's pixels that have a state's colour is the share of time in it.
func TestExactLanes(t *testing.T) {
	t.Parallel()
	tab := table("P:p, from:moment, to:moment, state:text")
	for i := range int64(2000) { // far thinner than a pixel, one in four of GC
		state := "user"
		if i%4 == 0 {
			state = "GC worker"
		}
		tab.Rows = append(tab.Rows, []any{int64(0), i * 1000, (i + 1) * 1000, state})
	}
	e := example{analysis.Figure{Mark: analysis.Lanes, X: "from", End: "to", Y: []string{"state"}, Series: "P"}, tab}
	img, err := png.Decode(bytes.NewReader(render(t, e, Options{Format: "png", From: 0, To: 2_000_000, Scale: 2})))
	if err != nil {
		t.Fatal(err)
	}
	// The lane is the rows that are full of colour. Thin spans share a pixel, and so
	// its colour: red comes from GC alone.
	var rows []int
	for y := range img.Bounds().Dy() {
		colored := 0
		for x := range img.Bounds().Dx() {
			if r, g, b, _ := img.At(x, y).RGBA(); max(r, g, b)-min(r, g, b) > 0x4000 {
				colored++
			}
		}
		if colored > img.Bounds().Dx()/2 {
			rows = append(rows, y)
		}
	}
	var red, all float64
	full, _, _, _ := light.roles[gcWorker].RGBA()
	for _, y := range rows {
		for x := 100; x < img.Bounds().Dx()-100; x++ {
			r, _, _, _ := img.At(x, y).RGBA()
			red += float64(r) / float64(full)
			all++
		}
	}
	if got := red / all; got < .23 || got > .27 {
		t.Errorf("%.1f %% of the lane's %d rows is GC, want 25 %%", 100*got, len(rows))
	}
}

// A chart of a million spans on 256 Ps has the size of any other.
func TestManySpans(t *testing.T) {
	t.Parallel()
	const n = 1_000_000 // of which each with a shape of its own would take far more than there may be
	states := []string{"user", "idle", "syscall", "scheduler"}
	tab := table("P:p, from:moment, to:moment, state:text")
	kinds := make([][]any, 1<<14) // rows are used again and again: the test, not the chart, would need the memory
	for i := range kinds {
		at := int64(i) * 1e9 / int64(len(kinds))
		kinds[i] = []any{int64(i % 256), at, at + 1e6, states[i%4]}
	}
	for i := range n {
		tab.Rows = append(tab.Rows, kinds[i%len(kinds)])
	}
	fig := analysis.Figure{Name: "many", Mark: analysis.Lanes, X: "from", End: "to", Y: []string{"state"}, Series: "P"}
	var b bytes.Buffer
	if err := Draw(&b, &fig, tab, Options{Format: "svg", From: 0, To: 1e9}); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 8<<20 { // 8 bytes a span
		t.Errorf("the SVG of %d spans has %d bytes", n, b.Len())
	}
}

func TestSizes(t *testing.T) {
	e := examples["area"]
	for _, c := range []struct {
		o    Options
		want string // in the error, "" if none
	}{
		{Options{Format: "png", Width: 600, Height: 300}, ""},
		{Options{Format: "png", Width: 100, Height: 300}, "too small"},
		{Options{Format: "svg", Width: 600, Height: 30000}, "too large"},
		{Options{Format: "png", Width: 9000, Height: 9000, Scale: 4}, "more than 100 million pixels"},
		{Options{Format: "gif"}, `no picture format "gif"`},
	} {
		var b bytes.Buffer
		err := Draw(&b, &e.fig, e.tab, c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
		if c.want == "" {
			cfg, err := png.DecodeConfig(&b)
			if err != nil || cfg.Width != c.o.Width || cfg.Height != c.o.Height {
				t.Errorf("%+v: the picture is %dx%d (%v)", c.o, cfg.Width, cfg.Height, err)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		unit   analysis.Unit
		lo, hi float64
		log    bool
		want   string
	}{
		{analysis.Moment, 0, 1.35e9, false, "0 0.2 s 0.4 s 0.6 s 0.8 s 1.0 s 1.2 s"},
		{analysis.Moment, 1.2345e9, 1.2355e9, false, "1.2346 s 1.2348 s 1.2350 s 1.2352 s 1.2354 s"},
		{analysis.Ratio, 0, 1, false, "0 % 20 % 40 % 60 % 80 % 100 %"},
		{analysis.Bytes, 0, 9 << 20, false, "0 2 MiB 4 MiB 6 MiB 8 MiB"},
		{analysis.Count, 0, 4, false, "0 1 2 3 4"},
		{analysis.Count, 0, 42000, false, "0 10 k 20 k 30 k 40 k"},
		{analysis.NS, 80, 2e6, true, "100 ns 1 µs 10 µs 100 µs 1 ms"},
		{analysis.NS, 90, 600, true, "100 ns 200 ns 500 ns"},
	} {
		ticks := linearTicks(c.unit, 7)
		if c.log {
			ticks = logTicks(c.unit)
		}
		var labels []string
		for _, t := range ticks.Ticks(c.lo, c.hi) {
			if t.Label != "" {
				labels = append(labels, t.Label)
			}
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%s %v to %v: %q, want %q", c.unit, c.lo, c.hi, got, c.want)
		}
	}
}

func BenchmarkLanes(b *testing.B) {
	tab := table("at:moment, P:p, user:ratio, idle:ratio")
	for p := range int64(64) {
		for i := range int64(512) {
			v := float64((i*7+p*13)%100) / 100
			tab.Rows = append(tab.Rows, []any{i * ms, p, v, 1 - v})
		}
	}
	fig := analysis.Figure{Name: "lanes", Mark: analysis.Lanes, X: "at", Y: []string{"user", "idle"}, Series: "P"}
	for _, format := range Formats {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				if err := Draw(io.Discard, &fig, tab, Options{Format: format, From: 0, To: 512 * ms, Scale: 2}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMissing: a figure that lacks what its mark needs, as one of a report by hand may,
// is an error or an empty picture.
func TestMissing(t *testing.T) {
	t.Parallel()
	table := &analysis.Table{Name: "t", Columns: []analysis.Column{
		{Name: "at", Unit: analysis.Moment}, {Name: "p", Unit: analysis.P}, {Name: "name", Unit: analysis.Text}, {Name: "total", Unit: analysis.NS},
	}}
	table.Add(int64(1), int64(0), "a", int64(5))
	table.Add(int64(2), int64(1), nil, nil)
	names := []string{"", "p", "name", "total"}
	n := len(names)
	for mark := range marks {
		for i := range n * n * n * n {
			f := &analysis.Figure{Name: "f", Title: "f", Mark: mark, Table: "t",
				X: names[i%n], Series: names[i/n%n], End: names[i/n/n%n], Y: []string{names[i/n/n/n]}}
			if f.Y[0] == "" {
				f.Y = nil
			}
			func() {
				defer func() {
					if v := recover(); v != nil {
						t.Errorf("%s of x %q, series %q, end %q, y %q: %v", mark, f.X, f.Series, f.End, f.Y, v)
					}
				}()
				_ = Draw(io.Discard, f, table, Options{Format: "svg"})
			}()
		}
	}
}
