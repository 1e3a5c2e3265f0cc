// Where on a strip's canvas things lie: a lane per lead, an error lane under it, the axes around.

import { MM_PX, MM_PER_MV } from "./paper.js";
import { MISSING } from "./sweep.js";

export const LEFT = 58;
export const RIGHT = 12;
export const TOP = 44; // events above, beats and RR intervals under them
export const BOTTOM = 40;
const GAP = 10;
const LANE = { 1: 240, 2: 190 }; // height by the number of leads
const SMALL_LANE = 120;
export const ERROR_LANE = 54;

/** The layout of a canvas so wide; view: {fromUs, toUs, gain, errors, leads: [names]}. */
export function layOut(width, view) {
  const height = LANE[view.leads.length] ?? SMALL_LANE;
  const scale = {
    pxPerS: ((width - LEFT - RIGHT) / (view.toUs - view.fromUs)) * 1e6,
    pxPerMv: MM_PX * MM_PER_MV * view.gain,
  };
  let y = TOP;
  const lanes = view.leads.map((name) => {
    const lane = { name, x: LEFT, y, width: width - LEFT - RIGHT, height, centreUv: 0 };
    y += height + GAP;
    if (view.errors) {
      lane.error = { x: LEFT, y: y - GAP, width: lane.width, height: ERROR_LANE };
      y += ERROR_LANE;
    }
    return lane;
  });
  return {
    width,
    height: y - GAP + BOTTOM,
    scale,
    lanes,
    fromUs: view.fromUs,
    toUs: view.toUs,
    bottom: y - GAP,
  };
}

/** A time's place, CSS px from the canvas's left. */
export function xOf(layout, timeUs) {
  return LEFT + ((timeUs - layout.fromUs) / 1e6) * layout.scale.pxPerS;
}

/** The time at a place. */
export function timeAt(layout, x) {
  return layout.fromUs + ((x - LEFT) / layout.scale.pxPerS) * 1e6;
}

/** A voltage's place in a lane; uv: µV. */
export function yOf(layout, lane, uv) {
  return lane.y + lane.height / 2 - ((uv - lane.centreUv) / 1000) * layout.scale.pxPerMv;
}

/** The voltage at a place in a lane, mV. */
export function mvAt(layout, lane, y) {
  return lane.centreUv / 1000 + (lane.y + lane.height / 2 - y) / layout.scale.pxPerMv;
}

/** Lay each lane around the middle of what it shows, in steps of 0.5 mV so that it seldom moves. */
export function centre(layout, blocks) {
  for (const lane of layout.lanes) {
    const seen = [];
    for (const block of blocks) {
      const samples = block.leads.find(({ name }) => name === lane.name)?.samples ?? [];
      const every = Math.max(1, Math.floor(samples.length / 500));
      for (let i = 0; i < samples.length; i += every) {
        const timeUs = block.startUs + (i * 1e6) / block.rateHz;
        if (samples[i] !== MISSING && timeUs >= layout.fromUs && timeUs < layout.toUs) seen.push(samples[i]);
      }
    }
    if (!seen.length) continue;
    seen.sort((a, b) => a - b);
    const middle = (seen[Math.floor(seen.length * 0.005)] + seen[Math.floor(seen.length * 0.995)]) / 2;
    lane.centreUv = Math.round((middle + seen[seen.length >> 1]) / 2 / 250) * 250;
  }
}
