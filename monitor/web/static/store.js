// What is known of each stream: the server's rows, in its order of urgency.

import { clock, serverNow, span } from "./time.js";

export class Store extends EventTarget {
  constructor(live) {
    super();
    this.rows = new Map();
    this.live = live;
    this.broker = "ok"; // as the server finds it: "reading" the history, or "unreachable"
    live.addEventListener("rows", ({ detail }) => {
      for (const row of detail.rows) this.rows.set(row.stream, row);
      for (const stream of detail.gone ?? []) this.rows.delete(stream);
      this.broker = detail.broker ?? "ok";
      this.dispatchEvent(new Event("change"));
    });
    live.addEventListener("state", () => this.dispatchEvent(new Event("change")));
  }

  /** Rows by urgency, the greatest first, then by stream id. */
  sorted() {
    return [...this.rows.values()].sort(
      (a, b) => b.urgency - a.urgency || a.stream.localeCompare(b.stream, "en", { numeric: true }),
    );
  }

  /** True while the server is heard, and it hears Kafka. */
  get connected() {
    return this.live.state === "open" && this.broker !== "unreachable";
  }

  /** True if what is shown of a stream is old: it has stopped sending, or we have stopped hearing. */
  isStale(row) {
    return row.stale || !this.connected;
  }

  /** How long nothing has come of a stream, µs. */
  silenceUs(row) {
    return Math.max(0, serverNow() - row.received_us);
  }

  /** Why what is shown of a stream is old. */
  staleWords(row) {
    const newest = clock(row.last_us);
    if (!this.connected) return `‖ Not connected: this is an old picture, of ${newest} at the latest.`;
    return `‖ Stale: no signal for ${span(this.silenceUs(row))}; the newest sample is from ${newest}.`;
  }

  /** True while a stream's alarms are muted. */
  isMuted(row) {
    return row.muted_until_us !== null && row.muted_until_us > serverNow();
  }
}
