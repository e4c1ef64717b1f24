// Who exchanges with whom: a map, in which agents stand around a circle, or in clusters where they are many, and a
// matrix. An agent that is chosen shows its exchanges alone, outgoing in blue, incoming in orange.

let chosen;
/** How far clusters stand from the middle, and where the map ends, in its own unit. */
const RING = 820;
const EDGE = 1150;
/** What is left free around the clusters, in pixels. */
const MARGIN = 24;
/** The map is as high as wide, and no higher, in pixels. */
const TALLEST = 780;

/** Where everybody stands: at an angle, or in a square of side 2,000 around the origin, in clusters of some radius. */
const places = isSmall ? aroundACircle() : inClusters();

/** Agents in an order that keeps partners near: each moves to the mean of its partners' places, a few times. */
function aroundACircle() {
  let order = [...groups.values()].flat();
  const partners = new Map(order.map((agent) => [agent.agent, []]));
  for (const arc of arcList) {
    partners.get(arc.from)?.push([arc.to, Math.sqrt(arc.worth)]);
    partners.get(arc.to)?.push([arc.from, Math.sqrt(arc.worth)]);
  }
  const angle = new Map();
  const settle = () => order.forEach((agent, index) => angle.set(agent.agent, (2 * Math.PI * index) / order.length));
  settle();
  for (let pass = 0; pass < 12; pass += 1) {
    const wanted = new Map(order.map((agent) => {
      let [x, y] = [Math.cos(angle.get(agent.agent)), Math.sin(angle.get(agent.agent))];
      const scale = partners.get(agent.agent).reduce((sum, [, worth]) => sum + worth, 0) || 1;
      for (const [other, worth] of partners.get(agent.agent)) {
        x += (Math.cos(angle.get(other) ?? 0) * worth) / scale;
        y += (Math.sin(angle.get(other) ?? 0) * worth) / scale;
      }
      return [agent.agent, (Math.atan2(y, x) + 2 * Math.PI) % (2 * Math.PI)];
    }));
    order = [...order].sort((a, b) => wanted.get(a.agent) - wanted.get(b.agent) || collator.compare(a.agent, b.agent));
    settle();
  }
  return { order, at: new Map(order.map((agent) => [agent.agent, angle.get(agent.agent)])) };
}

/** Clusters by what agents mostly give, around a circle; in a cluster, agents as seeds in a sunflower. */
function inClusters() {
  const all = [...groups];
  const total = all.reduce((sum, [, members]) => sum + Math.sqrt(members.length), 0);
  const at = new Map();
  const clusters = new Map();
  let turned = -Math.PI / 2;
  for (const [name, members] of all) {
    const part = (2 * Math.PI * Math.sqrt(members.length)) / total;
    const angle = turned + part / 2;
    turned += part;
    const radius = Math.min(RING * Math.sin(Math.min(part, Math.PI) / 2), 340) * 0.86;
    const centre = [RING * Math.cos(angle), RING * Math.sin(angle)];
    clusters.set(name, { centre, radius, angle });
    const byGain = [...members].sort((a, b) => b.gain - a.gain);
    byGain.forEach((agent, index) => {
      const far = radius * Math.sqrt((index + 0.5) / byGain.length);
      const turn = index * Math.PI * (3 - Math.sqrt(5));
      at.set(agent.agent, [centre[0] + far * Math.cos(turn), centre[1] + far * Math.sin(turn)]);
    });
  }
  return { order: all.flatMap(([, members]) => members), at, clusters };
}

function width(worth, most, widest) {
  return 0.6 + widest * Math.sqrt(worth / Math.max(most, 1));
}

/** Of an arc what a chart carries along: it copies whatever it is given. */
function sums({ from, to, worth, transfers }) {
  return { from, to, worth, transfers };
}

/** The arcs to draw, with how: those of the chosen agent, or all. */
function drawnArcs(is, all, most, widest) {
  const own = chosen && arcList.filter((arc) => arc.from === chosen || arc.to === chosen);
  const line = (arc, style) => ({ source: String(arc.from), target: String(arc.to), ...sums(arc), lineStyle: style });
  if (!own) {
    return all.map((arc) => line(arc, { color: is.blue, width: width(arc.worth, most, widest), curveness: 0.28,
      opacity: 0.12 + 0.6 * (arc.worth / Math.max(most, 1)) }));
  }
  const mostOwn = Math.max(...own.map((arc) => arc.worth), 1);
  return own.map((arc) => ({
    ...line(arc, { color: arc.from === chosen ? is.blue : is.orange, width: width(arc.worth, mostOwn, 5), opacity: 0.85,
      curveness: arc.from === chosen ? 0.22 : 0.34 }),
    symbol: ["none", "arrow"], symbolSize: 9,
  }));
}

function dotSize(agent, most, widest) {
  return agent.settled === 0 ? 4 : 4 + widest * Math.sqrt(Math.max(agent.gain, 0) / Math.max(most, 1));
}

function arcHint(arc) {
  const exact = arcs.get(JSON.stringify([arc.from, arc.to]));
  const goods = exact && [...exact.goods].map(([good, amount]) => quantity(good, amount));
  const first = exact ? `${titled(arc.from)} gives ${titled(arc.to)}` : `Agents with ${arc.from} give agents with ${arc.to}`;
  return lines(first, ...(goods ?? []), `${weighed(arc.worth)}${hasPrices ? " at reference prices" : ""}, ${count(arc.transfers, "transfer")}`);
}

function agentHint(agent) {
  return lines(titled(agent.agent), agent.settled ? `${count(agent.settled, "deal")} settled, gained ${money(agent.gain)}` : "settled no deal",
    agent.main === undefined ? "gives nothing" : `gives mostly ${spaced(agent.main)}`);
}

function mapOptions(is, wide) {
  const most = Math.max(...everyone.map((agent) => agent.gain), 1);
  const partners = new Set(chosen && arcList.flatMap((arc) =>
    (arc.from === chosen ? [arc.to] : arc.to === chosen ? [arc.from] : [])));
  const isFaint = (agent) => chosen && agent.agent !== chosen && !partners.has(agent.agent);
  const dot = (agent) => ({
    color: agent.settled === 0 ? is.paper : is.ink, borderColor: agent.agent === chosen ? is.orange : is.ink,
    borderWidth: agent.agent === chosen ? 3 : isSmall || wide > 500 ? 1 : 0.5, opacity: isFaint(agent) ? 0.25 : 1,
  });
  const tooltip = hint(is, { trigger: "item", formatter: ({ dataType, data }) =>
    (dataType === "edge" ? arcHint(data) : agents.has(data.id) ? agentHint(agents.get(data.id)) : lines(titled(data.id), count(data.members, "agent"))) });
  const shared = { type: "graph", edgeSymbol: ["none", "none"], cursor: "pointer", emphasis: { disabled: true }, tooltip: {} };
  if (isSmall) {
    const margin = wide < 500 ? 84 : 118;
    const nodes = places.order.map((agent) => ({
      id: agent.agent, name: titled(agent.agent), itemStyle: dot(agent), symbolSize: dotSize(agent, most, wide < 500 ? 8 : 16),
      label: { color: is.ink, opacity: isFaint(agent) ? 0.35 : 1, fontWeight: agent.agent === chosen ? "bold" : "normal" },
    }));
    const mostArc = Math.max(...arcList.map((arc) => arc.worth), 1);
    return { tooltip, series: [{ ...shared, layout: "circular", circular: { rotateLabel: true }, data: nodes,
      links: drawnArcs(is, arcList, mostArc, wide < 500 ? 4 : 7), left: margin, right: margin, top: margin, bottom: margin,
      label: { show: true, position: "right", fontSize: wide < 500 ? 9 : 11.5, width: margin - 14, overflow: "truncate" } }] };
  }
  return { tooltip, series: [{ ...shared, layout: "none", ...clusterData(is, wide, most, dot), left: MARGIN, right: MARGIN, top: MARGIN, bottom: MARGIN,
    label: { show: false } }] };
}

/** The many as dots in their clusters; between clusters what their agents give each other in all. */
function clusterData(is, wide, most, dot) {
  const scale = (Math.min(wide, TALLEST) - 2 * MARGIN) / (2 * EDGE);
  const dots = places.order.map((agent) => {
    const [x, y] = places.at.get(agent.agent);
    // No dot is wider than its share of the cluster.
    const widest = (places.clusters.get(agent.group).radius * scale * 1.8) / Math.sqrt(groups.get(agent.group).length);
    return { id: agent.agent, name: titled(agent.agent), x, y, itemStyle: dot(agent),
      symbolSize: agent.agent === chosen ? 12 : Math.min(dotSize(agent, most, 10), Math.max(widest, 2)) };
  });
  const centres = [...places.clusters].map(([name, { centre, angle, radius }]) => ({
    id: name, name: titled(name), members: groups.get(name).length, x: centre[0], y: centre[1], symbolSize: 1,
    itemStyle: { opacity: 0 },
    label: { show: true, formatter: titled(name), color: is.ink, fontWeight: 600, fontSize: wide < 500 ? 10 : 13,
      backgroundColor: is.paper, padding: [2, 4], borderRadius: 2, opacity: chosen ? 0.8 : 1,
      offset: [Math.cos(angle) * (radius * scale + 18), Math.sin(angle) * (radius * scale + 10)] },
  }));
  // The square's corners, so that the map stays where it is whoever stands at its edge.
  const corners = [[-EDGE, -EDGE], [EDGE, EDGE]].map(([x, y], index) => ({ id: `corner ${index}`, x, y, symbolSize: 0, tooltip: { show: false } }));
  const between = arcsBetween((agent) => agent.group).filter((arc) => arc.from !== arc.to);
  const mostBetween = Math.max(...between.map((arc) => arc.worth), 1);
  return { data: [...dots, ...centres, ...corners], links: drawnArcs(is, between, mostBetween, 9) };
}

/** Whether the matrix has a row for each agent: where there is room for their names. */
function isByAgent(wide) {
  return isSmall && everyone.length * 12 <= wide;
}

/** Givers down, receivers across: agents, or groups where they are many. */
function matrixOptions(is, wide) {
  const byAgent = isByAgent(wide);
  const keyOf = byAgent ? (agent) => agent.agent : (agent) => agent.group;
  const active = (agent) => agent.settled > 0;
  const keys = byAgent ? places.order.filter(active).map(keyOf) : [...groups.keys()];
  const at = new Map(keys.map((key, index) => [key, index]));
  const cells = (byAgent ? arcList : arcsBetween(keyOf)).filter((arc) => at.has(arc.from) && at.has(arc.to));
  const most = Math.max(...cells.map((arc) => arc.worth), 1);
  const isOwn = (arc) => !chosen || [arc.from, arc.to].some((key) => key === (byAgent ? chosen : agents.get(chosen)?.group));
  const size = wide < 500 ? 8 : keys.length > 30 ? 10 : 12;
  const names = (more) => axis(is, { type: "category", data: keys.map(titled), splitLine: { show: true, lineStyle: { color: is.faint } },
    axisLine: { show: false }, ...more, axisLabel: { interval: 0, fontSize: size, width: 110, overflow: "truncate", ...more.axisLabel } });
  return {
    grid: { left: 12, right: 8, top: 12, bottom: 4, containLabel: true },
    xAxis: names({ position: "top", axisLabel: { rotate: 90, color: is.orange } }),
    yAxis: names({ inverse: true, axisLabel: { color: is.blue } }),
    tooltip: hint(is, { trigger: "item", formatter: ({ data }) => arcHint(data) }),
    visualMap: { show: false, min: 0, max: 1, dimension: 2, inRange: { color: [is.faint, is.blue] } },
    series: [{ type: "heatmap", data: cells.map((arc) => ({
      value: [at.get(arc.to), at.get(arc.from), Math.sqrt(arc.worth / most)], ...sums(arc),
      itemStyle: { opacity: isOwn(arc) ? 1 : 0.2, borderColor: is.paper, borderWidth: 1 },
    })), emphasis: { disabled: true } }],
  };
}

function view() {
  return document.querySelector("input[name=view]:checked").value;
}

function networkChart() {
  chart("network-chart", {
    renderer: "canvas",
    height: (wide) => Math.min(Math.max(wide, 320), TALLEST),
    label: "The network of exchanges. The table of the largest exchanges below, and the search, say the same in words.",
    options: (is, wide) => (view() === "map" ? mapOptions(is, wide) : matrixOptions(is, wide)),
    onclick: ({ data }) => {
      if (agents.has(data?.id)) choose(data.id);
      else if (agents.has(data?.from)) choose(data.from);
    },
  });
}

function networkCaption() {
  const weight = hasPrices ? "worth at the market's reference prices" : "number of transfers";
  const who = isByAgent(document.getElementById("network-chart").clientWidth) ? "agent" : "group of agents, by what they mostly give,";
  document.getElementById("network-caption").textContent = view() === "map"
    ? `${isSmall ? "Partners stand near each other" : "Agents stand with those who mostly give the same good"}; an arc is as wide as its ${weight}` +
      `${isSmall ? "" : ", summed over two clusters"}. A dot grows with its agent's gain; a hollow one settled no deal. Choose an agent to see its own exchanges.`
    : `Who gives stands at the left, who receives at the top, each ${who} in a row and a column; the stronger the colour, the larger the ${weight}.`;
}

/** Shows an agent's exchanges alone, or everybody's. */
function choose(name, isFar) {
  chosen = agents.has(name) ? name : undefined;
  document.getElementById("clear").hidden = chosen === undefined;
  document.getElementById("find").value = chosen ?? "";
  document.getElementById("agent").replaceChildren(...(chosen === undefined ? legend() : portrait(agents.get(chosen))));
  charts.get("network-chart")();
  if (isFar) document.getElementById("network").scrollIntoView({ behavior: wantsStill.matches ? "auto" : "smooth" });
}

/** Who is best connected, for a start. */
function legend() {
  if (arcList.length === 0) return [el("p", {}, "Nothing was exchanged.")];
  const partners = (agent) => new Set(arcList.flatMap((arc) =>
    (arc.from === agent.agent ? [arc.to] : arc.to === agent.agent ? [arc.from] : []))).size;
  const busiest = [...everyone].sort((a, b) => b.settled - a.settled || b.gain - a.gain).slice(0, 5);
  return [el("h3", {}, "Most deals"), el("dl", {}, busiest.map((agent) => [
    el("dt", {}, named(agent.agent)),
    el("dd", {}, `${count(agent.settled, "deal")} with ${count(partners(agent), "partner")}; gained ${short(agent.gain)}`),
  ]))];
}

/** An agent in words. */
function portrait(agent) {
  const own = (which) => arcList.filter((arc) => arc[which] === agent.agent);
  const list = (all, other, kind) => (all.length === 0 ? "nothing" : all.slice(0, 6).flatMap((arc, index) => [
    index > 0 ? "; " : "", el("span", { class: kind }, named(arc[other])), ": ",
    [...arc.goods].map(([good, amount]) => quantity(good, amount)).join(", "),
  ]).concat(all.length > 6 ? `; and ${count(all.length - 6, "more", "more")}` : ""));
  const limits = (all) => all.map(({ good, limit }) => quantity(good, limit)).join(" or ");
  const facts = [
    ["Gained", money(agent.gain)],
    ["Deals", `${agent.settled} settled, of ${agent.deals.length}`],
    [el("span", { class: "out" }, "Gave to"), list(own("from"), "to", "out")],
    [el("span", { class: "in" }, "Received from"), list(own("to"), "from", "in")],
    ["Offered", agent.gives.map((give) => quantity(give.good, give.limit)).join(", ") || "nothing"],
    ["Wanted", agent.wants.map(limits).join(", ") || "nothing"],
  ];
  if (agent.wish) facts.push(["Got of what it wanted", share(agent.wish.filled_ppm)]);
  if (agent.settled === 0 && agent.passed) facts.push(["Left out", `${reason(agent.passed.reason)}: ${agent.passed.detail}`]);
  return [el("h3", {}, titled(agent.agent)), el("dl", {}, facts.map(([name, fact]) => [el("dt", {}, name), el("dd", {}, fact)]))];
}
