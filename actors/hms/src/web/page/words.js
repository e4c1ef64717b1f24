// Numbers, names, times and states as people read them. Nothing here knows of a page.

const grouped = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const number = (n) => (Math.abs(n) < 100_000 ? grouped.format(n) : compact.format(n));
export const exact = (n) => grouped.format(n);
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** A time of day, with its milliseconds where events are told apart by them. */
export function time(unixMs, isExact = false) {
  const date = new Date(unixMs);
  return clock.format(date) + (isExact ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "");
}

export const date = (unixMs) => day.format(new Date(unixMs));

/** How long ago, in a few characters. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `south-sudan` as `South sudan`. */
export const titled = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("-", " ").replaceAll("_", " ");

/** So much of a good, in the unit that its market counts it in. */
export function amount(quantity, good, market) {
  const unit = market?.goods.get(good)?.unit;
  return unit ? `${number(quantity)} ${unit} of ${good}` : `${number(quantity)} ${good}`;
}

/** Names, of which not too many are said. */
export function names(all, most = 3) {
  if (all.length <= most + 1) return all.map(titled).join(", ");
  return `${all.slice(0, most).map(titled).join(", ")} and ${all.length - most} more`;
}

/** How a state is meant: `alive`, `good` or `bad`. */
export function mood(state) {
  if (state === "settled") return "good";
  return ["open", "negotiating", "agreed", "certified", "committed"].includes(state) ? "alive" : "bad";
}
