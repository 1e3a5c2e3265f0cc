// Scrolling a strip by hand: drag, wheel, and a double click to zoom in.

import { timeAt } from "./lanes.js";

const STILL_PX = 4; // a press that moves no further is a click
const SIGNS_PX = 30; // height of the row of events' signs
const NEAR_PX = 12; // of a sign

export function dragging(stage, view, signal) {
  let start = null;
  stage.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button || event.target.closest(".handle")) return;
      const { fromUs, toUs } = view.seen();
      start = { x: event.clientX, atUs: (fromUs + toUs) / 2, moved: false };
      stage.setPointerCapture(event.pointerId);
    },
    { signal },
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      if (!start) return;
      const px = event.clientX - start.x;
      if (Math.abs(px) > STILL_PX) start.moved = true;
      if (start.moved) view.moveTo(start.atUs - (px / view.canvas.layout.scale.pxPerS) * 1e6);
    },
    { signal },
  );
  const end = (event) => {
    if (start && !start.moved && event.type === "pointerup") pick(stage, view, event);
    start = null;
  };
  stage.addEventListener("pointerup", end, { signal });
  stage.addEventListener("pointercancel", end, { signal });
  // The wheel turns time only with shift or sideways: plain, it scrolls the page as everywhere.
  stage.addEventListener(
    "wheel",
    (event) => {
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (event.ctrlKey) view.zoom(Math.sign(event.deltaY));
      else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY))
        view.scroll(sideways / stage.clientWidth);
      else return;
      event.preventDefault();
    },
    { signal, passive: false },
  );
}

/** Choose the event whose sign was clicked, if any. */
function pick(stage, view, { clientX, clientY }) {
  const box = stage.getBoundingClientRect();
  if (clientY - box.top > SIGNS_PX) return;
  const { layout } = view.canvas;
  const timeUs = timeAt(layout, clientX - box.left);
  const away = (each) => Math.abs((each.time_us - timeUs) / 1e6) * layout.scale.pxPerS;
  const near = view.events.known.filter((each) => away(each) < NEAR_PX);
  const [best] = near.sort((a, b) => away(a) - away(b));
  if (best) view.goTo(best);
}
