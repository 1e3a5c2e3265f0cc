// What the model expected of each window, laid over the signal, with the error shaded and shown under it.

import { inside } from "./strip-draw.js";
import { LEFT, xOf, yOf } from "./lanes.js";
import { colour } from "./theme.js";

/**
 * The parts of windows that are drawn: neighbouring beats' windows overlap, so each ends half way to the
 * next; fixed windows are drawn only where no beat's is.
 */
export function chosenParts(windows, lead) {
  const has = (each) => each.parts.some((part) => part.lead === lead);
  const beats = windows
    .filter((each) => each.kind !== "fixed" && has(each))
    .sort((a, b) => a.time_us - b.time_us);
  const parts = beats.map((each, n) => {
    const half = (other) => (other ? (other.time_us + each.time_us) / 2 : null);
    return {
      ...part(each, lead),
      notBefore: half(beats[n - 1]) ?? -Infinity,
      notAfter: half(beats[n + 1]) ?? Infinity,
    };
  });
  const covered = (timeUs) => beats.some((each) => Math.abs(each.time_us - timeUs) < 1.2e6);
  const fixed = windows.filter((each) => each.kind === "fixed" && has(each) && !covered(each.time_us));
  return parts.concat(
    fixed.map((each) => ({ ...part(each, lead), notBefore: -Infinity, notAfter: Infinity })),
  );
}

function part(window, lead) {
  return window.parts.find((each) => each.lead === lead);
}

/** Draw expectation and error of all lanes; data: the signal, for the expectation is laid on its level. */
export function drawExpected(context, layout, { rate_hz: rateHz, windows }, data) {
  for (const lane of layout.lanes) {
    const parts = chosenParts(windows, lane.name).map((each) => placed(each, rateHz, lane.name, data));
    inside(context, lane, () => {
      for (const each of parts) shade(context, layout, lane, each);
    });
    errorLane(context, layout, lane, parts);
  }
}

/** Points of a part: time, level (µV) to add, observed and expected mV. */
function placed(part_, rateHz, lead, data) {
  const points = [];
  const offsets = [];
  part_.observed.forEach((observed, i) => {
    const timeUs = part_.start_us + (i * 1e6) / rateHz;
    if (timeUs < part_.notBefore || timeUs > part_.notAfter) return;
    points.push({ timeUs, observed, expected: part_.expected[i], spread: part_.spread?.[i] ?? null });
    const raw = data.valueAt(lead, timeUs);
    if (raw !== null) offsets.push(raw - observed * 1000);
  });
  offsets.sort((a, b) => a - b);
  // The model sees the signal without its baseline: the median difference puts the two on one level.
  return { points, levelUv: offsets.length ? offsets[offsets.length >> 1] : 0 };
}

function shade(context, layout, lane, { points, levelUv }) {
  const place = (point, mv) => [xOf(layout, point.timeUs), yOf(layout, lane, mv * 1000 + levelUv)];
  context.beginPath();
  points.forEach((point) => context.lineTo(...place(point, point.observed)));
  [...points].reverse().forEach((point) => context.lineTo(...place(point, point.expected)));
  context.closePath();
  context.fillStyle = colour("error");
  context.fill();
  context.beginPath();
  points.forEach((point) => context.lineTo(...place(point, point.expected)));
  context.strokeStyle = colour("expected");
  context.lineWidth = 1.6;
  context.setLineDash([5, 3]);
  context.stroke();
  context.setLineDash([]);
}

function errorLane(context, layout, lane, parts) {
  const box = lane.error;
  const errors = parts.flatMap(({ points }) =>
    points.map((point) => Math.abs(point.observed - point.expected)),
  );
  // No less than half a millivolt: tiny errors must look tiny.
  const top = Math.max(0.5, ...errors);
  const y = (mv) => box.y + box.height - 4 - (mv / top) * (box.height - 12);
  context.strokeStyle = colour("line");
  context.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
  context.fillStyle = colour("soft");
  context.textAlign = "right";
  context.fillText(top.toFixed(1), LEFT - 6, y(top) + 8);
  context.fillText("0 mV", LEFT - 6, y(0) + 2);
  context.textAlign = "left";
  context.fillText(`error, ${lane.name}`, LEFT + 6, box.y + 14);
  inside(context, box, () => {
    for (const { points } of parts) {
      if (!points.length) continue;
      context.beginPath();
      context.moveTo(xOf(layout, points[0].timeUs), y(0));
      points.forEach((each) =>
        context.lineTo(xOf(layout, each.timeUs), y(Math.abs(each.observed - each.expected))),
      );
      context.lineTo(xOf(layout, points[points.length - 1].timeUs), y(0));
      context.fillStyle = colour("error");
      context.fill();
      spreadLine(context, layout, points, y);
    }
  });
}

function spreadLine(context, layout, points, y) {
  if (points[0].spread === null) return;
  context.beginPath();
  points.forEach((each) => context.lineTo(xOf(layout, each.timeUs), y(each.spread)));
  context.strokeStyle = colour("expected");
  context.lineWidth = 1;
  context.stroke();
}
