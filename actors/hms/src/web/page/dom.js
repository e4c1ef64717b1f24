// Elements, made of words that are shown as they are: whatever agents wrote, it is text and nothing else.

/** An element with attributes and children; a child is an element, or is shown as text. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text where it differs, so that nothing is laid out anew for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The colours as the page's style has them now. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "sheet", "ink", "muted", "rule", "faint", "blue", "green", "orange", "sky", "purple", "gold", "grey"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** A canvas as large as it is shown, in the screen's own pixels; its pen, and its size as it is shown. */
export function canvas(element) {
  const { width, height } = element.getBoundingClientRect();
  const dense = Math.min(window.devicePixelRatio || 1, 2);
  const [wide, high] = [Math.round(width * dense), Math.round(height * dense)];
  if (element.width !== wide || element.height !== high) [element.width, element.height] = [wide, high];
  const pen = element.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}
