// The page's beginning: the parts that every view shares, and which view an address shows.

import { Agreement } from "./agreement.js";
import { Alarms } from "./alarms.js";
import { startConnection } from "./connection.js";
import { Keys } from "./keys.js";
import { Live } from "./live.js";
import { Review } from "./review.js";
import { openSettings } from "./settings.js";
import { Store } from "./store.js";
import { StripView } from "./strip.js";
import { startTheme } from "./theme.js";
import { Verdicts } from "./verdicts.js";
import { Ward } from "./ward.js";

const $ = (id) => document.getElementById(id);
const live = new Live();
const store = new Store(live);
const keys = new Keys();
const verdicts = new Verdicts($("who"));
const shared = {
  live,
  store,
  keys,
  verdicts,
  go,
  openSettings: (stream) => openSettings(stream, store.rows.get(stream), verdicts),
};
let view = null;

function viewOf(path) {
  if (path.startsWith("/strip/"))
    return new StripView(shared, decodeURIComponent(path.slice("/strip/".length)));
  if (path === "/review") return new Review(shared);
  if (path === "/agreement") return new Agreement(shared);
  return new Ward(shared);
}

function show() {
  view?.stop();
  keys.setView([]);
  view = viewOf(location.pathname);
  $("main").replaceChildren(view.node);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = view.node.querySelector("h1")?.textContent;
  document.title = heading ? `${heading} – ECG monitor` : "ECG monitor";
  view.start();
}

function go(address) {
  history.pushState(null, "", address);
  show();
  $("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

addEventListener("popstate", show);
addEventListener("click", (event) => {
  const link = event.target.closest("a[data-route]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.href);
});
keys.setGlobal({
  g: () => go("/"),
  r: () => go("/review"),
  a: () => go("/agreement"),
  "?": () => keys.help(),
});
$("help").addEventListener("click", () => keys.help());
startTheme($("theme"));
startConnection(live, store, { place: $("connection"), banner: $("banner"), clockPlace: $("clock") });
new Alarms(live, $("alarms"));
show();
