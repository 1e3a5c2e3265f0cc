// What a person says of an event: sent at once, and taken back by one key.

import { notice } from "./dom.js";
import { send } from "./api.js";
import { verdictWords } from "./kinds.js";

const KEPT = 100; // steps that can be undone
const AT_ONCE = 6; // requests; a browser has no more connections to one server

export class Verdicts extends EventTarget {
  constructor(who) {
    super();
    this.who = who;
    this.done = []; // steps: lists of records; a group's verdict is one step
    who.value = localStorage.getItem("who") ?? "";
    who.addEventListener("change", () => localStorage.setItem("who", who.value.trim()));
  }

  /** The viewer's name; asks for it, and gives null, where there is none. */
  by() {
    const name = this.who.value.trim();
    if (name) return name;
    notice("Say who you are first: a verdict is kept with its author's name.");
    this.who.focus();
    return null;
  }

  /** Send one verdict for some events; kind: for "other". Returns the records, or null if it failed. */
  async give(events, verdict, kind = null) {
    return this._step(
      events.map((event) => ({
        event_id: event.id,
        stream: event.stream,
        time_us: event.time_us,
        verdict,
        kind,
      })),
    );
  }

  /** Say that the monitor missed something at a time. */
  async missed(stream, timeUs, kind) {
    return this._step([{ event_id: null, stream, time_us: Math.round(timeUs), verdict: "missed", kind }]);
  }

  async _step(wanted) {
    const by = this.by();
    if (by === null) return null;
    const records = [];
    try {
      for (let n = 0; n < wanted.length; n += AT_ONCE) {
        const part = wanted.slice(n, n + AT_ONCE).map((body) => send("POST", "verdicts", { ...body, by }));
        records.push(...(await Promise.all(part)));
      }
    } catch (error) {
      notice(`Not kept: ${error.message}.`);
    }
    if (!records.length) return null;
    this.done = [...this.done, records].slice(-KEPT);
    const count = records.length > 1 ? ` (${records.length} events)` : "";
    notice(`Kept: ${verdictWords(records[0])}${count}. Press u to undo.`);
    this._changed(records, false);
    return records;
  }

  /** Take the last step back. */
  async undo() {
    const records = this.done.pop();
    if (!records) {
      notice("Nothing to undo.");
      return;
    }
    await this.takeBack(records);
  }

  /** Take some records back. */
  async takeBack(records) {
    const by = this.by();
    if (by === null) return;
    try {
      for (let n = 0; n < records.length; n += AT_ONCE) {
        const part = records
          .slice(n, n + AT_ONCE)
          .map((record) => send("POST", `verdicts/${record.id}/undo`, { by }));
        await Promise.all(part);
      }
    } catch (error) {
      notice(`Not undone: ${error.message}.`);
      return;
    }
    const ids = new Set(records.map((record) => record.id));
    this.done = this.done.filter((step) => !step.some((record) => ids.has(record.id)));
    notice(`Undone: ${verdictWords(records[0])}${records.length > 1 ? ` (${records.length} events)` : ""}.`);
    this._changed(records, true);
  }

  _changed(records, undone) {
    this.dispatchEvent(new CustomEvent("change", { detail: { records, undone } }));
  }
}
