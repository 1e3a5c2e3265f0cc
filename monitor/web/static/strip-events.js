// The events of a strip's stream: those known, the chosen one, and what a person marked as missed.

import { get } from "./api.js";
import { h } from "./dom.js";
import { eventPanel } from "./event-panel.js";
import { fillEventList } from "./event-list.js";

const HELD = 200; // in the list to begin with
const MOST = 1000; // that the server gives at once

export class StripEvents {
  /** `goTo` is called with an event that was picked, `changed` when there is something new to draw. */
  constructor(stream, verdicts, { goTo, changed, chosenId }) {
    Object.assign(this, { stream, verdicts, goTo, changed, chosenId });
    this.known = [];
    this.missed = []; // verdicts that stand
    this.chosen = null;
    this.panel = h("section", { class: "card", "aria-label": "The chosen event" });
    this.list = h("section", { class: "card", "aria-label": "Events" });
    this._fill();
  }

  /** Ask the server for the newest ones, and for what was missed. */
  async load() {
    try {
      const [{ events }, { verdicts }] = await Promise.all([
        get("events", { stream: this.stream, limit: HELD }),
        get("verdicts", { stream: this.stream }),
      ]);
      this.known = events;
      this.missed = verdicts.filter((each) => each.verdict === "missed" && each.stands);
    } catch {
      return; // the banner says that the server is away; with it the list comes back
    }
    this._chooseAgain();
  }

  /** Take older events, too; atUs: if none was chosen, choose the one that is nearest to it. */
  learn(events, atUs) {
    const known = new Set(this.known.map((each) => each.id));
    const fresh = events.filter((each) => !known.has(each.id));
    this.known = this.known.concat(fresh);
    if (atUs !== null) this.chosenId ??= nearest(events, atUs)?.id;
    if (fresh.length || this.chosenId !== this.chosen?.id) this._chooseAgain();
  }

  _chooseAgain() {
    this.choose(this.known.find((each) => each.id === this.chosenId) ?? this.chosen);
  }

  /** Take an event of the live connection: a new one, or an old one with another verdict. */
  heard(event) {
    if (event.stream !== this.stream) return;
    this.known = [event, ...this.known.filter((each) => each.id !== event.id)];
    if (event.id === this.chosen?.id) this.choose(event);
    else this._fillList();
    this.changed();
  }

  /** Those between two times. */
  between(fromUs, toUs) {
    return this.known.filter((each) => each.time_us >= fromUs && each.time_us < toUs);
  }

  /** The next (1) or previous (-1) one from a time, or undefined; between those known there may be others. */
  async neighbour(direction, fromUs) {
    const ordered = [...this.known].sort((a, b) => a.time_us - b.time_us);
    const next = ordered.find((each) => each.time_us > fromUs);
    const before = ordered.findLast((each) => each.time_us < fromUs);
    const known = direction > 0 ? next : before;
    const between =
      direction > 0
        ? { after_us: fromUs, before_us: next?.time_us, limit: MOST }
        : { after_us: before?.time_us, before_us: fromUs, limit: 1 }; // newest first
    try {
      const { events } = await get("events", { stream: this.stream, ...between });
      this.learn(events, null);
      return events.at(-1) ?? known;
    } catch {
      return known;
    }
  }

  /** Show an event in the panel; null: none. */
  choose(event) {
    const same = event?.id === this.chosen?.id && event?.verdict?.id === this.chosen?.verdict?.id;
    this.chosen = event;
    if (event) this.chosenId = event.id;
    if (same) this._fillList();
    else this._fill();
  }

  // The panel is made anew only for another event: somebody may be choosing a kind in it.
  _fill() {
    this.panel.replaceChildren(this.chosen ? eventPanel(this.chosen, this.verdicts) : nothingChosen());
    this._fillList();
  }

  _fillList() {
    fillEventList(this.list, this.known, this.chosen, this.goTo);
  }
}

function nearest(events, atUs) {
  const away = (each) => Math.abs(each.time_us - atUs);
  return [...events].sort((a, b) => away(a) - away(b))[0];
}

function nothingChosen() {
  return h(
    "div",
    {},
    h("h2", {}, "No event chosen"),
    h("p", { class: "soft" }, "Press n or p to go from event to event, or choose one from the list."),
  );
}
