// The deals by state, the one that moved last first. Rows are kept and changed, so that focus and scrolling stay.

import { byId, el, say } from "./dom.js";
import { STATES, chosen, standing } from "./fold.js";
import { ago, amount, mood, names, number, time } from "./words.js";

/** So many rows are shown. */
const MOST_ROWS = 120;

export class List {
  /** `open` is called with a deal's id, `change` when something else is to be listed. */
  constructor(open, change) {
    this.open = open;
    this.states = new Set();
    this.sought = "";
    this.rows = new Map();
    this.chips = new Map(STATES.map((state) => [state, this.chip(state, change)]));
    byId("chips").append(...[...this.chips.values()].map(({ button }) => button));
    byId("find").addEventListener("input", ({ target }) => {
      this.sought = target.value.trim().toLowerCase();
      change();
    });
  }

  chip(state, change) {
    const figure = el("b", {}, "0");
    const toggle = () => {
      if (!this.states.delete(state)) this.states.add(state);
      button.setAttribute("aria-pressed", String(this.states.has(state)));
      change();
    };
    const button = el("button", { type: "button", "aria-pressed": "false", "data-state": state, onclick: toggle }, `${state} `, figure);
    return { button, figure };
  }

  seek(text) {
    this.sought = text;
    byId("find").value = text;
  }

  /** Shows the deals of a state; `now` is the moment that is shown. */
  show(state, { market, markets, now }) {
    const counts = standing(state, market);
    for (const [name, { button, figure }] of this.chips) {
      say(figure, number(counts[name]));
      // Ends that nothing came to are not worth a place.
      button.hidden = counts[name] === 0 && !this.states.has(name) && mood(name) === "bad";
    }
    const { found, all } = chosen(state, { market, states: this.states, sought: this.sought, most: MOST_ROWS });
    const list = byId("deals");
    const seen = new Set(found.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    let before = null;
    for (const deal of found) {
      const row = this.row(deal.id);
      this.tell(row, deal, markets.get(deal.market), now);
      const next = before === null ? list.firstChild : before.nextSibling;
      if (next !== row.item) list.insertBefore(row.item, next);
      before = row.item;
    }
    const rest = all - found.length;
    const forgotten = state.forgotten.deals > 0 ? `; ${number(state.forgotten.deals)} older ones are let go of` : "";
    say(byId("more"), all === 0 ? this.nothing(state) : rest > 0 || forgotten ? `and ${number(rest)} more${forgotten}` : "");
  }

  nothing(state) {
    return state.deals.size === 0 ? "No deal yet." : "No deal is like that at this moment.";
  }

  row(id) {
    const known = this.rows.get(id);
    if (known !== undefined) return known;
    const parts = { state: el("span"), who: el("span", { class: "who" }), ago: el("span", { class: "ago" }), what: el("span", { class: "what" }) };
    const button = el("button", { type: "button", "data-deal": id, onclick: () => this.open(id) }, parts.state, parts.who, parts.ago, parts.what);
    const row = { item: el("li", {}, button), button, ...parts };
    this.rows.set(id, row);
    return row;
  }

  tell(row, deal, market, now) {
    row.state.className = `state ${mood(deal.state)}`;
    say(row.state, deal.state);
    say(row.who, deal.parties.length > 0 ? names(deal.parties) : "began before this page's past");
    say(row.ago, deal.at > now - 86_400_000 ? `${ago(now - deal.at)} ago` : time(deal.at));
    const moved = deal.transfers.slice(0, 3).map(({ good, quantity }) => amount(quantity, good, market)).join(", ");
    const more = deal.transfers.length > 3 ? `, and ${deal.transfers.length - 3} more` : "";
    say(row.what, deal.reason !== undefined ? deal.reason : moved === "" ? "no terms yet" : moved + more);
  }

  /** The deal beside another one in the list. */
  beside(id, step) {
    const ids = [...byId("deals").querySelectorAll("button")].map((button) => button.dataset.deal);
    const at = ids.indexOf(id);
    return at < 0 ? ids[0] : ids[at + step];
  }
}
