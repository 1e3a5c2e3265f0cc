// The fixed vocabulary of event kinds in words, with a shape for each priority: colour is never the only sign.

const WORDS = {
  "rhythm.chaotic": "chaotic rhythm",
  "rhythm.pause": "pause",
  run: "run",
  "beat.morphology": "strange beat",
  "beat.early": "early beat",
  "beat.late": "late beat",
  "signal.lost": "signal lost",
  "signal.poor": "poor signal",
  "signal.restored": "signal restored",
  "stream.conflict": "conflicting signal",
};
const SIGNS = { 1: "▲", 2: "◆", 3: "●", 4: "○" };
const MEANING = { 1: "look now", 2: "look soon", 3: "when you can", 4: "for the record" };
const VERDICTS = {
  confirmed: "confirmed",
  false_alarm: "false alarm",
  other: "another kind",
  missed: "missed by the monitor",
};

/** What a person may call a beat or an episode: those that speak of the patient. */
export const PATIENT_KINDS = Object.keys(WORDS).filter((kind) => !/^(signal|stream)\./.test(kind));
export const ALL_KINDS = Object.keys(WORDS);

/** "strange beat". */
export function words(kind) {
  return WORDS[kind] ?? kind;
}

/** "◆". */
export function sign(priority) {
  return SIGNS[priority] ?? SIGNS[4];
}

/** "priority 2, look soon". */
export function meaning(priority) {
  return `priority ${priority}, ${MEANING[priority] ?? MEANING[4]}`;
}

/** "another kind: run, by Anna". */
export function verdictWords(verdict) {
  const kind = verdict.verdict === "other" && verdict.kind ? `: ${words(verdict.kind)}` : "";
  return `${VERDICTS[verdict.verdict] ?? verdict.verdict}${kind}`;
}

/** "run, going on" with its phase; the onset of an episode needs none. */
export function title(event) {
  const beats = event.beats ? ` of ${event.beats} beats` : "";
  const phase = { update: ", going on", end: ", over" }[event.phase] ?? "";
  return `${words(event.kind)}${beats}${phase}`;
}
