"use strict";

// A press on a chart shows its moment in the timeline: that of the part, where its title
// says when it was, else that under the pointer where the axis is one of time.
function charts() {
  const units = { ns: 1, "µs": 1e3, ms: 1e6, s: 1e9 };
  const parse = (text) => { const m = /^([\d.,]+) ?(ns|µs|ms|s)?$/.exec(text.trim()); return m && (m[2] || m[1] === "0") ? Number(m[1].replaceAll(",", "")) * (units[m[2]] ?? 0) : null; };

  function said(target) {
    for (let g = target.closest("g"); g; g = g.parentElement.closest("g")) {
      const title = [...g.children].find((n) => n.tagName === "title")?.textContent ?? "";
      const m = /: ([\d.,]+ (?:ns|µs|ms|s)) (?:from|at) ([\d.,]+ (?:ns|µs|ms|s))$/.exec(title);
      if (m) return [parse(m[2]) - parse(m[1]) / 4, parse(m[2]) + 1.25 * parse(m[1])];
    }
    return null;
  }

  // under is the moment at a place of a chart over time, by the labels of its axis.
  function under(svg, x) {
    const rows = new Map();
    for (const n of svg.querySelectorAll("text")) {
      const t = parse(n.textContent), r = n.getBoundingClientRect(), y = Math.round(r.bottom);
      if (t === null) continue;
      if (!rows.has(y)) rows.set(y, []);
      rows.get(y).push([t, r.left + r.width / 2]);
    }
    const axis = [...rows].filter(([, ticks]) => ticks.length > 1).sort((a, b) => b[0] - a[0])[0]?.[1].sort((a, b) => a[0] - b[0]);
    if (!axis) return null;
    const inner = axis.length > 3 ? axis.slice(1, -1) : axis, [t0, x0] = inner[0], [t1, x1] = inner.at(-1);
    return x1 > x0 ? t0 + (x - x0) / (x1 - x0) * (t1 - t0) : null;
  }

  for (const figure of document.querySelectorAll("figure.chart")) {
    for (const svg of figure.querySelectorAll(":scope > svg")) {
      svg.addEventListener("click", (e) => {
        let part = said(e.target);
        if (!part && figure.dataset.time) {
          const t = under(svg, e.clientX), [from, to] = figure.dataset.time.split("-").map(Number);
          if (t !== null && t >= from && t <= to) part = [t - (to - from) / 100, t + (to - from) / 100];
        }
        if (part) location.hash = `#t=${Math.round(part[0])}-${Math.round(part[1])}`;
      });
    }
  }
}
