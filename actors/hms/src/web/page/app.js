// The page: what is heard goes into the past, what is chosen says which moment and what of it, and that is drawn.
//
// Drawing is put off until enough happened to be worth it: it takes a few hundredths of the time at most, however much
// happens, so that looking on costs those little who are looked at.

import { Bus } from "./bus.js";
import { Clock } from "./clock.js";
import { DealView } from "./deal.js";
import { byId, el, say } from "./dom.js";
import { standing } from "./fold.js";
import { layout, members, scene } from "./layout.js";
import { List } from "./list.js";
import { Network } from "./network.js";
import { Past } from "./past.js";
import { count, number, titled } from "./words.js";

/** What happens is drawn at most this often, and so much less often as drawing takes. */
const LEAST_PAUSE_MS = 250;
const SHARE_OF_TIME = 40;
const MOST_OFFERS = 20_000;
const MOST_MARKETS = 1_000;
/** The whole past is played in this time, or as it happened where that was shorter. */
const PLAY_MS = 60_000;
const FRAME_MS = 200;
const RATE_OVER_MS = 5_000;
/** Deals run along their arcs where a digest tells of no more than so many events: an eye can follow that. */
const FEW_EVENTS = 16;

const past = new Past();
const offers = new Map();
const markets = new Map();
/** Which moment is shown: after so many events, `moment` in Unix milliseconds; or what happens now. */
const shown = { isLive: true, index: 0, moment: 0, isPlaying: false };
let market;
let picked;
let places;
let laidOut = {};
let status = ["wait", "connecting"];
let due;
let cost = 0;

const network = new Network((name) => pick(name));
const list = new List((id) => openDeal(id), () => { pickSought(); draw(); });
const deal = new DealView({ go: (sequence) => goTo(past.indexOf(sequence)), close: () => closeDeal() });
const clock = new Clock({ seek: (unixMs, isEnd) => (isEnd ? follow() : goTo(past.indexAt(unixMs), unixMs)) });
deal.onread = () => draw();

/** Draws at once. */
function draw() {
  clearTimeout(due);
  due = undefined;
  requestAnimationFrame(render);
}

/** Draws when it is time to. */
function drawLater() {
  due ??= setTimeout(draw, Math.max(LEAST_PAUSE_MS, cost * SHARE_OF_TIME));
}

function render() {
  if (document.hidden) return;
  const begin = performance.now();
  const state = shown.isLive ? past.last : past.after(shown.index);
  const end = Math.max(past.times.at(-1) ?? 0, Date.now());
  if (shown.isLive) [shown.index, shown.moment] = [past.events.length, end];
  const now = shown.moment;
  const sequence = state.sequence;
  const standingOffers = [...offers.values()].filter((offer) => offer.at_unix_ms <= now);
  const present = members(state, standingOffers, market, markets);
  layOut(state, present);
  const known = deal.isOpen ? state.deals.get(deal.id) : undefined;
  network.palette = palette(present);
  network.paint(scene(present, places, { picked, deal: deal.isOpen ? known : undefined, now }), (name) => describe(name, present));
  const nothing = present.agents.size > 0 ? "" : past.through === undefined ? "Reading what was" : "Nobody is here yet. Agents appear as they make an offer, or a deal.";
  byId("nothing").hidden = nothing === "";
  say(byId("nothing"), nothing);
  legend(present);
  list.show(state, { market, markets, now });
  portrait(present);
  deal.show(known, markets.get(known?.market), sequence);
  figures(state, present);
  const from = past.times[0] ?? end - 1;
  clock.show(past, { from, to: shown.isLive ? end : Math.max(past.times.at(-1) ?? end, from + 1), moment: now, isLive: shown.isLive, is: network.is });
  const rate = (past.events.length - past.indexAt(end - RATE_OVER_MS)) / (RATE_OVER_MS / 1000);
  clock.tell({ moment: now, isLive: shown.isLive, rate, first: past.times[0] });
  controls();
  Object.assign(document.documentElement.dataset, { drawn: "yes", events: past.events.length, shown: shown.index, sequence });
  cost = performance.now() - begin;
}

/** Gives everybody a place, where somebody is new or partners were found. Earlier moments have the places of now. */
function layOut(state, present) {
  const all = shown.isLive ? present : members(past.last, offers.values(), market, markets);
  const is = { market, agents: all.agents.size, arcs: all.arcs.length };
  const hasNews = laidOut.market !== is.market || laidOut.agents !== is.agents || is.arcs >= 2 * laidOut.arcs + 1;
  if (places !== undefined && !hasNews) return;
  places = layout([...all.agents.values()], all.arcs);
  laidOut = is;
}

/** The goods that have a colour of their own, the first few of the market's. */
function palette({ arcs }) {
  const declared = market === undefined ? [...markets.values()].flatMap(({ goods }) => [...goods.keys()]) : [...(markets.get(market)?.goods.keys() ?? [])];
  const used = arcs.map(({ good }) => good).sort();
  return new Map([...new Set([...declared, ...used])].map((good, index) => [good, index]));
}

function legend({ arcs }) {
  const used = [...new Set(arcs.map(({ good }) => good))];
  const order = [...network.palette.keys()].filter((good) => used.includes(good));
  const key = order.join(" ") + document.documentElement.dataset.theme + matchMedia("(prefers-color-scheme: dark)").matches;
  const element = byId("legend");
  if (element.dataset.key !== key) {
    element.dataset.key = key;
    const line = (good, name) => {
      const mark = el("i");
      mark.style.color = network.ink(good);
      return el("li", {}, mark, el("span", {}, name));
    };
    const own = order.slice(0, network.inks.length);
    const rest = order.length - own.length;
    element.replaceChildren(...own.map((good) => line(good, good)), ...(rest > 0 ? [line(undefined, count(rest, "more good"))] : []));
  }
  const arc = places.isFew ? "An arc goes from who gives to who receives, as wide as its worth" : "Agents stand with those who mostly give the same good, and arcs sum up what they give each other";
  say(byId("caption"), arcs.length === 0 ? "" : `${arc}; a dot grows with its agent's deals, and a hollow one made none yet.`);
}

function figures(state, present) {
  const counts = standing(state, market);
  const alive = ["open", "negotiating", "agreed", "certified", "committed"].reduce((sum, name) => sum + counts[name], 0);
  const bad = ["rejected", "withdrawn", "expired", "refused", "failed", "compensated"].reduce((sum, name) => sum + counts[name], 0);
  const all = [["agents", number(present.agents.size)], ["under way", number(alive)], ["settled", number(counts.settled)], ["came to nothing", number(bad)]];
  const unit = markets.get(market)?.unit;
  const prices = [...(markets.get(market)?.goods.values() ?? [])];
  if (unit !== undefined && prices.length > 0 && prices.every(({ price }) => price !== undefined)) {
    const sum = present.arcs.reduce((total, { weight }) => total + weight, 0);
    all.push([`${unit}, changed hands`, number(Math.round(sum))]);
  }
  const element = byId("figures");
  if (element.children.length !== all.length) element.replaceChildren(...all.map(() => el("div", {}, el("dt"), el("dd"))));
  all.forEach(([name, figure], index) => {
    const [term, value] = element.children[index].children;
    say(term, name);
    say(value, figure);
    value.dataset.figure = name;
  });
}

/** An agent in a line or two, for whoever points at it. */
function describe(name, { agents }) {
  const agent = agents.get(name);
  if (agent === undefined) return titled(name);
  const lines = [titled(name), agent.deals === 0 ? "no deal yet" : count(agent.deals, "deal")];
  const wishes = [...offers.values()].filter((offer) => offer.agent === name && (market === undefined || offer.market === market));
  for (const { gives, wants } of wishes.slice(0, 2)) {
    if (gives.length + wants.length > 0) lines.push(`offers ${gives.slice(0, 4).join(", ") || "nothing"} for ${wants.slice(0, 4).join(", ") || "nothing"}`);
  }
  return lines.join("\n");
}

/** The agent that is looked at, in words. */
function portrait({ agents, arcs }) {
  const element = byId("agent");
  element.hidden = picked === undefined;
  if (picked === undefined) return;
  const agent = agents.get(picked);
  const said = (which, other) => {
    const own = arcs.filter((arc) => arc[which] === picked).sort((a, b) => b.weight - a.weight);
    if (own.length === 0) return "nothing yet";
    return own.slice(0, 5).map((arc) => `${titled(arc[other])} (${arc.good})`).join(", ") + (own.length > 5 ? ` and ${own.length - 5} more` : "");
  };
  const facts = agent === undefined ? [["Here", "not at this moment"]] : [["Deals", number(agent.deals)], ["Gave to", said("from", "to")], ["Received from", said("to", "from")]];
  const key = JSON.stringify([picked, facts]);
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(el("h2", {}, titled(picked)), el("dl", {}, facts.map(([name, fact]) => [el("dt", {}, name), el("dd", {}, fact)])));
}

function controls() {
  const [kind, text] = shown.isLive || status[0] === "away" ? status : ["past", shown.isPlaying ? "playing the past" : "stopped in the past"];
  byId("status").dataset.state = kind;
  say(byId("status-text"), text);
  say(byId("play"), shown.isLive || shown.isPlaying ? "Pause" : "Play");
  byId("play").setAttribute("aria-pressed", String(!shown.isLive && !shown.isPlaying));
  byId("now").setAttribute("aria-pressed", String(shown.isLive));
  byId("back").disabled = shown.index === 0;
  byId("forth").disabled = shown.isLive || shown.index >= past.events.length;
}

// --- what is chosen ---

function follow() {
  Object.assign(shown, { isLive: true, isPlaying: false });
  draw();
}

/** Shows the moment after so many events. */
function goTo(index, unixMs) {
  const at = Math.min(Math.max(index, 0), past.events.length);
  Object.assign(shown, { isLive: false, isPlaying: false, index: at, moment: unixMs ?? past.times[at - 1] ?? past.times[0] ?? Date.now() });
  draw();
}

/** One event back or forth; in a deal, one of its own. */
function step(by) {
  if (deal.isOpen) {
    const sequence = deal.beside(past.after(shown.index).sequence, by);
    if (sequence !== undefined) goTo(past.indexOf(sequence));
    return;
  }
  goTo((shown.isLive ? past.events.length : shown.index) + by);
}

function playOrPause() {
  if (shown.isLive) goTo(past.events.length);
  else Object.assign(shown, { isPlaying: !shown.isPlaying });
  if (shown.isPlaying) play();
  draw();
}

function play() {
  const whole = (past.times.at(-1) ?? 0) - (past.times[0] ?? 0);
  const pace = Math.max(1, whole / PLAY_MS);
  const frame = () => {
    if (!shown.isPlaying) return;
    shown.moment += FRAME_MS * pace;
    shown.index = past.indexAt(shown.moment);
    if (shown.index >= past.events.length) follow();
    else draw();
    setTimeout(frame, FRAME_MS);
  };
  setTimeout(frame, FRAME_MS);
}

function pick(name) {
  picked = name === picked ? undefined : name;
  list.seek(picked ?? "");
  draw();
}

/** Whoever writes an agent's whole name means that agent. */
function pickSought() {
  picked = past.last.agents.has(list.sought) || [...offers.values()].some(({ agent }) => agent === list.sought) ? list.sought : undefined;
}

async function openDeal(id) {
  history.replaceState(null, "", `#${id}`);
  await deal.open(id);
  draw();
}

function closeDeal() {
  const { id } = deal;
  history.replaceState(null, "", "#");
  deal.shut();
  draw();
  document.querySelector(`#deals button[data-deal="${id}"]`)?.focus({ preventScroll: true });
}

function besideDeal(by) {
  const { id } = deal;
  const next = list.beside(id, by);
  if (next !== undefined) openDeal(next);
}

// --- what is heard ---

function price(text) {
  const [over, under = "1"] = String(text).split("/");
  const is = Number(over) / Number(under);
  return Number.isFinite(is) ? is : undefined;
}

function declared(all) {
  for (const { market: id, unit_of_account: unit, goods } of all.slice(0, MOST_MARKETS)) {
    markets.set(id, { unit, goods: new Map(goods.map((good) => [good.good, { unit: good.unit, price: good.reference_price === undefined ? undefined : price(good.reference_price) }])) });
  }
  const select = byId("market");
  const ids = [...markets.keys()].sort();
  if (select.dataset.ids === ids.join(" ")) return;
  const isFirst = select.dataset.ids === undefined;
  select.dataset.ids = ids.join(" ");
  select.replaceChildren(el("option", { value: "" }, ids.length === 0 ? "No market yet" : "All markets"), ...ids.map((id) => el("option", { value: id }, titled(id))));
  if (isFirst && ids.length > 0) market = ids.length === 1 ? ids[0] : undefined;
  else if (market === undefined && ids.length === 1) [market] = ids;
  select.value = market ?? "";
}

let isAskingMarkets = false;

/** A market that is not known yet is asked for, once at a time. */
async function learn(id) {
  if (id === undefined || markets.has(id) || isAskingMarkets) return;
  isAskingMarkets = true;
  try {
    await bus.markets();
  } catch {
    // It is asked for again with the next event.
  }
  setTimeout(() => { isAskingMarkets = false; }, 2_000);
}

const bus = new Bus(past, {
  status: (kind, text) => {
    status = [kind, text];
    drawLater();
  },
  digest: (events) => {
    for (const event of events) learn(event.market);
    if (shown.isLive && places !== undefined && !deal.isOpen && picked === undefined && events.length <= FEW_EVENTS) {
      const committed = events.filter(({ event, transfers }) => event === "committed" && transfers.length > 0);
      network.run(committed.filter(({ market: of }) => market === undefined || of === market).flatMap(({ transfers }) => transfers), places);
    }
    if (deal.isOpen && events.some(({ deal: id }) => id === deal.id)) deal.read();
    drawLater();
  },
  offers: (all) => {
    for (const offer of all) {
      const key = `${offer.market} ${offer.agent}`;
      if (offers.has(key) || offers.size < MOST_OFFERS) offers.set(key, offer);
      learn(offer.market);
    }
    drawLater();
  },
  markets: (all) => {
    declared(all);
    drawLater();
  },
});

// --- keys and the like ---

const keys = {
  " ": playOrPause,
  ",": () => step(-1),
  ".": () => step(1),
  l: follow,
  j: () => besideDeal(1),
  k: () => besideDeal(-1),
  0: () => network.whole(),
  "/": () => (deal.isOpen ? closeDeal() : undefined, byId("find").focus()),
  "?": () => byId("help").showModal(),
  Escape: () => {
    if (deal.isOpen) closeDeal();
    else {
      picked = undefined;
      list.seek("");
      draw();
    }
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const isWriting = event.target.matches("input[type=search], select");
  const isPressing = event.key === " " && event.target.matches("button, summary, input, select");
  if ((isWriting && event.key !== "Escape") || isPressing || keys[event.key] === undefined) return;
  event.preventDefault();
  if (isWriting) event.target.blur();
  keys[event.key]();
});
byId("back").addEventListener("click", () => step(-1));
byId("forth").addEventListener("click", () => step(1));
byId("play").addEventListener("click", playOrPause);
byId("now").addEventListener("click", follow);
byId("whole").addEventListener("click", () => network.whole());
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("market").addEventListener("change", ({ target }) => {
  market = target.value === "" ? undefined : target.value;
  draw();
});

function recolour(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  network.refresh();
  draw();
}
byId("theme").addEventListener("change", ({ target }) => recolour(target.value));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour(document.querySelector("input[name=theme]:checked").value));
new ResizeObserver(() => draw()).observe(byId("stage"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  bus.returned();
  draw();
});
const named = location.hash.slice(1);
if (/^[a-z2-7]{26}$/.test(named)) openDeal(named);
// Time goes on where nothing happens.
setInterval(() => { if (shown.isLive) drawLater(); }, 2_000);
bus.listen();
