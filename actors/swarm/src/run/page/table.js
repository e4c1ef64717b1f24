// Tables that sort by any column, filter, and begin short.

const collator = new Intl.Collator("en", { numeric: true });

/**
 * A table in `host`. A column has a `name`, `of(row)`, which it sorts by, and perhaps `show(row)`, what stands there; one
 * that `isNumber` stands right and sorts the largest first. `sort` is the index of the column to begin with.
 */
function table(host, { caption, columns, rows, sort = 0, ascending = !columns[sort].isNumber, first = 12, find }) {
  const state = { sort, ascending, shown: first, filter: "" };
  const body = el("tbody");
  const heads = columns.map((column, index) => el(
    "th", { scope: "col", class: column.isNumber && "n" },
    el("button", { type: "button", onclick: () => sortBy(index) }, column.name),
  ));
  const note = el("span");
  const more = el("button", { type: "button", onclick: () => { state.shown = Infinity; draw(); } }, "Show all");
  const fewer = el("button", { type: "button", onclick: () => { state.shown = first; draw(); } }, "Show fewer");

  function sortBy(index) {
    state.ascending = state.sort === index ? !state.ascending : !columns[index].isNumber;
    state.sort = index;
    draw();
  }

  function draw() {
    const column = columns[state.sort];
    const sign = state.ascending ? 1 : -1;
    const compare = (a, b) => (column.isNumber ? a - b : collator.compare(a, b));
    const wanted = rows.filter((row) => !state.filter || find(row).toLowerCase().includes(state.filter));
    const keyed = wanted.map((row) => [column.of(row), row]);
    // What has no value comes last, whichever way.
    keyed.sort(([a], [b]) => (a === undefined) - (b === undefined) || (a === undefined ? 0 : sign * compare(a, b)));
    const shown = keyed.slice(0, state.shown);
    body.replaceChildren(...shown.map(([, row]) => el("tr", {}, columns.map((each) => el(
      "td", { class: [each.isNumber ? "n" : "", each.class ?? ""].join(" ").trim() || false },
      each.show ? each.show(row) : each.of(row) === undefined ? "–" : String(each.of(row)),
    )))));
    heads.forEach((head, index) => {
      if (index === state.sort) head.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    const rest = keyed.length - shown.length;
    note.textContent = rest > 0 ? `${whole.format(shown.length)} of ${whole.format(keyed.length)} shown` : "";
    more.hidden = rest === 0;
    fewer.hidden = state.shown === first || keyed.length <= first;
  }

  const filter = find && rows.length > first && el("label", { class: "filter" }, "Filter",
    el("input", { type: "search", oninput: (event) => { state.filter = event.target.value.toLowerCase(); draw(); } }));
  draw();
  document.getElementById(host).replaceChildren(
    ...[filter].filter(Boolean),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body)),
    el("div", { class: "more-rows" }, note, more, fewer),
  );
}

/** An agent's name, which shows it on the map. */
function named(name) {
  return el("button", { type: "button", class: "name", onclick: () => choose(name, true) }, titled(name));
}

/** A length beside a number. */
function bar(part, most) {
  return el("span", { class: "bar", style: `width:${most > 0 ? Math.max(0, (part / most) * 6).toFixed(2) : 0}rem`, "aria-hidden": "true" });
}
