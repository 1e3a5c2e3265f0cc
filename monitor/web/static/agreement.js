// Agreement: how often people and the monitor said the same, by stream and model version.

import { get } from "./api.js";
import { h, setText } from "./dom.js";

const COLUMNS = [
  ["stream", "Stream", null],
  ["model", "Model", null],
  ["model_version", "Version", null],
  ["hours", "Hours watched", (value) => `${value.toFixed(value < 10 ? 2 : 0)} h`],
  ["events", "Events", String],
  ["confirmed", "Confirmed", String],
  ["false_alarm", "False alarm", String],
  ["other", "Another kind", String],
  ["missed", "Missed", String],
  ["unreviewed", "Not reviewed", String],
  ["agreement", "Agreement", (value) => `${(value * 100).toFixed(0)} %`],
  ["false_alarms_per_hour", "False alarms per hour", (value) => `${value.toPrecision(2)} /h`],
];

export class Agreement {
  constructor({ verdicts, live }) {
    this.verdicts = verdicts;
    this.live = live;
    this.scope = new AbortController();
    this.by = "stream";
    this.down = false;
    this.rows = [];
    this.says = h("p", { class: "soft", role: "status" }, "Loading…");
    this.table = h("div", {
      class: "scroll",
      tabindex: "0",
      role: "region",
      "aria-label": "Agreement, table",
    });
    this.node = h(
      "section",
      {},
      h("h1", {}, "Agreement"),
      h(
        "p",
        { class: "soft" },
        "Of the events that somebody reviewed, the share that was confirmed; and how often an hour of signal brought an alarm that a person called false. Events that nobody reviewed count for neither.",
      ),
      this.table,
      this.says,
    );
  }

  start() {
    const { signal } = this.scope;
    this.verdicts.addEventListener("change", () => this._load(), { signal });
    this.live.addEventListener("state", () => this._load(), { signal });
    this.timer = setInterval(() => this._load(), 10000);
    this._load();
  }

  stop() {
    this.scope.abort();
    clearInterval(this.timer);
  }

  async _load() {
    try {
      ({ rows: this.rows } = await get("agreement"));
    } catch (error) {
      setText(this.says, `No figures: ${error.message}.`);
      return;
    }
    setText(this.says, this.rows.length ? `${this.rows.length} rows` : "No events yet.");
    this._draw();
  }

  _sort(name) {
    this.down = this.by === name ? !this.down : typeof this.rows[0]?.[name] === "number";
    this.by = name;
    this._draw();
    this.table.querySelector(`[data-column="${name}"]`).focus();
  }

  _draw() {
    if (this.table.contains(document.activeElement) && document.activeElement.tagName === "BUTTON")
      this.focused = document.activeElement.dataset.column;
    const rows = [...this.rows].sort((a, b) => compare(a[this.by], b[this.by]) * (this.down ? -1 : 1));
    const heads = COLUMNS.map(([name, words, text]) =>
      h(
        "th",
        {
          scope: "col",
          class: text ? "num" : null,
          "aria-sort": this.by === name ? (this.down ? "descending" : "ascending") : null,
        },
        h(
          "button",
          { type: "button", "data-column": name, onclick: () => this._sort(name) },
          `${words}${this.by === name ? (this.down ? " ▼" : " ▲") : ""}`,
        ),
      ),
    );
    const body = rows.map((row) =>
      h(
        "tr",
        {},
        COLUMNS.map(([name, , text]) => cell(row, name, text)),
      ),
    );
    this.table.replaceChildren(
      h("table", { class: "agreement" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body)),
    );
    if (this.focused) this.table.querySelector(`[data-column="${this.focused}"]`)?.focus();
    this.focused = null;
  }
}

function cell(row, name, text) {
  const value = row[name];
  if (name === "stream")
    return h(
      "th",
      { scope: "row" },
      h("a", { href: `/review?stream=${encodeURIComponent(value)}`, "data-route": true }, value),
    );
  const known = value !== null && value !== undefined;
  return h(
    "td",
    { class: text ? "num" : null, "data-name": name },
    known ? (text ? text(value) : value) : "–",
  );
}

function compare(a, b) {
  if (typeof a === "number" || typeof b === "number") return (a ?? -1) - (b ?? -1);
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
