"use strict";

// Colours: as the system has them, or as chosen.
{
  const root = document.documentElement, button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = dark() ? "Light" : "Dark";
    dispatchEvent(new Event("themechange"));
  };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; show(); });
  system.addEventListener("change", show);
  show();

  // On paper: light, and what matters: the style leaves out the rest. The gravest findings
  // are open.
  let before, opened = [];
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    opened = [...document.querySelectorAll("#findings > details:not([open])")].slice(0, 3);
    for (const d of opened) d.open = true;
    show();
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    for (const d of opened) d.open = false;
    show();
  });
}

// Tables sort by the column whose head is pressed.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, i) => {
    const button = node("button", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("num");
      const down = head.ariaSort ? head.ariaSort === "ascending" : numeric;
      for (const h of heads) h.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[i];
        return numeric ? Number(cell.dataset.sort ?? cell.textContent.replaceAll(",", "")) : cell.textContent;
      };
      const sign = down ? -1 : 1, body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: key(row) }));
      rows.sort((a, b) => sign * (numeric ? (a.key > b.key) - (a.key < b.key) : a.key.localeCompare(b.key)));
      body.append(...rows.map((r) => r.row));
    });
  });
}

for (const input of document.querySelectorAll("input[data-filter]")) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of document.getElementById(input.dataset.filter).tBodies[0].rows) {
      row.hidden = !words.every((w) => row.textContent.toLowerCase().includes(w));
    }
  });
}

// A link into a part that is folded away opens it.
function unfold() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && !id.includes("=") && document.getElementById(id);
  for (let d = target && (target.closest("details")); d; d = d.parentElement.closest("details")) d.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

{
  const place = document.getElementById("rq-data");
  if (place) {
    decoded(JSON.parse(place.textContent)).json()
      .then((data) => requests(data))
      .catch((err) => { document.getElementById("rq").textContent = `The requests cannot be shown: ${err.message}`; });
  }
}

{
  const place = document.getElementById("tl-data");
  if (place) {
    unpack(JSON.parse(place.textContent))
      .then((data) => timeline(data))
      .catch((err) => { document.getElementById("tl-status").textContent = `The timeline cannot be shown: ${err.message}`; });
  }
}

if (document.getElementById("tl")) charts();
