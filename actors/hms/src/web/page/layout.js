// Where agents stand, and what of a state is drawn: a pure reckoning in a square from -1 to 1.
//
// A few stand around a circle, partners near each other. Many stand in clusters, each of those who mostly give the same
// good, as seeds stand in a sunflower; between clusters goes what their agents give each other in all.

/** As many stand around a circle with their names; more stand in clusters. */
export const FEW = 80;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

const byName = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** What an arc is worth at the market's reference prices, or how often it was used where there are none. */
export function worth(goods, times, market) {
  let sum = 0;
  for (const [good, quantity] of goods) {
    const price = market?.goods.get(good)?.price;
    if (price === undefined) return times;
    sum += quantity * price;
  }
  return sum;
}

/** The good that most of it is, by worth. */
export function mainGood(goods, market) {
  let best;
  let most = -1;
  for (const [good, quantity] of goods) {
    const is = quantity * (market?.goods.get(good)?.price ?? 1);
    if (is > most) [best, most] = [good, is];
  }
  return best;
}

/** The arcs and agents of a market in a state, or of all of them, with those who only offer. */
export function members(state, offers, market, markets) {
  const isHere = (of) => market === undefined || of === market;
  const agents = new Map();
  for (const agent of state.agents.values()) {
    if (market !== undefined && !agent.markets.has(market)) continue;
    const of = markets.get(market ?? agent.markets.values().next().value);
    agents.set(agent.name, { name: agent.name, group: mainGood(agent.gave, of) ?? "", deals: agent.deals, at: agent.at });
  }
  for (const offer of offers) {
    if (!isHere(offer.market) || offer.gives.length + offer.wants.length === 0) continue;
    const agent = agents.get(offer.agent);
    if (agent === undefined) agents.set(offer.agent, { name: offer.agent, group: offer.gives[0] ?? "", deals: 0, at: offer.at_unix_ms });
    else if (agent.group === "") agent.group = offer.gives[0] ?? "";
  }
  const arcs = [];
  for (const arc of state.arcs.values()) {
    if (!isHere(arc.market)) continue;
    const of = markets.get(arc.market);
    arcs.push({ from: arc.from, to: arc.to, good: mainGood(arc.goods, of), weight: worth(arc.goods, arc.times, of), at: arc.at });
  }
  return { agents, arcs };
}

/** Where everybody stands. */
export function layout(agents, arcs) {
  return agents.length <= FEW ? aroundACircle(agents, arcs) : inClusters(agents);
}

/** Each moves to the mean of its partners' places, a few times. */
function aroundACircle(agents, arcs) {
  let order = [...agents].sort((a, b) => byName(a.group, b.group) || byName(a.name, b.name)).map(({ name }) => name);
  const partners = new Map(order.map((name) => [name, []]));
  for (const { from, to, weight } of arcs) {
    partners.get(from)?.push([to, Math.sqrt(weight)]);
    partners.get(to)?.push([from, Math.sqrt(weight)]);
  }
  const angles = new Map();
  const settle = () => order.forEach((name, index) => angles.set(name, (2 * Math.PI * index) / order.length));
  settle();
  for (let pass = 0; pass < 12; pass += 1) {
    const wanted = new Map(order.map((name) => {
      const all = partners.get(name);
      const scale = all.reduce((sum, [, weight]) => sum + weight, 0) || 1;
      let [x, y] = [Math.cos(angles.get(name)), Math.sin(angles.get(name))];
      for (const [other, weight] of all) {
        if (!angles.has(other)) continue;
        x += (Math.cos(angles.get(other)) * weight) / scale;
        y += (Math.sin(angles.get(other)) * weight) / scale;
      }
      return [name, (Math.atan2(y, x) + 2 * Math.PI) % (2 * Math.PI)];
    }));
    order = [...order].sort((a, b) => wanted.get(a) - wanted.get(b) || byName(a, b));
    settle();
  }
  const at = new Map(order.map((name) => {
    const angle = angles.get(name) - Math.PI / 2;
    return [name, { x: Math.cos(angle), y: Math.sin(angle), angle }];
  }));
  return { isFew: true, at, clusters: new Map() };
}

/** Clusters around a circle, those of many agents larger. */
function inClusters(agents) {
  const groups = new Map();
  for (const agent of agents) {
    if (!groups.has(agent.group)) groups.set(agent.group, []);
    groups.get(agent.group).push(agent);
  }
  const all = [...groups].sort(([a], [b]) => byName(a, b));
  const total = all.reduce((sum, [, ones]) => sum + Math.sqrt(ones.length), 0);
  const [at, clusters] = [new Map(), new Map()];
  const ring = all.length === 1 ? 0 : 0.64;
  let turned = -Math.PI / 2;
  for (const [group, ones] of all) {
    const part = (2 * Math.PI * Math.sqrt(ones.length)) / total;
    const angle = turned + part / 2;
    turned += part;
    const radius = all.length === 1 ? 0.85 : Math.min(ring * Math.sin(Math.min(part, Math.PI) / 2), 0.3) * 0.92;
    const centre = { x: ring * Math.cos(angle), y: ring * Math.sin(angle) };
    clusters.set(group, { ...centre, radius, angle, members: ones.length });
    [...ones].sort((a, b) => byName(a.name, b.name)).forEach((agent, index) => {
      const far = radius * Math.sqrt((index + 0.5) / ones.length);
      at.set(agent.name, { x: centre.x + far * Math.cos(index * GOLDEN), y: centre.y + far * Math.sin(index * GOLDEN), group });
    });
  }
  return { isFew: false, at, clusters };
}

/** Arcs between clusters, each the sum of those between their agents. */
export function betweenClusters(arcs, places) {
  const sums = new Map();
  for (const { from, to, good, weight, at } of arcs) {
    const [a, b] = [places.at.get(from)?.group, places.at.get(to)?.group];
    if (a === undefined || b === undefined || a === b) continue;
    const key = `${a} ${b}`;
    const sum = sums.get(key) ?? { from: a, to: b, good, weight: 0, at: 0 };
    sum.weight += weight;
    sum.at = Math.max(sum.at, at);
    sums.set(key, sum);
  }
  return [...sums.values()];
}

/** What is drawn of a state: dots, arcs, and the names beside them. `picked` is an agent, `deal` a deal that is looked at. */
export function scene({ agents, arcs }, places, { picked, deal, now }) {
  const dots = [];
  const parties = new Set(deal?.parties ?? []);
  const partners = new Set();
  if (picked !== undefined) {
    for (const { from, to } of arcs) {
      if (from === picked) partners.add(to);
      if (to === picked) partners.add(from);
    }
  }
  const isFocused = picked !== undefined || parties.size > 0;
  let most = 1;
  for (const agent of agents.values()) most = Math.max(most, agent.deals);
  for (const agent of agents.values()) {
    const place = places.at.get(agent.name);
    if (place === undefined) continue;
    const isMain = agent.name === picked || agent.name === deal?.by;
    const isLit = isMain || parties.has(agent.name) || partners.has(agent.name);
    dots.push({ ...place, name: agent.name, good: agent.group, size: Math.sqrt(agent.deals / most), isHollow: agent.deals === 0, isMain, isLit,
      isDim: isFocused && !isLit, isNamed: places.isFew || (isLit && (parties.size > 0 || isMain)) });
  }
  const lines = [];
  const add = (list, kind) => {
    const heaviest = list.reduce((max, arc) => Math.max(max, arc.weight), 0) || 1;
    for (const arc of list) {
      const [from, to] = kind === "cluster" ? [places.clusters.get(arc.from), places.clusters.get(arc.to)] : [places.at.get(arc.from), places.at.get(arc.to)];
      if (from === undefined || to === undefined || from === to) continue;
      const share = Math.sqrt(arc.weight / heaviest);
      lines.push({ from, to, good: arc.good, share, kind, freshness: Math.max(0, 1 - (now - arc.at) / 20_000), text: arc.text });
    }
  };
  if (deal !== undefined) {
    add(deal.transfers.map(({ from, to, good, quantity }) => ({ from, to, good, weight: 1, at: now, text: `${quantity} ${good}` })), "deal");
  } else if (picked !== undefined) {
    add(arcs.filter(({ from }) => from === picked), "out");
    add(arcs.filter(({ to }) => to === picked), "in");
  } else if (places.isFew) {
    add([...arcs].sort((a, b) => a.weight - b.weight), "arc");
  } else {
    add(betweenClusters(arcs, places), "cluster");
  }
  return { dots, lines, clusters: places.clusters, isFew: places.isFew, isFocused };
}
