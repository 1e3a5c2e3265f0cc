// A small strip around one event: for review, where many are looked at one after the other.

import { fit, h } from "./dom.js";
import { centre, layOut } from "./lanes.js";
import { drawBeats, drawEvents, drawGround, drawSignal, drawWords } from "./strip-draw.js";
import { StripData } from "./strip-data.js";
import { changes } from "./theme.js";

const cache = new Map(); // a StripData per stream: one event's strip is soon another's
const MOST = 12;
const GROWS_MS = 1500;

function dataOf(stream) {
  const data = cache.get(stream) ?? new StripData(stream);
  cache.delete(stream);
  cache.set(stream, data);
  if (cache.size > MOST) cache.delete(cache.keys().next().value);
  return data;
}

/** A canvas that shows an event in the middle of `spanS` seconds; drawn when it is in the page. */
export function snippet(event, spanS, { lanes = 2 } = {}) {
  const canvas = h("canvas", {
    class: "snippet",
    role: "img",
    "aria-label": `ECG of ${event.stream} around the event`,
  });
  const view = {
    fromUs: event.time_us - spanS * 5e5,
    toUs: event.time_us + spanS * 5e5,
    gain: 1,
    errors: false,
  };
  const data = dataOf(event.stream);
  const draw = (words) => {
    const width = canvas.parentElement?.clientWidth;
    if (!width) return;
    const blocks = data.within(view.fromUs, view.toUs);
    const leads = (blocks[0]?.leads.map(({ name }) => name) ?? event.leads ?? ["…"]).slice(0, lanes);
    const layout = layOut(width, { ...view, leads });
    centre(layout, blocks);
    canvas.style.height = `${layout.height}px`;
    const context = fit(canvas, width, layout.height);
    drawGround(context, layout, event.stream);
    drawEvents(context, layout, [event], event);
    drawSignal(context, layout, blocks);
    drawBeats(context, layout, data.marks("beats", view.fromUs, view.toUs));
    if (!blocks.length) drawWords(context, layout, words);
  };
  const redraw = () => (canvas.isConnected ? draw("") : changes.removeEventListener("change", redraw));
  const load = async () => {
    try {
      await data.load(view.fromUs, view.toUs);
      draw("The signal of this moment is no longer kept in memory.");
    } catch (error) {
      draw(`No signal: ${error.message}.`);
      return;
    }
    // The event is new: some of what comes after it is still to come.
    if (!data.settled(view.toUs) && canvas.isConnected) setTimeout(load, GROWS_MS);
  };
  requestAnimationFrame(() => {
    draw("Loading…");
    changes.addEventListener("change", redraw);
    load();
  });
  return canvas;
}
