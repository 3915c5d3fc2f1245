// The first page: what needs attention, the logins of the last day, and how much of everything there is.
import {h, number, plural} from "./dom.js";
import {dates} from "./dates.js";
import {call, may, Refused} from "./api.js";
import {chart} from "./chart.js";
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

const dayOf = dates({day: "numeric", month: "short", timeZone: "UTC"});

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

const clock = dates({hour: "2-digit", minute: "2-digit", hourCycle: "h23"});

// drawn draws the logins by the hour.
function drawn(o) {
  const hour = 3600000, last = Math.floor(Date.now() / hour), by = new Map(o.logins.map((l) => [Math.floor(new Date(l.hour) / hour), l]));
  const bars = Array.from({length: hours}, (_, i) => last - hours + 1 + i).map((n) => ({at: n * hour, yes: by.get(n)?.accepted ?? 0, no: by.get(n)?.refused ?? 0}));
  const since = new Date(o.loginsSince);
  return [
    ...chart(bars, {words: ["accepted", "refused"], title: "Sign-ins by the hour", name: (at) => clock.format(at), tick: (at, i) => i % 6 === 2 && clock.format(at)}),
    since > bars[0].at ? h("p", {class: "faint"}, `Only since ${clock.format(since)}: before that there are more than are counted here.`) : null,
    may("audit/search") && h("p", {}, h("a", {href: to("audit") + "?q=auth%2F"}, "All of them in the record")),
  ].filter(Boolean);
}
