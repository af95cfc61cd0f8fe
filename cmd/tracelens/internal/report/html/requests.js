"use strict";

// Requests over time as dots, and the critical path of one that is chosen.
function requests(data) {
  const place = document.getElementById("rq"), chosen = document.getElementById("rq-path"), pick = document.getElementById("rq-type");
  const svg = (name, attributes, text) => {
    const n = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) n.setAttribute(k, v);
    if (text) n.textContent = text;
    return n;
  };
  const H = 320, left = 70, bottom = 28;
  let W = 1160; // as wide as it is shown, so that its text is as large as that around it
  const logs = data.dots.map((d) => Math.log10(Math.max(d[1], 1)));
  const low = Math.floor(Math.min(...logs)), high = Math.ceil(Math.max(...logs, low + 1));
  const x = (ns) => left + (ns - data.from) / Math.max(data.to - data.from, 1) * (W - left - 12);
  const y = (ns) => H - bottom - (Math.log10(Math.max(ns, 1)) - low) / (high - low) * (H - bottom - 10);
  // All that can be chosen: the dots, and single requests that are not among them, by
  // when they began.
  const all = new Map(data.dots.map(([began, took, c, type], i) => [data.ids[i] || `dot ${i}`, { began, took, class: c, type, parts: null }]));
  for (const [id, p] of Object.entries(data.paths)) all.set(id, p);
  const order = [...all.keys()].sort((a, b) => all.get(b).took - all.get(a).took || all.get(a).began - all.get(b).began);
  const label = (id) => {
    const p = all.get(id);
    return `${id}, ${data.types[p.type]}: began at ${moment(p.began, 1000)}, took ${duration(p.took, data.quantum)}`;
  };
  let now = "", ring = null;

  // near is the request whose dot is nearest to a place of the picture, of those in reach.
  function near(root, e) {
    const r = root.getBoundingClientRect(), px = (e.clientX - r.left) / r.width * W, py = (e.clientY - r.top) / r.height * H;
    let best = null, far = 14 * W / r.width;
    for (const [id, p] of all) {
      if (!wanted(p)) continue;
      const d = Math.hypot(x(p.began) - px, y(p.took) - py);
      if (d < far) { best = id; far = d; }
    }
    return best;
  }
  const wanted = (p) => pick.value === "" || p.type === Number(pick.value);

  function draw() {
    W = Math.min(Math.max(place.clientWidth - 18, 320), 1160);
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": "Requests: when they began and how long they took" });
    for (let e = low; e <= high; e++) {
      root.append(svg("line", { x1: left, x2: W, y1: y(10 ** e), y2: y(10 ** e), class: "rq-grid" }), svg("text", { x: left - 8, y: y(10 ** e) + 4, "text-anchor": "end" }, duration(10 ** e, 1)));
    }
    const steps = W < 600 ? 3 : 6;
    for (let i = 0; i <= steps; i++) {
      const t = data.from + (data.to - data.from) * i / steps;
      root.append(svg("text", { x: x(t), y: H - 8, "text-anchor": i === 0 ? "start" : i === steps ? "end" : "middle" }, moment(t, (data.to - data.from) / 100)));
    }
    const want = pick.value === "" ? -1 : Number(pick.value);
    data.classes.forEach((_, c) => {
      let d = "";
      for (const [began, took, k, type] of data.dots) {
        if (k === c && (want < 0 || type === want)) d += `M${x(began).toFixed(1)} ${y(took).toFixed(1)}h0`;
      }
      if (d) root.append(svg("path", { d, class: `rq-dots rq-${c}` }));
    });
    ring = svg("circle", { r: 9, class: "rq-ring" });
    root.append(ring);
    root.addEventListener("click", (e) => { const id = near(root, e); if (id) show(id); });
    for (const [id, p] of Object.entries(data.paths)) {
      if (!wanted(p)) continue;
      const dot = svg("circle", { cx: x(p.began), cy: y(p.took), r: 5, class: `rq-pick rq-${p.class}`, tabindex: 0, role: "button", "aria-label": label(id) });
      dot.append(svg("title", {}, label(id)));
      dot.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); show(id); } });
      root.append(dot);
    }
    place.replaceChildren(root);
    mark();
  }
  function mark() {
    const p = all.get(now);
    ring.setAttribute("visibility", p && wanted(p) ? "visible" : "hidden");
    if (p) { ring.setAttribute("cx", x(p.began)); ring.setAttribute("cy", y(p.took)); }
  }

  // waterfall draws what a request was at, a lane for each goroutine in the order in which
  // they come in.
  function waterfall(id, p, lanes) {
    const row = 20, wide = Math.min(300, W * .4), letters = Math.floor(wide / 6.8), height = lanes.length * row + 24;
    const at = (ns) => wide + (ns - p.began) / Math.max(p.took, 1) * (W - wide - 8);
    const root = svg("svg", { viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": `The critical path of request ${id}; its parts are in the table below` });
    lanes.forEach((lane, i) => {
      const name = data.strings[lane] || "(short parts)";
      root.append(svg("text", { x: wide - 8, y: i * row + 14, "text-anchor": "end" }, name.length > letters ? `…${name.slice(1 - letters)}` : name));
      root.append(svg("line", { x1: wide, x2: W - 8, y1: (i + 1) * row, y2: (i + 1) * row, class: "rq-grid" }));
    });
    for (const [from, to, lane, c, what, during] of p.parts) {
      const bar = svg("rect", { x: at(from), y: lanes.indexOf(lane) * row + 3, width: Math.max(at(to) - at(from), .75), height: row - 6, class: `rq-${c}` });
      bar.append(svg("title", {}, `${duration(to - from, data.quantum)} ${data.strings[what]}${during < 0 ? "" : `, while the request was ${data.strings[during]}`}`));
      root.append(bar);
    }
    root.append(svg("text", { x: wide, y: height - 6 }, moment(p.began, 1000)), svg("text", { x: W - 8, y: height - 6, "text-anchor": "end" }, moment(p.began + p.took, 1000)));
    return root;
  }

  function parts(p) {
    const table = document.createElement("table"), head = table.createTHead().insertRow();
    for (const h of ["from its begin", "length", "goroutine", "what", "while the request was"]) head.append(node("th", h));
    const body = table.createTBody();
    for (const [from, to, lane, , what, during] of p.parts) {
      const r = body.insertRow();
      for (const text of [`+${duration(from - p.began, data.quantum)}`, duration(to - from, data.quantum), data.strings[lane], data.strings[what], during < 0 ? "" : data.strings[during]]) r.insertCell().textContent = text;
    }
    const scroll = node("div", "", table);
    scroll.className = "scroll";
    return node("details", "", node("summary", `Its ${count(p.parts.length)} parts in order`), scroll);
  }

  function show(id) {
    const p = all.get(id);
    now = id;
    mark();
    const step = (words, by) => {
      const those = order.filter((o) => wanted(all.get(o))), k = those.indexOf(id) + by, b = node("button", words);
      b.type = "button";
      b.disabled = k < 0 || k >= those.length;
      b.addEventListener("click", () => show(those[k]));
      return b;
    };
    chosen.replaceChildren(node("h3", label(id)), node("p", "", step("Slower", -1), " ", step("Faster", 1)));
    let goroutines = [];
    if (p.parts) {
      const lanes = [...new Set(p.parts.map((s) => s[2]))];
      goroutines = lanes.map((l) => /\bG (\d+)\)?$/.exec(data.strings[l] ?? "")?.[1]).filter(Boolean);
      chosen.append(waterfall(id, p, lanes), parts(p));
    } else {
      chosen.append(node("p", `Most of it was ${data.classes[p.class] || "not told"}. Its path is not kept here: those of the slowest of each type are; 'tracelens requests --id ${id}' shows it.`));
    }
    if (document.getElementById("tl")) {
      const link = node("a", goroutines.length ? "the timeline then, with the goroutines involved" : "the timeline then");
      link.href = `#t=${p.began}-${p.began + p.took}${goroutines.length ? `&g=${goroutines.slice(0, 12).join(",")}` : ""}`;
      chosen.append(node("p", "See ", link));
    }
    chosen.hidden = false;
  }

  data.types.forEach((name, i) => {
    const o = node("option", name);
    o.value = i;
    pick.append(o);
  });
  pick.addEventListener("change", draw);
  draw();
  const worst = order.find((id) => all.get(id).parts);
  if (worst) show(worst);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
    if (now) show(now);
  });
}
