// The bar at the foot: what happened when, and the moment that is shown.

import { byId, canvas, say } from "./dom.js";
import { date, number, time } from "./words.js";

/** The slider's steps. */
const STEPS = 1000;

export class Clock {
  constructor({ seek }) {
    this.slider = byId("moment");
    this.slider.max = String(STEPS);
    this.slider.addEventListener("input", () => seek(this.from + (Number(this.slider.value) / STEPS) * (this.to - this.from), Number(this.slider.value) === STEPS));
    this.from = 0;
    this.to = 1;
  }

  /** Shows a past between two times, and the moment in it. */
  show(past, { from, to, moment, isLive, is }) {
    this.from = from;
    this.to = Math.max(to, from + 1);
    const part = isLive ? 1 : Math.min(Math.max((moment - from) / (this.to - from), 0), 1);
    // Whoever drags it knows better.
    if (document.activeElement !== this.slider || isLive) this.slider.value = String(Math.round(part * STEPS));
    this.slider.setAttribute("aria-valuetext", isLive ? "now" : time(moment));
    const { pen, width, height } = canvas(byId("history"));
    const parts = Math.max(1, Math.floor(width / 4));
    const bars = past.histogram(from, this.to, parts);
    const most = Math.max(...bars.map(({ moves, good, bad }) => moves + good + bad), 1);
    const wide = width / parts;
    bars.forEach((bar, index) => {
      let foot = height;
      for (const [kind, ink] of [["good", is.green], ["bad", is.orange], ["moves", is.sky]]) {
        const high = (bar[kind] / most) * (height - 2);
        if (high === 0) continue;
        pen.globalAlpha = (index + 0.5) / parts > part ? 0.3 : kind === "moves" ? 0.6 : 1;
        pen.fillStyle = ink;
        pen.fillRect(index * wide, foot - Math.max(high, 0.8), Math.max(wide - 1, 1), Math.max(high, 0.8));
        foot -= high;
      }
    });
    pen.globalAlpha = 1;
    pen.fillStyle = is.ink;
    pen.fillRect(Math.min(part * width, width - 1.5), 0, 1.5, height);
  }

  /** Says which moment it is, and how much happened lately. */
  tell({ moment, isLive, rate, first }) {
    const at = byId("clock").querySelector("time");
    at.dateTime = new Date(moment).toISOString();
    say(at, first === undefined ? "–" : isLive ? time(moment) : time(moment, true));
    say(byId("lately"), first === undefined ? "nothing yet" : isLive ? `${rate >= 10 ? number(Math.round(rate)) : rate.toFixed(1)} events/s` : date(moment));
  }
}
