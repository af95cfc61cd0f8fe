package browser

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// point is a place in the window.
type point struct{ X, Y float64 }

// click presses the primary button at a place.
func (b *tab) click(p point) {
	b.t.Helper()
	b.do(chromedp.MouseClickXY(p.X, p.Y))
}

// Every dot of the scatter can be chosen: those with a path show its goroutines as lanes.
func TestRequests(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	b.until(`document.querySelectorAll("#rq circle.rq-pick").length > 0`)
	eval[any](b, `document.documentElement.style.scrollBehavior = "auto"`)
	places := func(of string) []point {
		return eval[[]point](b, fmt.Sprintf(`(() => { document.getElementById("rq").scrollIntoView({block: "center"}); return [...document.querySelectorAll(%q)].map((n) => { const r = n.getBoundingClientRect(); return {X: r.left + r.width / 2, Y: r.top + r.height / 2}; }); })()`, of))
	}
	said := func() string { return eval[string](b, `document.getElementById("rq-path").textContent`) }
	first := said()
	paths := 0
	for i, p := range places("#rq circle.rq-pick") {
		b.click(p)
		want := eval[string](b, fmt.Sprintf(`document.querySelectorAll("#rq circle.rq-pick")[%d].getAttribute("aria-label")`, i))
		if got := said(); !strings.HasPrefix(got, want) {
			t.Errorf("dot %d is %q, and shows %.80q", i, want, got)
		}
		lanes := eval[[]string](b, `[...document.querySelectorAll("#rq-path svg text")].map((n) => n.textContent).filter((s) => / G |\(G /.test(s))`)
		bars := eval[int](b, `document.querySelectorAll("#rq-path svg rect").length`)
		if len(lanes) == 0 || bars == 0 {
			t.Errorf("dot %d has lanes %q, %d bars", i, lanes, bars)
		}
		paths++
	}
	if paths < 3 {
		t.Errorf("%d dots with a path", paths)
	}
	// One without a path: the smallest dot says what most of it was.
	small := eval[point](b, `(() => {
		const path = document.querySelector("#rq path.rq-dots"), svg = path.ownerSVGElement, r = svg.getBoundingClientRect(), box = svg.viewBox.baseVal;
		const all = path.getAttribute("d").split("M").slice(1).map((s) => s.split(/[ h]/).map(Number)).sort((a, b) => b[1] - a[1]);
		return {X: r.left + all[0][0] / box.width * r.width, Y: r.top + all[0][1] / box.height * r.height};
	})()`)
	b.click(small)
	if got := said(); !strings.Contains(got, "Most of it was") || got == first {
		t.Errorf("a dot without a path shows %.200q", got)
	}
	eval[any](b, `[...document.querySelectorAll("#rq-path button")].find((n) => n.textContent === "Slower").click()`)
	if got := said(); !strings.Contains(got, "took") {
		t.Errorf("the next slower is %.200q", got)
	}
	// Its goroutines as lanes of the timeline.
	b.click(places("#rq circle.rq-pick")[0])
	eval[any](b, `document.querySelector("#rq-path a").click()`)
	b.until(`!document.getElementById("tl-gs").hidden`)
	b.quiet()
}

// Evidence brings lanes of goroutines; they can be pinned, and the address keeps them.
func TestGoroutineLanes(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	lanes := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll("#tl-gs button")].map((n) => n.textContent)`)
	}
	if got := lanes(); len(got) != 0 {
		t.Errorf("lanes %q before anything is chosen", got)
	}
	height := eval[float64](b, `document.getElementById("tl-canvas").getBoundingClientRect().height`)
	eval[any](b, `[...document.querySelectorAll(".evidence .jump")].find((a) => a.textContent.startsWith("28.046")).click()`)
	b.until(`!document.getElementById("tl-gs").hidden`)
	if got := lanes(); !strings.HasPrefix(got[0], "Pin G 21 main.countRecords") {
		t.Errorf("lanes %q, want first that of the goroutine that stops late", got)
	}
	if now := eval[float64](b, `document.getElementById("tl-canvas").getBoundingClientRect().height`); now <= height {
		t.Errorf("the canvas is %v px high with lanes of goroutines, %v without", now, height)
	}
	eval[any](b, `document.querySelector("#tl-gs button").click()`)
	if got := lanes(); !strings.HasPrefix(got[0], "Unpin G 21 ") {
		t.Errorf("lanes %q after the first was pinned", got)
	}
	b.do(chromedp.Focus(chromedp.CSS("#tl-canvas")))
	b.keys(kb.Escape)
	if got := lanes(); len(got) != 1 || !strings.HasPrefix(got[0], "Unpin G 21 ") {
		t.Errorf("lanes %q after Escape, want the one that is pinned", got)
	}
	b.keys("d")
	b.until(`location.hash.includes("g=21")`)
	b.quiet()
}

// A stretch that is selected says what it consists of.
func TestSelect(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	at := eval[point](b, `(() => { document.documentElement.style.scrollBehavior = "auto"; document.getElementById("timeline").scrollIntoView(); const r = document.getElementById("tl-canvas").getBoundingClientRect(); return {X: r.left + r.width / 2, Y: r.top + 80}; })()`)
	before, _ := b.view()
	eval[any](b, `document.querySelector("[data-do=select]").click()`)
	b.do(chromedp.DragAndDropXY(at.X, at.Y, at.X+200, at.Y, 5))
	b.until(`!document.getElementById("tl-part").hidden`)
	if from, _ := b.view(); from != before {
		t.Errorf("selecting moves the view from %d to %d", before, from)
	}
	said := eval[string](b, `document.getElementById("tl-part").textContent`)
	if !strings.Contains(said, "exact spans") || !strings.Contains(said, "idle") {
		t.Errorf("the selection says %q", said)
	}
	sum := 0.
	for _, s := range eval[[]string](b, `[...document.querySelectorAll("#tl-part ul")][0].innerText.split("\n")`) {
		share, _, _ := strings.Cut(s, " %")
		v, err := strconv.ParseFloat(share, 64)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		sum += v
	}
	if sum < 99.5 || sum > 100.5 {
		t.Errorf("the states of the selection are %v %%: %q", sum, said)
	}
	b.do(chromedp.Focus(chromedp.CSS("#tl-canvas")))
	b.keys("z")
	if from, to := b.view(); to-from > 40_000_000 {
		t.Errorf("z shows %d to %d, want the selection", from, to)
	}
	b.quiet()
}

// Colours by state, package and function, each with a legend that hides.
func TestColours(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	// How many pixels of the lanes have a colour.
	pixels := func(hex string) int {
		return eval[int](b, fmt.Sprintf(`(async () => {
			await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
			const c = document.getElementById("tl-canvas"), copy = document.createElement("canvas");
			copy.width = c.width;
			copy.height = c.height;
			const ctx = copy.getContext("2d", {willReadFrequently: true});
			ctx.drawImage(c, 0, 0);
			const px = ctx.getImageData(0, 60, c.width, c.height - 60).data, want = parseInt(%q.slice(1), 16);
			let n = 0;
			for (let i = 0; i < px.length; i += 4) if ((px[i] << 16 | px[i + 1] << 8 | px[i + 2]) === want) n++;
			return n;
		})()`, hex))
	}
	variable := func(name string) string {
		return eval[string](b, fmt.Sprintf(`getComputedStyle(document.documentElement).getPropertyValue(%q).trim()`, name))
	}
	names := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll("#tl-legend button")].map((n) => n.textContent)`)
	}
	user := variable("--state-0")
	// Spans have the colours of the legend though GC cycles and stops are drawn, too.
	if n := pixels(user); n < 5000 {
		t.Errorf("%d pixels of user code in its colour", n)
	}
	eval[any](b, `document.querySelector("#tl-legend button").click()`)
	if n := pixels(user); n != 0 {
		t.Errorf("%d pixels of user code, which is hidden", n)
	}
	color := func(by string) {
		eval[any](b, fmt.Sprintf(`(() => { const s = document.getElementById("tl-color"); s.value = %q; s.dispatchEvent(new Event("change")); })()`, by))
	}
	color("package")
	if got := names(); !slices.Contains(got, "main") || !slices.Contains(got, "runtime") {
		t.Errorf("packages %q", got)
	}
	if n := pixels(variable("--tone-0")); n < 1000 {
		t.Errorf("%d pixels of the first package", n)
	}
	color("function")
	if got := names(); !slices.Contains(got, "main.countRecords") {
		t.Errorf("functions %q", got)
	}
	color("state")
	if got := names(); got[0] != "user" {
		t.Errorf("states %q", got)
	}
	if n := pixels(user); n < 5000 {
		t.Errorf("%d pixels of user code after all", n)
	}
	b.quiet()
}

// The keys of games zoom and move, and a span shows whole stacks.
func TestKeysAndStacks(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	b.do(chromedp.Focus(chromedp.CSS("#tl-canvas")))
	_, all := b.view()
	b.keys("w")
	from, to := b.view()
	if to-from >= all {
		t.Errorf("w shows %d to %d", from, to)
	}
	b.keys("d")
	if f, _ := b.view(); f <= from {
		t.Errorf("d moves from %d to %d", from, f)
	}
	b.keys("a")
	b.keys("s")
	if f, e := b.view(); !sameWidth(e-f, all) {
		t.Errorf("a and s show %d to %d", f, e)
	}
	tall := func() float64 {
		return eval[float64](b, `document.getElementById("tl-canvas").getBoundingClientRect().height`)
	}
	before := tall()
	b.keys("t")
	if tall() <= before {
		t.Error("t makes lanes no taller")
	}
	eval[bool](b, `(() => { const q = document.getElementById("tl-q"); q.value = "main.countRecords"; return q.dispatchEvent(new Event("input")); })()`)
	for range 40 {
		b.keys("n")
		if eval[int](b, `document.querySelectorAll("#tl-chosen ol li").length`) > 0 {
			b.quiet()
			return
		}
	}
	t.Error("no run of main.countRecords shows a stack of more than its place")
}

// A chart says its values, and leads to the moment that is pressed.
func TestCharts(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	if n := eval[int](b, `document.querySelectorAll("figure.chart svg g > title").length`); n < 50 {
		t.Errorf("%d parts of charts say their values", n)
	}
	eval[any](b, `document.documentElement.style.scrollBehavior = "auto"; for (const d of document.querySelectorAll("details")) d.open = true`)
	// In the chart of states over time: above the label 60 ms.
	at := eval[point](b, `(() => {
		const svg = document.querySelector("#chart-timeline\\.time > svg");
		svg.scrollIntoView({block: "center"});
		const r = [...svg.querySelectorAll("text")].find((n) => n.textContent === "60 ms").getBoundingClientRect();
		return {X: r.left + r.width / 2, Y: r.top - 40};
	})()`)
	whole := eval[string](b, `document.getElementById("tl").dataset.view`)
	b.click(at)
	b.until(`location.hash.startsWith("#t=") && document.getElementById("tl").dataset.view !== ` + strconv.Quote(whole))
	if from, to := b.view(); (from+to)/2 < 57_000_000 || (from+to)/2 > 63_000_000 {
		t.Errorf("a press above 60 ms shows %d to %d", from, to)
	}
	// The bar of the longest stop leads to it.
	eval[any](b, `[...document.querySelectorAll("#chart-stw\\.longest g > title")].find((n) => / at 93\.5/.test(n.textContent)).parentElement.querySelector("path").dispatchEvent(new MouseEvent("click", {bubbles: true}))`)
	b.until(`document.getElementById("tl").dataset.view.startsWith("8")`)
	if from, to := b.view(); from < 88_000_000 || from > 93_545_000 || to < 109_700_000 || to > 115_000_000 {
		t.Errorf("a press on the longest stop shows %d to %d", from, to)
	}
	b.quiet()
}
