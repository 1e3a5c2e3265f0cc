// ECG paper: small squares of 1 mm (40 ms by 0.1 mV), large ones of 5 mm, at 25 mm/s and 10 mm/mV.

import { colour } from "./theme.js";

export const MM_PX = 4; // CSS pixels a millimetre; a screen's own size is not known, so squares are the measure
export const MM_PER_S = 25;
export const MM_PER_MV = 10;
export const PX_PER_S = MM_PX * MM_PER_S;
export const PX_PER_MV = MM_PX * MM_PER_MV;
const SMALL_S = 0.04;
const LARGE_S = 0.2;
const SMALL_MV = 0.1;
const LARGE_MV = 0.5;
const CLOSEST_PX = 2.5; // lines nearer to each other are left out

/**
 * Draw squares on a part of a canvas.
 * box: {x, y, width, height}; scale: {pxPerS, pxPerMv}; startS: time at its left edge; zeroY: where 0 mV lies.
 */
export function drawPaper(context, box, scale, startS, zeroY) {
  context.fillStyle = colour("paper");
  context.fillRect(box.x, box.y, box.width, box.height);
  const small = [SMALL_S * scale.pxPerS, SMALL_MV * scale.pxPerMv];
  if (Math.min(...small) >= CLOSEST_PX)
    lines(context, box, startS, zeroY, scale, SMALL_S, SMALL_MV, "paper-thin");
  let largeS = LARGE_S;
  while (largeS * scale.pxPerS < 10) largeS *= 5;
  lines(context, box, startS, zeroY, scale, largeS, LARGE_MV, "paper-thick");
}

function lines(context, box, startS, zeroY, scale, stepS, stepMv, name) {
  context.beginPath();
  for (let n = Math.ceil(startS / stepS); ; n += 1) {
    const x = Math.round(box.x + (n * stepS - startS) * scale.pxPerS) + 0.5;
    if (x > box.x + box.width) break;
    context.moveTo(x, box.y);
    context.lineTo(x, box.y + box.height);
  }
  const stepPx = stepMv * scale.pxPerMv;
  for (let n = Math.ceil((box.y - zeroY) / stepPx); ; n += 1) {
    const y = Math.round(zeroY + n * stepPx) + 0.5;
    if (y > box.y + box.height) break;
    context.moveTo(box.x, y);
    context.lineTo(box.x + box.width, y);
  }
  context.strokeStyle = colour(name);
  context.lineWidth = 1;
  context.stroke();
}

/** "25 mm/s · 10 mm/mV" for a scale in pixels. */
export function scaleWords(scale) {
  const speed = scale.pxPerS / MM_PX;
  const gain = scale.pxPerMv / MM_PX;
  return `${number(speed)} mm/s · ${number(gain)} mm/mV`;
}

function number(value) {
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
}
