// Building the document: no HTML text is ever parsed, so nothing a server says can become markup.
import {dates} from "./dates.js";

// h makes an element. Of the properties, "on" has listeners, "class" and the rest are attributes; false, null and undefined
// leave one out, true gives it no value.
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value == null) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) el.addEventListener(event, listener);
    else if (name === "value" || name === "checked" || name === "selected" || name === "indeterminate") el[name] = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c != null && c !== false));
  return el;
}

let ids = 0;

// newId gives an id for a label to point to.
export const newId = () => "e" + ++ids;

const paths = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  messages: "M3 6h18v12H3zM3 7l9 7 9-7",
  devices: "M3 5h18v11H3zM9 20h6M12 16v4",
  codes: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 14h2v2h-2zM14 18h2v2h-2zM18 18h2v2h-2z",
  tokens: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4",
  users: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 4-6 8-6s8 2 8 6",
  products: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  licenses: "M5 3h14v18l-7-4-7 4zM9 8h6M9 12h6",
  agents: "M8 9l-4 3 4 3M16 9l4 3-4 3M13 6l-2 12",
  audit: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  applications: "M4 5h16v14H4zM4 9h16M8 13l2 2-2 2M12 17h4",
  group: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 3-5.5 6.5-5.5s6.5 2 6.5 5.5M16 4.5a3.5 3.5 0 0 1 0 6.5M18 15c2.200.7 3.5 2.5 3.5 5",
  radius: "M3 14h18v6H3zM7 17h.01M11 17h.01M12 14v-3M8.5 8.5a5 5 0 0 1 7 0M6 6a8.5 8.5 0 0 1 12 0",
  folder: "M3 6h6l2 2h10v11H3z",
  out: "M14 4h5v16h-5M4 12h10M10 8l4 4-4 4",
  key: "M15 9a4 4 0 1 0-4 4l1-1 2 2h2v2h2v2h3v-3l-6-6",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
};

// icon draws a small picture that says nothing to a screen reader.
export function icon(name) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  for (const [k, v] of Object.entries({viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false"})) svg.setAttribute(k, v);
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", paths[name]);
  svg.append(path);
  return svg;
}

// mark draws the sign of tokensmith: a token's hexagon with the teeth of a key.
export function mark() {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  for (const [k, v] of Object.entries({viewBox: "0 0 24 24", class: "mark", "aria-hidden": "true", focusable: "false"})) svg.setAttribute(k, v);
  const body = document.createElementNS(ns, "polygon");
  body.setAttribute("points", "12,1 21.5,6.5 21.5,17.5 12,23 2.5,17.5 2.5,6.5");
  const teeth = document.createElementNS(ns, "path");
  teeth.setAttribute("d", "M7.5 8.5h9M12 8.5v9M12 13h3M12 17.5h3");
  svg.append(body, teeth);
  return svg;
}

const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", {numeric: "auto"});
const exact = dates({dateStyle: "medium", timeStyle: "medium"});

// when shows a time as people say it, and exactly on hover.
export function when(iso, none = "never") {
  if (!iso) return h("span", {class: "faint"}, none);
  const at = new Date(iso);
  const seconds = Math.round((at - Date.now()) / 1000);
  const [unit, length] = units.find(([, l]) => Math.abs(seconds) >= l) ?? ["second", 1];
  const text = unit === "second" ? (seconds > 5 ? "in a moment" : "just now") : relative.format(Math.trunc(seconds / length), unit);
  return h("time", {datetime: iso, title: exact.format(at)}, text);
}

export const number = (n) => new Intl.NumberFormat("en").format(n);
export const plural = (n, one, many = one + "s") => number(n) + " " + (n === 1 ? one : many);
