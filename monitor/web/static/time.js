// Times in the viewer's zone. Everything on the wire is µs since the epoch, UTC.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });
const ZONE = new Intl.DateTimeFormat("en-GB", { timeZoneName: "shortOffset" });

let offsetUs = 0; // server's clock minus the viewer's

/** Take the server's clock as the one that counts: the viewer's may be wrong by minutes. */
export function setServerNow(nowUs) {
  offsetUs = nowUs - Date.now() * 1000;
}

/** The server's time now, µs. */
export function serverNow() {
  return Date.now() * 1000 + offsetUs;
}

/** "14:03:22". */
export function clock(timeUs) {
  return CLOCK.format(timeUs / 1000);
}

/** "14:03:22.480": for a moment on a strip. */
export function clockMs(timeUs) {
  const ms = Math.floor(timeUs / 1000);
  return `${CLOCK.format(ms)}.${String(((ms % 1000) + 1000) % 1000).padStart(3, "0")}`;
}

/** "21 Nov 2026". */
export function day(timeUs) {
  return DAY.format(timeUs / 1000);
}

/** "21 Nov 2026 14:03:22", or the clock alone for the last day. */
export function moment(timeUs) {
  const recent = Math.abs(serverNow() - timeUs) < 12 * 3600e6;
  return recent ? clock(timeUs) : `${day(timeUs)} ${clock(timeUs)}`;
}

/** The viewer's zone, with the offset that holds at a time: "Europe/Berlin, UTC+1". */
export function zone(timeUs = serverNow()) {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = ZONE.formatToParts(timeUs / 1000);
  const offset = parts.find((part) => part.type === "timeZoneName").value.replace("GMT", "UTC");
  return name === "UTC" ? "UTC" : `${name}, ${offset}`;
}

/** "12 s", "5 min", "3 h": how long something took or is ago. */
export function span(us) {
  const seconds = Math.max(0, Math.round(us / 1e6));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
