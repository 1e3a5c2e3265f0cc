// The state of the connection in words: in the header always, as a banner while it is lost.

import { setText } from "./dom.js";
import { clock, serverNow, span, zone } from "./time.js";

const AGAIN_MS = 5000; // "connected again" is shown for so long

export function startConnection(live, store, { place, banner, clockPlace }) {
  let again = 0;
  const show = () => {
    const lost = live.state === "lost";
    const deaf = live.state === "open" && store.broker === "unreachable";
    place.dataset.state = live.state;
    const dropped = live.lostFrames ? ` · ${live.lostFrames} frames left out: this browser is slow` : "";
    const open =
      { reading: "◌ reading the history", unreachable: "✕ Kafka unreachable" }[store.broker] ?? "● live";
    const words = { open: `${open}${dropped}`, connecting: "◌ connecting", lost: "✕ connection lost" };
    setText(place, live.state === "open" && Date.now() < again ? "● connected again" : words[live.state]);
    banner.hidden = !lost && !deaf;
    if (lost) {
      // Seconds are left to the header's clock: an alert that changes is read out anew.
      const since = live.lastUs
        ? `What you see is from ${clock(live.lastUs)} and is old.`
        : "Nothing has come yet.";
      setText(banner, `Connection lost. ${since} Reconnecting by itself.`);
      place.title = `next attempt in ${span(live.retryUs - serverNow())}`;
    } else place.title = "";
    if (deaf)
      setText(
        banner,
        "The server cannot reach Kafka. What you see is old; it goes on by itself when Kafka is back.",
      );
    setText(clockPlace, `${clock(serverNow())} ${zone().split(", ").pop()}`);
    clockPlace.title = `all times are in your zone, ${zone()}`;
  };
  live.addEventListener("state", ({ detail }) => {
    if (detail.again) again = Date.now() + AGAIN_MS;
    show();
  });
  live.addEventListener("lost", show);
  setInterval(show, 500);
  show();
}
