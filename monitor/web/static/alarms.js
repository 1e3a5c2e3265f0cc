// Alarms for those who listen rather than look: spoken by a screen reader, one sentence at a time.

import { setText } from "./dom.js";
import { title } from "./kinds.js";
import { clock } from "./time.js";

const PAUSE_MS = 2500; // a sentence that is replaced sooner is never heard
const MOST = 5; // of a burst; the rest is counted

export class Alarms {
  constructor(live, place) {
    this.place = place;
    this.waiting = [];
    live.addEventListener("event", ({ detail }) => this._take(detail.event));
  }

  _take(event) {
    if (event.priority > 1 || event.muted || event.phase === "update" || event.phase === "end") return;
    this.waiting.push(`Alarm: ${event.stream}, ${title(event)} at ${clock(event.time_us)}.`);
    if (!this.busy) this._say();
  }

  _say() {
    this.busy = this.waiting.length > 0;
    if (!this.busy) return;
    const left = this.waiting.length - MOST;
    const words = this.waiting.slice(0, MOST).join(" ");
    this.waiting = [];
    setText(this.place, left > 0 ? `${words} And ${left} more.` : words);
    setTimeout(() => this._say(), PAUSE_MS);
  }
}
