// One stream in the ward: its strip, heart rate, quality and last event.

import { h, setText } from "./dom.js";
import { meaning, sign, title, words } from "./kinds.js";
import { Sweep } from "./sweep.js";
import { clock, serverNow, span } from "./time.js";

const QUALITY = { good: "✓ good signal", poor: "≈ poor signal", off: "✕ lead off" };
const RECENT_US = 60e6; // an event is shown as news for so long

/** How a stream is, each with a sign of its own. */
export function signsOf(row, stale, muted) {
  const quality = row.judged === false ? "✕ not monitored: no worker judges it" : QUALITY[row.quality];
  const signs = [stale ? "‖ stale" : (quality ?? "? quality unknown")];
  if (row.open.length) signs.unshift(`▲ now: ${row.open.map(words).join(", ")}`);
  if (muted) signs.push(`⊘ muted until ${clock(row.muted_until_us)}`);
  if (row.learning) signs.push("◌ learning");
  if (row.paced) signs.push("↯ paced");
  return signs;
}

export class Tile {
  constructor(stream, openSettings) {
    this.stream = stream;
    const address = `/strip/${encodeURIComponent(stream)}`;
    this.name = h("a", { href: address, "data-route": true, class: "name" }, stream);
    this.lead = h("span", { class: "lead" });
    this.rate = h("output", { class: "rate", "aria-label": "heart rate" });
    this.canvas = h("canvas", { role: "img" });
    this.veil = h("p", { class: "veil", hidden: true });
    this.gain = h("span", { class: "gain" });
    this.state = h("p", { class: "state" });
    this.last = h("p", { class: "last" });
    const settings = h(
      "button",
      { type: "button", class: "settings", onclick: openSettings, "aria-label": `Settings of ${stream}` },
      "⚙",
    );
    this.node = h(
      "article",
      { class: "tile", "aria-label": stream, "data-stream": stream },
      h("h2", {}, this.name, this.lead, settings),
      this.rate,
      h("div", { class: "paper" }, this.canvas, this.gain, this.veil),
      this.state,
      this.last,
    );
    this.sweep = new Sweep(this.canvas);
  }

  /** Say that no strip is drawn because too many are on the screen. */
  pause(paused) {
    this.paused = paused;
  }

  /** Show a row of the server; stale: what is drawn is old, for the reason given. */
  update(row, { stale, silentUs, connected, muted }) {
    setText(this.lead, row.leads[0] ?? "");
    const rate = stale || row.heart_rate === null ? "– –" : String(Math.round(row.heart_rate));
    setText(this.rate, `${rate} /min`);
    if (this.paused) setText(this.gain, "strip not drawn: more than 64 on the screen");
    else setText(this.gain, `25 mm/s · ${10 * this.sweep.gain} mm/mV`);
    this.canvas.setAttribute(
      "aria-label",
      `ECG of ${this.stream}, lead ${row.leads[0]}${stale ? ", old" : ", live"}`,
    );
    this.veil.hidden = !stale;
    if (stale)
      setText(this.veil, connected ? `No signal for ${span(silentUs)}` : "Not connected: an old picture");
    this._state(row, stale, muted);
    this._last(row);
    this.node.classList.toggle("stale", stale);
    this.node.classList.toggle("muted", muted);
  }

  _state(row, stale, muted) {
    setText(this.state, signsOf(row, stale, muted).join("  ·  "));
    const news = row.event && serverNow() - row.event.time_us < RECENT_US && !row.event.technical;
    const priority = row.open.length ? 1 : news ? row.event.priority : 0;
    this.node.classList.toggle("open", row.open.length > 0 && !stale && !muted);
    this.node.classList.toggle("unjudged", row.judged === false && !stale);
    this.node.dataset.priority = stale || muted ? "0" : String(priority);
  }

  _last(row) {
    const { event } = row;
    this.last.title = event?.why ?? "";
    this.last.dataset.event = event?.id ?? "";
    if (!event) {
      setText(this.last, "no event yet");
      return;
    }
    const ago = span(serverNow() - event.time_us);
    setText(
      this.last,
      `${sign(event.priority)} ${title(event)}, ${ago} ago${event.why ? ` – ${event.why}` : ""}`,
    );
    this.last.setAttribute(
      "aria-label",
      `${title(event)}, ${meaning(event.priority)}, ${ago} ago. ${event.why ?? ""}`,
    );
  }
}
