"use strict";

// Lanes of single goroutines below those of the Ps: what is known of each from its runs,
// in the parts of the trace whose spans are exact. tl is what the timeline shares.
function goroutineLanes(tl) {
  const { sp, perG, text, label, site } = tl;
  const laneH = 20, titleH = 20, most = 12;
  const list = document.getElementById("tl-gs");
  const pinned = new Set(), known = new Map();
  let found = [], shown = [];

  // of is what a goroutine did, in order: running, runnable and waiting, and the run that
  // tells of it.
  function of(g) {
    if (known.has(g)) return known.get(g);
    const out = [];
    let end = -Infinity;
    const add = (kind, from, to, run) => { from = Math.max(from, end); if (to > from) { out.push({ kind, from, to, run }); end = to; } };
    for (const i of perG.get(g) ?? []) {
      const ready = sp.wait[i] === null || sp.wait[i] === undefined ? sp.from[i] : sp.from[i] - sp.wait[i], slept = tl.cell("blocked for", i);
      if (slept !== null) add("waiting", ready - slept, ready, i);
      add("runnable", ready, sp.from[i], i);
      add("running", sp.from[i], sp.to[i], i);
    }
    known.set(g, out);
    return out;
  }
  const name = (g) => { const i = perG.get(g)?.[0]; return `G ${g}${i === undefined ? "" : ` ${text(sp.fn[i])}`}`; };

  function update() {
    shown = [...new Set([...pinned, ...found])].filter((g) => perG.has(g)).slice(0, most);
    list.hidden = !shown.length;
    list.replaceChildren(...shown.map((g) => {
      const pin = node("button", `${pinned.has(g) ? "Unpin" : "Pin"} ${name(g)}`);
      pin.type = "button";
      pin.addEventListener("click", () => toggle(g));
      return pin;
    }));
    tl.resize();
  }
  function toggle(g) {
    if (!pinned.delete(g)) pinned.add(g);
    update();
  }

  // about finds the goroutines that have to do with a stretch: its own, who woke it, and
  // those that ran most then.
  function about(from, to, g) {
    const ran = new Map(), out = [];
    const add = (id) => { if (id !== null && id >= 0 && !out.includes(id) && perG.has(id)) out.push(id); };
    add(g);
    tl.within(from, to, (i) => {
      if (sp.g[i] < 0) return;
      ran.set(sp.g[i], (ran.get(sp.g[i]) ?? 0) + Math.min(sp.to[i], to) - Math.max(sp.from[i], from));
      if (sp.g[i] === g) add(sp.waker[i]);
    });
    for (const [id] of [...ran].sort((a, b) => b[1] - a[1] || a[0] - b[0])) if (out.length < 8) add(id);
    return out;
  }

  function draw(ctx, top, gutter, W, theme) {
    if (!shown.length) return;
    ctx.font = "11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.weak;
    ctx.fillText("Goroutines", gutter + 4, top + titleH / 2);
    const [begin, end] = tl.view();
    shown.forEach((g, k) => {
      const y = top + titleH + k * laneH, h = laneH - 4;
      ctx.fillStyle = theme.soft;
      ctx.fillRect(gutter, y, W - gutter, h);
      let last = -1;
      for (const s of of(g)) {
        if (s.to < begin || s.from > end) continue;
        const a = Math.max(tl.X(s.from), gutter), b = Math.min(tl.X(s.to), W);
        if (b - a < .3 && Math.floor(a) === last) continue; // one of many in a pixel
        last = Math.floor(a);
        ctx.fillStyle = s.kind === "running" ? tl.color(s.run) : theme[s.kind];
        const thin = s.kind === "waiting" ? h / 3 : 0;
        ctx.fillRect(a, y + thin, Math.max(b - a, .3), h - 2 * thin);
        if (s.kind === "running" && b - a > 34) label(ctx, text(sp.fn[s.run]), a, b, y + h / 2, s.run);
      }
      ctx.fillStyle = theme.back;
      ctx.fillRect(0, y, gutter, h);
      ctx.fillStyle = pinned.has(g) ? theme.accent : theme.weak;
      ctx.textAlign = "right";
      ctx.fillText(`G ${g}`, gutter - 4, y + h / 2, gutter - 6);
      ctx.textAlign = "left";
    });
  }

  function under(y, t) {
    const g = shown[Math.floor((y - titleH) / laneH)];
    if (g === undefined || y < titleH) return null;
    const s = of(g).find((s) => s.from <= t && s.to > t);
    return s ? { segment: s, g } : { g };
  }
  function describe({ segment: s, g }) {
    if (!s) return [name(g), "nothing is known here"];
    const i = s.run, how = { running: `running on P ${sp.P[i]}`, runnable: "waiting for a P", waiting: `blocked on ${text(tl.cell("blocked on", i)) || "something"}` };
    return [name(g), `${how[s.kind]} for ${duration(s.to - s.from, tl.quantum)} from ${moment(s.from, 100)}`,
      s.kind === "waiting" ? [site("blocked at", i), site("readied at", i) && `readied at ${site("readied at", i)}${sp.waker[i] >= 0 ? ` by G ${sp.waker[i]}` : ""}`].filter(Boolean).join("; ") : ""];
  }

  return {
    toggle, about, draw, under, describe, pinned,
    find(gs) { found = gs.slice(0, most); update(); },
    height: () => (shown.length ? titleH + shown.length * laneH + 4 : 0),
  };
}
