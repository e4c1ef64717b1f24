// How things are said: numbers with their units, sentences, and elements that hold nothing but text.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** An element with attributes and children. Strings become text, whatever they hold. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null));
  return element;
}

/** A figure of the report, with its place there and its exact value beside what is shown. */
function figure(place, shown) {
  const value = place.split(".").reduce((at, name) => at?.[name], report);
  return el("data", { "data-figure": place, value: String(value) }, shown ?? whole.format(value));
}

/** A figure that the page itself counted. */
function derived(name, value, shown) {
  return el("data", { "data-derived": name, value: String(value) }, shown ?? whole.format(value));
}

const LARGE = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]];

/** An amount in minor units of account, in full. */
function money(minor) {
  if (report.unit_of_account !== "US cent") return `${whole.format(minor)} ${report.unit_of_account}s`;
  const dollars = minor / 100;
  const digits = Math.abs(dollars) < 1000 ? 2 : 0;
  const text = Math.abs(dollars).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${dollars < 0 ? "−" : ""}$${text}`;
}

/** An amount, short enough for an axis or a headline. */
function short(minor) {
  const inDollars = report.unit_of_account === "US cent";
  const amount = inDollars ? minor / 100 : minor;
  const size = Math.abs(amount);
  const [unit, word] = LARGE.find(([at]) => size >= at) ?? [1, ""];
  const scaled = size / unit;
  const digits = unit === 1 ? (size < 10 && inDollars && size > 0 ? 2 : 0) : scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
  const text = scaled.toLocaleString("en-US", { maximumFractionDigits: digits });
  const sign = amount < 0 ? "−" : "";
  return `${sign}${inDollars ? "$" : ""}${text}${word && `\u00a0${word}`}${inDollars ? "" : ` ${report.unit_of_account}s`}`;
}

/** Parts per million as per cent. */
function share(ppm) {
  const percent = ppm / 1e4;
  return `${percent >= 99.95 || percent === 0 ? whole.format(percent) : tenths.format(percent)}\u00a0%`;
}

function ratio(part, of) {
  return of ? share((part / of) * 1e6) : "–";
}

/** Milliseconds as people say them. */
function duration(ms) {
  if (ms < 1000) return `${whole.format(ms)}\u00a0ms`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)}\u00a0s` : `${tenths.format(ms / 1000)}\u00a0s`;
}

function count(number, one, many = `${one}s`) {
  return `${whole.format(number)} ${number === 1 ? one : many}`;
}

/** A name with spaces for hyphens: `crude-oil` is crude oil. */
function spaced(name) {
  return name.replaceAll("-", " ").replaceAll("_", " ");
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A name as a title: `south-africa` is South Africa. */
function titled(name) {
  return spaced(name).split(" ").map((word, index) => (index > 0 && SMALL.has(word) ? word : capital(word))).join(" ");
}

const SMALL = new Set(["and", "d", "de", "in", "of", "the"]);

/** So much of a good. What is as short as kg is a symbol, and symbols have no plural. */
function quantity(good, amount) {
  const unit = units.get(good) ?? "unit";
  const isSame = amount === 1 || unit.endsWith("s") || unit.length < 3;
  return `${whole.format(amount)} ${unit}${isSame ? "" : "s"} of ${spaced(good)}`;
}

/** What the maker's word for why somebody got nothing means. */
const REASONS = {
  nothing_to_give: "gives nothing that could be exchanged",
  nothing_wanted: "wants nothing",
  nobody_wants_it: "nobody wants what it gives",
  nobody_gives_it: "nobody gives what it wants",
  priced_out: "at its prices no ring satisfies everyone",
  outbid: "others made better use of the same goods",
  no_ring: "no ring of allowed length closes",
  too_small: "its part would round to nothing",
  sitting_out: "rejected a deal at its own values, and sits out",
  in_open_deals: "all it offers is in open deals",
  filled: "all it offers has been traded",
  refused: "its intent breaks a rule of the market",
  no_intent: "has no intent in the market",
};

function reason(word) {
  return REASONS[word] ?? spaced(word);
}

/** Sets the sentence under a section's heading: texts and elements. */
function lead(section, ...parts) {
  document.querySelector(`#${section} .lead`).replaceChildren(...parts.flat(Infinity));
}

function hide(section) {
  document.getElementById(section).hidden = true;
}
