// The strip view: scroll, zoom, jump from event to event, measure, review, keep. The address holds the moment.

import { get } from "./api.js";
import { Callipers } from "./callipers.js";
import { h, notice, setText } from "./dom.js";
import { kindSelect } from "./event-panel.js";
import { PATIENT_KINDS } from "./kinds.js";
import { LEFT, RIGHT } from "./lanes.js";
import { PX_PER_S, scaleWords } from "./paper.js";
import { Reconstruction } from "./reconstruction.js";
import { StripCanvas } from "./strip-canvas.js";
import { LONGEST_US, StripData } from "./strip-data.js";
import { dragging } from "./strip-drag.js";
import { StripEvents } from "./strip-events.js";
import { addressOf } from "./strip-keep.js";
import { LEGEND, stripKeys, toolbar } from "./strip-tools.js";
import { changes } from "./theme.js";
import { signsOf } from "./tile.js";
import { clock, serverNow, zone } from "./time.js";

const MOST_EVENTS = 1000; // that the server gives at once
const SPANS_S = [2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600];

export class StripView {
  constructor(shared, stream) {
    Object.assign(this, shared, { stream });
    this.scope = new AbortController();
    this.data = new StripData(stream);
    const query = new URLSearchParams(location.search);
    this.atUs = Number(query.get("at")) || null; // null: follow the newest sample
    this.spanUs = Number(query.get("span")) * 1e6 || null; // null: 25 mm/s
    this.gain = 1;
    this.events = new StripEvents(stream, this.verdicts, {
      goTo: (event) => this.goTo(event),
      changed: () => this.draw(),
      chosenId: query.get("event"),
    });
    this.expected = new Reconstruction(stream, () => this.draw());
    this.canvas = new StripCanvas(stream, this.data);
    this.callipers = new Callipers(() => {});
    this.freshness = h("p", { class: "failure", role: "status", hidden: true });
    this.signs = h("p", { class: "soft" });
    this.scale = h("p", { class: "soft" });
    this.missedKind = kindSelect(PATIENT_KINDS);
    this.tools = toolbar(this);
    this.stage = h(
      "div",
      {
        class: "stage",
        tabindex: "0",
        role: "group",
        "aria-label": "Strip: arrow keys scroll, plus and minus zoom",
      },
      this.canvas.node,
      this.callipers.node,
    );
    this.node = h(
      "section",
      {},
      h("div", { class: "bar" }, h("h1", {}, stream), this.signs, this.tools.node),
      this.freshness,
      this.stage,
      h("div", { class: "bar" }, this.scale, this.callipers.readout),
      h("p", { class: "soft legend" }, LEGEND),
      h("div", { class: "columns" }, this.events.panel, this.events.list),
    );
  }

  start() {
    const { signal } = this.scope;
    addEventListener("resize", () => this.draw(), { signal });
    changes.addEventListener("change", () => this.draw(), { signal });
    this.live.addEventListener("event", ({ detail }) => this.events.heard(detail.event), { signal });
    this.live.addEventListener("state", () => this._reload(), { signal });
    this.verdicts.addEventListener("change", () => this._reload(), { signal });
    dragging(this.stage, this, signal);
    this.second = setInterval(() => this._tick(), 1000);
    this.keys.setView(stripKeys(this));
    this._reload();
  }

  stop() {
    this.stopped = true;
    this.scope.abort();
    clearInterval(this.second);
  }

  /** What is seen: first and last time, µs. */
  seen() {
    const width = (this.stage.clientWidth || 900) - LEFT - RIGHT;
    const spanUs = this.spanUs ?? (width / PX_PER_S) * 1e6;
    const newest = this.data.latestUs ?? this.store.rows.get(this.stream)?.last_us ?? serverNow();
    const toUs = this.atUs === null ? newest : this.atUs + spanUs / 2;
    return { fromUs: Math.round(toUs - spanUs), toUs: Math.round(toUs), spanUs };
  }

  /** Scroll by a part of what is seen. */
  scroll(part) {
    const { fromUs, toUs, spanUs } = this.seen();
    const newest = this.data.latestUs ?? toUs;
    this.atUs = (fromUs + toUs) / 2 + part * spanUs;
    if (part > 0 && this.atUs + spanUs / 2 >= newest) this.atUs = null;
    this._show();
  }

  /** Show a stretch around a time; the drag and the wheel use it. */
  moveTo(atUs) {
    this.atUs = atUs;
    this._show();
  }

  /** Zoom by steps; the middle, or the newest sample while following, stays. */
  zoom(steps) {
    const now = this.seen().spanUs / 1e6;
    const wanted = steps > 0 ? SPANS_S.find((s) => s > now * 1.01) : SPANS_S.findLast((s) => s < now * 0.99);
    if (wanted) this.spanUs = wanted * 1e6;
    this._show();
  }

  paperSpeed() {
    this.spanUs = null;
    this._show();
  }

  follow() {
    this.atUs = null;
    this._show();
  }

  measure() {
    if (this.canvas.layout) this.callipers.toggle(this.canvas.layout);
    this.tools.update();
  }

  toggleExpected() {
    this.expected.shown = !this.expected.shown;
    this._show();
  }

  setGain(gain) {
    this.gain = gain;
    this.draw();
  }

  /** Go to the next (1) or previous (-1) event: from the chosen one if it is seen, or from what is seen. */
  jump(direction) {
    this.jumping = (this.jumping ?? Promise.resolve()).then(() => this._jump(direction));
  }

  async _jump(direction) {
    const { fromUs, toUs } = this.seen();
    const { chosen } = this.events;
    const seen = chosen && chosen.time_us >= fromUs && chosen.time_us < toUs;
    const next = await this.events.neighbour(direction, seen ? chosen.time_us : (this.atUs ?? toUs));
    if (next) this.goTo(next);
    else notice(direction > 0 ? "No later event." : "No earlier event.");
  }

  /** Show an event in the middle of the strip. */
  goTo(event) {
    this.events.choose(event);
    this.atUs = event.time_us;
    this._show();
  }

  /** Mark what the monitor missed: at a time, or in the middle of the strip. */
  async markMissed(timeUs = null) {
    const { fromUs, toUs } = this.seen();
    const [first] = this.callipers.points;
    const at = timeUs ?? (this.callipers.on ? first.timeUs : (fromUs + toUs) / 2);
    await this.verdicts.missed(this.stream, at, this.missedKind.value);
  }

  /** Load what is seen, and draw before and after it has come. */
  async _show() {
    this.draw();
    history.replaceState(null, "", addressOf(this, this.atUs));
    try {
      const { fromUs, toUs, spanUs } = this.seen();
      if (spanUs <= LONGEST_US) await this.data.load(fromUs, toUs + 1);
      else await this._loadOverview(fromUs, toUs);
      this.failure = null;
      // The list holds the newest events; what is seen may be older.
      this.events.learn(this.data.marks("events", fromUs, toUs), this.atUs);
      this.draw();
      this.expected.load(fromUs, toUs, this.atUs !== null, this.data.settled(toUs));
    } catch (error) {
      this.failure = `No signal: ${error.message}.`;
      this.draw();
    }
  }

  async _loadOverview(fromUs, toUs) {
    const points = Math.max(200, this.stage.clientWidth - LEFT - RIGHT);
    const path = `overview/${encodeURIComponent(this.stream)}`;
    this.overview = await get(path, { from_us: fromUs, to_us: toUs, points });
    const older = { stream: this.stream, after_us: fromUs, before_us: toUs, limit: MOST_EVENTS };
    const { events } = await get("events", older);
    this.events.learn(events, this.atUs);
    if (!this.data.settled(toUs)) await this.data.load(toUs - 1e6, toUs);
  }

  /** Draw what has been loaded. */
  draw() {
    if (this.stopped) return;
    const { fromUs, toUs, spanUs } = this.seen();
    const long = spanUs > LONGEST_US;
    const blocks = this.data.within(fromUs, toUs);
    const known =
      blocks.at(-1)?.leads.map(({ name }) => name) ?? this.store.rows.get(this.stream)?.leads ?? [];
    const layout = this.canvas.draw({
      fromUs,
      toUs,
      gain: this.gain,
      leads: long ? known.slice(0, 1) : known,
      overview: long ? (this.overview ?? null) : null,
      expected: this.expected.of(fromUs, toUs, this.atUs !== null),
      events: this.events.between(fromUs, toUs),
      missed: this.events.missed,
      chosen: this.events.chosen,
      failure: this.failure,
    });
    this.callipers.place(layout);
    this.tools.update();
    setText(
      this.scale,
      `${scaleWords(layout.scale)} · ${clock(fromUs)} to ${clock(toUs)} ${zone(toUs)}${long ? " · overview: least and greatest of each column" : ""}${this._expectation()}`,
    );
  }

  _expectation() {
    if (this.expected.failure) return ` · no expectation: ${this.expected.failure}`;
    if (this.expected.busy) return " · asking the model what it expected…";
    return this.expected.shown && this.atUs === null ? " · scroll back to see what the model expected" : "";
  }

  _tick() {
    if (this.atUs === null || !this.data.settled(this.seen().toUs)) this._show();
    const row = this.store.rows.get(this.stream);
    const stale = row && this.store.isStale(row);
    if (row) setText(this.signs, signsOf(row, stale, this.store.isMuted(row)).join("  ·  "));
    this.freshness.hidden = !stale;
    if (stale) setText(this.freshness, this.store.staleWords(row));
  }

  async _reload() {
    this.data.forget();
    await this.events.load();
    await this._show();
  }
}
