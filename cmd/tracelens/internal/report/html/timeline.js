"use strict";

// The timeline: a lane for each P, from the whole trace down to single spans.
// Where spans are exact (data.windows) they are drawn as they were; where many share
// a pixel, the pixel shows the share of each state. Elsewhere the lanes show shares of
// time in buckets (data.density), hatched. Nothing is widened to be seen. Below are lanes
// of single goroutines (lanes.js).
function timeline(data) {
  const byId = (id) => document.getElementById(id);
  const box = byId("tl"), canvas = byId("tl-canvas"), map = byId("tl-map"), scroll = byId("tl-scroll"), tip = byId("tl-tip");
  const status = byId("tl-status"), chosen = byId("tl-chosen"), query = byId("tl-q"), found = byId("tl-found");
  const ctx = canvas.getContext("2d"), mapCtx = map.getContext("2d");
  const { from: T0, to: T1, quantum, strings, windows, density, marks, bands } = data;
  const S = data.states.length, smallest = Math.min(200, T1 - T0);

  // Spans in columns, sorted by P and time; ends[p] is where those of a lane end.
  const col = (name) => data.spans[name] ?? [];
  const sp = {
    P: col("P"), from: Float64Array.from(col("from")), to: Float64Array.from(col("to")), fn: col("function"), g: col("g"),
    ready: col("became runnable"), wait: col("wait"), waker: col("waker"), queue: col("queued on"), stolen: col("stolen from"),
  };
  const stateId = new Map(data.states.map((s, i) => [s, i]));
  const spanState = Uint8Array.from(col("state"), (s) => stateId.get(strings[s]) ?? 0);
  const N = sp.from.length;
  const lanes = [...new Set([...(density?.p ?? []), ...sp.P])].sort((a, b) => a - b).map((p) => ({ p, lo: 0, hi: 0 }));
  const laneOf = new Map(lanes.map((l, i) => [l.p, i]));
  for (let i = 0; i < N; i++) {
    const l = lanes[laneOf.get(sp.P[i])];
    if (i === 0 || sp.P[i - 1] !== sp.P[i]) l.lo = i;
    l.hi = i + 1;
  }
  const perG = new Map(), perWaker = new Map(); // spans of a goroutine; starts it caused
  const put = (m, k, i) => { if (k === null || k < 0) return; const l = m.get(k); if (l) l.push(i); else m.set(k, [i]); };
  for (let i = 0; i < N; i++) { put(perG, sp.g[i], i); put(perWaker, sp.waker[i], i); }
  for (const l of perG.values()) l.sort((a, b) => sp.from[a] - sp.from[b]);

  // What a span is coloured by: classes, each with a colour of the theme and whether it is
  // shown. The first are the states.
  const byMode = { state: null, package: (f) => f.replace(/^(.*\/)?([^./]*)\..*$/, "$1$2"), function: (f) => f };
  const tones = 10;
  let mode = "state", classes = data.states, spanClass = spanState, C = S, off = new Set();
  function colorBy(name) {
    mode = Object.hasOwn(byMode, name) ? name : "state";
    off = new Set();
    if (mode === "state") { classes = data.states; spanClass = spanState; C = S; return; }
    const of = strings.map(byMode[mode]), time = new Map(), idle = stateId.get("idle");
    for (let i = 0; i < N; i++) if (sp.fn[i] !== null && spanState[i] !== idle) time.set(of[sp.fn[i]], (time.get(of[sp.fn[i]]) ?? 0) + sp.to[i] - sp.from[i]);
    const top = [...time].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, tones).map(([n]) => n);
    const ids = new Map(top.map((n, i) => [n, i]));
    classes = [...top, "others", "no goroutine"];
    C = classes.length;
    spanClass = new Uint8Array(N);
    for (let i = 0; i < N; i++) spanClass[i] = sp.fn[i] === null || spanState[i] === idle ? C - 1 : ids.get(of[sp.fn[i]]) ?? C - 2;
  }

  let view = [T0, T1], lane = -1, pick = -1, finding = -1, drag = null, hover = null;
  let matches = null, isMatch = null, at = -1; // of the search: spans by time, and a bit per span
  let W = 0, H = 0, dpr = 1, gutter = 56, laneH = 26, taller = 1, theme = {};
  let cursor = null, chosenPart = null, selecting = false; // the time under the pointer, the stretch that is selected
  const rulerH = 24, markH = 18, bandH = 12, headH = rulerH + markH + bandH;

  const X = (t) => gutter + (t - view[0]) / (view[1] - view[0]) * (W - gutter);
  const T = (x) => view[0] + (x - gutter) / (W - gutter) * (view[1] - view[0]);
  const Y = (i) => headH + i * laneH;
  const clamp = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
  const isExact = (t) => windows.some((w) => t >= w[0] && t < w[1]);

  // firstEnding is the first span of a lane that ends after t.
  function firstEnding(l, t) {
    let lo = l.lo, hi = l.hi;
    while (lo < hi) { const m = (lo + hi) >> 1; if (sp.to[m] > t) hi = m; else lo = m + 1; }
    return lo;
  }
  function spanAt(l, t) {
    const i = firstEnding(l, t);
    return i < l.hi && sp.from[i] <= t ? i : -1;
  }

  const gs = goroutineLanes({
    sp, perG, quantum, X, text: (i) => text(i), cell: (n, i) => cell(n, i), site: (n, i) => site(n, i), view: () => view, within: (...a) => within(...a), resize: () => resize(),
    label: (...a) => label(...a), color: (i) => theme.tone[spanClass[i]],
  });

  // ---- the view

  let frame = 0, settled = 0;
  function paint() { cancelAnimationFrame(frame); frame = 0; draw(); drawMap(); }
  function redraw() { frame ||= requestAnimationFrame(paint); }

  function show(a, b, quiet) {
    const width = clamp(b - a, smallest, T1 - T0);
    const mid = (a + b) / 2;
    const begin = clamp(mid - width / 2, T0, T1 - width);
    view = [begin, begin + width];
    box.dataset.view = `${Math.round(view[0])}-${Math.round(view[1])}`;
    hideTip();
    redraw();
    clearTimeout(settled);
    settled = setTimeout(() => settle(quiet), 200);
  }
  function zoom(factor, x = (gutter + W) / 2) {
    const t = T(x), f = clamp(factor, smallest / (view[1] - view[0]), (T1 - T0) / (view[1] - view[0]));
    show(t - (t - view[0]) * f, t + (view[1] - t) * f);
  }
  function pan(part) { const d = (view[1] - view[0]) * part; move(d); }
  function move(d) {
    const e = clamp(d, T0 - view[0], T1 - view[1]);
    show(view[0] + e, view[1] + e);
  }

  function here() { return `#t=${Math.round(view[0])}-${Math.round(view[1])}` + (lane >= 0 ? `&p=${lanes[lane].p}` : "") + (gs.pinned.size ? `&g=${[...gs.pinned].join(",")}` : "") + (query.value ? `&q=${encodeURIComponent(query.value)}` : ""); }

  // settle says what is in view, to screen readers too, and keeps it in the address.
  function settle(quiet) {
    const step = (view[1] - view[0]) / 1000;
    const inside = windows.filter((w) => w[0] < view[1] && w[1] > view[0]);
    const part = inside.reduce((sum, w) => sum + Math.min(w[1], view[1]) - Math.max(w[0], view[0]), 0) / (view[1] - view[0]);
    const how = part > .9999 ? "all exact" : part > 0 ? `${(100 * part).toPrecision(2)} % of it exact, the rest shares of time` : "shares of time";
    const n = marks.filter((m) => m.from <= view[1] && m.to >= view[0]).length;
    status.textContent = `${moment(view[0], step)} to ${moment(view[1], step)}, ${duration(view[1] - view[0], quantum)} of ${duration(T1 - T0, quantum)}: ${how}; ${n} place${n === 1 ? "" : "s"} of findings` + (lane >= 0 ? `; P ${lanes[lane].p}` : "") + ".";
    if (byId("tl-table").open) viewTable();
    if (!quiet) history.replaceState(null, "", here());
  }

  // restore shows what the address says.
  function restore() {
    const args = new URLSearchParams(location.hash.slice(1));
    const m = /^(-?\d+)-(-?\d+)$/.exec(args.get("t") ?? "");
    if (!m) return false;
    lane = laneOf.get(Number(args.get("p") ?? -1)) ?? -1;
    pick = -1;
    choose(-1);
    if ((args.get("q") ?? "") !== query.value) { query.value = args.get("q") ?? ""; search(); }
    const wanted = (args.get("g") ?? "").split(",").filter(Boolean).map(Number);
    gs.pinned.clear();
    for (const g of wanted.slice(1)) gs.pinned.add(g);
    gs.find(wanted.length ? [...wanted.slice(0, 1), ...gs.about(Number(m[1]), Number(m[2]), wanted[0])] : []);
    show(Number(m[1]), Number(m[2]), true);
    seeLane();
    return true;
  }

  function seeLane() {
    if (lane < 0) return;
    const top = lane * laneH, room = scroll.clientHeight - headH;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top + laneH > scroll.scrollTop + room) scroll.scrollTop = top + laneH - room;
  }

  // ---- drawing

  function restyle() {
    const css = getComputedStyle(document.documentElement), v = (n) => css.getPropertyValue(n).trim();
    const abgr = (hex, alpha) => ((alpha << 24) | (parseInt(hex.slice(5, 7), 16) << 16) | (parseInt(hex.slice(3, 5), 16) << 8) | parseInt(hex.slice(1, 3), 16)) >>> 0;
    const hex = data.states.map((_, i) => v(`--state-${i}`));
    const tone = classes.map((_, i) => (mode === "state" ? hex[i] : v(i < C - 2 ? `--tone-${i}` : i < C - 1 ? "--others" : "--nobody")));
    theme = {
      hex, tone, on: tone.map(over), bits: [...tone.map((h, i) => (off.has(i) ? 0 : abgr(h, 255))), ...tone.map((h, i) => (off.has(i) ? 0 : abgr(h, 50)))],
      states: hex.map((h, i) => (mode === "state" && off.has(i) ? 0 : abgr(h, 255))), runnable: v("--goroutine-0"), waiting: v("--goroutine-1"),
      back: v("--back"), soft: v("--soft"), line: v("--line"), text: v("--text"), weak: v("--weak"), accent: v("--accent"), pick: v("--pick"),
      gc: v("--gc"), stw: v("--stw"), stopping: v("--stopping"), error: v("--error"), warning: v("--warning"), note: v("--note"),
    };
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const c = tile.getContext("2d");
    c.strokeStyle = theme.back;
    c.globalAlpha = .35;
    c.lineWidth = 1.2;
    for (const d of [-8, 0, 8]) { c.beginPath(); c.moveTo(d, 8); c.lineTo(d + 8, 0); c.stroke(); }
    theme.hatch = ctx.createPattern(tile, "repeat");
    buckets = density ? drawBuckets() : null;
    legend();
    redraw();
  }
  // over is the colour of text on another.
  function over(hex) {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return .299 * r + .587 * g + .114 * b > 150 ? "#14181d" : "#ffffff";
  }
  // legend has a button for each class, which hides and shows it.
  function legend() {
    byId("tl-legend").replaceChildren(...classes.map((name, i) => {
      const button = node("button", "", node("span"), name);
      button.type = "button";
      button.ariaPressed = String(!off.has(i));
      button.firstChild.className = mode === "state" ? `swatch state-${i}` : `swatch tl-tone-${i < C - 2 ? i : i < C - 1 ? "others" : "nobody"}`;
      button.addEventListener("click", () => { if (!off.delete(i)) off.add(i); restyle(); });
      return node("li", "", button);
    }));
  }

  // The buckets once, as a picture of one pixel each in width.
  const bucketH = 24;
  let buckets = null;
  function drawBuckets() {
    const at = density.at, n = at.length;
    let width = T1 - T0;
    for (let i = 2; i < n; i++) width = Math.min(width, at[i] - at[i - 1]);
    if (n === 2) width = Math.min(width, T1 - at[1]);
    const index = (t) => Math.round((t - at[n - 1]) / width);
    const first = n > 1 ? index(at[0]) : 0, total = 1 - first;
    const image = new ImageData(total, lanes.length * bucketH), px = new Uint32Array(image.data.buffer);
    const all = new Float64Array(total * S); // over lanes, for the map
    for (let r = 0; r < density.p.length; r++) {
      const x = (n > 1 ? index(at[density.row[r]]) : 0) - first, top = laneOf.get(density.p[r]) * bucketH;
      let sum = 0, y = bucketH;
      for (let s = 0; s < S; s++) {
        const v = density.share[r * S + s];
        all[x * S + s] += v;
        sum += v;
        for (const end = Math.round(bucketH * (1 - sum / 1000)); y > end && y > 0;) px[(top + --y) * total + x] = theme.states[s];
      }
    }
    const c = document.createElement("canvas");
    c.width = total;
    c.height = lanes.length * bucketH;
    c.getContext("2d").putImageData(image, 0, 0);
    return { canvas: c, width, begin: at[n - 1] + first * width, total, all };
  }

  function resize() {
    dpr = Math.min(devicePixelRatio || 1, 2);
    W = Math.max(box.clientWidth, 200);
    gutter = W < 560 ? 40 : 56;
    laneH = Math.round((lanes.length <= 16 ? 28 : lanes.length <= 40 ? 20 : 14) * taller);
    H = headH + lanes.length * laneH + 6 + gs.height();
    for (const [c, h] of [[canvas, H], [overlay, H], [map, 40]]) {
      c.width = Math.round(W * dpr);
      c.height = Math.round(h * dpr);
      c.style.height = `${h}px`;
    }
    paint(); // at once: a canvas of a new size is empty
  }

  const layer = document.createElement("canvas"), layerCtx = layer.getContext("2d");
  let image = null, cov = null;

  // drawSpans fills one lane of the layer, in device pixels.
  function drawSpans(px, width, l, top, height) {
    const k = width / (view[1] - view[0]), t0 = view[0];
    cov.fill(0);
    let lowest = width, highest = -1;
    const row = top * width, some = off.size > 0;
    const add = (x, s, v) => {
      if (x < 0 || x >= width) return;
      cov[x * 2 * C + s] += v;
      if (x < lowest) lowest = x;
      if (x > highest) highest = x;
    };
    for (let i = firstEnding(l, t0); i < l.hi && sp.from[i] < view[1]; i++) {
      const a = (sp.from[i] - t0) * k, b = (sp.to[i] - t0) * k;
      if (some && off.has(spanClass[i])) continue;
      const s = spanClass[i] + (isMatch && !isMatch[i] ? C : 0);
      const ia = Math.floor(a), ib = Math.floor(b);
      if (ia === ib) { add(ia, s, b - a); continue; }
      add(ia, s, ia + 1 - a);
      add(ib, s, b - ib);
      const x0 = Math.max(ia + 1, 0), x1 = Math.min(b - a > 5 * dpr ? ib - 1 : ib, width); // a gap between wide ones
      if (x1 > x0) px.fill(theme.bits[s], row + x0, row + x1);
      if (b - a > 5 * dpr) { clear(ib); if (ib - 1 >= x0) clear(ib - 1); }
    }
    function clear(x) { if (x >= 0 && x < width) { for (let s = 0; s < 2 * C; s++) cov[x * 2 * C + s] = 0; px[row + x] = 0; } }
    for (let y = 1; y < height; y++) px.copyWithin(row + y * width, row, row + width);
    for (let x = lowest; x <= highest; x++) {
      let sum = 0, y = height;
      for (let s = 0; s < 2 * C; s++) {
        const v = cov[x * 2 * C + s];
        if (v === 0) continue;
        sum += v;
        for (const end = Math.round(height * (1 - Math.min(sum, 1))); y > end;) px[row + --y * width + x] = theme.bits[s];
      }
    }
  }

  function draw() {
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.fillStyle = theme.back;
    ctx.fillRect(0, 0, W, H);
    const top = scroll.scrollTop, bottom = top + scroll.clientHeight;
    const lo = clamp(Math.floor(top / laneH), 0, lanes.length), hi = clamp(Math.ceil((bottom - headH) / laneH), 0, lanes.length);
    const barH = laneH - 4, plot = W - gutter;

    ctx.save();
    ctx.beginPath();
    ctx.rect(gutter, 0, plot, H);
    ctx.clip();
    ctx.imageSmoothingEnabled = false;
    for (let i = lo; i < hi; i++) {
      ctx.fillStyle = i === lane ? theme.line : theme.soft;
      ctx.fillRect(gutter, Y(i), plot, laneH - 2);
      if (buckets) {
        const a = X(buckets.begin), b = X(buckets.begin + buckets.total * buckets.width);
        ctx.drawImage(buckets.canvas, 0, i * bucketH, buckets.total, bucketH, a, Y(i) + 1, b - a, barH);
      }
    }
    if (buckets && matches) { ctx.globalAlpha = .8; ctx.fillStyle = theme.back; ctx.fillRect(gutter, Y(lo), plot, (hi - lo) * laneH); ctx.globalAlpha = 1; }
    ctx.fillStyle = theme.hatch;
    if (buckets) ctx.fillRect(gutter, Y(lo), plot, (hi - lo) * laneH);
    const visible = windows.filter((w) => w[0] < view[1] && w[1] > view[0]);
    for (const w of visible) { // nothing of the summary shows through
      const a = Math.max(X(w[0]), gutter), b = Math.min(X(w[1]), W);
      ctx.fillStyle = theme.back;
      if (b - a >= 1) ctx.fillRect(a, Y(lo), b - a, (hi - lo) * laneH);
    }
    drawBands(lo, hi);

    const width = Math.round(plot * dpr), height = Math.round((hi - lo) * laneH * dpr);
    if (visible.length && N && width > 0 && height > 0) {
      if (!image || image.width !== width || image.height !== height || cov.length !== width * 2 * C) {
        image = new ImageData(width, height);
        layer.width = width;
        layer.height = height;
        cov = new Float32Array(width * 2 * C);
      }
      const px = new Uint32Array(image.data.buffer);
      px.fill(0);
      for (let i = lo; i < hi; i++) drawSpans(px, width, lanes[i], Math.round(((i - lo) * laneH + 1) * dpr), Math.round(barH * dpr));
      layerCtx.putImageData(image, 0, 0);
      ctx.drawImage(layer, gutter, Y(lo), plot, (hi - lo) * laneH);
    }
    drawPicked(barH);
    if (visible.length && N) labels(lo, hi, barH);
    ctx.restore();
    drawGutter(lo, hi);
    gs.draw(ctx, Y(lanes.length) + 6, gutter, W, theme);
    drawHead(top);
    drawOverlay();
  }

  // What follows the pointer is on a canvas of its own: the time under it, and what is
  // selected.
  const overlay = byId("tl-over"), overCtx = overlay.getContext("2d");
  function drawOverlay() {
    const c = overCtx, top = scroll.scrollTop;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.clearRect(0, 0, W, H);
    const part = drag?.select ? [T(Math.min(drag.x, drag.now)), T(Math.max(drag.x, drag.now))] : chosenPart;
    if (part) {
      const a = Math.max(X(part[0]), gutter), b = Math.min(X(part[1]), W);
      c.fillStyle = theme.accent + "38";
      if (b > a) c.fillRect(a, top + rulerH, b - a, H);
      flag(c, `${duration(part[1] - part[0], quantum)}`, (a + b) / 2, top + rulerH + 2);
    }
    if (cursor === null || cursor < view[0] || cursor > view[1]) return;
    const x = X(cursor);
    c.fillStyle = theme.text;
    c.globalAlpha = .6;
    c.fillRect(x, top, 1, H);
    c.globalAlpha = 1;
    flag(c, moment(cursor, (view[1] - view[0]) / 1000), x, top + 1);
  }
  function flag(c, words, x, y) {
    c.font = "11px system-ui, sans-serif";
    c.textBaseline = "middle";
    const wide = c.measureText(words).width + 8, left = clamp(x - wide / 2, gutter, Math.max(W - wide, gutter));
    c.fillStyle = theme.text;
    c.fillRect(left, y, wide, 15);
    c.fillStyle = theme.back;
    c.fillText(words, left + 4, y + 8);
  }

  function labels(lo, hi, barH) {
    if (barH < 10) return;
    ctx.font = `${Math.min(barH - 4, 12)}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    for (let i = lo; i < hi; i++) {
      for (let k = firstEnding(lanes[i], view[0]), drawn = 0; k < lanes[i].hi && sp.from[k] < view[1] && drawn < 4000; k++, drawn++) {
        const a = Math.max(X(sp.from[k]), gutter), b = Math.min(X(sp.to[k]), W);
        if (b - a < 34 || sp.fn[k] === null || isMatch && !isMatch[k] || off.has(spanClass[k])) continue;
        label(ctx, strings[sp.fn[k]], a, b, Y(i) + 1 + barH / 2, k);
      }
    }
  }
  // label writes the name of a function into its span, and never beyond it.
  function label(c, name, a, b, y, k) {
    const short = name.replace(/^.*\//, ""), fits = c.measureText(short).width <= b - a - 6;
    c.fillStyle = theme.on[spanClass[k]];
    if (fits) { c.fillText(short, a + 4, y); return; }
    c.save();
    c.beginPath();
    c.rect(a, y - laneH, b - a - 2, 2 * laneH);
    c.clip();
    c.fillText(short, a + 4, y);
    c.restore();
  }

  // Bands of GC cycles and stops of the world: behind the spans where they are wide
  // enough, and in a row of their own by how much of each pixel they cover.
  const bandRows = (bands.from ?? []).map((from, i) => ({
    gc: strings[bands.what[i]] === "GC cycle", from, to: bands.to[i], stopped: bands.stopped[i],
    reason: bands.reason[i] === null ? "" : strings[bands.reason[i]], g: bands.g[i], fn: bands.function[i] === null ? "" : strings[bands.function[i]],
  }));
  function drawBands(lo, hi) {
    for (const b of bandRows) {
      if (b.to < view[0] || b.from > view[1]) continue;
      const a = X(b.from), z = X(b.to), s = b.gc ? a : X(b.stopped ?? b.from);
      if (z - a < 1.5) continue;
      if (b.gc) { ctx.fillStyle = theme.gc; ctx.fillRect(a, Y(lo), z - a, (hi - lo) * laneH); continue; }
      ctx.fillStyle = theme.stopping;
      ctx.fillRect(a, Y(lo), s - a, (hi - lo) * laneH);
      ctx.fillStyle = theme.stw;
      ctx.fillRect(s, Y(lo), Math.max(z - s, 0), (hi - lo) * laneH);
    }
  }

  function drawPicked(barH) {
    ctx.lineWidth = 2;
    if (finding >= 0) {
      const m = marks[finding], i = laneOf.get(m.p);
      ctx.strokeStyle = theme[m.severity];
      ctx.setLineDash([4, 3]);
      ctx.strokeRect(X(m.from), i === undefined ? headH + 1 : Y(i), Math.max(X(m.to) - X(m.from), 2), i === undefined ? lanes.length * laneH : laneH - 2);
      ctx.setLineDash([]);
    }
    if (pick < 0) return;
    const i = laneOf.get(sp.P[pick]), a = X(sp.from[pick]), b = X(sp.to[pick]);
    ctx.strokeStyle = theme.pick;
    ctx.strokeRect(a, Y(i), Math.max(b - a, 2), laneH - 2);
    for (const r of relations(pick)) {
      const y0 = Y(laneOf.get(r.fromP)) + 1 + barH / 2, y1 = Y(laneOf.get(r.toP)) + 1 + barH / 2;
      arrow(X(r.from), y0, X(r.to), y1, r.kind);
    }
  }
  function arrow(x0, y0, x1, y1, kind) {
    const colors = { wake: theme.pick, steal: theme.warning, next: theme.weak };
    ctx.strokeStyle = ctx.fillStyle = colors[kind];
    ctx.lineWidth = kind === "next" ? 1.2 : 1.8;
    ctx.setLineDash(kind === "wake" ? [] : [5, 3]);
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.arc(x0, y0, 2.5, 0, 7);
    ctx.fill();
    const angle = Math.hypot(x1 - x0, y1 - y0) < 3 ? 0 : Math.atan2(y1 - y0, x1 - x0);
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    for (const d of [2.7, -2.7]) ctx.lineTo(x1 + 8 * Math.cos(angle + d), y1 + 8 * Math.sin(angle + d));
    ctx.fill();
  }

  // relations are the arrows of a span: who woke it, from whom it was stolen, whom it
  // woke, and where its goroutine went on.
  function relations(i) {
    const out = [];
    const incoming = (k) => {
      if (sp.ready[k] === null || sp.wait[k] === null) return;
      const t = sp.from[k] - sp.wait[k];
      let p = null;
      for (const w of perG.get(sp.waker[k]) ?? []) if (sp.from[w] <= t && sp.to[w] >= t) { p = sp.P[w]; break; }
      if (p === null && sp.waker[k] >= 0 && laneOf.has(sp.queue[k])) p = sp.queue[k];
      if (p !== null) out.push({ kind: "wake", fromP: p, from: t, toP: sp.P[k], to: sp.from[k] });
      if (k === i && laneOf.has(sp.stolen[k])) out.push({ kind: "steal", fromP: sp.stolen[k], from: sp.from[k], toP: sp.P[k], to: sp.from[k] });
    };
    incoming(i);
    let n = 0;
    for (const k of perWaker.get(sp.g[i]) ?? []) {
      const t = sp.from[k] - (sp.wait[k] ?? 0);
      if (sp.wait[k] === null || t < sp.from[i] || t > sp.to[i] || k === i || ++n > 100) continue;
      out.push({ kind: "wake", fromP: sp.P[i], from: t, toP: sp.P[k], to: sp.from[k] });
    }
    const next = nextRun(i);
    if (next >= 0 && sp.from[next] > sp.to[i]) out.push({ kind: "next", fromP: sp.P[i], from: sp.to[i], toP: sp.P[next], to: sp.from[next] });
    return out;
  }
  function nextRun(i) {
    const runs = sp.g[i] >= 0 ? perG.get(sp.g[i]) : [];
    return runs[runs.indexOf(i) + 1] ?? -1;
  }

  function drawGutter(lo, hi) {
    ctx.fillStyle = theme.back;
    ctx.fillRect(0, 0, gutter, H);
    ctx.font = `${Math.min(laneH - 3, 13)}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (let i = lo; i < hi; i++) {
      ctx.fillStyle = i === lane ? theme.accent : theme.weak;
      ctx.fillText(`P ${lanes[i].p}`, gutter - 8, Y(i) + laneH / 2 - 1);
    }
    ctx.textAlign = "left";
  }

  // Steps of a ruler: 1, 2 or 5 of a power of ten, some 90 px apart.
  function tick() {
    const raw = (view[1] - view[0]) / Math.max((W - gutter) / 110, 1), power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
  }
  function drawHead(top) {
    ctx.fillStyle = theme.back;
    ctx.fillRect(0, top, W, headH);
    ctx.save();
    ctx.translate(0, top);
    ctx.beginPath();
    ctx.rect(0, 0, W, headH);
    ctx.clip();
    const step = tick();
    ctx.font = "11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    for (let t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) {
      const x = X(t);
      if (x < gutter - 1) continue;
      ctx.fillStyle = theme.line;
      ctx.fillRect(x, rulerH - 8, 1, 5);
      ctx.fillStyle = theme.weak;
      const text = moment(t, step);
      if (x + 4 + ctx.measureText(text).width < W) ctx.fillText(text, x + 4, 9);
    }
    // What is exact, as a bar under the ruler.
    ctx.fillStyle = theme.line;
    ctx.fillRect(gutter, rulerH - 3, W - gutter, 3);
    ctx.fillStyle = theme.accent;
    for (const w of windows) {
      const a = Math.max(X(w[0]), gutter), b = X(w[1]);
      if (b > gutter && a < W) ctx.fillRect(a, rulerH - 3, Math.max(b - a, 1), 3);
    }
    for (const [i, m] of marks.entries()) {
      const a = X(m.from), b = X(m.to);
      if (b < gutter || a > W || m.from <= T0 && m.to >= T1) continue;
      ctx.fillStyle = theme[m.severity];
      const left = Math.max(a, gutter);
      ctx.globalAlpha = i === finding ? 1 : .55;
      ctx.fillRect(left, rulerH + 6, Math.max(Math.min(b, W) - left, 1), 4);
      ctx.globalAlpha = 1;
      if (a < gutter) continue;
      ctx.beginPath();
      ctx.moveTo(a - 5, rulerH + 2);
      ctx.lineTo(a + 5, rulerH + 2);
      ctx.lineTo(a, rulerH + markH - 3);
      ctx.fill();
    }
    ctx.fillStyle = theme.weak;
    ctx.font = "10px system-ui, sans-serif";
    ctx.textAlign = "right";
    ctx.fillStyle = theme.back;
    ctx.fillRect(0, 0, gutter, headH);
    ctx.fillStyle = theme.weak;
    const narrow = gutter < 50;
    ctx.fillText("exact", gutter - 6, rulerH - 4);
    ctx.fillText(narrow ? "found" : "findings", gutter - 6, rulerH + 9);
    ctx.fillText(narrow ? "GC" : "GC, STW", gutter - 6, rulerH + markH + 5);
    ctx.textAlign = "left";
    // The row of bands: how much of each pixel they cover.
    const width = Math.round(W - gutter), k = width / (view[1] - view[0]);
    for (const gc of [true, false]) {
      const cover = new Float32Array(width + 1);
      for (const b of bandRows) {
        if (b.gc !== gc || b.to < view[0] || b.from > view[1]) continue;
        const a = clamp((b.from - view[0]) * k, 0, width), z = clamp((b.to - view[0]) * k, 0, width);
        for (let x = Math.floor(a); x < z; x++) cover[x] += Math.min(z, x + 1) - Math.max(a, x);
      }
      ctx.fillStyle = gc ? theme.hex[stateId.get("GC worker")] : theme.text;
      for (let x = 0; x < width;) {
        let e = x + 1;
        while (e < width && cover[e] === cover[x]) e++;
        if (cover[x] > 0) { ctx.globalAlpha = Math.min(cover[x], 1); ctx.fillRect(gutter + x, rulerH + markH + (gc ? 0 : 5), e - x, 4); }
        x = e;
      }
      ctx.globalAlpha = 1;
    }
    ctx.restore();
  }

  // The whole trace, all Ps together, and which part is in view.
  function drawMap() {
    mapCtx.setTransform(dpr, 0, 0, dpr, 0, 0);
    mapCtx.fillStyle = theme.soft;
    mapCtx.fillRect(0, 0, W, 40);
    const k = W / (T1 - T0);
    if (buckets) {
      for (let x = 0; x < buckets.total; x++) {
        let sum = 0, y = 40;
        for (let s = 0; s < S; s++) sum += buckets.all[x * S + s];
        const a = (buckets.begin + x * buckets.width - T0) * k;
        for (let s = 0; s < S && sum; s++) {
          const h = 40 * buckets.all[x * S + s] / sum;
          if (!h) continue;
          mapCtx.fillStyle = theme.hex[s];
          mapCtx.fillRect(a, y - h, buckets.width * k + .5, h);
          y -= h;
        }
      }
    }
    const a = (view[0] - T0) * k, b = Math.max((view[1] - T0) * k, a + 2);
    mapCtx.fillStyle = theme.back + "b0";
    mapCtx.fillRect(0, 0, a, 40);
    mapCtx.fillRect(b, 0, W - b, 40);
    mapCtx.strokeStyle = theme.accent;
    mapCtx.lineWidth = 2;
    mapCtx.strokeRect(a + 1, 1, Math.max(b - a - 2, 1), 38);
  }

  // ---- what is under the pointer

  const text = (i) => (i === null || i === undefined ? "" : strings[i]);
  // Where a goroutine was: the place in the program, and its callers.
  const stack = (name, i) => text(cell(name, i)).split(" ← ");
  const site = (name, i) => stack(name, i)[0];
  const cell = (name, i) => { const v = data.spans[name]?.[i]; return v === undefined ? null : v; };
  function who(i) {
    const g = sp.g[i] >= 0 ? `G ${sp.g[i]}` : "";
    return [text(sp.fn[i]), g].filter(Boolean).join(", ");
  }
  function came(i) {
    if (sp.ready[i] === null || sp.ready[i] === undefined) return "";
    const wait = sp.wait[i] === null ? "" : `, waited ${duration(sp.wait[i], quantum)}`;
    const waker = sp.waker[i] >= 0 ? ` by G ${sp.waker[i]}` : "";
    return `${text(sp.ready[i])}${waker}${wait}`;
  }
  function under(x, y) {
    const t = T(x), inHead = y - scroll.scrollTop < headH;
    if (inHead) {
      const row = y - scroll.scrollTop;
      if (row > rulerH && row <= rulerH + markH) {
        let best = -1, far = 8;
        marks.forEach((m, i) => {
          if (m.from <= T0 && m.to >= T1) return;
          const d = Math.abs(X(m.from) - x);
          if (d < far) { best = i; far = d; }
        });
        return best >= 0 ? { mark: best } : null;
      }
      if (row > rulerH + markH) {
        const near = T(x + 2) - t;
        const b = bandRows.filter((b) => b.from - near <= t && b.to + near >= t).sort((a, b) => a.gc - b.gc)[0];
        return b ? { band: b } : null;
      }
      return null;
    }
    const i = Math.floor((y - headH) / laneH);
    if (x < gutter || i < 0) return null;
    if (i >= lanes.length) return gs.under(y - Y(lanes.length) - 6, t);
    const k = spanAt(lanes[i], t);
    if (k >= 0) return { lane: i, span: k };
    return { lane: i, at: t };
  }
  function describe(u) {
    if (u.g !== undefined) return gs.describe(u);
    if (u.mark !== undefined) { const m = marks[u.mark]; return [m.text, `${moment(m.from, 1000)} +${duration(m.to - m.from, quantum)}; ${m.severity}`]; }
    if (u.band) {
      const b = u.band;
      return [b.gc ? "GC cycle" : `STW: ${b.reason}`, `${moment(b.from, 1000)} +${duration(b.to - b.from, quantum)}`,
        b.gc || b.stopped === null ? "" : `stopping ${duration(b.stopped - b.from, quantum)}`, b.fn ? `${b.fn}, G ${b.g}` : ""];
    }
    if (u.span !== undefined) {
      const i = u.span, stop = text(cell("stopped by", i));
      return [[data.states[spanState[i]], text(cell("detail", i))].filter(Boolean).join(": "), who(i), `P ${sp.P[i]}, ${duration(sp.to[i] - sp.from[i], quantum)} from ${moment(sp.from[i], 100)}`, came(i), stop && `stopped: ${stop}`];
    }
    if (!buckets) return ["nothing is known here"];
    const x = Math.floor((u.at - buckets.begin) / buckets.width), shares = [];
    for (let r = 0; r < density.p.length; r++) {
      if (density.p[r] !== lanes[u.lane].p || Math.round((density.at[density.row[r]] - buckets.begin) / buckets.width) !== x) continue;
      for (let s = 0; s < S; s++) shares.push([density.share[r * S + s], data.states[s]]);
    }
    shares.sort((a, b) => b[0] - a[0]);
    return [`P ${lanes[u.lane].p}: shares of ${duration(buckets.width, quantum)}`, ...shares.filter((s) => s[0] > 0).slice(0, 5).map(([v, s]) => `${s} ${(v / 10).toPrecision(3)} %`)];
  }
  function hideTip() { tip.hidden = true; hover = null; }
  function showTip(u, x, y) {
    const [head, ...lines] = describe(u).filter(Boolean);
    tip.replaceChildren(node("b", head), ...lines.map((l) => node("span", l)));
    tip.hidden = false;
    const r = tip.getBoundingClientRect();
    tip.style.left = `${clamp(x + 14, 4, innerWidth - r.width - 4)}px`;
    tip.style.top = `${y + 18 + r.height > innerHeight ? y - r.height - 10 : y + 18}px`;
  }

  // choose picks a span: its arrows, and all that is known of it.
  function choose(i) {
    pick = i;
    chosen.hidden = i < 0;
    redraw();
    if (i < 0) return;
    const close = node("button", "Close");
    close.type = "button";
    close.addEventListener("click", () => { choose(-1); canvas.focus(); });
    const rows = [["P", sp.P[i]], ["from", moment(sp.from[i], 10)], ["duration", duration(sp.to[i] - sp.from[i], quantum)], ["goroutine", sp.g[i] >= 0 ? `G ${sp.g[i]}` : ""],
      ["became runnable", came(i)], ["readied at", stack("readied at", i)], ["queued on", sp.queue[i] >= 0 && sp.ready[i] !== null ? `P ${sp.queue[i]}` : ""],
      ["taken from", [text(cell("taken from", i)), sp.stolen[i] !== null && sp.stolen[i] !== undefined ? `P ${sp.stolen[i]}` : ""].filter(Boolean).join(" ")],
      ["was blocked on", text(cell("blocked on", i))], ["blocked at", stack("blocked at", i)], ["blocked for", cell("blocked for", i) === null ? "" : duration(cell("blocked for", i), quantum)],
      ["stopped by", text(cell("stopped by", i))], ["stopped at", stack("stopped at", i)]];
    const list = node("dl");
    for (const [k, v] of rows) {
      const [first, ...callers] = Array.isArray(v) ? v : [v];
      if (first === "" || first === null) continue;
      const where = node("dd", String(first));
      if (callers.length) where.append(node("ol", "", ...callers.map((c) => node("li", c))));
      list.append(node("div", "", node("dt", k), where));
    }
    const links = node("p");
    const go = (label, k) => {
      if (k === undefined || k < 0) return;
      const b = node("button", label);
      b.type = "button";
      b.addEventListener("click", () => reveal(k));
      links.append(b, " ");
    };
    const runs = sp.g[i] >= 0 ? perG.get(sp.g[i]) : [], at = runs.indexOf(i), wakeAt = sp.from[i] - (sp.wait[i] ?? 0);
    if (sp.g[i] >= 0) {
      const pin = node("button", `Lane of G ${sp.g[i]}`);
      pin.type = "button";
      pin.addEventListener("click", () => gs.toggle(sp.g[i]));
      links.append(pin, " ");
    }
    go("Span before of this goroutine", runs[at - 1]);
    go("Next span of this goroutine", runs[at + 1]);
    go("Its waker", (perG.get(sp.waker[i]) ?? []).find((w) => sp.from[w] <= wakeAt && sp.to[w] >= wakeAt));
    chosen.replaceChildren(node("h3", "", node("span", [data.states[spanState[i]], text(cell("detail", i)), text(sp.fn[i])].filter(Boolean).join(": ")), close), list, links);
  }

  // reveal moves the view to a span, with the same zoom where that shows it.
  function reveal(i) {
    const width = clamp(view[1] - view[0], 4 * (sp.to[i] - sp.from[i]), 400 * Math.max(sp.to[i] - sp.from[i], quantum, 1)), mid = (sp.from[i] + sp.to[i]) / 2;
    lane = laneOf.get(sp.P[i]);
    show(mid - width / 2, mid + width / 2);
    seeLane();
    choose(i);
  }

  function jump(step) {
    const places = marks.map((m, i) => i).filter((i) => !(marks[i].from <= T0 && marks[i].to >= T1)).sort((a, b) => marks[a].from - marks[b].from);
    if (!places.length) { status.textContent = "No finding points to a part of the trace."; return; }
    const k = places.indexOf(finding);
    toMark(places[k < 0 ? (step > 0 ? 0 : places.length - 1) : (k + step + places.length) % places.length]);
  }
  function toMark(i) {
    finding = i;
    const m = marks[i], margin = Math.max((m.to - m.from) * .15, 20000);
    lane = laneOf.get(m.p) ?? -1;
    choose(-1);
    gs.find(gs.about(m.from, m.to, m.g));
    show(m.from - margin, m.to + margin);
    seeLane();
    const link = node("a", "its finding");
    link.href = `#${m.finding}`;
    clearTimeout(settled);
    settle();
    status.append(` ${m.text} (`, link, ").");
  }

  // ---- search

  function search() {
    const q = query.value.trim().toLowerCase();
    matches = isMatch = null;
    at = -1;
    found.textContent = "";
    if (q) {
      const g = /^g?\s*(\d+)$/.exec(q), names = new Set();
      strings.forEach((s, i) => { if (s.toLowerCase().includes(q)) names.add(i); });
      isMatch = new Uint8Array(N);
      matches = [];
      const gs = new Set();
      for (let i = 0; i < N; i++) {
        if (!(g && sp.g[i] === Number(g[1]) || sp.fn[i] !== null && names.has(sp.fn[i]))) continue;
        isMatch[i] = 1;
        matches.push(i);
        gs.add(sp.g[i]);
      }
      matches.sort((a, b) => sp.from[a] - sp.from[b]);
      const where = windows.some((w) => w[0] <= T0 && w[1] >= T1) ? "" : " in exact windows";
      found.textContent = matches.length ? `${count(matches.length)} spans, ${count(gs.size)} goroutines${where}` : `none${where}`;
    }
    gs.find(matches ? [...new Set(matches.slice(0, 2000).map((i) => sp.g[i]))] : []);
    box.dataset.matches = matches ? matches.length : "";
    redraw();
  }
  function match(step) {
    if (!matches?.length) return;
    if (at < 0) { // from what is in view on
      at = matches.findIndex((i) => sp.to[i] > view[0]);
      if (step < 0 || at < 0) at = (Math.max(at, 0) + matches.length + Math.min(step, 0)) % matches.length;
    } else at = (at + step + matches.length) % matches.length;
    reveal(matches[at]);
    found.textContent = `${count(at + 1)} of ${count(matches.length)}`;
  }

  // ---- a stretch that is selected

  // within calls visit with each exact span of a stretch.
  function within(from, to, visit) {
    for (const l of lanes) for (let i = firstEnding(l, from); i < l.hi && sp.from[i] < to; i++) visit(i);
  }

  // select says what a stretch consists of; without one it forgets the last.
  function select(from, to) {
    const place = byId("tl-part");
    chosenPart = to > from ? [from, to] : null;
    place.hidden = !chosenPart;
    drawOverlay();
    if (!chosenPart) return;
    const time = new Float64Array(C), functions = new Map(), goroutines = new Set();
    let spans = 0, known = 0, stopped = 0, marking = 0;
    within(from, to, (i) => {
      const ns = Math.min(sp.to[i], to) - Math.max(sp.from[i], from);
      spans++;
      known += ns;
      time[spanClass[i]] += ns;
      if (sp.g[i] < 0) return;
      goroutines.add(sp.g[i]);
      if (sp.fn[i] !== null) functions.set(sp.fn[i], (functions.get(sp.fn[i]) ?? 0) + ns);
    });
    for (const b of bandRows) {
      const ns = Math.min(b.to, to) - Math.max(b.from, from);
      if (ns > 0) { if (b.gc) marking += ns; else stopped += ns; }
    }
    const exact = windows.reduce((sum, w) => sum + Math.max(Math.min(w[1], to) - Math.max(w[0], from), 0), 0) / (to - from);
    const share = (ns) => `${Number((100 * ns / Math.max(known, 1)).toPrecision(3))} %`;
    const rows = (list) => node("ul", "", ...list.map(([ns, name]) => node("li", `${share(ns)} ${name}, ${duration(ns, quantum)}`)));
    const button = (label, act) => { const b = node("button", label); b.type = "button"; b.addEventListener("click", act); return b; };
    place.replaceChildren(
      node("h3", `${duration(to - from, quantum)} from ${moment(from, (to - from) / 100)}: ${count(spans)} exact span${spans === 1 ? "" : "s"}, ${count(goroutines.size)} goroutine${goroutines.size === 1 ? "" : "s"}; GC cycles ${duration(marking, quantum)}, stops of the world ${duration(stopped, quantum)}`),
      node("p", exact > .9999 ? "" : `${(100 * exact).toPrecision(3)} % of it is exact; what follows is about that.`),
      node("div", "", rows([...time].map((ns, i) => [ns, classes[i]]).filter(([ns]) => ns > 0).sort((a, b) => b[0] - a[0])),
        rows([...functions].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([f, ns]) => [ns, strings[f]]))),
      node("p", "", button("Zoom to it", () => show(from, to)), " ", button("Its goroutines", () => gs.find(gs.about(from, to, -1))), " ", button("Clear", () => select())));
  }

  // ---- the view in words

  function viewTable() {
    const table = node("table"), head = node("tr", "", ...["P", ...data.states].map((s) => node("th", s)));
    const body = node("tbody");
    for (const l of lanes) {
      const time = new Float64Array(S);
      let sum = 0;
      const add = (s, v) => { if (v > 0) { time[s] += v; sum += v; } };
      for (let i = firstEnding(l, view[0]); i < l.hi && sp.from[i] < view[1]; i++) {
        if (isExact((sp.from[i] + sp.to[i]) / 2)) add(spanState[i], Math.min(sp.to[i], view[1]) - Math.max(sp.from[i], view[0]));
      }
      for (let r = 0; buckets && r < density.p.length; r++) {
        if (density.p[r] !== l.p) continue;
        const a = Math.max(density.at[density.row[r]], view[0]), b = Math.min(density.at[density.row[r]] + buckets.width, view[1]);
        if (b <= a) continue;
        const exact = windows.reduce((v, w) => v + Math.max(Math.min(w[1], b) - Math.max(w[0], a), 0), 0);
        for (let s = 0; s < S; s++) add(s, density.share[r * S + s] / 1000 * (b - a - exact));
      }
      body.append(node("tr", "", node("th", `P ${l.p}`), ...[...time].map((v) => node("td", sum ? `${Number((100 * v / sum).toPrecision(3))} %` : "–"))));
    }
    table.append(node("caption", "Share of the time in view, by state"), node("thead", "", head), body);
    byId("tl-table").querySelector("div").replaceChildren(node("div", "", table));
    byId("tl-table").querySelector("div > div").className = "scroll";
  }

  // ---- hands

  const pointers = new Map();
  const place = (e) => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    const [x, y] = place(e);
    pointers.set(e.pointerId, [x, y]);
    canvas.setPointerCapture(e.pointerId);
    canvas.focus({ preventScroll: true });
    drag = { x, y, now: x, view: [...view], moved: false, select: e.shiftKey || selecting };
    hideTip();
  });
  canvas.addEventListener("pointermove", (e) => {
    const [x, y] = place(e);
    cursor = x >= gutter ? T(x) : null;
    if (!pointers.has(e.pointerId)) {
      drawOverlay();
      hover = under(x, y);
      if (hover) showTip(hover, e.clientX, e.clientY); else hideTip();
      return;
    }
    const old = [...pointers.values()];
    pointers.set(e.pointerId, [x, y]);
    const now = [...pointers.values()];
    if (now.length === 2) {
      const spread = (p) => Math.max(Math.abs(p[0][0] - p[1][0]), 8), mid = (p) => (p[0][0] + p[1][0]) / 2;
      const t = T(mid(old)), width = clamp((view[1] - view[0]) * spread(old) / spread(now), smallest, T1 - T0);
      const begin = t - (mid(now) - gutter) / (W - gutter) * width;
      drag = null;
      show(clamp(begin, T0, T1 - width), clamp(begin, T0, T1 - width) + width);
      return;
    }
    if (!drag) return;
    if (Math.abs(x - drag.x) > 3 || Math.abs(y - drag.y) > 3) drag.moved = true;
    if (!drag.moved) return;
    canvas.classList.add("held");
    drag.now = x;
    if (drag.select) { drawOverlay(); return; }
    const d = (drag.x - x) / (W - gutter) * (drag.view[1] - drag.view[0]);
    const begin = clamp(drag.view[0] + d, T0, T1 - (drag.view[1] - drag.view[0]));
    show(begin, begin + drag.view[1] - drag.view[0]);
  });
  const release = (e) => {
    const was = pointers.delete(e.pointerId);
    canvas.classList.remove("held");
    if (!was || !drag) return;
    const d = drag;
    drag = null;
    if (e.type === "pointercancel") return;
    if (d.moved && d.select) { select(Math.max(T(Math.min(d.x, d.now)), T0), Math.min(T(Math.max(d.x, d.now)), T1)); return; }
    if (d.moved) return;
    const u = under(d.x, d.y);
    if (u?.mark !== undefined) { toMark(u.mark); return; }
    if (u?.lane !== undefined) lane = u.lane;
    choose(u?.span ?? u?.segment?.run ?? -1);
    if (e.pointerType !== "mouse" && u) showTip(u, e.clientX, e.clientY);
    settle();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { if (pointers.size) return; hideTip(); cursor = null; drawOverlay(); });
  canvas.addEventListener("dblclick", (e) => zoom(.4, place(e)[0]));
  canvas.addEventListener("wheel", (e) => {
    const across = e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
    const unit = e.deltaMode === 1 ? 20 : 1;
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey) {
      e.preventDefault();
      move(across * unit / (W - gutter) * (view[1] - view[0]));
    } else if (e.ctrlKey || e.metaKey || document.activeElement === canvas && scroll.scrollHeight <= scroll.clientHeight + 1) {
      e.preventDefault();
      zoom(Math.exp(clamp(e.deltaY * unit, -300, 300) * (e.ctrlKey ? .004 : .0016)), place(e)[0]);
    }
  }, { passive: false });

  let mapHeld = false;
  const toMap = (e) => {
    const r = map.getBoundingClientRect(), t = T0 + (e.clientX - r.left) / r.width * (T1 - T0), half = (view[1] - view[0]) / 2;
    const mid = clamp(t, T0 + half, T1 - half);
    show(mid - half, mid + half);
  };
  map.addEventListener("pointerdown", (e) => {
    mapHeld = true;
    map.setPointerCapture(e.pointerId);
    if (view[1] - view[0] >= T1 - T0) { const r = map.getBoundingClientRect(), t = T0 + (e.clientX - r.left) / r.width * (T1 - T0), w = (T1 - T0) / 20; show(t - w, t + w); }
    toMap(e);
  });
  map.addEventListener("pointermove", (e) => { if (mapHeld) toMap(e); });
  for (const end of ["pointerup", "pointercancel"]) map.addEventListener(end, () => { mapHeld = false; });

  const clearAll = () => { choose(-1); select(); gs.find([]); finding = -1; lane = -1; hideTip(); if (query.value) { query.value = ""; search(); } settle(); };
  const acts = {
    in: () => zoom(.5), out: () => zoom(2), left: () => pan(-.25), right: () => pan(.25), all: () => show(T0, T1),
    "finding-next": () => jump(1), "finding-back": () => jump(-1), "match-next": () => match(1), "match-back": () => match(-1),
    help: () => { const h = byId("tl-help"); h.hidden = !h.hidden; box.querySelector("[data-do=help]").ariaExpanded = String(!h.hidden); },
    select: () => { selecting = !selecting; box.querySelector("[data-do=select]").ariaPressed = String(selecting); },
    taller: () => { taller = taller >= 2.5 ? 1 : taller + .75; resize(); },
    full: () => { if (document.fullscreenElement) document.exitFullscreen(); else box.requestFullscreen?.(); },
    link: async () => {
      history.replaceState(null, "", here());
      try { await navigator.clipboard.writeText(location.href); status.textContent = "The link is copied."; } catch { status.textContent = "The link is in the address bar."; }
    },
  };
  for (const b of box.querySelectorAll("[data-do]")) b.addEventListener("click", () => acts[b.dataset.do]());
  byId("tl-search").addEventListener("submit", (e) => { e.preventDefault(); match(1); });
  query.addEventListener("input", search);
  query.addEventListener("keydown", (e) => { if (e.key === "Escape") { clearAll(); canvas.focus({ preventScroll: true }); } });

  function step(d) {
    if (lane < 0) lane = 0;
    const l = lanes[lane], mid = (view[0] + view[1]) / 2;
    let i = pick >= l.lo && pick < l.hi ? pick + d : firstEnding(l, mid);
    i = clamp(i, l.lo, l.hi - 1);
    if (i < l.lo) { status.textContent = `No exact span of P ${l.p}.`; return; }
    if (sp.from[i] < view[0] || sp.to[i] > view[1]) reveal(i); else choose(i);
    status.textContent = describe({ span: i }).filter(Boolean).join("; ") + ".";
  }
  const keys = {
    ArrowLeft: () => pan(-.1), ArrowRight: () => pan(.1), "+": () => zoom(.6), "=": () => zoom(.6), "-": () => zoom(1 / .6), 0: () => show(T0, T1),
    Home: () => move(T0 - view[0]), End: () => move(T1 - view[1]),
    ArrowUp: () => { lane = Math.max(lane - 1, 0); seeLane(); redraw(); settle(); },
    ArrowDown: () => { lane = Math.min(lane + 1, lanes.length - 1); seeLane(); redraw(); settle(); },
    ",": () => step(-1), ".": () => step(1),
    Enter: () => { if (pick >= 0) { const m = (sp.to[pick] - sp.from[pick]) * .5 + 500; show(sp.from[pick] - m, sp.to[pick] + m); } },
    w: () => zoom(.6), s: () => zoom(1 / .6), a: () => pan(-.1), d: () => pan(.1), t: acts.taller, f: acts.full, z: () => { if (chosenPart) show(...chosenPart); },
    "[": () => jump(-1), "]": () => jump(1), n: () => match(1), p: () => match(-1), "/": () => query.focus(), "?": acts.help, Escape: clearAll,
  };
  canvas.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(keys, e.key)) return;
    e.preventDefault();
    keys[e.key]();
  });
  document.addEventListener("keydown", (e) => { // from anywhere that takes no text
    if (e.ctrlKey || e.metaKey || e.altKey || e.target === canvas || /^(input|textarea|select)$/i.test(e.target.tagName)) return;
    if (!["/", "?", "[", "]", "n", "p"].includes(e.key)) return;
    e.preventDefault();
    byId("timeline").scrollIntoView();
    canvas.focus({ preventScroll: true });
    keys[e.key]();
  });

  // ---- begin

  byId("tl-color").addEventListener("change", (e) => { colorBy(e.target.value); restyle(); });

  const names = new Map();
  for (let i = 0; i < N; i++) if (sp.fn[i] !== null && spanState[i] !== stateId.get("idle")) names.set(sp.fn[i], (names.get(sp.fn[i]) ?? 0) + 1);
  byId("tl-names").replaceChildren(...[...names].sort((a, b) => b[1] - a[1]).slice(0, 200).map(([f]) => { const o = node("option"); o.value = strings[f]; return o; }));
  scroll.addEventListener("scroll", redraw);
  byId("tl-table").addEventListener("toggle", () => { if (byId("tl-table").open) viewTable(); });
  addEventListener("themechange", restyle);
  addEventListener("hashchange", () => {
    if (!restore()) return;
    finding = marks.findIndex((m) => m.from >= view[0] && m.to <= view[1] && (lane < 0 || m.p === lanes[lane].p));
    byId("timeline").scrollIntoView();
    canvas.focus({ preventScroll: true });
  });
  new ResizeObserver(resize).observe(box);
  restyle();
  resize();
  if (restore()) byId("timeline").scrollIntoView(); else show(T0, T1, true);
  box.dataset.ready = "yes";
}
