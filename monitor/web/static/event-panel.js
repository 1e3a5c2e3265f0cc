// Why an event was raised, in full, and what a person says of it.

import { h, notice } from "./dom.js";
import { ALL_KINDS, PATIENT_KINDS, meaning, sign, title, verdictWords, words } from "./kinds.js";
import { clockMs, moment, zone } from "./time.js";

const small = (value) => (value < 0.001 ? value.toExponential(1) : value.toPrecision(2));

/** Rows of [name, value] about an event; what is not known has none. */
export function facts(event) {
  const known = (value, text) => (value === null || value === undefined ? null : text(value));
  const peak = event.technical ? "" : "R peak "; // what speaks of the measurement has none
  return [
    ["When", `${moment(event.time_us)} (${peak}${clockMs(event.time_us)}, ${zone(event.time_us)})`],
    ["Why", event.why || "–"],
    ["Priority", `${sign(event.priority)} ${meaning(event.priority)}`],
    [
      "p-value",
      known(
        event.p_value,
        (p) => `${small(p)}${event.threshold ? ` (raised below ${small(event.threshold)})` : ""}`,
      ),
    ],
    ["Score", known(event.score, (score) => `${score.toFixed(2)} (higher is stranger)`)],
    ["Leads", event.leads?.length ? `${event.leads.join(", ")} (largest error first)` : null],
    [
      "Part",
      known(
        event.part_s,
        ([from, to]) =>
          `${event.part ?? ""} ${(from * 1000).toFixed(0)} to ${(to * 1000).toFixed(0)} ms from the R peak`,
      ),
    ],
    [
      "RR interval",
      known(
        event.rr_s,
        (rr) =>
          `${(rr * 1000).toFixed(0)} ms${event.usual_rr_s ? `, usually ${(event.usual_rr_s * 1000).toFixed(0)} ms` : ""}`,
      ),
    ],
    ["Beats", known(event.beats, String)],
    ["Judged", event.learning ? "against the population alone: the usual beat is not yet known" : null],
    ["Late", event.late ? "the beat was found by search-back" : null],
    ["Model", `${event.model} ${event.model_version}`],
  ].filter(([, value]) => value !== null);
}

/** The panel of one event, with buttons for a verdict; `verdicts` tells of what was kept. */
export function eventPanel(event, verdicts) {
  const give = (verdict, kind) => verdicts.give([event], verdict, kind);
  const kinds = kindSelect(event.technical ? ALL_KINDS : PATIENT_KINDS);
  return h(
    "div",
    { class: "event", "data-event": event.id },
    h("h2", {}, `${sign(event.priority)} ${title(event)}`, h("span", { class: "soft" }, ` ${event.stream}`)),
    h(
      "dl",
      {},
      facts(event).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
    h(
      "div",
      { class: "bar" },
      h(
        "button",
        { type: "button", "aria-keyshortcuts": "c", onclick: () => give("confirmed") },
        "Confirm ",
        h("kbd", {}, "c"),
      ),
      h(
        "button",
        { type: "button", "aria-keyshortcuts": "f", onclick: () => give("false_alarm") },
        "False alarm ",
        h("kbd", {}, "f"),
      ),
      h(
        "button",
        { type: "button", "aria-keyshortcuts": "o", onclick: () => give("other", kinds.value) },
        "Another kind ",
        h("kbd", {}, "o"),
      ),
      h("label", {}, "namely ", kinds),
    ),
    verdictLine(event, verdicts),
  );
}

/** A choice of kinds. */
export function kindSelect(kinds) {
  return h(
    "select",
    { class: "kind" },
    kinds.map((kind) => h("option", { value: kind }, words(kind))),
  );
}

/** The verdict that holds, with who and when, and the way to take it back. */
function verdictLine(event, verdicts) {
  const { verdict } = event;
  if (!verdict) return h("p", { class: "soft" }, "Not reviewed yet.");
  const back = () => verdicts.takeBack([verdict]);
  return h(
    "p",
    { class: "verdict" },
    `✓ ${verdictWords(verdict)}, by ${verdict.by} at ${moment(verdict.at_us)} `,
    h("button", { type: "button", onclick: back }, "Undo"),
  );
}

/** The keys for verdicts; `current` gives the event, or null. */
export function verdictKeys(current, verdicts) {
  const give = (verdict) => () => {
    const event = current();
    if (!event) {
      notice("Choose an event first: n and p go from one to the next.");
      return;
    }
    const kind = verdict === "other" ? document.querySelector(".event select.kind")?.value : null;
    verdicts.give([event], verdict, kind);
  };
  return [
    { key: "c", words: "Confirm the event", run: give("confirmed") },
    { key: "f", words: "It was a false alarm", run: give("false_alarm") },
    { key: "o", words: "It was of another kind (the one chosen beside the button)", run: give("other") },
    { key: "u", words: "Undo the last verdict", run: () => verdicts.undo() },
  ];
}
