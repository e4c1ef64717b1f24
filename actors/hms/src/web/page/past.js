// What was heard, in the order of the log, and what the bus looked like after any of it. Without a page or a network.

import { copy, empty, fold } from "./fold.js";

/** The most events that are kept to go back to; what is older is folded into where the past begins. */
export const MOST_EVENTS = 60_000;
/** Which part of them is let go of at once. */
const LET_GO = 1 / 10;

const WORD = /^[a-z_]{1,32}$/;
const TOKEN = /^[a-z0-9_-]{1,63}$/;
const DEAL = /^[a-z2-7]{26}$/;
const whole = (n) => Number.isSafeInteger(n) && n >= 0;
/** The last time that a date can be of is 8.64e15. */
const time = (ms) => whole(ms) && ms <= 8.64e15;
const many = (all, most) => Array.isArray(all) && all.length <= most;
const list = (all, isSound, most) => many(all, most) && all.every(isSound);
const token = (text) => typeof text === "string" && TOKEN.test(text);
const optional = (value, isSound) => value === undefined || isSound(value);
const moved = (one) => one !== null && typeof one === "object" && token(one.from) && token(one.to) && token(one.good) && Number.isInteger(one.quantity) && one.quantity > 0;

const isEvent = (one) => one !== null && typeof one === "object" && whole(one.sequence) && time(one.at_unix_ms) && whole(one.turn) &&
  typeof one.deal === "string" && DEAL.test(one.deal) && WORD.test(one.event) && WORD.test(one.state) && optional(one.by, token) &&
  optional(one.market, token) && optional(one.reason, (reason) => typeof reason === "string") &&
  list(one.parties ?? [], token, 64) && list(one.transfers ?? [], moved, 256);

const isOffer = (one) => one !== null && typeof one === "object" && time(one.at_unix_ms) && token(one.market) && token(one.agent) &&
  list(one.gives ?? [], token, 4096) && list(one.wants ?? [], token, 4096);

/** The digest that a decoded body is, with nothing else in it; undefined if it is none. Anybody may say anything: what is no
 * event or no offer is left out, so that one of them doesn't hide the others. */
export function soundDigest(body) {
  if (body === null || typeof body !== "object" || body.type !== "digest") return undefined;
  const { after, through, head, events, offers = [] } = body;
  if (![after, through, head].every(whole) || through < after) return undefined;
  if (!many(events, 1000) || !many(offers, 1000)) return undefined;
  return {
    after, through, head,
    events: events.filter(isEvent).map(({ sequence, at_unix_ms, deal, turn, event, state, by, market, parties = [], transfers = [], reason }) => ({
      sequence, at_unix_ms, deal, turn, event, state, by, market, parties, reason,
      transfers: transfers.map(({ from, to, good, quantity }) => ({ from, to, good, quantity })),
    })),
    offers: offers.filter(isOffer).map(({ at_unix_ms, market, agent, gives = [], wants = [] }) => ({ at_unix_ms, market, agent, gives, wants })),
  };
}

/** The log of deals as far as it was heard. */
export class Past {
  constructor(most = MOST_EVENTS) {
    this.most = most;
    this.events = [];
    /** When each event was: its own time, but never before the one before it. */
    this.times = [];
    /** The state before the first event that is kept. */
    this.base = empty();
    /** The state after the last one. */
    this.last = empty();
    /** Everything in the log to here was heard; undefined before anything was. */
    this.through = undefined;
    this.view = { index: 0, state: copy(this.base) };
  }

  /** Begins behind this place of the log. */
  beginBehind(sequence) {
    this.through ??= sequence;
  }

  /** Whether something between what was heard and this digest was not. */
  misses(digest) {
    return this.through !== undefined && digest.after > this.through;
  }

  /** Takes a digest; gives the events in it that are new. One that comes after a gap is not taken. */
  take(digest) {
    this.through ??= digest.after;
    if (this.misses(digest) || digest.through <= this.through) return [];
    const news = digest.events.filter((event) => event.sequence > this.through);
    for (const event of news) {
      this.events.push(event);
      this.times.push(Math.max(this.times.at(-1) ?? 0, event.at_unix_ms));
    }
    fold(this.last, news);
    this.through = digest.through;
    if (this.events.length > this.most) this.letGo(this.events.length - Math.floor(this.most * (1 - LET_GO)));
    return news;
  }

  letGo(many) {
    fold(this.base, this.events, 0, many);
    this.events.splice(0, many);
    this.times.splice(0, many);
    this.view = this.view.index >= many ? { ...this.view, index: this.view.index - many } : { index: 0, state: copy(this.base) };
  }

  /** The state after the first `index` events that are kept. It may be looked at until the next call. */
  after(index) {
    const wanted = Math.min(Math.max(index, 0), this.events.length);
    if (wanted === this.events.length) return this.last;
    if (wanted < this.view.index) this.view = { index: 0, state: copy(this.base) };
    fold(this.view.state, this.events, this.view.index, wanted);
    this.view.index = wanted;
    return this.view.state;
  }

  /** How many events there were by then. */
  indexAt(unixMs) {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= unixMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many events there were before and with this one of the log. */
  indexOf(sequence) {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle].sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How much happened in each of so many equal parts of a time: moves, good ends and bad ones. */
  histogram(from, to, parts) {
    const bars = Array.from({ length: parts }, () => ({ moves: 0, good: 0, bad: 0 }));
    const wide = Math.max(to - from, 1) / parts;
    for (let index = this.indexAt(from - 1); index < this.events.length; index += 1) {
      const bar = bars[Math.min(Math.floor((this.times[index] - from) / wide), parts - 1)];
      const { state, event } = this.events[index];
      if (bar === undefined) continue;
      if (event === "settled") bar.good += 1;
      else if (["rejected", "withdrawn", "expired", "refused", "failed", "compensated"].includes(state)) bar.bad += 1;
      else bar.moves += 1;
    }
    return bars;
  }
}
