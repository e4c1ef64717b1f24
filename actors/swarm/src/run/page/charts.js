// Charts: each is a function from colours and width to ECharts' options, drawn again when colours or widths change.

const charts = new Map();
const wantsStill = matchMedia("(prefers-reduced-motion: reduce)");

/** The page's colours as they are now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["paper", "ink", "muted", "rule", "faint", "blue", "green", "orange", "sky", "purple", "grey"];
  return Object.fromEntries([...names.map((name) => [name, of(name)]), ["sans", of("sans")]]);
}

/** Draws a chart in `host`. `options` is given colours and width; `label` says to who cannot see it what it shows. */
function chart(host, { height, renderer = "svg", label, options, onclick }) {
  const place = document.getElementById(host);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  const heightAt = (width) => (typeof height === "function" ? height(width) : height);
  place.style.height = `${heightAt(place.clientWidth)}px`;
  const drawn = echarts.init(place, null, { renderer });
  if (onclick) drawn.on("click", onclick);
  const draw = () => {
    const width = place.clientWidth;
    place.style.height = `${heightAt(width)}px`;
    drawn.resize();
    const is = colours();
    drawn.setOption({ ...common(is), ...options(is, width) }, { notMerge: true });
  };
  charts.set(host, draw);
  draw();
}

function redraw() {
  for (const draw of charts.values()) draw();
}

function common(is) {
  return {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: is.sans, color: is.ink, fontSize: 12 },
    tooltip: hint(is),
  };
}

/** A tooltip. Its text is put in as text: see `lines`. */
function hint(is, more = {}) {
  return {
    backgroundColor: is.paper, borderColor: is.grey, borderWidth: 1, padding: [6, 9], confine: true,
    textStyle: { color: is.ink, fontSize: 12, fontFamily: is.sans },
    transitionDuration: wantsStill.matches ? 0 : 0.1,
    ...more,
  };
}

/** What a tooltip says, line by line, the first in bold: elements, so that no name is read as markup. */
function lines(first, ...rest) {
  return el("div", {}, el("strong", {}, first), rest.map((text) => el("div", {}, text)));
}

function axis(is, more = {}) {
  return {
    axisLine: { lineStyle: { color: is.grey } },
    axisTick: { show: false },
    axisLabel: { color: is.muted, hideOverlap: true, ...more.axisLabel },
    splitLine: { lineStyle: { color: is.rule } },
    nameTextStyle: { color: is.muted, align: "left" },
    ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== "axisLabel")),
  };
}

function stateColours(is) {
  return {
    settled: is.green, committed: is.blue, certified: is.sky, agreed: is.purple, negotiating: is.grey, open: is.rule,
    rejected: is.orange, withdrawn: is.muted, expired: is.ink, refused: "#c44536", failed: "#7a2e22", compensated: "#7b6d3a",
  };
}

/** Every party's gain: named bars where they are few, a line from the largest to the least where they are many. */
function gainsChart() {
  const sorted = [...everyone].sort((a, b) => b.gain - a.gain || collator.compare(a.agent, b.agent));
  const label = "What each agent gained, from the most to the least. The table below has every number.";
  const axisOfMoney = (is) => axis(is, { type: "value", axisLabel: { formatter: short } });
  if (!isSmall) {
    const points = sorted.map((agent, index) => [index + 1, agent.gain]);
    const options = (is) => ({
      grid: { left: 14, right: 30, top: 28, bottom: 30, containLabel: true },
      xAxis: axis(is, { type: "value", min: 1, max: sorted.length, splitLine: { show: false },
        name: "agents, from the one that gained most", nameLocation: "middle", nameGap: 26,
        nameTextStyle: { color: is.muted, align: "center" } }),
      yAxis: axisOfMoney(is),
      tooltip: hint(is, { trigger: "axis", formatter: ([{ data: [rank, gain] }]) =>
        lines(titled(sorted[rank - 1].agent), `number ${whole.format(rank)}: ${money(gain)}`) }),
      series: [{ type: "line", step: "middle", symbol: "none", data: points, lineStyle: { color: is.green, width: 1.5 },
        areaStyle: { color: is.green, opacity: 0.35 } }],
    });
    chart("gains-chart", { height: 300, label, options });
    return;
  }
  const most = Math.max(...sorted.map((agent) => agent.gain), 1);
  const options = (is, width) => ({
    grid: { left: 14, right: width < 500 ? 70 : 110, top: 4, bottom: 4, containLabel: true },
    xAxis: { type: "value", show: false, max: most },
    yAxis: axis(is, { type: "category", inverse: true, data: sorted.map((agent) => titled(agent.agent)),
      axisLine: { show: false }, axisLabel: { color: is.ink, interval: 0, fontSize: 12, width: width < 500 ? 110 : 200,
        overflow: "truncate" } }),
    tooltip: hint(is, { trigger: "item", formatter: ({ dataIndex }) => {
      const agent = sorted[dataIndex];
      return lines(titled(agent.agent), money(agent.gain), `${count(agent.settled, "deal")} settled`);
    } }),
    series: [{ type: "bar", barWidth: "68%", data: sorted.map((agent) => agent.gain), itemStyle: { color: is.green },
      label: { show: true, position: "right", color: is.muted, fontSize: 11,
        formatter: ({ value }) => (value === 0 ? "nothing" : short(value)) } }],
  });
  chart("gains-chart", { height: sorted.length * 19 + 16, label, options, onclick: ({ dataIndex }) => choose(sorted[dataIndex].agent, true) });
}

function timeChart(over) {
  const used = STATES.filter((state) => over.lines[state].some(([, n]) => n > 0));
  const options = (is) => {
    const of = stateColours(is);
    return {
      legend: { data: used.map(titled), top: 0, left: 0, icon: "rect", itemWidth: 12, itemHeight: 12, textStyle: { color: is.ink } },
      grid: { left: 14, right: 30, top: used.length > 5 ? 62 : 42, bottom: 26, containLabel: true },
      xAxis: axis(is, { type: "value", min: over.first, max: over.last, splitLine: { show: false },
        axisLabel: { formatter: (ms) => `${whole.format(ms / 1000)} s` } }),
      yAxis: axis(is, { type: "value", minInterval: 1, name: "deals" }),
      tooltip: hint(is, { trigger: "axis", formatter: (points) => lines(
        `after ${duration(points[0].data[0])}`,
        ...points.filter(({ data }) => data[1] > 0).map(({ seriesName, data }) => `${seriesName}: ${whole.format(data[1])}`),
      ) }),
      series: used.map((state) => ({
        name: titled(state), type: "line", stack: "deals", step: "end", symbol: "none", data: over.lines[state],
        lineStyle: { width: 0 }, areaStyle: { color: of[state], opacity: 0.9 }, itemStyle: { color: of[state] },
      })),
    };
  };
  const label = `How many deals stood in which state over time; in the end ${used.filter((state) => over.end[state])
    .map((state) => `${over.end[state]} ${state}`).join(", ")}.`;
  chart("time-chart", { height: 340, label, options });
}

/** How many of something lie in each bin, with marks at some values. */
function histogram(host, { counts, name, colour, label, unit, marks = [] }) {
  const options = (is) => ({
    grid: { left: 14, right: 30, top: 24 + 16 * marks.length, bottom: 44, containLabel: true },
    xAxis: axis(is, { type: "value", min: counts[0].from, max: counts.at(-1).to, splitLine: { show: false }, name,
      nameLocation: "middle", nameGap: 28, nameTextStyle: { color: is.muted, align: "center" },
      axisLabel: { formatter: unit } }),
    yAxis: axis(is, { type: "value", minInterval: 1 }),
    tooltip: hint(is, { trigger: "item", formatter: ({ dataIndex }) => {
      const bin = counts[dataIndex];
      return bin && lines(`${unit(bin.from)} to ${unit(bin.to)}`, whole.format(bin.n));
    } }),
    series: [{
      type: "custom",
      data: counts.map((bin) => [bin.from, bin.to, bin.n]),
      encode: { x: [0, 1], y: 2 },
      renderItem: (_, api) => {
        const [left, top] = api.coord([api.value(0), api.value(2)]);
        const [right, foot] = api.coord([api.value(1), 0]);
        const shape = { x: left + 0.5, y: top, width: Math.max(1, right - left - 1), height: foot - top };
        return { type: "rect", shape, style: { fill: is[colour] } };
      },
      markLine: { silent: true, symbol: "none", animation: false,
        data: marks.map(({ at, text }, index) => ({ xAxis: at, lineStyle: { color: is.ink, type: "dashed" },
          label: { formatter: text, color: is.ink, position: "end", align: index > 0 ? "right" : "center",
            offset: [index > 0 ? 4 : 0, -16 * (marks.length - 1 - index)] } })) },
    }],
  });
  chart(host, { height: 260, label, options });
}

function welfareChart(rounds) {
  const options = (is) => ({
    legend: { top: 0, left: 0, itemWidth: 14, itemHeight: 12, textStyle: { color: is.ink },
      data: [{ name: "Bound", icon: "rect" }, { name: "Found", icon: "rect" }, { name: "Settled", icon: "rect" }] },
    grid: { left: 14, right: 30, top: 40, bottom: 44, containLabel: true },
    xAxis: axis(is, { type: "category", data: rounds.map((round) => round.clearing), name: "clearing",
      nameLocation: "middle", nameGap: 28, nameTextStyle: { color: is.muted, align: "center" } }),
    yAxis: axis(is, { type: "value", axisLabel: { formatter: short } }),
    tooltip: hint(is, { trigger: "axis", axisPointer: { type: "shadow" }, formatter: ([{ dataIndex }]) => {
      const round = rounds[dataIndex];
      return lines(`Clearing ${round.clearing}`, `bound ${money(round.bound)}`, `found ${money(round.objective)}`,
        `settled ${money(round.realised)}, ${count(round.settled, "deal")}`);
    } }),
    series: [
      { name: "Bound", type: "bar", barGap: "-100%", barCategoryGap: "30%", data: rounds.map((round) => round.bound), z: 1,
        itemStyle: { color: is.faint, borderColor: is.ink, borderWidth: 1.5 } },
      { name: "Found", type: "bar", barGap: "-100%", barCategoryGap: "30%", data: rounds.map((round) => round.objective), z: 2,
        itemStyle: { color: is.sky, borderColor: is.ink, borderWidth: 0 } },
      { name: "Settled", type: "bar", barGap: "-100%", barCategoryGap: "30%", data: rounds.map((round) => round.realised), z: 3,
        itemStyle: { color: is.green } },
    ],
  });
  chart("welfare-chart", { height: 300, options,
    label: "For each clearing: the bound, what it found, and what its deals brought once settled. The table below has the numbers." });
}
