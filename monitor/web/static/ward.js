// The ward: a tile per stream, the most urgent first; only those on the screen are drawn and asked for.

import { h, setText } from "./dom.js";
import { zone } from "./time.js";
import { changes } from "./theme.js";
import { Tile } from "./tile.js";

const MOST_WATCHED = 64; // the server honours no more
const SETTLE_MS = 120; // scrolling is over
const ORDER_MS = 5000; // tiles keep their places for so long, so that eyes can follow
const ALARM = 100; // urgency of an open episode: that tile moves at once

export class Ward {
  constructor({ live, store, keys, openSettings }) {
    this.live = live;
    this.store = store;
    this.keys = keys;
    this.openSettings = openSettings;
    this.tiles = new Map();
    this.visible = new Set();
    this.scope = new AbortController();
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: "stream id",
      "aria-keyshortcuts": "/",
      oninput: () => this.refresh(true),
    });
    this.order = h(
      "select",
      { onchange: () => this.refresh(true) },
      h("option", { value: "urgency" }, "urgency"),
      h("option", { value: "name" }, "stream id"),
    );
    this.count = h("p", { class: "count", role: "status" });
    this.grid = h("div", { class: "ward" });
    this.places = []; // streams in the order shown
    this.orderedMs = 0;
    this.node = h(
      "section",
      {},
      h("h1", { class: "quiet" }, "Ward"),
      h(
        "form",
        { class: "bar", role: "search", onsubmit: (event) => event.preventDefault() },
        h("label", {}, "Find ", this.search),
        h("label", {}, "Order by ", this.order),
        this.count,
      ),
      this.grid,
    );
  }

  /** Start drawing; `node` must be in the page. */
  start() {
    const { signal } = this.scope;
    this.observer = new IntersectionObserver((entries) => this._seen(entries), { rootMargin: "80px" });
    this.store.addEventListener("change", () => this.refresh(), { signal });
    this.live.addEventListener("signal", ({ detail }) => this.tiles.get(detail.stream)?.sweep.push(detail), {
      signal,
    });
    this.live.addEventListener(
      "event",
      ({ detail }) => this.tiles.get(detail.event.stream)?.sweep.mark(detail.event.time_us),
      { signal },
    );
    this.live.addEventListener("state", ({ detail }) => this._reconnected(detail), { signal });
    addEventListener("resize", () => this._resized(), { signal });
    changes.addEventListener("change", () => this._resized(), { signal });
    this.keys.setView([{ key: "/", words: "Find a stream", run: () => this.search.focus() }]);
    this.second = setInterval(() => this.refresh(), 1000);
    this.refresh();
    this.frame = requestAnimationFrame((now) => this._draw(now, now));
  }

  /** Stop drawing and listening. */
  stop() {
    this.scope.abort();
    this.observer.disconnect();
    clearInterval(this.second);
    cancelAnimationFrame(this.frame);
    this.live.watch([]);
  }

  /** Show the rows as they are now; order: put them in their places at once. */
  refresh(order = false) {
    if (order) this.orderedMs = 0;
    const wanted = this.search.value.trim().toLowerCase();
    const rows = this._ordered().filter((row) => row.stream.toLowerCase().includes(wanted));
    // A tile off the screen is brought up to date when it comes into sight.
    for (const row of rows)
      if (this.visible.has(row.stream) || !this.tiles.has(row.stream)) this._update(row);
    this._arrange(rows.map((row) => this.tiles.get(row.stream).node));
    const all = this.store.rows.size;
    const stale = rows.filter((row) => this.store.isStale(row)).length;
    const empty = all ? "no stream matches" : "waiting for streams";
    const count = rows.length === all ? `${all} streams` : `${rows.length} of ${all} streams`;
    setText(
      this.count,
      `${rows.length ? count : empty}${stale ? `, ${stale} stale` : ""} · times in ${zone()}`,
    );
  }

  // Order anew every few seconds, or at once where an alarm has begun below others or streams came or went.
  _ordered() {
    const { rows } = this.store;
    const known = this.places.filter((stream) => rows.has(stream));
    const alarms = [...rows.values()].filter((row) => row.urgency >= ALARM).map((row) => row.stream);
    const behind = alarms.some((stream) => known.indexOf(stream) >= alarms.length);
    const due = Date.now() - this.orderedMs > ORDER_MS;
    if (due || behind || known.length !== rows.size) {
      const sorted = this.store.sorted();
      if (this.order.value === "name")
        sorted.sort((a, b) => a.stream.localeCompare(b.stream, "en", { numeric: true }));
      this.places = sorted.map((row) => row.stream);
      this.orderedMs = Date.now();
    }
    return this.places.map((stream) => rows.get(stream));
  }

  _update(row) {
    let tile = this.tiles.get(row.stream);
    if (!tile) {
      tile = new Tile(row.stream, () => this.openSettings(row.stream));
      this.tiles.set(row.stream, tile);
      this.observer.observe(tile.node);
    }
    tile.update(row, {
      stale: this.store.isStale(row),
      silentUs: this.store.silenceUs(row),
      connected: this.store.connected,
      muted: this.store.isMuted(row),
    });
  }

  // Only tiles out of their place are moved, and none under the keyboard's focus: it would lose it.
  _arrange(nodes) {
    const wanted = new Set(nodes);
    for (const node of [...this.grid.children]) if (!wanted.has(node)) node.remove();
    const held = nodes.find((node) => node.contains(document.activeElement));
    const move = (node, before) =>
      this.grid.moveBefore && node.isConnected
        ? this.grid.moveBefore(node, before)
        : this.grid.insertBefore(node, before);
    let place = this.grid.firstChild;
    for (const node of nodes) {
      if (node === place) place = place.nextSibling;
      else if (node !== held || this.grid.moveBefore) move(node, place);
    }
  }

  _seen(entries) {
    for (const entry of entries) {
      const name = entry.target.dataset.stream;
      const tile = this.tiles.get(name);
      if (entry.isIntersecting && !this.visible.has(name)) {
        this.visible.add(name);
        tile.sweep.clear();
        tile.sweep.resize();
        if (this.store.rows.has(name)) this._update(this.store.rows.get(name));
      } else if (!entry.isIntersecting) this.visible.delete(name);
    }
    clearTimeout(this.settle);
    this.settle = setTimeout(() => this._watch(), SETTLE_MS);
  }

  _watch() {
    const seen = this.places.filter((name) => this.visible.has(name));
    const names = seen.slice(0, MOST_WATCHED);
    seen.forEach((name, n) => this.tiles.get(name).pause(n >= MOST_WATCHED));
    const before = new Set(this.watched);
    this.watched = names;
    // The server sends the last seconds of what is newly watched: they must not be laid over older ones.
    for (const name of names) if (!before.has(name)) this.tiles.get(name).sweep.clear();
    this.live.watch(names);
  }

  _reconnected({ state }) {
    if (state !== "open") return;
    for (const name of this.visible) this.tiles.get(name).sweep.clear();
    this._watch();
  }

  _resized() {
    for (const name of this.visible) this.tiles.get(name).sweep.resize();
  }

  _draw(now, before) {
    // A page in the background gets no frames for minutes: it goes on from where the signal is now.
    const passedS = Math.min(1, (now - before) / 1000);
    for (const name of this.visible) this.tiles.get(name).sweep.tick(passedS);
    this.frame = requestAnimationFrame((next) => this._draw(next, now));
  }
}
