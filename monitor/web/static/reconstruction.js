// What the model expected of the strip that is looked at, asked for once the strip stands still.

import { get } from "./api.js";

const LONGEST_US = 30e6; // the server runs the model over no more at once
const STILL_MS = 250; // a strip that was scrolled so long ago stands still
const NOTHING = { rate_hz: 125, windows: [] };

export class Reconstruction {
  /** `changed` is called when an answer has come. */
  constructor(stream, changed) {
    this.path = `reconstruction/${encodeURIComponent(stream)}`;
    this.changed = changed;
    this.shown = true;
    this.answer = NOTHING;
    this.failure = null;
    this.busy = false;
  }

  /** What to draw, or null where no expectation is shown; still: the strip does not move. */
  of(fromUs, toUs, still) {
    return this.shown && still && toUs - fromUs <= LONGEST_US ? this.answer : null;
  }

  /** Ask the server, unless it has been asked for the same; settled: there is no more signal to come. */
  load(fromUs, toUs, still, settled) {
    const wanted = this.of(fromUs, toUs, still) !== null;
    const place = wanted ? `${fromUs} ${toUs}` : null;
    if (place === this.place && (settled === this.settled || !wanted)) return;
    if (place !== this.place) this.answer = NOTHING;
    this.place = place;
    this.settled = settled;
    this.asked?.abort();
    this.busy = wanted;
    clearTimeout(this.soon);
    if (wanted) this.soon = setTimeout(() => this._ask({ from_us: fromUs, to_us: toUs }), STILL_MS);
  }

  async _ask(values) {
    const { place } = this;
    this.asked = new AbortController();
    try {
      const answer = await get(this.path, values, this.asked.signal);
      if (place !== this.place) return; // the strip has moved on
      this.answer = answer;
      this.busy = false;
      this.failure = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.place = null;
      this.busy = false;
      this.failure = error.message;
    }
    this.changed();
  }
}
