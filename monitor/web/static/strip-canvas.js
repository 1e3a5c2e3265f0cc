// The strip's canvas: decides what is drawn for what has been loaded, and makes the picture to download.

import { drawExpected } from "./expected.js";
import { fit, h } from "./dom.js";
import { centre, layOut } from "./lanes.js";
import { scaleWords } from "./paper.js";
import {
  drawBeats,
  drawEvents,
  drawGround,
  drawMissed,
  drawOverview,
  drawSignal,
  drawWords,
} from "./strip-draw.js";
import { LONGEST_US } from "./strip-data.js";
import { clockMs } from "./time.js";

export class StripCanvas {
  constructor(stream, data) {
    this.stream = stream;
    this.data = data;
    this.node = h("canvas", { role: "img", class: "strip" });
  }

  /** Draw; view: {fromUs, toUs, gain, leads, overview, expected, events, missed, chosen, failure}. Returns the layout. */
  draw(view) {
    const width = Math.max(280, this.node.parentElement.clientWidth);
    const layout = layOut(width, {
      ...view,
      leads: view.leads.length ? view.leads : ["…"],
      errors: view.expected !== null,
    });
    const blocks = view.overview ? [] : this.data.within(view.fromUs, view.toUs);
    if (view.overview) centreOverview(layout, view.overview);
    else centre(layout, blocks);
    this.node.style.height = `${layout.height}px`;
    const context = fit(this.node, width, layout.height);
    this._paint(context, layout, view, blocks);
    this.layout = layout;
    this._describe(layout, view);
    return layout;
  }

  _paint(context, layout, view, blocks) {
    drawGround(context, layout, this.stream);
    drawEvents(context, layout, view.events, view.chosen);
    drawMissed(context, layout, view.missed);
    if (view.expected) drawExpected(context, layout, view.expected, this.data);
    if (view.overview) drawOverview(context, layout, view.overview);
    else drawSignal(context, layout, blocks);
    if (view.toUs - view.fromUs <= LONGEST_US)
      drawBeats(context, layout, this.data.marks("beats", view.fromUs, view.toUs));
    const words = this._absence(view, blocks);
    if (words) drawWords(context, layout, words);
  }

  _absence(view, blocks) {
    if (view.failure) return view.failure;
    const { earliestUs, latestUs } = this.data;
    if (earliestUs !== null && view.toUs < earliestUs)
      return `The signal is kept in memory since ${clockMs(earliestUs)} only.`;
    if (latestUs !== null && view.fromUs > latestUs) return `The newest sample is from ${clockMs(latestUs)}.`;
    if (blocks.length || view.overview) return null;
    return this.data.known(view.fromUs, view.toUs) ? "No signal came between these times." : "Loading…";
  }

  _describe(layout, view) {
    const beats = this.data.marks("beats", view.fromUs, view.toUs).length;
    this.node.setAttribute(
      "aria-label",
      `ECG of ${this.stream}, ${view.leads.join(" and ")}, ${clockMs(view.fromUs)} to ${clockMs(view.toUs)}, ` +
        `${scaleWords(layout.scale)}, ${beats} beats, ${view.events.length} events`,
    );
  }

  /** The address of a PNG of what is seen. */
  async picture() {
    const blob = await new Promise((resolve) => this.node.toBlob(resolve, "image/png"));
    return URL.createObjectURL(blob);
  }
}

function centreOverview(layout, { low, high }) {
  const known = low.map((value, n) => [value, high[n]]).filter(([value]) => value !== null && value > -32768);
  if (!known.length) return;
  const middles = known.map(([a, b]) => (a + b) / 2).sort((a, b) => a - b);
  layout.lanes[0].centreUv = Math.round(middles[middles.length >> 1] / 250) * 250;
}
