// A list of events, newest first; the chosen one is marked.

import { h } from "./dom.js";
import { sign, title, verdictWords } from "./kinds.js";
import { moment } from "./time.js";

/** Put the list into its place; scrolling and the keyboard's focus stay where they were. */
export function fillEventList(place, events, chosen, choose, options = {}) {
  const before = place.querySelector("ol");
  const held = before?.querySelector("[aria-current]");
  const top = before?.scrollTop ?? 0;
  const wasAt = held ? held.offsetTop - top : 0;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.event : null;
  place.replaceChildren(eventList(events, chosen, choose, options));
  const list = place.querySelector("ol");
  const now = list?.querySelector("[aria-current]");
  // Events that come on top must not push the chosen one away from under the reader's eyes.
  const same = now && held?.dataset.event === now.dataset.event;
  if (list) list.scrollTop = same ? now.offsetTop - wasAt : top;
  if (focused) place.querySelector(`[data-event="${focused}"]`)?.focus({ preventScroll: true });
}

/** The list; `choose` is called with an event that was picked. withStream: say whose it is. */
function eventList(events, chosen, choose, { withStream = false } = {}) {
  if (!events.length) return h("p", { class: "soft" }, "No events.");
  const rows = [...events]
    .sort((a, b) => b.time_us - a.time_us)
    .map((event) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: "row",
            "aria-current": event.id === chosen?.id ? "true" : null,
            "data-event": event.id,
            onclick: () => choose(event),
          },
          h("span", { class: "num" }, moment(event.time_us)),
          h("span", {}, `${sign(event.priority)} ${withStream ? `${event.stream}: ` : ""}${title(event)}`),
          h("span", { class: "soft" }, event.verdict ? `✓ ${verdictWords(event.verdict)}` : event.why),
        ),
      ),
    );
  return h("ol", { class: "events" }, rows);
}
