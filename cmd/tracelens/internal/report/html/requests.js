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
  const W = 1160, H = 320, left = 70, bottom = 28;
  const logs = data.dots.map((d) => Math.log10(Math.max(d[1], 1)));
  const low = Math.floor(Math.min(...logs)), high = Math.ceil(Math.max(...logs, low + 1));
  const x = (ns) => left + (ns - data.from) / Math.max(data.to - data.from, 1) * (W - left - 12);
  const y = (ns) => H - bottom - (Math.log10(Math.max(ns, 1)) - low) / (high - low) * (H - bottom - 10);
  const label = (id) => {
    const p = data.paths[id];
    return `${id}, ${data.types[p.type]}: began at ${moment(p.began, 1000)}, took ${duration(p.took, data.quantum)}`;
  };

  function draw() {
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": "Requests: when they began and how long they took" });
    for (let e = low; e <= high; e++) {
      root.append(svg("line", { x1: left, x2: W, y1: y(10 ** e), y2: y(10 ** e), class: "rq-grid" }), svg("text", { x: left - 8, y: y(10 ** e) + 4, "text-anchor": "end" }, duration(10 ** e, 1)));
    }
    for (let i = 0; i <= 6; i++) {
      const t = data.from + (data.to - data.from) * i / 6;
      root.append(svg("text", { x: x(t), y: H - 8, "text-anchor": i === 0 ? "start" : i === 6 ? "end" : "middle" }, moment(t, (data.to - data.from) / 100)));
    }
    const want = pick.value === "" ? -1 : Number(pick.value);
    data.classes.forEach((_, c) => {
      let d = "";
      for (const [began, took, k, type] of data.dots) {
        if (k === c && (want < 0 || type === want)) d += `M${x(began).toFixed(1)} ${y(took).toFixed(1)}h0`;
      }
      if (d) root.append(svg("path", { d, class: `rq-dots rq-${c}` }));
    });
    for (const [id, p] of Object.entries(data.paths)) {
      if (want >= 0 && p.type !== want) continue;
      const dot = svg("circle", { cx: x(p.began), cy: y(p.took), r: 5, class: `rq-pick rq-${p.class}`, tabindex: 0, role: "button", "aria-label": label(id) });
      dot.append(svg("title", {}, label(id)));
      dot.addEventListener("click", () => show(id));
      dot.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); show(id); } });
      root.append(dot);
    }
    place.replaceChildren(root);
  }

  function show(id) {
    const p = data.paths[id], lanes = [...new Set(p.parts.map((s) => s[2]))];
    const row = 20, wide = 300, height = lanes.length * row + 24;
    const at = (ns) => wide + (ns - p.began) / Math.max(p.took, 1) * (W - wide - 8);
    const root = svg("svg", { viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": `The critical path of request ${id}; its parts are in the table below` });
    lanes.forEach((lane, i) => {
      const name = data.strings[lane] || "(short parts)";
      root.append(svg("text", { x: wide - 8, y: i * row + 14, "text-anchor": "end" }, name.length > 44 ? `…${name.slice(-43)}` : name));
      root.append(svg("line", { x1: wide, x2: W - 8, y1: (i + 1) * row, y2: (i + 1) * row, class: "rq-grid" }));
    });
    for (const [from, to, lane, c, what, during] of p.parts) {
      const bar = svg("rect", { x: at(from), y: lanes.indexOf(lane) * row + 3, width: Math.max(at(to) - at(from), .75), height: row - 6, class: `rq-${c}` });
      bar.append(svg("title", {}, `${duration(to - from, data.quantum)} ${data.strings[what]}${during < 0 ? "" : `, while the request was ${data.strings[during]}`}`));
      root.append(bar);
    }
    root.append(svg("text", { x: wide, y: height - 6 }, moment(p.began, 1000)), svg("text", { x: W - 8, y: height - 6, "text-anchor": "end" }, moment(p.began + p.took, 1000)));
    const table = document.createElement("table"), head = table.createTHead().insertRow();
    for (const h of ["from its begin", "length", "goroutine", "what", "while the request was"]) head.append(node("th", h));
    const body = table.createTBody();
    for (const [from, to, lane, , what, during] of p.parts) {
      const r = body.insertRow();
      for (const text of [`+${duration(from - p.began, data.quantum)}`, duration(to - from, data.quantum), data.strings[lane], data.strings[what], during < 0 ? "" : data.strings[during]]) r.insertCell().textContent = text;
    }
    const scroll = node("div", "", table);
    scroll.className = "scroll";
    const details = node("details", "", node("summary", `Its ${count(p.parts.length)} parts in order`), scroll);
    const link = node("a", "the timeline then");
    link.href = `#t=${p.began}-${p.began + p.took}`;
    chosen.replaceChildren(node("h3", label(id)), root, details);
    if (document.getElementById("tl")) chosen.append(node("p", "See ", link));
    chosen.hidden = false;
  }

  data.types.forEach((name, i) => {
    const o = node("option", name);
    o.value = i;
    pick.append(o);
  });
  pick.addEventListener("change", draw);
  draw();
  const worst = Object.entries(data.paths).sort((a, b) => b[1].took - a[1].took)[0];
  if (worst) show(worst[0]);
}
