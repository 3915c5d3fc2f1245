// A chart of what was done and what was refused, by parts of time, with a table for those who do not see the drawing.
import {h, number} from "./dom.js";

const ns = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text) {
  const e = document.createElementNS(ns, tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

// chart draws bars [{at: a time, yes, no}]. It gives its elements. words are what yes and no are called; title is the table's, name
// is what a bar is called, tick what stands below a bar, if anything, and open(bar) is what a click on one does.
export function chart(bars, {words: [yes, no], title, name, tick, open, height = 180, width = 600}) {
  const sum = (key) => bars.reduce((all, b) => all + b[key], 0);
  const most = Math.max(1, ...bars.map((b) => b.yes + b.no));
  const left = 40, top = 10, bottom = 24, step = (width - left) / bars.length, gap = Math.min(4, step / 4);
  const up = (n) => (height - top - bottom) * n / most, base = height - bottom;
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, class: open ? "chart opens" : "chart", "aria-hidden": "true", focusable: "false"});
  for (const part of [0, 0.5, 1]) {
    if (part === 0.5 && most < 2) continue;
    const y = base - (height - top - bottom) * part;
    svg.append(shape("line", {x1: left, x2: width, y1: y, y2: y}), shape("text", {x: left - 6, y: y + 4, "text-anchor": "end"}, number(Math.round(most * part))));
  }
  bars.forEach((b, i) => {
    const x = left + i * step + gap / 2, w = step - gap;
    const g = shape("g", {});
    g.append(shape("title", {}, `${name(b.at)}: ${number(b.yes)} ${yes}, ${number(b.no)} ${no}`), shape("rect", {x, y: top, width: w, height: base - top, class: "whole"}),
      shape("rect", {x, y: base - up(b.yes), width: w, height: up(b.yes), class: "yes"}), shape("rect", {x, y: base - up(b.yes + b.no), width: w, height: up(b.no), class: "no"}));
    if (open) g.addEventListener("click", () => open(b));
    svg.append(g);
    const below = tick(b.at, i);
    if (below) svg.append(shape("text", {x: x + w / 2, y: height - 6, "text-anchor": "middle"}, below));
  });
  return [
    h("p", {class: "legend"}, h("span", {}, `${number(sum("yes"))} ${yes}`), h("span", {class: "no"}, `${number(sum("no"))} ${no}`)), svg,
    h("table", {class: "hidden"}, h("caption", {}, title), h("thead", {}, h("tr", {}, ["Time", yes, no].map((t) => h("th", {scope: "col"}, t)))),
      h("tbody", {}, bars.filter((b) => b.yes + b.no).map((b) => h("tr", {}, h("th", {scope: "row"}, name(b.at)), h("td", {}, b.yes), h("td", {}, b.no))))),
  ];
}
