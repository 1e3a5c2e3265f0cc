// The drawing of a strip: paper, signal, beats, events and axes. What the model expected is in expected.js.

import { sign } from "./kinds.js";
import { LEFT, RIGHT, TOP, xOf, yOf } from "./lanes.js";
import { drawPaper } from "./paper.js";
import { MISSING } from "./sweep.js";
import { colour } from "./theme.js";
import { clock, clockMs, day, zone } from "./time.js";

const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const TICK_STEPS_S = [0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120];
const TICK_PX = 90; // two labels need so much room

/** The paper of all lanes, with the axes around it. */
export function drawGround(context, layout, stream) {
  context.fillStyle = colour("card");
  context.fillRect(0, 0, layout.width, layout.height);
  context.font = FONT;
  for (const lane of layout.lanes) {
    const zeroY = yOf(layout, lane, 0);
    // The large squares are laid by the clock, so that paper and signal move together.
    drawPaper(context, lane, layout.scale, (layout.fromUs / 1e6) % 600, zeroY);
    millivoltAxis(context, layout, lane);
  }
  timeAxis(context, layout);
  context.fillStyle = colour("soft");
  context.textAlign = "left";
  const full = `${stream} · ${day(layout.fromUs)} · times in ${zone(layout.fromUs)}`;
  const fits = context.measureText(full).width < layout.width - LEFT - RIGHT;
  context.fillText(
    fits ? full : `${stream} · ${zone(layout.fromUs).split(", ").pop()}`,
    LEFT,
    layout.height - 6,
  );
}

function millivoltAxis(context, layout, lane) {
  const stepUv = layout.scale.pxPerMv >= 36 ? 500 : 1000;
  context.textAlign = "right";
  context.fillStyle = colour("soft");
  const [low, high] = [lane.centreUv - 20000, lane.centreUv + 20000];
  for (let uv = Math.ceil(low / stepUv) * stepUv; uv <= high; uv += stepUv) {
    const y = yOf(layout, lane, uv);
    if (y > lane.y + 24 && y < lane.y + lane.height - 3)
      context.fillText((uv / 1000).toFixed(1), LEFT - 6, y + 4);
  }
  context.fillText("mV", LEFT - 6, lane.y + 12);
  context.fillStyle = colour("text");
  context.textAlign = "left";
  context.font = `600 ${FONT}`;
  context.fillText(lane.name, LEFT + 6, lane.y + 16);
  context.font = FONT;
}

function timeAxis(context, layout) {
  const stepS = TICK_STEPS_S.find((step) => step * layout.scale.pxPerS >= TICK_PX) ?? 300;
  const text = stepS < 1 ? clockMs : clock;
  context.fillStyle = colour("text");
  context.strokeStyle = colour("soft");
  context.textAlign = "center";
  context.beginPath();
  for (let us = Math.ceil(layout.fromUs / (stepS * 1e6)) * stepS * 1e6; us < layout.toUs; us += stepS * 1e6) {
    const x = Math.round(xOf(layout, us)) + 0.5;
    context.moveTo(x, layout.bottom);
    context.lineTo(x, layout.bottom + 5);
    if (x > LEFT + 28 && x < layout.width - RIGHT - 28) context.fillText(text(us), x, layout.bottom + 18);
  }
  context.stroke();
}

/** Keep the drawing inside of a lane. */
export function inside(context, box, draw) {
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.width, box.height);
  context.clip();
  draw();
  context.restore();
}

/** The signal of all lanes, sample by sample, with gaps where nothing was measured. */
export function drawSignal(context, layout, blocks) {
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  for (const lane of layout.lanes) {
    inside(context, lane, () => {
      context.beginPath();
      let last = null; // µs of the sample before
      for (const block of blocks) last = trace(context, layout, lane, block, last);
      context.stroke();
    });
  }
}

function trace(context, layout, lane, block, before) {
  const samples = block.leads.find(({ name }) => name === lane.name)?.samples ?? [];
  const stepUs = 1e6 / block.rateHz;
  const first = Math.max(0, Math.floor((layout.fromUs - block.startUs) / stepUs) - 1);
  const end = Math.min(samples.length, Math.ceil((layout.toUs - block.startUs) / stepUs) + 1);
  let last = before;
  for (let i = first; i < end; i += 1) {
    if (samples[i] === MISSING) {
      last = null;
      continue;
    }
    const timeUs = block.startUs + i * stepUs;
    const joined = last !== null && timeUs - last < 2.5 * stepUs;
    context[joined ? "lineTo" : "moveTo"](xOf(layout, timeUs), yOf(layout, lane, samples[i]));
    last = timeUs;
  }
  return last;
}

/** Least and greatest of each column, where single samples are too many. */
export function drawOverview(context, layout, overview) {
  const [lane] = layout.lanes;
  inside(context, lane, () => {
    context.beginPath();
    overview.low.forEach((low, n) => {
      const high = overview.high[n];
      if (low === null || low === MISSING || high === null) return;
      const x = xOf(layout, overview.start_us + n * overview.step_us);
      context.moveTo(x, yOf(layout, lane, low) + 0.5);
      context.lineTo(x, yOf(layout, lane, high) - 0.5);
    });
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.2;
    context.stroke();
  });
}

/** A tick per beat, a sign where it is strange, and the RR intervals in ms where there is room. */
export function drawBeats(context, layout, beats) {
  context.textAlign = "right";
  context.fillStyle = colour("soft");
  context.fillText("RR, ms", LEFT - 6, TOP - 5);
  context.textAlign = "center";
  let before = null;
  for (const beat of beats.filter(({ kind }) => kind !== "fixed")) {
    const x = xOf(layout, beat.time_us);
    const strange = beat.kind !== "beat";
    context.fillStyle = colour(strange ? "mark" : "soft");
    context.fillRect(x - 0.75, TOP - (strange ? 12 : 7), 1.5, strange ? 12 : 7);
    if (before !== null && x - before > 46 && beat.rr_s) {
      context.fillStyle = colour("soft");
      context.fillText((beat.rr_s * 1000).toFixed(0), (x + before) / 2, TOP - 5);
    }
    before = x;
  }
}

/** Signs of events above the strip, and the judged window of the chosen one through all lanes. */
export function drawEvents(context, layout, events, chosen) {
  if (chosen) drawChosen(context, layout, chosen);
  context.textAlign = "center";
  context.font = `15px ${FONT.slice(5)}`;
  for (const event of events) {
    context.fillStyle = colour(event.priority <= 2 ? "mark" : "warn");
    if (event.technical) context.fillStyle = colour("soft");
    context.fillText(sign(event.priority) + (event.verdict ? "✓" : ""), xOf(layout, event.time_us), 22);
  }
  context.font = FONT;
}

/** Moments at which a person says that an event was missed. */
export function drawMissed(context, layout, missed) {
  context.textAlign = "center";
  context.fillStyle = colour("warn");
  for (const each of missed) {
    if (each.time_us < layout.fromUs || each.time_us >= layout.toUs) continue;
    const x = xOf(layout, each.time_us);
    context.fillText("✚ missed", x, 22);
    context.fillRect(x - 0.75, 26, 1.5, layout.bottom - 26);
  }
}

function drawChosen(context, layout, event) {
  const [from, to] = windowOf(event);
  const left = Math.max(LEFT, xOf(layout, from));
  const right = Math.min(layout.width - RIGHT, xOf(layout, to));
  if (right <= left) return;
  context.fillStyle = colour("select");
  context.fillRect(left, 4, right - left, layout.bottom - 4);
  if (!event.part_s) return;
  const part = event.part_s.map((s) => xOf(layout, event.time_us + s * 1e6));
  context.fillStyle = colour("mark");
  context.fillRect(part[0], layout.bottom - 4, part[1] - part[0], 4);
}

/** First and last time, µs, of the window or episode that was judged. */
export function windowOf(event) {
  const at = (sample) => event.time_us + ((sample - event.r_peak_sample) * 1e6) / event.rate_hz;
  return [at(event.first_sample), at(event.last_sample)];
}

/** A sentence in the middle, where there is nothing to draw. */
export function drawWords(context, layout, words) {
  context.fillStyle = colour("soft");
  context.textAlign = "center";
  context.fillText(words, layout.width / 2, TOP + 70);
}
