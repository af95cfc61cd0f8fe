package browser

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	shots = flag.String("shots", "", "leave pictures of the page in this folder")
	page  = flag.String("page", "", "an HTML report to measure, or to take pictures of")
	pages = flag.String("pages", "", "open all HTML reports of this folder")
)

// A tab is a page in a browser, and what it did wrong.
type tab struct {
	t    *testing.T
	ctx  context.Context
	mu   sync.Mutex
	said []string // on the console, of errors and warnings
	asks []string // of the network
}

// open shows a file in a new browser, or skips the test where there is none.
func open(t *testing.T, file string, width, height int64) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("SKIPPED: no Chromium and no Chrome in PATH, so the HTML report is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(alloc, 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	b.do(chromedp.EmulateViewport(width, height))
	go func() {
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.mu.Lock()
			if m.Type != chromedp.ConsoleLog {
				b.said = append(b.said, fmt.Sprintf("%s: %s", m.Type, m.Text))
			}
			b.mu.Unlock()
		}
	}()
	if err := chromedp.Listen(ctx, func(ev any) {
		if r, ok := ev.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(r.Request.URL, "data:") && !strings.HasPrefix(r.Request.URL, "blob:") {
			b.mu.Lock()
			b.asks = append(b.asks, r.Request.URL)
			b.mu.Unlock()
		}
	}); err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate("file://" + abs))
	if eval[bool](b, `document.getElementById("tl") !== null`) {
		b.until(`document.getElementById("tl").dataset.ready === "yes"`)
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for something to become true.
func (b *tab) until(js string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !eval[bool](b, js); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("never true: %s; the timeline says %q; console: %q", js, eval[string](b, `document.getElementById("tl-status")?.textContent ?? ""`), b.said)
		}
	}
}

// quiet says that the page has made no noise.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		b.t.Errorf("console: %s", s)
	}
	if len(b.asks) != 1 || !strings.HasPrefix(b.asks[0], "file://") {
		b.t.Errorf("requests %q, want that of the file only", b.asks)
	}
}

// view is the part of the trace that is shown, in ns.
func (b *tab) view() (from, to int64) {
	b.t.Helper()
	s := eval[string](b, `document.getElementById("tl").dataset.view`)
	if _, err := fmt.Sscanf(s, "%d-%d", &from, &to); err != nil {
		b.t.Fatalf("view %q: %v", s, err)
	}
	return from, to
}

// sameWidth allows for the ends of a view, each of which is rounded to a nanosecond.
func sameWidth(a, b int64) bool { return a-b <= 1 && b-a <= 1 }

func (b *tab) keys(s string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(s))
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tracelens-browser-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-C", filepath.Join("..", ".."), "-o", filepath.Join(dir, "tracelens"), "./cmd/tracelens").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "tracelens"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if tool, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(tool))
	}
	os.Exit(code)
}

// render writes the HTML report of a trace.
func render(t *testing.T, trace string, args ...string) string {
	t.Helper()
	tool, err := build()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if out, err := exec.Command(tool, append(append([]string{"analyze", "--format", "html", "-o", file}, args...), trace)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", trace, err, out)
	}
	return file
}

func testdata(name string) string {
	return filepath.Join("..", "..", "testdata", "traces", name+".trace")
}

func TestTimeline(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	all0, all1 := b.view()
	if all0 != 0 || all1 < 134_000_000 {
		t.Fatalf("view at the start %d-%d, want the whole trace of 135 ms", all0, all1)
	}
	eval[bool](b, `(document.documentElement.style.scrollBehavior = "auto") !== ""`) // no scroll goes on while the mouse is down
	focus := func() { b.do(chromedp.Focus(chromedp.CSS("#tl-canvas"))) }

	focus()
	b.keys("+")
	from, to := b.view()
	if to-from >= all1-all0 || from <= all0 {
		t.Errorf("view after + is %d-%d, want a part of %d-%d", from, to, all0, all1)
	}
	b.keys(kb.ArrowRight)
	if f, e := b.view(); f <= from || !sameWidth(e-f, to-from) {
		t.Errorf("view after → is %d-%d, want %d-%d moved", f, e, from, to)
	}
	b.keys("0")
	if f, e := b.view(); f != all0 || e != all1 {
		t.Errorf("view after 0 is %d-%d, want the whole", f, e)
	}

	// The wheel zooms at the pointer, dragging moves.
	type point struct{ X, Y float64 }
	at := eval[point](b, `(() => { document.getElementById("timeline").scrollIntoView({behavior: "instant"}); const r = document.getElementById("tl-canvas").getBoundingClientRect(); return {X: r.left + r.width / 2, Y: r.top + 80}; })()`)
	eval[bool](b, fmt.Sprintf(`document.getElementById("tl-canvas").dispatchEvent(new WheelEvent("wheel", {deltaY: -240, ctrlKey: true, cancelable: true, clientX: %f, clientY: %f}))`, at.X, at.Y))
	from, to = b.view()
	if to-from >= all1-all0 {
		t.Errorf("view after the wheel is %d-%d, want a part", from, to)
	}
	b.do(chromedp.DragAndDropXY(at.X, at.Y, at.X-200, at.Y, 5))
	b.until(fmt.Sprintf(`document.getElementById("tl").dataset.view !== "%d-%d"`, from, to)) // drawn in the next frame
	if f, e := b.view(); f <= from || !sameWidth(e-f, to-from) {
		t.Errorf("view after dragging to the left is %d-%d, want %d-%d moved on", f, e, from, to)
	}

	// A finding jumps to its place, and the address says where that is.
	link := eval[string](b, `(() => { const a = [...document.querySelectorAll(".jump")].find((a) => a.textContent.startsWith("28.046")); a.click(); return a.hash; })()`)
	want := strings.TrimPrefix(strings.SplitN(link, "&", 2)[0], "#t=")
	b.until(fmt.Sprintf(`document.getElementById("tl").dataset.view === %q`, want))
	if from, to = b.view(); from > 28046144 || to < 28443456 || to-from > 2_000_000 {
		t.Errorf("a finding at 28046144-28443456 is shown as %d-%d", from, to)
	}

	// Search finds what is there, and only that.
	eval[bool](b, `(() => { const q = document.getElementById("tl-q"); q.value = "main.countRecords"; return q.dispatchEvent(new Event("input")); })()`)
	if n := eval[string](b, `document.getElementById("tl").dataset.matches`); n == "0" || n == "" {
		t.Errorf("%q spans of main.countRecords", n)
	}
	focus()
	b.keys("n")
	b.until(`!document.getElementById("tl-chosen").hidden`)
	if s := eval[string](b, `document.getElementById("tl-chosen").textContent`); !strings.Contains(s, "main.countRecords") {
		t.Errorf("n shows %q, want a span of main.countRecords", s)
	}
	b.until(`location.hash.includes("q=main.countRecords")`)
	hash := eval[string](b, `location.hash`)
	from, to = b.view()
	eval[bool](b, `(() => { const q = document.getElementById("tl-q"); q.value = "no such function"; return q.dispatchEvent(new Event("input")); })()`)
	if n := eval[string](b, `document.getElementById("tl").dataset.matches`); n != "0" {
		t.Errorf("%s spans of no such function", n)
	}
	b.quiet()

	// The address restores the view.
	file := eval[string](b, `location.href.split("#")[0]`)
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(file+hash))
	b.until(`document.getElementById("tl")?.dataset.ready === "yes"`)
	if f, e := b.view(); f != from || e != to {
		t.Errorf("%s restores %d-%d, want %d-%d", hash, f, e, from, to)
	}
	if q := eval[string](b, `document.getElementById("tl-q").value`); q != "main.countRecords" {
		t.Errorf("%s restores the search %q", hash, q)
	}
}

// The keys choose a span and the page tells what it was.
func TestSpan(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	b.do(chromedp.Focus(chromedp.CSS("#tl-canvas")))
	b.keys(kb.ArrowDown) // P 0
	b.keys(".")
	b.until(`!document.getElementById("tl-chosen").hidden`)
	first := eval[string](b, `document.getElementById("tl-chosen").textContent`)
	b.keys(".")
	b.until(fmt.Sprintf(`document.getElementById("tl-chosen").textContent !== %s`, quoted(first)))
	if status := eval[string](b, `document.getElementById("tl-status").textContent`); !strings.Contains(status, "P 0") {
		t.Errorf("the status line says %q, want the span on P 0", status)
	}
	b.keys(kb.Escape)
	b.until(`document.getElementById("tl-chosen").hidden`)
	b.quiet()
}

// Two fingers zoom, one moves.
func TestTouch(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 390, 844)
	type point struct{ X, Y float64 }
	at := eval[point](b, `(() => { document.getElementById("tl-canvas").scrollIntoView({behavior: "instant", block: "center"}); const r = document.getElementById("tl-canvas").getBoundingClientRect(); return {X: r.left + r.width / 2, Y: r.top + 90}; })()`)
	touch := func(typ input.DispatchTouchEventType, xs ...float64) {
		p := input.DispatchTouchEventParams{Type: typ, TouchPoints: []*input.TouchPoint{}}
		for i, x := range xs {
			id := float64(i)
			p.TouchPoints = append(p.TouchPoints, &input.TouchPoint{X: at.X + x, Y: at.Y, ID: &id})
		}
		if _, err := chromedp.Call(b.ctx, input.DispatchTouchEvent, p); err != nil {
			t.Fatal(err)
		}
	}
	from, to := b.view()
	touch(input.DispatchTouchEventTypeTouchStart, -20)
	touch(input.DispatchTouchEventTypeTouchStart, -20, 20)
	touch(input.DispatchTouchEventTypeTouchMove, -40, 40)
	touch(input.DispatchTouchEventTypeTouchMove, -80, 80)
	touch(input.DispatchTouchEventTypeTouchEnd)
	near, far := b.view()
	if width := far - near; width > (to-from)/2 {
		t.Errorf("two fingers four times as far apart show %d ns of %d", width, to-from)
	}
	touch(input.DispatchTouchEventTypeTouchStart, 60)
	touch(input.DispatchTouchEventTypeTouchMove, 20)
	touch(input.DispatchTouchEventTypeTouchMove, -60)
	touch(input.DispatchTouchEventTypeTouchEnd)
	if f, e := b.view(); f <= near || !sameWidth(e-f, far-near) {
		t.Errorf("a finger moved to the left shows %d-%d after %d-%d", f, e, near, far)
	}
	b.quiet()
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestSort(t *testing.T) {
	b := open(t, render(t, testdata("mixed-go126")), 1280, 900)
	column := func() []float64 {
		return eval[[]float64](b, `[...document.querySelectorAll("#metrics-table tbody tr")].map((r) => Number(r.cells[1].dataset.sort))`)
	}
	press := `document.querySelectorAll("#metrics-table th button")[1].click()`
	before := column()
	if slices.IsSorted(before) {
		t.Fatal("the metrics are in the order of their values already")
	}
	eval[any](b, press)
	if down := column(); !slices.IsSortedFunc(down, func(a, b float64) int { return int(min(max(b-a, -1), 1)) }) || len(down) != len(before) {
		t.Errorf("values after one press: %v", down)
	}
	eval[any](b, press)
	if up := column(); !slices.IsSorted(up) {
		t.Errorf("values after two: %v", up)
	}
	eval[bool](b, `(() => { const f = document.querySelector("[data-filter]"); f.value = "steal rate"; return f.dispatchEvent(new Event("input")); })()`)
	if n := eval[int](b, `[...document.querySelectorAll("#metrics-table tbody tr")].filter((r) => !r.hidden).length`); n != 1 {
		t.Errorf("%d metrics of steal rate, want 1", n)
	}
	b.quiet()
}

// What a trace calls itself is text.
func TestHostile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hostile.html")
	cmd := exec.Command("go", "test", "./cmd/tracelens/internal/report", "-run", "^TestHTMLUntrusted$", "-count", "1", "-html", file)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := open(t, file, 1280, 900)
	if eval[bool](b, `"hacked" in window`) {
		t.Error("a name in the trace was executed")
	}
	eval[any](b, `for (const d of document.querySelectorAll("details")) d.open = true`)
	if n := eval[int](b, `document.querySelectorAll("script").length`); n != 2 {
		t.Errorf("%d scripts, want the page's data and its script", n)
	}
	if s := eval[string](b, `document.body.innerText`); !strings.Contains(s, "<script>") {
		t.Error("the name <script> is not on the page as text")
	}
	b.quiet()
}

// Every report opens, without noise.
func TestPages(t *testing.T) {
	if *pages == "" {
		t.Skip("no -pages DIR")
	}
	files, err := filepath.Glob(filepath.Join(*pages, "*.html"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no report in %s: %v", *pages, err)
	}
	b := open(t, files[0], 1280, 900)
	b.quiet()
	for _, file := range files[1:] {
		b.mu.Lock()
		b.said, b.asks = nil, nil
		b.mu.Unlock()
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		b.do(chromedp.Navigate("file://" + abs))
		b.until(`document.readyState === "complete" && document.getElementById("tl")?.dataset.ready !== "no"`)
		b.quiet()
		if t.Failed() {
			t.Fatal(file)
		}
	}
	t.Logf("%d reports", len(files))
}

// Pictures to look at.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("no -shots DIR")
	}
	file, name := *page, strings.TrimSuffix(filepath.Base(*page), ".html")
	if file == "" {
		file, name = render(t, testdata("mixed-go126")), "mixed-go126"
	}
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{1600, 1280, 390} {
			b := open(t, file, width, 900)
			if dark {
				eval[any](b, `document.getElementById("theme").click()`)
			}
			take := func(part string, full bool) {
				time.Sleep(400 * time.Millisecond)
				shot := chromedp.CaptureScreenshot()
				if full {
					shot = chromedp.FullScreenshot(100)
				}
				png, err := chromedp.Run(b.ctx, shot)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s-%s.png", name, width, map[bool]string{false: "light", true: "dark"}[dark], part)), png, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			take("first", false)
			take("page", true)
			eval[any](b, `document.getElementById("timeline")?.scrollIntoView({behavior: "instant"}); document.getElementById("tl-canvas")?.focus({preventScroll: true})`)
			take("whole", false)
			b.keys("]")
			time.Sleep(300 * time.Millisecond)
			b.keys(".")
			take("finding", false)
			b.quiet()
		}
	}
}

// How long until something is seen, and how long frames take while panning.
func TestPace(t *testing.T) {
	if *page == "" {
		t.Skip("no -page FILE")
	}
	b := open(t, *page, 1280, 900)
	t.Logf("first paint and contentful paint after ms: %v", eval[[]float64](b, `performance.getEntriesByType("paint").map((e) => e.startTime)`))
	t.Logf("timeline ready after ms: %.0f", eval[float64](b, `performance.now()`))
	for _, setup := range []string{"0", "0++++++", "]", "]]++", "]]]--"} {
		b.do(chromedp.Focus(chromedp.CSS("#tl-canvas")))
		for _, k := range setup {
			b.keys(string(k))
		}
		ms := eval[[]float64](b, fmt.Sprintf(`new Promise((done) => {
			const canvas = document.getElementById("tl-canvas"), times = [];
			let last = performance.now(), n = 0;
			const step = () => {
				const now = performance.now();
				times.push(now - last);
				last = now;
				if (++n > 180) return done(times.slice(1));
				canvas.dispatchEvent(new WheelEvent("wheel", {deltaX: n %% 60 < 30 ? 12 : -12, cancelable: true}));
				requestAnimationFrame(step);
			};
			requestAnimationFrame(step);
		})`))
		slices.Sort(ms)
		from, to := b.view()
		t.Logf("panning over %.3g ms: frames p50 %.1f, p90 %.1f, p99 %.1f, max %.1f ms (n = %d)", float64(to-from)/1e6, ms[len(ms)/2], ms[len(ms)*9/10], ms[len(ms)*99/100], ms[len(ms)-1], len(ms))
	}
}
