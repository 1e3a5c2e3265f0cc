// Elements without a framework; text is always text, never markup.

/** An element; props: attributes, or properties where they start with "." and listeners with "on". */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) node[name.slice(1)] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** Write text only where it differs: a screen reader repeats what is written again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Fit a canvas to its place at the screen's own pixels; returns its context, scaled to CSS pixels. */
export function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

let noticeTimer = 0;

/** Say what happened, at the foot of the page, for a while. */
export function notice(text) {
  const place = document.getElementById("notice");
  setText(place, text);
  place.classList.add("shown");
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => place.classList.remove("shown"), 6000);
}
