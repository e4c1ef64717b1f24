// The page, section by section: a sentence that says what is to be seen, a chart, and a table with every number.

const gainers = everyone.filter((agent) => agent.gain > 0);
const idle = everyone.filter((agent) => agent.settled === 0);
const { opened, settled } = report.deals;

function heading() {
  document.title = `${titled(report.market)}: what came of a swarm`;
  document.getElementById("title").textContent = titled(report.market);
  document.getElementById("about").textContent = `${detail.about}.`;
  const { python, rust } = report.agents;
  const langs = [
    python > 0 && [figure("agents.python"), " in Python"], rust > 0 && [figure("agents.rust"), " in Rust"],
  ].filter(Boolean).flatMap((part, index) => (index > 0 ? [", ", ...part] : part));
  const when = new Date(detail.began_unix_ms).toISOString().slice(0, 16).replace("T", " ");
  document.getElementById("byline").replaceChildren(
    `${when} UTC · `, derived("agents", everyone.length), " agents (", ...langs, ") · ",
    figure("intents"), " intents · ", figure("clearings"), " clearings · ", figure("messages"), " messages in ",
    figure("seconds", duration(report.seconds * 1000)), " · seed ", figure("seed", String(report.seed)),
  );
}

function keyFigures() {
  const { achieved, optimum } = report.welfare;
  const well = report.conservation_ok && report.win_win_ok;
  const verdict = (place, name) => [name, " ", figure(place, report[place] ? "yes" : "NO")];
  const cards = [
    ["Deals settled", figure("deals.settled"), ["of ", figure("deals.opened"), " opened; ", figure("multi_party_settled"),
      " among three or more; ", figure("transfers"), " transfers"]],
    ["Gained together", figure("welfare.achieved", short(achieved)), ["of at most ", figure("welfare.optimum", short(optimum)),
      `: ${ratio(achieved, optimum)} of the bound of the best single clearing`]],
    ["Agents that gained", derived("gainers", gainers.length), ["of ", derived("agents", everyone.length), "; ",
      derived("idle", idle.length), " settled no deal"]],
    ["Half of the deals within", figure("latency_ms.p50", duration(report.latency_ms.p50)), ["from opened to settled; 99 of 100 within ",
      figure("latency_ms.p99", duration(report.latency_ms.p99))]],
    ["Everything adds up", el("span", { class: well ? "" : "bad" }, well ? "Yes" : "No"), [
      ...verdict("conservation_ok", "books balance:"), "; ", ...verdict("win_win_ok", "everyone gains in every deal:")]],
  ];
  document.getElementById("figures").replaceChildren(...cards.map(([name, value, more]) => el("div", {},
    el("span", { class: "name" }, name), el("span", { class: "value" }, value), el("span", { class: "more" }, more))));
}

function network() {
  const pairs = arcList.length;
  const active = everyone.length - idle.length;
  lead("network", derived("pairs", pairs), ` pairs of agents exchanged goods, ${whole.format(active)} agents in all. `,
    arcList.length > 0 ? `The ten largest of these make ${ratio(arcList.slice(0, 10).reduce((sum, arc) => sum + arc.worth, 0),
      arcList.reduce((sum, arc) => sum + arc.worth, 0))} of ${hasPrices ? "what was moved, at reference prices" : "all transfers"}.` : "");
  networkChart();
  networkCaption();
  choose(undefined);
  document.getElementById("agents").replaceChildren(...everyone.map((agent) => el("option", { value: agent.agent })));
  const find = document.getElementById("find");
  find.addEventListener("input", () => { if (agents.has(find.value)) choose(find.value); });
  find.addEventListener("change", () => choose(find.value));
  document.getElementById("clear").addEventListener("click", () => choose(undefined));
  document.getElementById("view").addEventListener("change", () => { networkCaption(); charts.get("network-chart")(); });
  const most = arcList[0]?.worth ?? 0;
  table("arcs", {
    caption: "Who gave whom what, in settled deals", rows: arcList, sort: 3, first: 8,
    find: (arc) => `${arc.from} ${arc.to} ${[...arc.goods.keys()].join(" ")} ${titled(arc.from)} ${titled(arc.to)}`,
    columns: [
      { name: "Giver", of: (arc) => titled(arc.from), show: (arc) => named(arc.from) },
      { name: "Receiver", of: (arc) => titled(arc.to), show: (arc) => named(arc.to) },
      { name: "What", of: (arc) => [...arc.goods.keys()].join(), class: "wide",
        show: (arc) => [...arc.goods].map(([good, amount]) => quantity(good, amount)).join(", ") },
      { name: hasPrices ? "At reference prices" : "Transfers", isNumber: true, of: (arc) => arc.worth,
        show: (arc) => [bar(arc.worth, most), ` ${hasPrices ? money(arc.worth) : whole.format(arc.worth)}`] },
    ],
  });
}

function gains() {
  const sorted = [...gainers].sort((a, b) => b.gain - a.gain);
  const half = sorted.reduce(([sum, n], agent) => (sum * 2 >= report.welfare.achieved ? [sum, n] : [sum + agent.gain, n + 1]), [0, 0])[1];
  const [first] = sorted;
  lead("gains", first === undefined ? "Nobody gained anything." : [
    `${titled(first.agent)} gained most, `, figure(`surplus_by_party.${first.agent}`, money(first.gain)), ` or ${ratio(first.gain, report.welfare.achieved)} of all. `,
    `${count(half, "agent")} gained half of what all gained together. Gains are counted at each agent's own central values.`]);
  gainsChart();
  const most = first?.gain ?? 0;
  table("parties", {
    caption: "Every agent", rows: everyone, sort: 1, first: 10, find: (agent) => `${agent.agent} ${titled(agent.agent)} ${agent.group}`,
    columns: [
      { name: "Agent", of: (agent) => titled(agent.agent), show: (agent) => named(agent.agent) },
      { name: "Gain", isNumber: true, of: (agent) => agent.gain,
        show: (agent) => [bar(agent.gain, most), " ", figure(`surplus_by_party.${agent.agent}`, money(agent.gain))] },
      { name: "Share", isNumber: true, of: (agent) => agent.gain, show: (agent) => ratio(agent.gain, report.welfare.achieved) },
      { name: "Deals settled", isNumber: true, of: (agent) => agent.settled },
      { name: "Got of its wants", isNumber: true, of: (agent) => agent.wish?.filled_ppm, show: (agent) => (agent.wish ? share(agent.wish.filled_ppm) : "–") },
      { name: "Gives mostly", of: (agent) => agent.main && spaced(agent.main) },
      { name: "Written in", of: (agent) => agent.language },
    ],
  });
}

function time() {
  const over = statesOverTime(isSmall ? 600 : 400);
  if (over === undefined) return hide("time");
  const ends = [["rejected", "rejected"], ["withdrawn", "withdrawn"], ["expired", "expired"], ["refused", "refused"],
    ["compensated", "taken back"]].filter(([state]) => report.deals[state] > 0);
  lead("time", figure("deals.opened"), " deals were opened, ", figure("deals.agreed"), " agreed, ", figure("deals.certified"), " certified, ",
    figure("deals.committed"), " committed and ", figure("deals.settled"), " settled",
    ends.length === 0 ? ". " : ends.flatMap(([state, word], index) => [index === 0 ? "; " : ", ", figure(`deals.${state}`), ` ${word}`]), ends.length === 0 ? "" : ". ",
    "Each clearing opens a batch of deals, which shows as a step; green is what is done.");
  timeChart(over);
  return undefined;
}

function latency() {
  if (tookMs.length === 0) return hide("latency");
  const { p50, p99 } = report.latency_ms;
  lead("latency", "Half of the settled deals took no longer than ", figure("latency_ms.p50", duration(p50)), ", 99 of 100 no longer than ",
    figure("latency_ms.p99", duration(p99)), ", the longest ", derived("longest_ms", tookMs.at(-1), duration(tookMs.at(-1))),
    ", from its opening to its settlement by the times in the logs.");
  histogram("latency-chart", { counts: bins(tookMs, 30), colour: "blue", name: "from opened to settled", unit: duration,
    marks: [{ at: p50, text: `p50 ${duration(p50)}` }, { at: p99, text: `p99 ${duration(p99)}` }],
    label: `How many settled deals took how long: half no longer than ${duration(p50)}, 99 of 100 no longer than ${duration(p99)}.` });
  const stages = meanStages();
  const most = Math.max(...stages.map((stage) => stage.mean));
  table("stages", { caption: "Where the time goes: the mean of each stage, over settled deals", rows: stages.map((stage, index) => ({ ...stage, index })), sort: 0,
    columns: [
      { name: "Stage", of: (stage) => stage.index, show: (stage) => titled(stage.state) },
      { name: "What passes", of: (stage) => stage.text },
      { name: "Mean", isNumber: true, of: (stage) => stage.mean, show: (stage) => [bar(stage.mean, most), ` ${duration(stage.mean)}`] },
    ] });
  return undefined;
}

function welfare() {
  const { achieved, optimum } = report.welfare;
  const busy = clearings.filter((round) => round.bound > 0 || round.deals.length > 0);
  const empty = clearings.length - busy.length;
  lead("welfare", "All settled deals together brought ", figure("welfare.achieved", money(achieved)), `, ${ratio(achieved, optimum)} of `,
    figure("welfare.optimum", money(optimum)), ", which no single clearing of everybody's whole intents could exceed",
    detail.optimum.objective > 0 ? ` (the best that was found reaches ${money(detail.optimum.objective)}). ` : ". ",
    "Each clearing below has a bound of its own, over what was left and free when it ran",
    empty > 0 ? `; ${count(empty, "clearing")} that had nothing left to find ${empty === 1 ? "is" : "are"} not drawn.` : ".");
  document.querySelector("#welfare figure").before(el("div", { class: "bullet" }, `Achieved, of the bound of one clearing of all (${short(optimum)})`,
    el("div", { class: "track", role: "img", "aria-label": `${ratio(achieved, optimum)} of the bound` },
      el("span", { style: `width:${optimum > 0 ? Math.min(100, (achieved / optimum) * 100).toFixed(2) : 0}%` }))));
  if (busy.length === 0) document.querySelector("#welfare figure").hidden = true;
  else welfareChart(busy);
  table("clearings", { caption: "Every clearing", rows: clearings, sort: 0, ascending: true, first: 10,
    columns: [
      { name: "Clearing", isNumber: true, of: (round) => round.clearing },
      { name: "After", isNumber: true, of: (round) => round.at_unix_ms - detail.began_unix_ms, show: (round) => duration(round.at_unix_ms - detail.began_unix_ms) },
      { name: "Offers", isNumber: true, of: (round) => round.offers },
      { name: "Bound", isNumber: true, of: (round) => round.bound, show: (round) => derived(`clearing.${round.clearing}.bound`, round.bound, money(round.bound)) },
      { name: "Found", isNumber: true, of: (round) => round.objective, show: (round) => derived(`clearing.${round.clearing}.objective`, round.objective, money(round.objective)) },
      { name: "Gap", isNumber: true, of: (round) => round.gap_ppm, show: (round) => `${(round.gap_ppm / 1e4).toFixed(2)} %` },
      { name: "Settled", isNumber: true, of: (round) => round.realised, show: (round) => derived(`clearing.${round.clearing}.settled`, round.realised, money(round.realised)) },
      { name: "Deals", isNumber: true, of: (round) => round.deals.length, show: (round) => `${round.settled} of ${round.deals.length}` },
      { name: "Took", isNumber: true, of: (round) => round.took_ms, show: (round) => duration(round.took_ms) },
      { name: "Outcome", of: (round) => spaced(round.outcome) },
    ] });
}

function division() {
  const { refined } = report;
  if (refined === undefined) return hide("division");
  const { before, after, evolved } = refined;
  const change = after.welfare_minor - before.welfare_minor;
  lead("division", `Each ring's gains were divided by the rule “${detail.market.division}” before it was proposed. Over `, figure("refined.before.deals"),
    ` rings that ${change <= 0 ? "cost" : "brought"} ${money(Math.abs(change))} of welfare`, before.welfare_minor > 0 ? ` (${ratio(Math.abs(change), before.welfare_minor)})` : "",
    ". Gini's coefficient is 0 where all gain alike; the least satisfied is measured by the most that it could gain in its deal.");
  const rows = [["before", "Rings as they were found", before], ["after", "The same, divided", after], ["evolved", "Exchanges of other shapes", evolved]]
    .map(([name, text, of], index) => ({ name, text, index, of, mean: (sum) => (of.deals > 0 ? sum / of.deals : undefined) }));
  table("evenness", { caption: "As proposed, settled or not", rows, sort: 0,
    columns: [
      { name: "What", of: (row) => row.index, show: (row) => row.text },
      { name: "Deals", isNumber: true, of: (row) => row.of.deals, show: (row) => figure(`refined.${row.name}.deals`) },
      { name: "Welfare", isNumber: true, of: (row) => row.of.welfare_minor, show: (row) => figure(`refined.${row.name}.welfare_minor`, money(row.of.welfare_minor)) },
      { name: "Least satisfied, mean", isNumber: true, of: (row) => row.mean(row.of.least_ppm), show: (row) => (row.of.deals ? share(row.mean(row.of.least_ppm)) : "–") },
      { name: "Gini, mean", isNumber: true, of: (row) => row.mean(row.of.gini_ppm), show: (row) => (row.of.deals ? (row.mean(row.of.gini_ppm) / 1e6).toFixed(2) : "–") },
    ] });
  return undefined;
}

function satisfied() {
  const wishers = everyone.filter((agent) => agent.wish);
  if (wishers.length === 0) return hide("satisfied");
  const served = wishers.filter((agent) => agent.settled > 0).sort((a, b) => a.wish.filled_ppm - b.wish.filled_ppm);
  const nothing = wishers.length - served.length;
  const [least] = served;
  lead("satisfied", least === undefined ? "Nobody got anything of what it wanted. " : `Of those that settled a deal, ${titled(least.agent)} got least of what it wanted: ${share(least.wish.filled_ppm)}. `,
    "Wants are weighed by what they are worth to who has them. ", derived("unserved", nothing), nothing === 1 ? " agent that wanted something got nothing; the next section says why." : " agents that wanted something got nothing; the next section says why.");
  histogram("satisfied-chart", { counts: bins(wishers.map((agent) => agent.wish.filled_ppm / 1e4), 20, 100), colour: "purple", name: "how much of what it wanted an agent got",
    unit: (percent) => `${whole.format(percent)} %`, label: "How many agents got how much of what they wanted, in twentieths." });
  table("least", { caption: "Who settled a deal, the least satisfied first", rows: served, sort: 1, ascending: true, first: 10, find: (agent) => `${agent.agent} ${titled(agent.agent)}`,
    columns: [
      { name: "Agent", of: (agent) => titled(agent.agent), show: (agent) => named(agent.agent) },
      { name: "Got of its wants", isNumber: true, of: (agent) => agent.wish.filled_ppm,
        show: (agent) => [bar(agent.wish.filled_ppm, 1e6), " ", derived(`filled.${agent.agent}`, agent.wish.filled_ppm, share(agent.wish.filled_ppm))] },
      { name: "Worth to it", isNumber: true, of: (agent) => agent.wish.got_minor, show: (agent) => money(agent.wish.got_minor) },
      { name: "Of", isNumber: true, of: (agent) => agent.wish.wanted_minor, show: (agent) => money(agent.wish.wanted_minor) },
      { name: "Gain", isNumber: true, of: (agent) => agent.gain, show: (agent) => money(agent.gain) },
    ] });
  return undefined;
}

function leftOut() {
  const words = [...new Set([...Object.keys(report.left_out), ...idle.map(lastReason)])];
  const rows = words.map((word) => ({ word, told: report.left_out[word] ?? 0, idle: idle.filter((agent) => lastReason(agent) === word).length }));
  if (idle.length === 0 && rows.length === 0) return hide("left-out");
  const [top] = [...rows].sort((a, b) => b.idle - a.idle);
  lead("left-out", derived("idle", idle.length), ` of ${count(everyone.length, "agent")} settled no deal`,
    top?.idle > 0 ? `, most of them (${whole.format(top.idle)}) because: ${reason(top.word)}. ` : ". ",
    "An agent may be told several reasons in the course of a run; the last one is counted.");
  table("reasons", { caption: "Reasons", rows, sort: 2, first: 20,
    columns: [
      { name: "Reason", of: (row) => reason(row.word), class: "wide" },
      { name: "Told so at some time", isNumber: true, of: (row) => row.told, show: (row) => (row.word in report.left_out ? figure(`left_out.${row.word}`) : "0") },
      { name: "Settled no deal", isNumber: true, of: (row) => row.idle, show: (row) => derived(`idle.${row.word}`, row.idle) },
    ] });
  if (idle.length === 0) return undefined;
  return table("passed", { caption: "Who settled no deal, and what the last clearing said", rows: idle, sort: 0, first: 10,
    find: (agent) => `${agent.agent} ${titled(agent.agent)} ${agent.passed?.detail ?? ""} ${reason(lastReason(agent))}`,
    columns: [
      { name: "Agent", of: (agent) => titled(agent.agent), show: (agent) => named(agent.agent) },
      { name: "Why", of: (agent) => reason(lastReason(agent)), class: "wide" },
      { name: "In detail", of: (agent) => agent.passed?.detail, class: "wide" },
      { name: "Left out by", isNumber: true, of: (agent) => agent.passed?.times, show: (agent) => (agent.passed ? count(agent.passed.times, "clearing") : "–") },
      { name: "Deals opened", isNumber: true, of: (agent) => agent.deals.length },
    ] });
}

/** Why an agent got nothing: by the last clearing that left it out, or else by what it was told. */
function lastReason(agent) {
  return agent.passed?.reason ?? agent.told.at(-1) ?? (agent.deals.length > 0 ? "its deals came to nothing" : "no clearing saw it");
}

function claims() {
  const { claims: of } = report;
  const refused = Object.entries(of.refused);
  if (of.proved === 0 && refused.length === 0) return hide("claims");
  const required = (detail.market.requires ?? []).map((kind) => spaced(kind)).join(" and ");
  lead("claims", `Each deal had to prove: ${required || "what it said itself"}. `, figure("claims.proved"), " proofs stand in the logs, checked exactly by the kernel. In ",
    figure("claims.deals"), ` deals with something to prove, ${ratio(of.proving_ms, of.to_commit_ms)} of the time from open to commit (`,
    figure("claims.proving_ms", duration(of.proving_ms)), " of ", figure("claims.to_commit_ms", duration(of.to_commit_ms)),
    ") lay between the last acceptance and the last proof.");
  const verdicts = [{ verdict: "proved, committed", n: of.deals, place: "claims.deals" },
    ...refused.map(([rule, n]) => ({ verdict: `refused by ${rule}`, n, place: `claims.refused.${rule}` }))];
  table("verdicts", { caption: "Verdicts on deals", rows: verdicts, sort: 1,
    columns: [{ name: "Verdict", of: (row) => row.verdict }, { name: "Deals", isNumber: true, of: (row) => row.n, show: (row) => figure(row.place) }] });
  if (provedMs.length === 0) document.querySelector("#claims figure").hidden = true;
  else histogram("claims-chart", { counts: bins(provedMs, 24), colour: "sky", name: "from the last acceptance to the last proof", unit: duration,
    label: "How many deals took how long from the last acceptance to the last proof." });
  return undefined;
}

function deals() {
  if (detail.deals.length === 0) return hide("deals");
  lead("deals", `${count(detail.deals.length, "deal")} of the market's book. `, report.settled_over_1000_usd === undefined ? "" : [figure("settled_over_1000_usd"), " of the settled ones brought 1,000 US dollars or more. "],
    "On a bus that is kept, hms deal verify checks any of them against its log.");
  return table("deal-table", { caption: "Deals, the most valuable first", rows: detail.deals, sort: 3, first: 10,
    find: (deal) => `${deal.deal} ${deal.state} ${deal.parties.join(" ")} ${deal.moved.map((moved) => moved.good).join(" ")} ${deal.why ?? ""}`,
    columns: [
      { name: "Deal", of: (deal) => deal.deal, class: "id" },
      { name: "State", of: (deal) => deal.state, class: "state", show: (deal) => (deal.why ? [deal.state, el("div", { class: "note" }, deal.why)] : deal.state) },
      { name: "What moves", of: (deal) => deal.parties.join(), class: "wide", show: (deal) => (deal.moved.length === 0 ? deal.parties.map(titled).join(", ")
        : deal.moved.map((moved) => el("div", {}, `${titled(moved.from)} → ${titled(moved.to)}: ${quantity(moved.good, moved.quantity)}`))) },
      { name: "Gain of all", isNumber: true, of: (deal) => (deal.gains.length ? gainOf(deal) : undefined), show: (deal) => (deal.gains.length ? money(gainOf(deal)) : "–") },
      { name: "Took", isNumber: true, of: (deal) => deal.steps.at(-1)[0] - deal.steps[0][0], show: (deal) => duration(deal.steps.at(-1)[0] - deal.steps[0][0]) },
      { name: "Proofs", isNumber: true, of: (deal) => deal.proofs },
    ] });
}

function errors() {
  const all = report.errors ?? [];
  if (all.length === 0) return hide("errors");
  lead("errors", "What agents reported, the first few.");
  document.querySelector("#errors ul").replaceChildren(...all.map((error) => el("li", {}, error)));
  return undefined;
}

function footer() {
  document.getElementById("footer").replaceChildren(
    el("p", {}, "Read off the signed logs, the stream of intents and the market maker's public record by a runner that only watches. Amounts are whole minor units, " +
      "counted exactly; charts alone are drawn from rounded numbers."),
    el("p", {}, `This file needs nothing else and fetches nothing. Charts: Apache ECharts ${echarts.version}, Apache-2.0.`),
  );
}

function contents() {
  const sections = [...document.querySelectorAll("main > section:not([hidden])")];
  document.getElementById("contents").replaceChildren(el("ul", {}, sections.map((section) =>
    el("li", {}, el("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)))));
}

function followColours() {
  document.getElementById("theme").addEventListener("change", ({ target }) => {
    if (target.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = target.value;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let [last, waiting] = [window.innerWidth, undefined];
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (window.innerWidth !== last) { last = window.innerWidth; redraw(); } }, 120);
  });
}

for (const part of [heading, keyFigures, network, gains, time, latency, welfare, division, satisfied, leftOut, claims, deals, errors, footer, contents, followColours]) part();
document.documentElement.dataset.drawn = "yes";
