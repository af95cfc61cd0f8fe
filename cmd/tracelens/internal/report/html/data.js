"use strict";

// What is embedded for the timeline: gzip in base64. Texts are indexes into strings.
async function unpack(text) {
  const packed = await (await decoded(text)).json();
  const columns = (table) => {
    const out = {};
    const { from, to } = table ?? {};
    if (from?.unit === "gap") {
      for (let i = 0, t = 0; i < from.values.length; i++) {
        from.values[i] += t;
        to.values[i] = t = from.values[i] + to.values[i];
      }
    }
    for (const [name, { unit, values }] of Object.entries(table ?? {})) {
      out[name] = values;
      if (unit !== "moment") continue;
      for (let i = 0, t = 0; i < values.length; i++) {
        if (values[i] !== null) values[i] = t += values[i];
      }
    }
    return out;
  };
  const bands = columns(packed.bands);
  return { ...packed, spans: columns(packed.spans), bands };
}

function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

// As the rest of the report writes them: three digits, and never finer than the clock.
function duration(ns, quantum) {
  if (ns === 0) return "0";
  if (quantum > 1 && Math.abs(ns) < quantum) return `<${quantum} ns`;
  let v = ns, i = 0;
  const units = ["ns", "µs", "ms", "s"];
  while (i < 3 && Math.abs(Number(v.toPrecision(3))) >= 1000) { v /= 1000; i++; }
  return `${Number(v.toPrecision(3))} ${units[i]}`;
}

// A time since the start, fine enough for steps of so many ns.
function moment(ns, step) {
  const [unit, size] = Math.abs(ns) >= 1e9 ? ["s", 1e9] : ["ms", 1e6];
  const digits = Math.min(Math.max(Math.ceil(Math.log10(size / Math.max(step, 1))), 0), 9);
  return `${(ns / size).toFixed(digits)} ${unit}`;
}

function count(n) { return n.toLocaleString("en-US"); }

// A node with text, which is never read as markup.
function node(name, text, ...children) {
  const n = document.createElement(name);
  if (text) n.textContent = text;
  n.append(...children);
  return n;
}
