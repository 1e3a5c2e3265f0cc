// Review: events one after the other, a verdict by one key each; and a stream's anomalies in groups of alike ones.

import { get } from "./api.js";
import { h, notice, setText } from "./dom.js";
import { fillEventList } from "./event-list.js";
import { eventPanel, verdictKeys } from "./event-panel.js";
import { groupCards } from "./groups.js";
import { ALL_KINDS, words } from "./kinds.js";
import { snippet } from "./snippet.js";

const AT_ONCE = 200; // events in the list
const MOST = 1000; // that the server gives at once: a group may reach far back
const STRIP_S = 8;

export class Review {
  constructor(shared) {
    Object.assign(this, shared);
    this.scope = new AbortController();
    this.events = [];
    this.chosen = null;
    const query = new URLSearchParams(location.search);
    this.stream = h("select", { onchange: () => this._load() }, h("option", { value: "" }, "all streams"));
    this.kind = h(
      "select",
      { onchange: () => this._load() },
      h("option", { value: "" }, "all kinds"),
      ALL_KINDS.map((kind) => h("option", { value: kind }, words(kind))),
    );
    this.open = h("input", { type: "checkbox", checked: true, onchange: () => this._arrange() });
    const wanted = query.get("stream");
    if (wanted) this.stream.append(h("option", { value: wanted, selected: true }, wanted));
    this.asked = 0; // of two answers the later question's counts
    this.count = h("p", { class: "soft", role: "status" });
    this.list = h("section", { class: "card", "aria-label": "Events" });
    this.panel = h("section", { class: "card", "aria-label": "The chosen event" });
    this.groups = h("section", { "aria-label": "Groups of alike anomalies" });
    this.node = h(
      "section",
      {},
      h("h1", { class: "quiet" }, "Review"),
      h(
        "div",
        { class: "bar" },
        h("label", {}, "Stream ", this.stream),
        h("label", {}, "Kind ", this.kind),
        h("label", {}, this.open, " not reviewed only"),
        this.count,
      ),
      h("div", { class: "review" }, this.list, this.panel),
      this.groups,
    );
  }

  start() {
    const { signal } = this.scope;
    this.live.addEventListener("event", ({ detail }) => this._heard(detail.event), { signal });
    this.live.addEventListener("state", () => this._load(), { signal });
    this.store.addEventListener("change", () => this._streams(), { signal });
    this.keys.setView([
      { key: "n", words: "Next event", run: () => this._step(1) },
      { key: "p", words: "Previous event", run: () => this._step(-1) },
      ...verdictKeys(() => this.chosen, this.verdicts),
      {
        key: "s",
        words: "Open the event's strip",
        run: () => this.chosen && this.go(stripAddress(this.chosen)),
      },
    ]);
    this.verdicts.addEventListener("change", ({ detail }) => this._judged(detail), { signal });
    this._streams();
    this._load();
  }

  stop() {
    this.scope.abort();
  }

  _streams() {
    const known = new Set([...this.stream.options].map((option) => option.value));
    for (const stream of [...this.store.rows.keys()].sort())
      if (!known.has(stream)) this.stream.append(h("option", { value: stream }, stream));
  }

  async _load() {
    this.asked += 1;
    const { asked } = this;
    try {
      const { events } = await get("events", {
        stream: this.stream.value,
        kind: this.kind.value,
        limit: AT_ONCE,
      });
      if (asked !== this.asked) return;
      this.events = events;
    } catch (error) {
      notice(`No events: ${error.message}.`);
      return;
    }
    this._arrange();
    this._loadGroups();
  }

  async _loadGroups() {
    const stream = this.stream.value;
    if (!stream) {
      this.groups.replaceChildren(
        h("p", { class: "soft" }, "Choose a stream to see its anomalies in groups of alike ones."),
      );
      return;
    }
    try {
      const [{ groups }, { events }] = await Promise.all([
        get(`groups/${encodeURIComponent(stream)}`),
        get("events", { stream, limit: MOST }),
      ]);
      if (stream === this.stream.value)
        this.groups.replaceChildren(groupCards(groups, events, this.verdicts));
    } catch (error) {
      this.groups.replaceChildren(h("p", { class: "failure" }, `No groups: ${error.message}.`));
    }
  }

  _shown() {
    return this.events.filter(
      (event) => !this.open.checked || !event.verdict || event.id === this.chosen?.id,
    );
  }

  _arrange() {
    const shown = this._shown();
    const open = this.events.filter((event) => !event.verdict).length;
    setText(
      this.count,
      `${this.events.length} events${this.events.length === AT_ONCE ? " (the newest)" : ""}, ${open} not reviewed`,
    );
    const chosen = shown.find((event) => event.id === this.chosen?.id) ?? shown[0] ?? null;
    this._list(chosen);
    if (chosen?.id !== this.chosen?.id || chosen?.verdict?.id !== this.chosen?.verdict?.id)
      this._choose(chosen);
    if (!chosen) this._choose(null);
  }

  _list(chosen) {
    fillEventList(this.list, this._shown(), chosen, (event) => this._choose(event), {
      withStream: !this.stream.value,
    });
  }

  _choose(event) {
    this.chosen = event;
    this._list(event);
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    if (!event) {
      this.panel.replaceChildren(h("p", {}, "✓ Nothing left to review."));
      return;
    }
    this.panel.replaceChildren(
      h("div", { class: "stage-small" }, snippet(event, STRIP_S)),
      eventPanel(event, this.verdicts),
      h(
        "p",
        {},
        h("a", { href: stripAddress(event), "data-route": true }, "Open the strip at this moment"),
        h("span", { class: "soft" }, " (s)"),
      ),
    );
  }

  _step(direction) {
    const shown = this._shown();
    const at = shown.findIndex((event) => event.id === this.chosen?.id);
    const next = shown[at + direction];
    if (next) this._choose(next);
    else notice(direction > 0 ? "That was the last one." : "That is the first one.");
  }

  /** Show what was kept at once, without asking the server again, and go on to the next event. */
  _judged({ records, undone }) {
    const mine = new Map(records.map((record) => [record.event_id, record]));
    const shown = this._shown();
    const at = shown.findIndex((event) => mine.has(event.id));
    this.events = this.events.map((event) =>
      mine.has(event.id) ? { ...event, verdict: undone ? null : mine.get(event.id) } : event,
    );
    const changed = this.events.find((event) => mine.has(event.id));
    if (undone) this._choose(changed ?? this.chosen);
    else if (at >= 0) {
      const rest = this.events.filter((event) => !event.verdict);
      const older = rest.find((event) => event.time_us < shown[at].time_us);
      this._choose(older ?? rest.at(-1) ?? null);
    }
    this._arrange();
    this._loadGroups();
  }

  _heard(event) {
    if (this.stream.value && event.stream !== this.stream.value) return;
    if (this.kind.value && event.kind !== this.kind.value) return;
    this.events = [event, ...this.events.filter((each) => each.id !== event.id)].slice(0, AT_ONCE);
    this._arrange();
  }
}

/** Where an event's strip is. */
export function stripAddress(event) {
  return `/strip/${encodeURIComponent(event.stream)}?at=${event.time_us}&event=${event.id}`;
}
