// One deal's life, event by event: who moved, what it changed, and whether it holds.

import { byId, el } from "./dom.js";
import { amount, count, mood, names, time, titled } from "./words.js";

/** A body is shown to so many characters: a certificate may have a million. */
const MOST_SHOWN = 60_000;

/** Who writes what no party moved. */
const WRITERS = { certified: "the desk", expired: "the desk", failed: "the desk", committed: "the ledger", compensated: "the ledger" };

export class DealView {
  /** `go` is called with the sequence of an event that is to be the moment shown, `close` when the deal is closed. */
  constructor({ go, close }) {
    this.go = go;
    this.close = close;
    this.id = undefined;
    this.asked = 0;
    this.drawn = "";
  }

  get isOpen() {
    return this.id !== undefined;
  }

  async open(id) {
    this.id = id;
    this.life = undefined;
    this.drawn = "";
    byId("overview").hidden = true;
    byId("deal").hidden = false;
    byId("deal").replaceChildren(this.head(undefined, undefined), el("p", { class: "quiet", id: "deal-wait" }, "reading its log"));
    await this.read();
    byId("deal").querySelector("button")?.focus({ preventScroll: true });
  }

  shut() {
    this.id = undefined;
    this.life = undefined;
    byId("deal").hidden = true;
    byId("overview").hidden = false;
  }

  /** Reads the deal's log anew, as when something happened to it. */
  async read() {
    this.asked += 1;
    const [asked, id] = [this.asked, this.id];
    let life;
    let trouble;
    try {
      const answer = await fetch(`/deals/${id}`);
      if (answer.ok) life = await answer.json();
      else trouble = await answer.text();
    } catch {
      trouble = "the page's server does not answer; it is asked again";
    }
    // Another deal was opened meanwhile, or this one was asked for again.
    if (asked !== this.asked || id !== this.id) return;
    if (life !== undefined) [this.life, this.drawn] = [life, ""];
    if (this.life === undefined) byId("deal").replaceChildren(this.head(undefined, undefined), el("p", { class: "quiet", id: "deal-wait" }, trouble));
    this.onread?.();
  }

  /** Shows the deal as it stands in a state, `shown` being the last sequence that had happened. */
  show(deal, market, shown) {
    if (this.life === undefined) return;
    const happened = this.life.events.filter(({ sequence }) => sequence <= shown);
    const here = happened.at(-1)?.sequence;
    // What is drawn already stays, with what is marked or opened in it.
    const key = `${this.id} ${here} ${deal?.state} ${market !== undefined}`;
    if (this.drawn === key) return;
    const opened = new Set([...byId("deal").querySelectorAll("details[open]")].map((one) => one.dataset.sequence));
    const scrolled = byId("deal").querySelector(".life")?.scrollTop ?? 0;
    const focused = document.activeElement?.dataset?.sequence;
    let before;
    const items = this.life.events.map((event) => {
      const item = this.event(event, before, { isAhead: event.sequence > shown, isHere: event.sequence === here, isOpened: opened.has(String(event.sequence)) });
      before = event.state ?? before;
      return item;
    });
    const life = el("ol", { class: "life", "aria-label": "What happened, event by event" }, items);
    byId("deal").replaceChildren(this.head(deal, market), life);
    life.scrollTop = scrolled;
    if (focused !== undefined) life.querySelector(`button[data-sequence="${focused}"]`)?.focus({ preventScroll: true });
    const current = life.querySelector(".here");
    if (current !== null) {
      const isHidden = current.offsetTop < life.scrollTop || current.offsetTop + current.offsetHeight > life.scrollTop + life.clientHeight;
      if (isHidden) life.scrollTop = current.offsetTop - life.clientHeight / 3;
    }
    this.drawn = key;
  }

  head(deal, market) {
    const back = el("button", { type: "button", title: "Close (Esc)", onclick: () => this.close() }, "← deals");
    const state = deal === undefined ? undefined : el("span", { class: `state ${mood(deal.state)}` }, deal.state);
    const title = deal === undefined || deal.parties.length === 0 ? "A deal" : names(deal.parties, 4);
    const transfers = (deal?.transfers ?? []).map(({ from, to, good, quantity }) => el("li", {},
      el("span", { class: "way" }, `${titled(from)} → ${titled(to)}`), el("b", {}, amount(quantity, good, market))));
    return el("div", { class: "head" }, el("div", { class: "row" }, back, state), el("h2", {}, title), el("p", { class: "id" }, this.id ?? ""),
      this.verdict(), transfers.length > 0 ? el("ul", { class: "terms", "aria-label": "What changes hands" }, transfers) : undefined);
  }

  verdict() {
    const verdict = this.life?.verdict;
    if (verdict === undefined) return undefined;
    if (!verdict.holds) return el("p", { class: "verdict bad" }, `Does not hold: ${verdict.fault}`);
    const claims = verdict.claims > 0 ? `, ${count(verdict.claims, "claim")}` : "";
    return el("p", { class: "verdict" }, `Holds: ${count(verdict.signatures, "signature")} checked${claims}, every move decided again`);
  }

  event(event, before, { isAhead, isHere, isOpened }) {
    const classes = [event.mood ?? "bad", isAhead ? "ahead" : "", isHere ? "here" : ""].join(" ").trim();
    const who = event.by ? titled(event.by) : event.fault ? "" : WRITERS[event.event] ?? "desk or ledger";
    const change = event.state === undefined || event.state === before ? undefined
      : el("span", { class: "change" }, before === undefined ? "" : `${before} → `, el("b", {}, event.state));
    const step = el("button", { type: "button", class: "step", "data-sequence": event.sequence, "aria-current": isHere ? "step" : undefined, onclick: () => this.go(event.sequence) },
      el("span", { class: "when-who" }, el("span", {}, event.at_unix_ms === undefined ? "" : time(event.at_unix_ms, true)), el("span", {}, who)),
      el("span", { class: "text" }, event.fault ? `Counts for nothing: ${event.fault}` : event.text ?? event.event), change);
    const body = el("pre");
    const details = el("details", { "data-sequence": event.sequence, open: isOpened }, el("summary", {}, `its entry, ${count(event.bytes, "byte")}`), body);
    const fill = () => {
      if (!details.open || body.textContent !== "") return;
      const text = JSON.stringify(event.body, null, 2);
      body.textContent = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}\n… ${count(text.length - MOST_SHOWN, "more character")}; hms deal log ${this.id} --json` : text;
    };
    details.addEventListener("toggle", fill);
    fill();
    return el("li", { class: classes }, step, details);
  }

  /** The sequence of the event beside the moment that is shown. */
  beside(shown, step) {
    const all = this.life?.events.map(({ sequence }) => sequence) ?? [];
    const past = all.filter((sequence) => sequence <= shown);
    return step > 0 ? all[past.length] : past.length > 1 ? past.at(-2) : undefined;
  }
}
