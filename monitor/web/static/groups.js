// Groups of alike anomalies: one verdict for all that look the same, one undo for the step.

import { h } from "./dom.js";
import { snippet } from "./snippet.js";
import { title } from "./kinds.js";

const STRIP_S = 3;

/** A card per group, the largest first; events: those known, by whose ids the groups speak. */
export function groupCards(groups, events, verdicts) {
  const known = new Map(events.map((event) => [event.id, event]));
  const cards = groups
    .map((group, n) => card(group, String.fromCharCode(65 + n), known, verdicts))
    .filter(Boolean);
  if (!cards.length)
    return h("p", { class: "soft" }, "No groups: this stream has no anomalies that can be compared.");
  return h("div", {}, h("h2", {}, "Groups of alike anomalies"), h("div", { class: "groups" }, cards));
}

function card(group, letter, known, verdicts) {
  const typical = known.get(group.typical) ?? group.event_ids.map((id) => known.get(id)).find(Boolean);
  if (!typical) return null;
  const members = group.event_ids.map((id) => known.get(id)).filter(Boolean);
  const open = members.filter((event) => !event.verdict);
  const button = (words, verdict) =>
    h(
      "button",
      { type: "button", disabled: !open.length, onclick: () => verdicts.give(open, verdict) },
      `${words} ${open.length}`,
    );
  return h(
    "article",
    { class: "card group-card", "aria-label": `Group ${letter}` },
    h("h3", {}, `Group ${letter}: ${group.count} alike, such as this ${title(typical)}`),
    h("div", { class: "stage-small" }, snippet(typical, STRIP_S, { lanes: 1 })),
    h("p", { class: "soft" }, open.length ? `${open.length} not reviewed` : "✓ all reviewed"),
    h(
      "div",
      { class: "bar" },
      button("Confirm all", "confirmed"),
      button("False alarms: all", "false_alarm"),
    ),
  );
}
