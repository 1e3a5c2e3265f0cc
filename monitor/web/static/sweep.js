// A live strip that is written from left to right over its old self, as bedside monitors do.

import { fit } from "./dom.js";
import { PX_PER_MV, PX_PER_S } from "./paper.js";
import { colour, reducedMotion } from "./theme.js";

export const MISSING = -32768;
const KEPT_S = 12; // of signal; more than the widest tile shows
const AHEAD_PX = 14; // wiped before the pen
const MARK_PX = 5; // half of an event's mark
const BEHIND_S = 1; // the pen writes so much later than the signal comes, so that it never waits
const JUMP_S = 4; // further behind, the pen jumps
const GAINS = [1, 0.5, 0.25]; // of 10 mm/mV, the first that the signal fits into

export class Sweep {
  constructor(canvas) {
    this.canvas = canvas;
    this.gain = 1;
    this.clear();
  }

  /** Forget the signal: what comes next stands in no connection with it. */
  clear() {
    this.kept = new Int32Array(0);
    this.rate = 0;
    this.end = 0; // samples that have come
    this.pen = 0; // samples that have been written; not a whole number
    this.tailUs = 0; // time of the sample after the last one
    this.behindS = BEHIND_S;
    this.marks = [];
    this.centreUv = null;
    this.context?.clearRect(0, 0, this.width, this.height);
  }

  /** Take a frame of the live connection. */
  push({ start_us: startUs, rate_hz: rate, samples, offset_uv: offsetUv = 0 }) {
    if (rate !== this.rate) this._begin(rate);
    const gap = this.end ? Math.round(((startUs - this.tailUs) * rate) / 1e6) : 0;
    if (gap > 2) this._keep(new Int16Array(Math.min(gap, this.kept.length)).fill(MISSING), 0);
    this._keep(samples, offsetUv);
    this.tailUs = startUs + (samples.length * 1e6) / rate;
  }

  _begin(rate) {
    this.clear();
    this.rate = rate;
    this.kept = new Int32Array(Math.ceil(KEPT_S * rate)).fill(MISSING);
  }

  _keep(samples, offsetUv) {
    for (const sample of samples) {
      this.kept[this.end % this.kept.length] = sample === MISSING ? MISSING : sample + offsetUv;
      this.end += 1;
    }
  }

  /** Mark a moment: an event's R peak. */
  mark(timeUs) {
    if (!this.rate) return;
    const sample = this.end - Math.round(((this.tailUs - timeUs) * this.rate) / 1e6);
    this.marks = this.marks.filter((other) => other > this.end - this.kept.length).concat(sample);
    if (this.context && sample < this.pen && sample > this.pen - this._shown()) this._drawMark(sample);
  }

  /** Fit to the tile and draw all that it shows again. */
  resize() {
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (!width || !height) return;
    this.width = width;
    this.height = height;
    this.context = fit(this.canvas, width, height);
    this._write(Math.max(0, this.pen - this._shown()), this.pen);
  }

  /** Let time go on by so many seconds and write what is due; without motion, once a second. */
  tick(passedS) {
    if (!this.rate || !this.context) return;
    this.passedS = (this.passedS ?? 0) + passedS;
    if (reducedMotion() && this.passedS < 1) return;
    this._advance(this.passedS);
    this.passedS = 0;
  }

  _advance(passedS) {
    const from = this.pen;
    const lagS = (this.end - from) / this.rate;
    if (lagS > JUMP_S) {
      this.pen = this.end - BEHIND_S * this.rate;
      this.behindS = BEHIND_S;
    } else {
      // A steady pen over chunks that come one by one: hurry or wait by the mean of how far it is behind.
      this.behindS += (lagS - this.behindS) * Math.min(1, passedS / 3);
      const speed = Math.max(0.7, 1 + 1.5 * (this.behindS - BEHIND_S));
      this.pen = Math.min(this.end, from + passedS * speed * this.rate);
    }
    this._write(Math.max(from, this.pen - this._shown()), this.pen);
  }

  _shown() {
    return Math.floor(((this.width - AHEAD_PX) / PX_PER_S) * this.rate);
  }

  _x(sample) {
    return ((sample / this.rate) * PX_PER_S) % this.width;
  }

  _write(from, to) {
    const first = Math.floor(from);
    const last = Math.floor(to);
    if (last <= first) return;
    const sweepOf = (sample) => Math.floor(((sample / this.rate) * PX_PER_S) / this.width);
    const { gain } = this;
    if (this.centreUv === null || sweepOf(first) !== sweepOf(last)) this._centre(last);
    // One strip has one gain: where it changes, what was written is written again.
    const begin = gain === this.gain ? first : Math.max(0, last - this._shown());
    this._wipe(begin, last);
    this._trace(Math.max(0, begin - 1), last);
    // Later than the trace by its own width: the wiped gap would take its right half.
    const late = (MARK_PX / PX_PER_S) * this.rate;
    for (const mark of this.marks) if (mark >= begin - late && mark < last - late) this._drawMark(mark);
  }

  _wipe(first, last) {
    const x = this._x(first);
    const width = ((last - first) / this.rate) * PX_PER_S + AHEAD_PX;
    this.context.clearRect(x + 1, 0, width, this.height);
    if (x + width > this.width) this.context.clearRect(0, 0, x + width - this.width, this.height);
  }

  _trace(first, last) {
    const { context } = this;
    const middle = this.height / 2;
    const pxPerUv = (PX_PER_MV * this.gain) / 1000;
    context.beginPath();
    let down = false;
    let before = -1;
    for (let n = first; n <= last && n < this.end; n += 1) {
      const sample = this.kept[n % this.kept.length];
      const x = this._x(n);
      if (sample === MISSING || x < before) down = false;
      before = x;
      if (sample === MISSING) continue;
      const y = middle - (sample - this.centreUv) * pxPerUv;
      if (down) context.lineTo(x, y);
      else context.moveTo(x, y);
      down = true;
    }
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.stroke();
  }

  _drawMark(sample) {
    const x = this._x(sample);
    this.context.fillStyle = colour("mark");
    this.context.beginPath();
    this.context.moveTo(x - MARK_PX, 2);
    this.context.lineTo(x + MARK_PX, 2);
    this.context.lineTo(x, 11);
    this.context.fill();
  }

  // Each sweep is laid around the median of the seconds before it: what is drawn is not filtered.
  _centre(last) {
    const first = Math.max(0, last - Math.min(this.kept.length, this._shown()));
    const values = [];
    for (let n = first; n < last; n += 1) values.push(this.kept[n % this.kept.length]);
    const known = values.filter((value) => value !== MISSING).sort((a, b) => a - b);
    if (!known.length) {
      this.centreUv ??= 0;
      return;
    }
    const [low, high] = [known[0], known[known.length - 1]];
    const spanPx = ((high - low) / 1000) * PX_PER_MV;
    this.gain = GAINS.find((gain) => spanPx * gain < this.height - 16) ?? GAINS[GAINS.length - 1];
    const median = known[known.length >> 1];
    // The median may lie where a tall QRS would leave the tile.
    const roomUv = ((this.height / 2 - 8) / (PX_PER_MV * this.gain)) * 1000;
    this.centreUv = Math.min(Math.max(median, high - roomUv), Math.max(low + roomUv, high - roomUv));
  }
}
