// Light, dark, or as the system has it; and the colours that canvases draw with.

const ORDER = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let colours = null;

export const changes = new EventTarget();

/** True if the viewer asked for little motion. */
export function reducedMotion() {
  return calm.matches;
}

/** A colour of the style sheet by its name, as canvases need it. */
export function colour(name) {
  colours ??= getComputedStyle(document.documentElement);
  return colours.getPropertyValue(`--${name}`).trim();
}

function apply(button) {
  const choice = localStorage.getItem("theme") ?? "system";
  const isDark = choice === "dark" || (choice === "system" && dark.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  button.textContent = `Theme: ${choice}`;
  colours = null;
  changes.dispatchEvent(new Event("change"));
}

/** Let a button go through the choices, and follow the system where nothing was chosen. */
export function startTheme(button) {
  button.addEventListener("click", () => {
    const now = localStorage.getItem("theme") ?? "system";
    localStorage.setItem("theme", ORDER[(ORDER.indexOf(now) + 1) % ORDER.length]);
    apply(button);
  });
  dark.addEventListener("change", () => apply(button));
  apply(button);
}
