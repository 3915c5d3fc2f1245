// The first page: what needs attention, the logins of the last day, and how much of everything there is.
import {h, number, plural} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button} from "./dialog.js";
import {section} from "./one.js";
import {to} from "./route.js";
import {label as word} from "./words.js";

const hours = 24;

// totals are what is counted: its name in the overview, what it is called, the search that one must be permitted, and its list.
const totals = [["tokens", "Tokens", "token/search", to("tokens")], ["users", "Users", "user/search", to("users")], ["devices", "Devices", "device/search", to("devices")]];

export function overview() {
  const counted = h("div", {class: "totals"}, totals.filter(([, , method]) => may(method)).map((t) => total(t)));
  const attention = h("div", {"aria-busy": "true"}, h("p", {class: "none"}, "Looking…"));
  const chart = h("div", {class: "in"});
  const el = h("div", {class: "page"}, h("header", {class: "top"}, h("h1", {tabindex: "-1"}, "Overview")),
    counted,
    h("div", {class: "overview"}, section({title: "Needs attention", body: attention}), section({title: "Sign-ins, the last 24 hours", body: chart})));

  async function load() {
    try {
      const o = await call("audit/overview");
      counted.replaceChildren(...totals.filter(([, , method]) => may(method)).map((t) => total(t, o.counts.find((c) => c.name === t[0]))));
      attention.replaceChildren(...needs(o));
      chart.replaceChildren(...drawn(o));
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      attention.replaceChildren(h("p", {class: "none"}, e.sentence, " ", button("Try again", load, "link")));
    }
    attention.removeAttribute("aria-busy");
  }
  load();
  return el;
}

// total shows how many there are, by how many more than a week ago, and how many of them are not active, which is what to look at.
function total([, label, , address], c) {
  const since = c?.since && new Date(c.since), idle = (c?.byStatus ?? []).filter((s) => s.status !== "ACTIVE");
  return h("a", {class: "card total", href: address}, h("span", {}, label), h("strong", {}, c ? number(c.total) : "…"),
    h("span", {class: "change"}, !c ? " " : [since && [c.change ? `${c.change > 0 ? "+" : "−"}${number(Math.abs(c.change))}` : "unchanged", ` since ${dayOf.format(since)}`], idle.map((s, i) => [i || since ? " · " : "", number(s.total) + " " + word(s.status).toLowerCase()])]));
}

const dayOf = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short", timeZone: "UTC"});

// needs lists what needs attention, each leading to its list.
function needs(o) {
  const many = (n, one, some) => (n >= o.most ? `${number(o.most)} or more ${some ?? one + "s"}` : plural(n, one, some));
  const all = [
    o.lockedUsers && may("user/search") && [many(o.lockedUsers, "user is locked", "users are locked"), "No login until the lock ends or somebody unlocks the account.", to("users") + "?is=locked"],
    o.licensesEnding && may("license/search") && [many(o.licensesEnding, "license ends", "licenses end"), "Within two weeks, or already: no device gets a seat of them then.", to("licenses") + "?sort=expires"],
    o.codesEnding && may("installationCode/search") && [many(o.codesEnding, "installation code ends", "installation codes end"), "Within two weeks.", to("installation-codes") + "?sort=-expires"],
    o.failedDeliveries && may("delivery/search") && [many(o.failedDeliveries, "message was not delivered", "messages were not delivered"), "E-mails and text messages that were given up.", to("deliveries") + "?status=FAILED"],
  ].filter(Boolean);
  const also = [may("token/search") && ["Tokens that were never used", to("tokens") + "?is=unused"], may("device/search") && ["Devices that never connected", to("devices") + "?is=unused"], may("user/search") && ["Users without a token", to("users") + "?is=untokened"]].filter(Boolean);
  return [
    all.length ? h("ul", {class: "lines needs"}, all.map(([title, more, address]) => h("li", {}, h("div", {class: "what"}, h("a", {href: address}, title)), h("div", {class: "faint more"}, more))))
      : h("p", {class: "none calm"}, "Nothing does: nobody is locked, nothing ends within two weeks, every message arrived."),
    also.length > 0 && h("p", {class: "also"}, "Worth a look now and then: ", also.map(([text, address], i) => [i ? ", " : "", h("a", {href: address}, text)]), "."),
  ].filter(Boolean);
}

const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});

// drawn draws the logins by the hour, with a table for those who do not see the drawing.
function drawn(o) {
  const hour = 3600000, last = Math.floor(Date.now() / hour), by = new Map(o.logins.map((l) => [Math.floor(new Date(l.hour) / hour), l]));
  const bars = Array.from({length: hours}, (_, i) => ({at: last - hours + 1 + i, accepted: 0, refused: 0, ...by.get(last - hours + 1 + i)}));
  const accepted = bars.reduce((sum, b) => sum + b.accepted, 0), refused = bars.reduce((sum, b) => sum + b.refused, 0);
  const most = Math.max(1, ...bars.map((b) => b.accepted + b.refused));
  const ns = "http://www.w3.org/2000/svg";
  const shape = (tag, attributes, text) => {
    const e = document.createElementNS(ns, tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const width = 600, height = 180, left = 40, top = 10, bottom = 24, step = (width - left) / hours;
  const up = (n) => (height - top - bottom) * n / most;
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, class: "chart", "aria-hidden": "true", focusable: "false"});
  for (const part of [0, 0.5, 1]) {
    if (part === 0.5 && most < 2) continue;
    const y = height - bottom - (height - top - bottom) * part;
    svg.append(shape("line", {x1: left, x2: width, y1: y, y2: y}), shape("text", {x: left - 6, y: y + 4, "text-anchor": "end"}, number(Math.round(most * part))));
  }
  bars.forEach((b, i) => {
    const x = left + i * step + 2, w = step - 4, base = height - bottom;
    const g = shape("g", {});
    g.append(shape("title", {}, `${clock.format(b.at * hour)}: ${b.accepted} accepted, ${b.refused} refused`), shape("rect", {x, y: base - up(b.accepted), width: w, height: up(b.accepted), class: "yes"}),
      shape("rect", {x, y: base - up(b.accepted + b.refused), width: w, height: up(b.refused), class: "no"}));
    svg.append(g);
    if (i % 6 === 2) svg.append(shape("text", {x: x + w / 2, y: height - 6, "text-anchor": "middle"}, clock.format(b.at * hour)));
  });
  const since = new Date(o.loginsSince);
  return [
    h("p", {class: "legend"}, h("span", {}, `${number(accepted)} accepted`), h("span", {class: "no"}, `${number(refused)} refused`)),
    svg,
    since / hour > last - hours + 1 ? h("p", {class: "faint"}, `Only since ${clock.format(since)}: before that there are more than are counted here.`) : null,
    h("table", {class: "hidden"}, h("caption", {}, "Sign-ins by the hour"), h("thead", {}, h("tr", {}, ["Hour", "Accepted", "Refused"].map((t) => h("th", {scope: "col"}, t)))),
      h("tbody", {}, bars.filter((b) => b.accepted + b.refused).map((b) => h("tr", {}, h("th", {scope: "row"}, clock.format(b.at * hour)), h("td", {}, b.accepted), h("td", {}, b.refused))))),
    may("audit/search") && h("p", {}, h("a", {href: to("audit") + "?q=auth%2F"}, "All of them in the record")),
  ].filter(Boolean);
}
