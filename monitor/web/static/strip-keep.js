// What can be kept of a strip: a link, a picture, a WFDB record.

import { wfdbAddress } from "./api.js";
import { h, notice } from "./dom.js";

/** The address that shows a strip view's moment; atUs: its middle, null to follow the newest sample. */
export function addressOf(view, atUs) {
  const query = new URLSearchParams();
  if (atUs !== null) query.set("at", Math.round(atUs));
  if (view.spanUs) query.set("span", view.spanUs / 1e6);
  if (view.events.chosenId) query.set("event", view.events.chosenId);
  const text = query.toString();
  return `${location.origin}/strip/${encodeURIComponent(view.stream)}${text ? `?${text}` : ""}`;
}

/** Copy a link that reopens this moment. */
export async function copyLink(view) {
  const { fromUs, toUs } = view.seen();
  const address = addressOf(view, Math.round((fromUs + toUs) / 2));
  try {
    await navigator.clipboard.writeText(address);
    notice("Link copied.");
  } catch {
    notice(address); // a page without https may not touch the clipboard
  }
}

/** Download a picture of the strip. */
export async function savePicture(view) {
  const href = await view.canvas.picture();
  const began = new Date(view.seen().fromUs / 1000).toISOString().replaceAll(":", "");
  h("a", { href, download: `${view.stream}-${began}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

/** Download what is seen as a WFDB record. */
export function saveWfdb(view) {
  const { fromUs, toUs } = view.seen();
  h("a", { href: wfdbAddress(view.stream, fromUs, toUs), download: "" }).click();
}
