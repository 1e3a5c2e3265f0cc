// Keys: each view names its own; one place listens, and one dialog lists them.

import { h } from "./dom.js";

const GLOBAL = [
  { key: "g", words: "Go to the ward" },
  { key: "r", words: "Go to review" },
  { key: "a", words: "Go to agreement" },
  { key: "?", words: "Show these keys" },
];

export class Keys {
  constructor() {
    this.view = [];
    this.global = [];
    addEventListener("keydown", (event) => this._pressed(event));
  }

  /** Set the keys that hold everywhere; actions: {key: function}. */
  setGlobal(actions) {
    this.global = GLOBAL.map((entry) => ({ ...entry, run: actions[entry.key] }));
  }

  /** Set the view's own keys: {key, words, run}. A key is a KeyboardEvent's `key`. */
  setView(entries) {
    this.view = entries;
  }

  _pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (target.closest("dialog")) return;
    if (target.matches("input, select, textarea")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    // A focused button has its own use for Enter and space; a slider has for arrows, and says so itself.
    const found = [...this.view, ...this.global].find((entry) => entry.key === event.key);
    if (!found) return;
    event.preventDefault();
    found.run(event);
  }

  /** Show all keys that hold now. */
  help() {
    const rows = (entries) =>
      entries.map(({ key, words }) =>
        h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, NAMES[key] ?? key)), h("td", {}, words)),
      );
    const dialog = h(
      "dialog",
      { class: "keys", "aria-label": "Keys", onclose: () => dialog.remove() },
      h("h2", {}, "Keys"),
      h("table", {}, h("tbody", {}, rows(this.view), rows(this.global))),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    document.body.append(dialog);
    dialog.showModal();
  }
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "space" };
