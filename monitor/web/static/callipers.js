// Two points on the strip, dragged or moved by keys; between them ms, mV and beats per minute are read.

import { h, setText } from "./dom.js";
import { mvAt, timeAt, xOf, yOf } from "./lanes.js";
import { clockMs } from "./time.js";

const STEP_US = 10e3;
const STEP_MV = 0.05;

export class Callipers {
  /** Lies over a canvas; `change` is called when a point has moved. */
  constructor(change) {
    this.change = change;
    this.on = false;
    this.points = [null, null];
    this.readout = h("output", { class: "readout", hidden: true, "aria-live": "polite" });
    this.frame = h("div", { class: "between" });
    this.handles = [0, 1].map((n) => this._handle(n));
    this.node = h("div", { class: "callipers", hidden: true }, this.frame, this.handles);
  }

  /** Show or hide; shown, they stand around the middle of what is seen. */
  toggle(layout) {
    this.on = !this.on;
    this.node.hidden = !this.on;
    this.readout.hidden = !this.on;
    if (!this.on) return;
    const middle = (layout.fromUs + layout.toUs) / 2;
    const apart = (layout.toUs - layout.fromUs) / 20;
    const level = layout.lanes[0].centreUv / 1000;
    this.points = [
      { timeUs: middle - apart, mv: level + 0.5 },
      { timeUs: middle + apart, mv: level },
    ];
    this.place(layout);
    this.handles[0].focus();
  }

  /** Put the points where they belong after the strip has moved. */
  place(layout) {
    this.layout = layout;
    if (!this.on) return;
    const [lane] = layout.lanes;
    const spots = this.points.map((point) => [xOf(layout, point.timeUs), yOf(layout, lane, point.mv * 1000)]);
    spots.forEach(([x, y], n) => {
      this.handles[n].style.left = `${x}px`;
      this.handles[n].style.top = `${y}px`;
      this.handles[n].setAttribute("aria-valuenow", Math.round(this.points[n].timeUs / 1000));
      this.handles[n].setAttribute(
        "aria-valuetext",
        `${clockMs(this.points[n].timeUs)}, ${this.points[n].mv.toFixed(2)} mV`,
      );
    });
    const [[x0, y0], [x1, y1]] = spots;
    Object.assign(this.frame.style, {
      left: `${Math.min(x0, x1)}px`,
      top: `${Math.min(y0, y1)}px`,
      width: `${Math.abs(x1 - x0)}px`,
      height: `${Math.abs(y1 - y0)}px`,
    });
    setText(this.readout, this.words());
  }

  /** "412 ms (146 /min), 0.85 mV". */
  words() {
    const [a, b] = this.points;
    const ms = Math.abs(b.timeUs - a.timeUs) / 1000;
    const rate = ms > 0 ? ` (${(60000 / ms).toFixed(0)} /min)` : "";
    return `${ms.toFixed(0)} ms${rate}, ${Math.abs(b.mv - a.mv).toFixed(2)} mV`;
  }

  _handle(n) {
    const handle = h("button", {
      type: "button",
      class: "handle",
      role: "slider",
      "aria-label": `calliper ${n + 1}: arrows move it by 10 ms and 0.05 mV`,
      onkeydown: (event) => this._key(n, event),
      onpointerdown: (event) => {
        handle.setPointerCapture(event.pointerId);
        event.stopPropagation();
      },
      onpointermove: (event) => this._drag(n, event, handle),
    });
    return handle;
  }

  _key(n, event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    this._set(n, this.points[n].timeUs + move[0] * STEP_US, this.points[n].mv + move[1] * STEP_MV);
  }

  _drag(n, event, handle) {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = this.node.getBoundingClientRect();
    const [lane] = this.layout.lanes;
    const y = Math.min(Math.max(event.clientY - box.top, lane.y), lane.y + lane.height);
    this._set(n, timeAt(this.layout, event.clientX - box.left), mvAt(this.layout, lane, y));
  }

  _set(n, timeUs, mv) {
    this.points[n] = { timeUs, mv };
    this.place(this.layout);
    this.change();
  }
}
