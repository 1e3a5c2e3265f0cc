// The strip's buttons. Each has a key, named in the dialog of keys.

import { h } from "./dom.js";
import { verdictKeys } from "./event-panel.js";
import { copyLink, savePicture, saveWfdb } from "./strip-keep.js";

export const LEGEND =
  "▲ ◆ ● ○ events by priority, ✓ reviewed · │ R peaks · dashed: what the model expected · " +
  "shaded: the error · line in the error lane: its usual size";
const GAINS = [0.25, 0.5, 1, 2];

/** The toolbar of a strip view; `update` shows its state. */
export function toolbar(view) {
  const button = (text, run, label = text, key = null) =>
    h(
      "button",
      {
        type: "button",
        onclick: run,
        "aria-label": label,
        title: key ? `${label} (${key})` : label,
        "aria-keyshortcuts": key,
      },
      text,
    );
  const follow = button("● Live", () => view.follow(), "Follow the newest signal", "l");
  const expected = button("Expected", () => view.toggleExpected(), "Show what the model expected", "e");
  const measure = button("Callipers", () => view.measure(), "Measure with callipers", "m");
  const gain = h(
    "select",
    { onchange: () => view.setGain(Number(gain.value)), "aria-label": "Gain" },
    GAINS.map((each) => h("option", { value: each, selected: each === 1 }, `${10 * each} mm/mV`)),
  );
  const node = h(
    "div",
    { class: "bar tools-strip", role: "toolbar", "aria-label": "Strip" },
    group(
      button("◀ Event", () => view.jump(-1), "Previous event", "p"),
      button("Event ▶", () => view.jump(1), "Next event", "n"),
    ),
    group(
      button("←", () => view.scroll(-0.5), "Scroll back", "ArrowLeft"),
      button("→", () => view.scroll(0.5), "Scroll forward", "ArrowRight"),
      follow,
    ),
    group(
      button("−", () => view.zoom(1), "Zoom out", "-"),
      button("+", () => view.zoom(-1), "Zoom in", "+"),
      button("25 mm/s", () => view.paperSpeed(), "Paper speed 25 mm/s", "0"),
      gain,
    ),
    group(expected, measure),
    group(
      button("Copy link", () => copyLink(view), "Copy a link to this moment"),
      button("PNG", () => savePicture(view), "Download as PNG"),
      button("WFDB", () => saveWfdb(view), "Download as a WFDB record"),
    ),
    group(
      button(
        "Mark missed",
        () => view.markMissed(),
        "Mark an event that the monitor missed, in the middle or at the first calliper",
        "x",
      ),
      h("label", {}, "as ", view.missedKind ?? ""),
    ),
    button("Settings", () => view.openSettings(view.stream), `Settings of ${view.stream}`),
  );
  const update = () => {
    follow.setAttribute("aria-pressed", view.atUs === null);
    expected.setAttribute("aria-pressed", view.expected.shown);
    measure.setAttribute("aria-pressed", view.callipers.on);
  };
  return { node, update };
}

function group(...children) {
  return h("span", { class: "group" }, children);
}

/** The strip's keys; each but scrolling has a button above. */
export function stripKeys(view) {
  return [
    { key: "n", words: "Next event", run: () => view.jump(1) },
    { key: "p", words: "Previous event", run: () => view.jump(-1) },
    { key: "ArrowLeft", words: "Scroll back", run: () => view.scroll(-0.25) },
    { key: "ArrowRight", words: "Scroll forward", run: () => view.scroll(0.25) },
    { key: "+", words: "Zoom in", run: () => view.zoom(-1) },
    { key: "-", words: "Zoom out", run: () => view.zoom(1) },
    { key: "0", words: "25 mm/s", run: () => view.paperSpeed() },
    { key: "l", words: "Follow the newest signal", run: () => view.follow() },
    { key: "m", words: "Measure with callipers", run: () => view.measure() },
    { key: "e", words: "Show or hide what the model expected", run: () => view.toggleExpected() },
    {
      key: "x",
      words: "Mark an event that the monitor missed, in the middle of the strip",
      run: () => view.markMissed(),
    },
    ...verdictKeys(() => view.events.chosen, view.verdicts),
  ];
}
