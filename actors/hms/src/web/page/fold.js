// What a bus looks like after so many events: a fold over them, without a page, a clock or a network.
//
// An event is a glimpse of an entry of a deal's log (schemas: `digest`). The state after some events is the same however
// they came, live or from the past, and is bounded: what is let go of is counted.

export const ENDS = ["settled", "rejected", "withdrawn", "expired", "refused", "failed", "compensated"];
export const STATES = ["open", "negotiating", "agreed", "certified", "committed", ...ENDS];

/** The most that is kept of each. */
export const MOST = { deals: 20_000, agents: 20_000, arcs: 60_000 };

/** Before anything happened. */
export function empty() {
  return { sequence: 0, at: 0, events: 0, agents: new Map(), arcs: new Map(), deals: new Map(), forgotten: { deals: 0, agents: 0, arcs: 0 } };
}

/** A state of its own, which can be folded on without changing this one. */
export function copy(state) {
  const goods = (one) => ({ ...one, goods: new Map(one.goods) });
  return {
    ...state,
    agents: new Map([...state.agents].map(([name, agent]) => [name, { ...agent, gave: new Map(agent.gave), markets: new Set(agent.markets) }])),
    arcs: new Map([...state.arcs].map(([key, arc]) => [key, goods(arc)])),
    deals: new Map([...state.deals].map(([id, deal]) => [id, { ...deal }])),
    forgotten: { ...state.forgotten },
  };
}

/** The state after the events from one index to another, folded onto `state`, which is changed and returned. */
export function fold(state, events, from = 0, to = events.length) {
  for (let index = from; index < to; index += 1) apply(state, events[index]);
  return state;
}

/** The state after one more event; one that was there already changes nothing. */
export function apply(state, event) {
  if (event.sequence <= state.sequence) return state;
  state.sequence = event.sequence;
  state.at = Math.max(state.at, event.at_unix_ms);
  state.events += 1;
  const deal = known(state, event);
  const was = deal.state;
  deal.state = event.state;
  deal.event = event.event;
  deal.turn = event.turn;
  deal.at = event.at_unix_ms;
  deal.by = event.by;
  if (event.market !== undefined) deal.market = event.market;
  // Of a deal that began before, whoever moves is in it.
  for (const party of event.parties.length > 0 ? event.parties : event.by && deal.isPartial ? [event.by] : []) {
    if (!deal.parties.includes(party)) deal.parties = [...deal.parties, party];
  }
  if (event.transfers.length > 0) deal.transfers = event.transfers;
  if (event.reason !== undefined) deal.reason = event.reason;
  if (event.event === "opened") deal.opener = event.by;
  if (event.event === "proposed") deal.accepted = 0;
  if (event.event === "accepted") deal.accepted += 1;
  if (event.event === "confirmed") deal.confirmed += 1;
  for (const party of deal.parties) meet(state, party, deal.market);
  if (event.event === "committed" && was !== "committed") commit(state, deal);
  return state;
}

/** The deal of an event, as one that moved last. */
function known(state, event) {
  const found = state.deals.get(event.deal);
  // A map keeps its order of insertion: the deal that moved last stands last.
  state.deals.delete(event.deal);
  const deal = found ?? {
    id: event.deal, market: undefined, state: "open", event: "", turn: 0, opener: undefined, by: undefined, parties: [], transfers: [],
    accepted: 0, confirmed: 0, reason: undefined, opened: event.at_unix_ms, at: event.at_unix_ms, isPartial: event.turn > 0,
  };
  state.deals.set(event.deal, deal);
  if (state.deals.size > MOST.deals) forget(state);
  return deal;
}

/** Lets go of the deal that ended longest ago, or else moved longest ago. */
function forget(state) {
  let oldest;
  let looked = 0;
  for (const [id, deal] of state.deals) {
    oldest ??= id;
    looked += 1;
    if (ENDS.includes(deal.state)) {
      oldest = id;
      break;
    }
    if (looked > 64) break;
  }
  state.deals.delete(oldest);
  state.forgotten.deals += 1;
}

/** An agent, known from now on. */
function meet(state, name, market) {
  let agent = state.agents.get(name);
  if (agent === undefined) {
    if (state.agents.size >= MOST.agents) {
      state.forgotten.agents += 1;
      return undefined;
    }
    agent = { name, deals: 0, gave: new Map(), markets: new Set(), at: state.at };
    state.agents.set(name, agent);
  }
  if (market !== undefined) agent.markets.add(market);
  return agent;
}

/** Posts a deal's transfers: as arcs between agents. */
function commit(state, deal) {
  const parties = new Set(deal.parties);
  for (const { from, to, good, quantity } of deal.transfers) {
    parties.add(from).add(to);
    const key = `${deal.market ?? ""} ${from} ${to}`;
    let arc = state.arcs.get(key);
    if (arc === undefined) {
      if (state.arcs.size >= MOST.arcs) {
        state.forgotten.arcs += 1;
        continue;
      }
      arc = { market: deal.market, from, to, goods: new Map(), times: 0, at: state.at };
      state.arcs.set(key, arc);
    }
    arc.times += 1;
    arc.at = state.at;
    arc.goods.set(good, (arc.goods.get(good) ?? 0) + quantity);
    const giver = meet(state, from, deal.market);
    if (giver !== undefined) giver.gave.set(good, (giver.gave.get(good) ?? 0) + quantity);
  }
  for (const party of parties) {
    const agent = meet(state, party, deal.market);
    if (agent === undefined) continue;
    agent.deals += 1;
    agent.at = state.at;
  }
}

/** How many deals stand where, in one market or in all. */
export function standing(state, market) {
  const counts = Object.fromEntries(STATES.map((name) => [name, 0]));
  for (const deal of state.deals.values()) {
    if (market === undefined || deal.market === market) counts[deal.state] = (counts[deal.state] ?? 0) + 1;
  }
  return counts;
}

/** Whether a deal is about what is looked for: an agent, its id, a good. */
export function isAbout(deal, sought) {
  if (sought === "") return true;
  return deal.id.startsWith(sought) || deal.parties.some((party) => party.includes(sought)) ||
    deal.transfers.some(({ good, from, to }) => good.includes(sought) || from.includes(sought) || to.includes(sought));
}

/** Deals of a market, in some states, about something, the one that moved last first; the first ones, and how many there are. */
export function chosen(state, { market, states, sought, most }) {
  const found = [];
  let all = 0;
  for (const deal of [...state.deals.values()].reverse()) {
    if (market !== undefined && deal.market !== market) continue;
    if (states.size > 0 && !states.has(deal.state)) continue;
    if (!isAbout(deal, sought)) continue;
    all += 1;
    if (found.length < most) found.push(deal);
  }
  return { found, all };
}
