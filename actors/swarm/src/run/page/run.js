// The run, as it stands in the page, and what follows from it by counting.

const { report, detail } = JSON.parse(document.getElementById("run").textContent);
const units = new Map(detail.market.goods.map((spec) => [spec.good, spec.unit]));
const prices = new Map(detail.market.goods.map((spec) => [spec.good, fraction(spec.reference_price)]));
const settledDeals = detail.deals.filter((deal) => deal.state === "settled");
const dealOf = new Map(detail.deals.map((deal) => [deal.deal, deal]));
/** So many agents have their names on the map and rows of their own in charts. */
const NAMED = 80;
const isSmall = detail.parties.length <= NAMED;
/** So many groups are told apart; the smallest are one. */
const GROUPS = 24;
const OTHERS = "other goods";

/** `7/2` as a number: to order and to draw by, no more. */
function fraction(text) {
  const [top, bottom = "1"] = (text ?? "").split("/");
  return text === undefined ? undefined : Number(top) / Number(bottom);
}

const hasPrices = detail.market.goods.every((spec) => spec.reference_price !== undefined);

/** What a transfer weighs on the map: its worth at reference prices, or one where a good has none. */
function weight(moved) {
  return hasPrices ? moved.worth_minor ?? 0 : 1;
}

function weighed(total) {
  return hasPrices ? short(total) : count(total, "transfer");
}

/** Everybody by name, with what they gained and moved. */
const agents = new Map(detail.parties.map((party) => [party.agent, {
  ...party,
  gain: report.surplus_by_party[party.agent] ?? 0,
  settled: 0, given: 0, received: 0, main: mainGood(party), deals: [],
}]));

function mainGood(party) {
  const worth = (limit) => limit.limit * (prices.get(limit.good) ?? 1);
  return party.gives.reduce((best, next) => (best && worth(best) >= worth(next) ? best : next), undefined)?.good;
}

/** Arcs from agent to agent over settled deals. */
const arcs = new Map();

for (const deal of detail.deals) for (const name of deal.parties) agents.get(name)?.deals.push(deal);
for (const deal of settledDeals) {
  for (const name of deal.parties) if (agents.has(name)) agents.get(name).settled += 1;
  for (const moved of deal.moved) {
    const key = JSON.stringify([moved.from, moved.to]);
    if (!arcs.has(key)) arcs.set(key, { from: moved.from, to: moved.to, worth: 0, transfers: 0, goods: new Map() });
    const arc = arcs.get(key);
    arc.worth += weight(moved);
    arc.transfers += 1;
    arc.goods.set(moved.good, (arc.goods.get(moved.good) ?? 0) + moved.quantity);
    if (agents.has(moved.from)) agents.get(moved.from).given += weight(moved);
    if (agents.has(moved.to)) agents.get(moved.to).received += weight(moved);
  }
}
const arcList = [...arcs.values()].sort((a, b) => b.worth - a.worth);
const everyone = [...agents.values()];

/** Agents by what they mostly give; what few give is one group. */
const groups = grouped();

function grouped() {
  const sizes = new Map();
  for (const agent of everyone) sizes.set(agent.main, (sizes.get(agent.main) ?? 0) + 1);
  const kept = [...sizes].sort((a, b) => b[1] - a[1] || (String(a[0]) < String(b[0]) ? -1 : 1));
  const named = new Set(kept.slice(0, kept.length > GROUPS ? GROUPS - 1 : GROUPS).map(([good]) => good));
  const members = new Map();
  for (const agent of everyone) {
    agent.group = agent.main === undefined ? "no goods" : named.has(agent.main) ? spaced(agent.main) : OTHERS;
    if (!members.has(agent.group)) members.set(agent.group, []);
    members.get(agent.group).push(agent);
  }
  return new Map([...members].sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true })));
}

/** Arcs between keys that agents are put under: groups, or the agents themselves. */
function arcsBetween(keyOf) {
  const sums = new Map();
  for (const arc of arcList) {
    const [from, to] = [agents.get(arc.from), agents.get(arc.to)].map((agent) => agent && keyOf(agent));
    if (from === undefined || to === undefined) continue;
    const key = JSON.stringify([from, to]);
    const sum = sums.get(key) ?? { from, to, worth: 0, transfers: 0 };
    sum.worth += arc.worth;
    sum.transfers += arc.transfers;
    sums.set(key, sum);
  }
  return [...sums.values()].sort((a, b) => b.worth - a.worth);
}

/** The states in which deals are counted, in the order of their lives. */
const STATES = [
  "settled", "committed", "certified", "agreed", "negotiating", "open",
  "rejected", "withdrawn", "expired", "refused", "failed", "compensated",
];

/** How many deals stood in each state, at so many moments: exact at each of them. */
function statesOverTime(moments) {
  const steps = detail.deals.flatMap((deal) => deal.steps.map(([at, state], index) => ({
    at: at - detail.began_unix_ms, state, before: index > 0 ? deal.steps[index - 1][1] : undefined,
  }))).sort((a, b) => a.at - b.at);
  if (steps.length === 0) return undefined;
  const [first, last] = [Math.min(0, steps[0].at), steps.at(-1).at];
  const now = Object.fromEntries(STATES.map((state) => [state, 0]));
  const lines = Object.fromEntries(STATES.map((state) => [state, []]));
  let next = 0;
  for (let moment = 0; moment <= moments; moment += 1) {
    const at = moment === moments ? last : first + ((last - first) * moment) / moments;
    for (; next < steps.length && steps[next].at <= at; next += 1) {
      now[steps[next].state] += 1;
      if (steps[next].before !== undefined) now[steps[next].before] -= 1;
    }
    for (const state of STATES) lines[state].push([at, now[state]]);
  }
  return { lines, first, last, end: now };
}

/** When a deal came to a state, if it did. */
function came(deal, state) {
  return deal.steps.find((step) => step[1] === state)?.[0];
}

/** How long settled deals took, shortest first, in milliseconds. */
const tookMs = settledDeals.filter((deal) => deal.steps.length > 1)
  .map((deal) => came(deal, "settled") - deal.steps[0][0]).sort((a, b) => a - b);

const STAGES = [
  ["agreed", "until all have accepted"],
  ["certified", "until what it requires is proved"],
  ["committed", "until it is on the books"],
  ["settled", "until all is delivered"],
];

/** The mean time of each stage over settled deals whose whole log was seen, in milliseconds; means add up. */
function meanStages() {
  const seen = settledDeals.filter((deal) => STAGES.every(([state]) => came(deal, state) !== undefined));
  const sums = STAGES.map(() => 0);
  for (const deal of seen) {
    let before = deal.steps[0][0];
    STAGES.forEach(([state], index) => {
      sums[index] += came(deal, state) - before;
      before = came(deal, state);
    });
  }
  return STAGES.map(([state, text], index) => ({ state, text, mean: seen.length ? sums[index] / seen.length : 0 }));
}

/** How long proofs took in deals that had any, from the last acceptance, in milliseconds. */
const provedMs = detail.deals.filter((deal) => deal.proofs > 0 && came(deal, "agreed") !== undefined)
  .map((deal) => came(deal, "certified") - came(deal, "agreed")).filter((ms) => !Number.isNaN(ms));

function gainOf(deal) {
  return deal.gains.reduce((sum, gain) => sum + gain.gain_minor, 0);
}

/** Clearings, each with what the deals that it led to brought in the end. */
const clearings = detail.clearings.map((round) => {
  const led = round.deals.map((deal) => dealOf.get(deal)).filter((deal) => deal?.state === "settled");
  return { ...round, settled: led.length, realised: led.reduce((sum, deal) => sum + gainOf(deal), 0) };
});

/** Counts numbers into bins of equal width. */
function bins(numbers, wanted, top) {
  const most = top ?? Math.max(...numbers, 1);
  const width = top === undefined ? niceWidth(most / wanted) : top / wanted;
  const size = top === undefined ? Math.floor(most / width) + 1 : wanted;
  const counts = Array.from({ length: size }, (_, index) => ({ from: index * width, to: (index + 1) * width, n: 0 }));
  for (const number of numbers) counts[Math.min(size - 1, Math.floor(number / width))].n += 1;
  return counts;
}

/** The next of 1, 2, 5, 10, 20, … */
function niceWidth(width) {
  const power = 10 ** Math.floor(Math.log10(Math.max(width, 1)));
  return power * ([1, 2, 5, 10].find((step) => step * power >= width) ?? 10);
}
