package browser

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// looked are pages of different kinds: many findings, none, requests, a small trace, an old
// one, hostile names aside.
var looked = []string{"mixed-go126", "http-healthy", "lock-5ms", "idle", "mixed-go121", "oversubscribed", "pool-too-small", "gc-assist"}

// faults finds what is cut or overlaps: what is wider than the window, text wider than
// its box, and neighbours of the first screen that lie on one another.
const faults = `(() => {
	const out = [], say = (what, n) => { if (out.length < 12) out.push(what + ": " + n.tagName + "." + n.className + " " + (n.textContent ?? "").trim().slice(0, 60)); };
	if (document.documentElement.scrollWidth > innerWidth + 1) out.push("the page is " + document.documentElement.scrollWidth + " px wide in a window of " + innerWidth);
	const scrolls = (n) => n.closest(".scroll, .tl-scroll, .chart, .strip-of div, pre, #tl-map, svg, canvas, datalist, .tl-tip");
	const seen = (n) => n.checkVisibility() && n.getClientRects().length > 0;
	for (const n of document.querySelectorAll("body *")) {
		if (!seen(n) || scrolls(n) || n.closest(".skip")) continue;
		const r = n.getBoundingClientRect();
		if (r.width && (r.left < -1 || r.right > innerWidth + 1)) say("outside the window", n);
		if (n.scrollWidth > n.clientWidth + 1 && n.clientWidth > 0 && getComputedStyle(n).overflowX !== "visible" && !n.classList.contains("bar-name")) say("cut", n);
	}
	const groups = [".head > *", ".tiles > *", ".tile > *", ".tile li", ".bar > *", ".bar nav a", "main > section, main > figure", "#findings > details", ".finding > summary > *", ".tl-tools > *", ".tl-tools button, .tl-tools input, .tl-tools select", ".legend li", ".moments span", ".facts li", ".charts > *", "#rq text", "#rq-path svg text"];
	for (const g of groups) {
		const all = [...document.querySelectorAll(g)].filter((n) => seen(n) && getComputedStyle(n).visibility !== "hidden").map((n) => [n, n.getBoundingClientRect()]).filter(([, r]) => r.width > 0 && r.height > 0);
		for (let i = 0; i < all.length; i++) {
			for (let k = i + 1; k < Math.min(all.length, i + 40); k++) {
				const [a, ra] = all[i], [b, rb] = all[k];
				if (a.contains(b) || b.contains(a)) continue;
				const w = Math.min(ra.right, rb.right) - Math.max(ra.left, rb.left), h = Math.min(ra.bottom, rb.bottom) - Math.max(ra.top, rb.top);
				if (w > 1.5 && h > 1.5) say("overlaps " + (b.textContent ?? "").trim().slice(0, 30), a);
			}
		}
	}
	return out;
})()`

// The page of an audit: its parts, its filter, its order.
func TestAudit(t *testing.T) {
	tool, err := build()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "audit.html")
	args := []string{"audit", "--no-config", "--format", "html", "-o", file}
	for _, name := range append(looked, "mixed-go127", "procs-1") {
		args = append(args, testdata(name))
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, width := range []int64{390, 1280, 1600} {
		b := open(t, file, width, 900)
		for _, fault := range eval[[]string](b, faults) {
			t.Errorf("audit at %d px: %s", width, fault)
		}
		paths := func() []string {
			return eval[[]string](b, `[...document.querySelectorAll("#every tbody tr")].filter((r) => !r.hidden).map((r) => r.cells[0].textContent)`)
		}
		if n := len(paths()); n != len(looked)+2 {
			t.Errorf("%d traces, want %d", n, len(looked)+2)
		}
		eval[any](b, `(() => { const f = document.querySelector("#every input"); f.value = "lock-5ms"; f.dispatchEvent(new Event("input")); })()`)
		if got := paths(); len(got) != 1 || !strings.Contains(got[0], "lock-5ms") {
			t.Errorf("the filter leaves %q", got)
		}
		eval[any](b, `(() => { const f = document.querySelector("#every input"); f.value = ""; f.dispatchEvent(new Event("input")); [...document.querySelectorAll("#every th button")].find((n) => n.textContent === "duration").click(); })()`)
		long := eval[[]float64](b, `[...document.querySelectorAll("#every tbody tr")].map((r) => Number(r.cells[5].dataset.sort))`)
		if !slices.IsSortedFunc(long, func(a, b float64) int { return cmp.Compare(b, a) }) || long[0] == long[len(long)-1] {
			t.Errorf("durations after a press on their head: %v", long)
		}
		for what, of := range map[string]string{"cells": "#grid td.num", "dots": "#strips circle", "findings": "#fired td"} {
			if n := eval[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, of)); n < len(looked) {
				t.Errorf("%d %s", n, what)
			}
		}
		if cut := eval[[]string](b, `[...document.querySelectorAll("#strips svg")].flatMap((svg) => { const all = [...svg.querySelectorAll("text")].map((n) => [n, n.getBoundingClientRect()]); return all.filter(([, a], i) => all.some(([, b], k) => k > i && a.left < b.right && b.left < a.right)).map(([n]) => n.textContent); })`); len(cut) > 0 {
			t.Errorf("names over one another: %q", cut)
		}
		b.quiet()
	}
}

// Nothing is cut, and nothing lies on another, on a phone and on screens of two sizes,
// light and dark.
func TestBoxes(t *testing.T) {
	for _, name := range looked {
		file := render(t, testdata(name))
		for _, width := range []int64{390, 1280, 1600} {
			b := open(t, file, width, 900)
			for _, theme := range []string{"light", "dark"} {
				eval[any](b, fmt.Sprintf(`document.documentElement.dataset.theme = %q`, theme))
				for _, fault := range eval[[]string](b, faults) {
					t.Errorf("%s at %d px, %s: %s", name, width, theme, fault)
				}
			}
			eval[any](b, `for (const d of document.querySelectorAll("details")) d.open = true`)
			for _, fault := range eval[[]string](b, faults) {
				t.Errorf("%s at %d px, all open: %s", name, width, fault)
			}
			b.quiet()
			// And what is wrong is seen.
			eval[any](b, `document.querySelector(".facts li").style.minWidth = "3000px"; document.querySelector("#findings").style.marginTop = "-9rem"`)
			if seen := strings.Join(eval[[]string](b, faults), "\n"); !strings.Contains(seen, "outside the window") || !strings.Contains(seen, "overlaps") {
				t.Errorf("%s at %d px: of what was put wrong is seen: %s", name, width, seen)
			}
			b.do(chromedp.Navigate("about:blank"))
		}
	}
}
