// Paints a scene of the network, and says what is under the mouse.
//
// The map is painted when something changed, at most so often as the page asks; what runs along an arc while few things
// happen is painted on a canvas of its own, so that the map need not be. Two thousand dots take some milliseconds.

import { byId, canvas, colours, say } from "./dom.js";
import { titled } from "./words.js";

/** So many deals may run along their arcs at once; where more happens, the map changes and nothing runs. */
const MOST_PULSES = 24;
const PULSE_MS = 1_400;
/** Between two pictures of what runs, in milliseconds: a browser without a graphics card pays for each. */
const PULSE_EVERY_MS = 35;
/** What a name around the circle may take, in pixels. */
const NAME_ROOM = 96;

const wantsStill = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Network {
  /** `pick` is called with an agent's name, or with nothing where there is none. */
  constructor(pick) {
    this.stage = byId("stage");
    this.map = byId("network");
    this.overlay = byId("pulses");
    this.hint = byId("hint");
    this.view = { zoom: 1, x: 0, y: 0 };
    this.pulses = [];
    this.shown = [];
    this.palette = new Map();
    this.refresh();
    this.pointer(pick);
  }

  /** Takes the colours of the page anew. */
  refresh() {
    this.is = colours();
    const { blue, orange, green, purple, gold, sky } = this.is;
    this.inks = [blue, orange, green, purple, gold, sky];
  }

  /** The colour of a good: the first few have their own. */
  ink(good) {
    const index = this.palette.get(good);
    return index === undefined || index >= this.inks.length ? this.is.grey : this.inks[index];
  }

  /** From a place in the scene to one on the canvas. */
  place({ x, y }) {
    const { zoom } = this.view;
    return [this.middle[0] + (x + this.view.x) * this.scale * zoom, this.middle[1] + (y + this.view.y) * this.scale * zoom];
  }

  paint(scene, describe) {
    this.scene = scene;
    this.describe = describe;
    const { pen, width, height } = canvas(this.map);
    if (width === 0 || height === 0) return;
    this.middle = [width / 2, height / 2];
    // Around a circle there is room for names, the more the wider they may be.
    this.scale = Math.max(Math.min(width, height) / 2 - (scene.isFew ? Math.min(NAME_ROOM, width / 5) : 6), 40);
    for (const line of scene.lines) this.line(pen, line, scene);
    this.shown = [];
    for (const dot of scene.dots) this.dot(pen, dot, scene);
    for (const [good, cluster] of scene.clusters) this.cluster(pen, good, cluster, scene);
    for (const dot of this.shown) if (dot.isNamed) this.name(pen, dot, scene);
  }

  line(pen, { from, to, good, share, kind, freshness, text }, scene) {
    const [ax, ay] = this.place(from);
    const [bx, by] = this.place(to);
    const [cx, cy] = this.bend(ax, ay, bx, by);
    const isStrong = kind !== "arc" && kind !== "cluster";
    pen.strokeStyle = kind === "out" ? this.is.blue : kind === "in" ? this.is.orange : this.ink(good);
    pen.globalAlpha = isStrong ? 0.85 : kind === "cluster" ? 0.12 + 0.3 * share + 0.12 * freshness : (0.1 + 0.35 * share + 0.4 * freshness) * Math.min(1, Math.sqrt(160 / scene.lines.length));
    pen.lineWidth = kind === "deal" ? 2.4 : kind === "cluster" ? 0.6 + 5.5 * share : 0.6 + 4.2 * share;
    pen.beginPath();
    pen.moveTo(ax, ay);
    pen.quadraticCurveTo(cx, cy, bx, by);
    pen.stroke();
    if (isStrong || (scene.isFew && share > 0.2)) this.head(pen, cx, cy, bx, by);
    if (text !== undefined) this.word(pen, text, (ax + 2 * cx + bx) / 4, (ay + 2 * cy + by) / 4);
    pen.globalAlpha = 1;
  }

  /** The point that an arc bends towards: a little to its right, and to the middle. */
  bend(ax, ay, bx, by) {
    const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
    const [ox, oy] = this.place({ x: 0, y: 0 });
    return [mx + (ox - mx) * 0.35 - (by - ay) * 0.08, my + (oy - my) * 0.35 + (bx - ax) * 0.08];
  }

  head(pen, fx, fy, tx, ty) {
    const angle = Math.atan2(ty - fy, tx - fx);
    const [x, y] = [tx - 7 * Math.cos(angle), ty - 7 * Math.sin(angle)];
    pen.fillStyle = pen.strokeStyle;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x - 8 * Math.cos(angle - 0.4), y - 8 * Math.sin(angle - 0.4));
    pen.lineTo(x - 8 * Math.cos(angle + 0.4), y - 8 * Math.sin(angle + 0.4));
    pen.fill();
  }

  /** Words on paper, so that they can be read on arcs. */
  word(pen, text, x, y, align = "center") {
    const shown = text.length > 42 ? `${text.slice(0, 41)}…` : text;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const [ink, alpha, wide] = [pen.strokeStyle, pen.globalAlpha, pen.lineWidth];
    [pen.globalAlpha, pen.strokeStyle, pen.lineWidth, pen.fillStyle] = [1, this.is.paper, 4, this.is.ink];
    pen.strokeText(shown, x, y);
    pen.fillText(shown, x, y);
    [pen.strokeStyle, pen.globalAlpha, pen.lineWidth] = [ink, alpha, wide];
  }

  dot(pen, dot, scene) {
    const [x, y] = this.place(dot);
    const by = Math.min(1, Math.max(0.5, this.scale / 240)) * Math.sqrt(this.view.zoom);
    const radius = (dot.isMain ? 3 : 0) + (scene.isFew ? 3.5 + dot.size * 7.5 : 1.6 + dot.size * 3) * by;
    const ink = this.ink(dot.good);
    pen.globalAlpha = dot.isDim ? 0.22 : 1;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    if (dot.isHollow) {
      pen.fillStyle = this.is.paper;
      pen.strokeStyle = ink;
      pen.lineWidth = 1;
      if (scene.isFew) pen.fill();
      pen.stroke();
    } else {
      pen.fillStyle = ink;
      pen.fill();
    }
    if (dot.isMain) {
      pen.strokeStyle = this.is.ink;
      pen.lineWidth = 2;
      pen.stroke();
    }
    pen.globalAlpha = 1;
    this.shown.push({ ...dot, px: x, py: y, radius });
  }

  name(pen, dot, scene) {
    const isNear = dot.isLit || dot.isMain;
    pen.font = `${isNear ? "600 " : ""}${scene.isFew && this.scale > 150 ? 12 : 10.5}px ${getComputedStyle(document.body).fontFamily}`;
    if (!scene.isFew || dot.angle === undefined) {
      this.word(pen, titled(dot.name), dot.px, dot.py - dot.radius - 8);
      return;
    }
    if (dot.isDim) pen.globalAlpha = 0.35;
    const isLeft = Math.cos(dot.angle) < -0.001;
    pen.save();
    pen.translate(dot.px, dot.py);
    pen.rotate(isLeft ? dot.angle + Math.PI : dot.angle);
    pen.fillStyle = this.is.ink;
    pen.textBaseline = "middle";
    pen.textAlign = isLeft ? "right" : "left";
    pen.fillText(titled(dot.name), (dot.radius + 6) * (isLeft ? -1 : 1), 0, NAME_ROOM - 12);
    pen.restore();
    pen.globalAlpha = 1;
  }

  cluster(pen, good, { x, y, radius, angle, members }, scene) {
    const far = radius + 0.035;
    const side = Math.cos(angle);
    const [px, py] = this.place({ x: x + Math.cos(angle) * far, y: y + Math.sin(angle) * far });
    pen.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
    pen.globalAlpha = scene.isFocused ? 0.6 : 1;
    pen.strokeStyle = this.ink(good);
    const text = `${good === "" ? "nothing yet" : good} · ${members}`;
    this.word(pen, text, px, py + 8 * Math.sin(angle), side > 0.25 ? "left" : side < -0.25 ? "right" : "center");
    pen.globalAlpha = 1;
  }

  /** Lets transfers that were just committed run along their arcs, where few enough happen for an eye to follow. */
  run(transfers, places) {
    if (wantsStill.matches || document.hidden || this.scene === undefined || transfers.length + this.pulses.length > MOST_PULSES) return;
    const begin = performance.now();
    for (const { from, to, good } of transfers) {
      const [a, b] = [places.at.get(from), places.at.get(to)];
      if (a !== undefined && b !== undefined) this.pulses.push({ from: a, to: b, good, begin });
    }
    if (this.pulses.length > 0 && !this.isRunning) {
      this.isRunning = true;
      requestAnimationFrame((now) => this.step(now));
    }
  }

  step(now) {
    this.pulses = this.pulses.filter(({ begin }) => now - begin < PULSE_MS);
    const { pen } = canvas(this.overlay);
    for (const { from, to, good, begin } of this.pulses) {
      const part = Math.max(0, (now - begin) / PULSE_MS);
      const eased = part * part * (3 - 2 * part);
      const [ax, ay] = this.place(from);
      const [bx, by] = this.place(to);
      const [cx, cy] = this.bend(ax, ay, bx, by);
      const at = (a, c, b) => (1 - eased) ** 2 * a + 2 * (1 - eased) * eased * c + eased ** 2 * b;
      pen.fillStyle = this.ink(good);
      pen.globalAlpha = 1 - part * part;
      pen.beginPath();
      pen.arc(at(ax, cx, bx), at(ay, cy, by), 5.5, 0, 2 * Math.PI);
      pen.fill();
      pen.globalAlpha = (1 - part) * 0.6;
      pen.strokeStyle = this.ink(good);
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(bx, by, 6 + 18 * eased, 0, 2 * Math.PI);
      pen.stroke();
    }
    this.isRunning = this.pulses.length > 0;
    if (this.isRunning) setTimeout(() => requestAnimationFrame((next) => this.step(next)), PULSE_EVERY_MS);
  }

  /** The dot at a place on the canvas. */
  under(x, y) {
    let [best, least] = [undefined, 14];
    for (const dot of this.shown) {
      const far = Math.hypot(dot.px - x, dot.py - y) - dot.radius;
      if (far < least) [best, least] = [dot, far];
    }
    return best;
  }

  whole() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.repaint();
  }

  repaint() {
    if (this.scene !== undefined) this.paint(this.scene, this.describe);
    byId("whole").hidden = this.view.zoom === 1 && this.view.x === 0 && this.view.y === 0;
  }

  pointer(pick) {
    let dragged;
    this.map.addEventListener("pointerdown", (event) => {
      dragged = { x: event.clientX, y: event.clientY, view: { ...this.view }, isFar: false };
      this.map.setPointerCapture(event.pointerId);
    });
    this.map.addEventListener("pointermove", (event) => {
      if (dragged !== undefined && event.pointerType === "mouse") {
        const [dx, dy] = [event.clientX - dragged.x, event.clientY - dragged.y];
        dragged.isFar ||= Math.hypot(dx, dy) > 4;
        if (!dragged.isFar) return;
        const scale = this.scale * this.view.zoom;
        this.view = { ...this.view, x: dragged.view.x + dx / scale, y: dragged.view.y + dy / scale };
        this.repaint();
        return;
      }
      this.point(event);
    });
    this.map.addEventListener("pointerup", (event) => {
      const isClick = dragged !== undefined && !dragged.isFar;
      dragged = undefined;
      const { left, top } = this.map.getBoundingClientRect();
      if (isClick) pick(this.under(event.clientX - left, event.clientY - top)?.name);
    });
    this.map.addEventListener("pointerleave", () => { this.hint.hidden = true; });
    this.map.addEventListener("wheel", (event) => {
      event.preventDefault();
      const zoom = Math.min(Math.max(this.view.zoom * Math.exp(-event.deltaY / 400), 1), 16);
      const { left, top } = this.map.getBoundingClientRect();
      const [x, y] = [event.clientX - left - this.middle[0], event.clientY - top - this.middle[1]];
      const by = 1 / (this.scale * zoom) - 1 / (this.scale * this.view.zoom);
      this.view = zoom === 1 ? { zoom, x: 0, y: 0 } : { zoom, x: this.view.x + x * by, y: this.view.y + y * by };
      this.repaint();
    }, { passive: false });
  }

  /** Says what is under the mouse. */
  point(event) {
    const { left, top, width } = this.map.getBoundingClientRect();
    const dot = this.under(event.clientX - left, event.clientY - top);
    this.map.style.cursor = dot === undefined ? "default" : "pointer";
    this.hint.hidden = dot === undefined;
    if (dot === undefined) return;
    say(this.hint, this.describe(dot.name));
    const isRight = dot.px > width / 2;
    this.hint.style.left = isRight ? "auto" : `${dot.px + 14}px`;
    this.hint.style.right = isRight ? `${width - dot.px + 14}px` : "auto";
    this.hint.style.top = `${Math.max(dot.py - 20, 4)}px`;
  }
}
