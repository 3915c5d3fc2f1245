// The record of who did what.
import {h, when, number} from "./dom.js";
import {dates} from "./dates.js";
import {call, may, Refused} from "./api.js";
import {chart} from "./chart.js";
import {button, dialog} from "./dialog.js";
import {table} from "./file.js";
import {estimate, mayEstimate} from "./guessing.js";
import {chip, listPage} from "./list.js";
import {attempt} from "./notice.js";
import {to} from "./route.js";
import {act, changesOf, outcome, refusals} from "./words.js";

// named are the objects that the record names by their id: how it calls them, their method's object, what people call them, and the
// address of their page.
const named = [
  ["user", "user", ["loginName", "domain.name"], (r) => r["domain.name"] + "\\" + r.loginName, (r) => to("users", r["domain.name"], r.loginName)],
  ["token", "token", ["serial"], (r) => r.serial, (r) => to("tokens", r.serial)],
  ["token assignment", "tokenAssignment", ["token.serial", "user.loginName"], (r) => `${r["token.serial"]} of ${r["user.loginName"]}`, (r) => to("tokens", r["token.serial"])],
  ["device", "device", ["name"], (r) => r.name, (r) => to("devices", r.name)],
  ["installation code", "installationCode", ["description", "usernamePrefix"], (r) => r.description ?? (r.usernamePrefix ? r.usernamePrefix + " accounts" : "without a description"), (r) => to("installation-codes", r.id)],
  ["license", "license", ["name"], (r) => r.name, (r) => to("licenses") + "?q=" + encodeURIComponent(r.name)],
  ["device group", "deviceGroup", ["name"], (r) => r.name, (r) => to("devices") + "?group=" + r.id],
  ["domain", "domain", ["name"], (r) => r.name, (r) => to("users") + "?domain=" + r.id],
  ["product", "product", ["name"], (r) => r.name, (r) => to("tokens") + "?product=" + r.id],
  ["repository", "repository", ["name"], (r) => r.name, (r) => to("tokens") + "?repository=" + r.id],
  ["agent", "agent", ["name"], (r) => r.name, (r) => to("agents", r.name)],
  ["group", "group", ["name"], (r) => r.name, (r) => to("users") + "?group=" + r.id],
  ["unit", "unit", ["name"], (r) => r.name, (r) => to("users") + "?unit=" + r.id],
  ["application", "application", ["name"], (r) => r.name, (r) => to("applications", r.name)],
  ["realm", "realm", ["name"], (r) => r.name, (r) => to("realms", r.name)],
  ["logon procedure", "logonProcedure", ["name"], (r) => r.name, (r) => to("logon-procedures", r.name)],
  ["RADIUS client", "radiusClient", ["name"], (r) => r.name, (r) => to("radius-clients", r.name)],
  ["logon step", "logonStep", ["logonProcedure.name", "position"], (r) => `${r.position} of ${r["logonProcedure.name"]}`, (r) => to("logon-procedures", r["logonProcedure.name"])],
];

const parts = (text) => /^(.*) ([0-9a-f]{32})$/.exec(text ?? "");

// names looks up what the objects of rows are called, with one search for each kind of object.
async function names(rows, known) {
  await Promise.all(named.map(async ([noun, object, returns, name, address]) => {
    const ids = [...new Set(rows.map((a) => parts(a.object)).filter((p) => p && p[1] === noun).map((p) => p[2]))].filter((id) => !known.has(id));
    if (!ids.length || !may(object + "/search")) return;
    const found = await call(object + "/search", {match: [["id", "in", ids]], return: ["id", ...returns], count: false}).catch(() => ({rows: []}));
    for (const id of ids) known.set(id, null);
    for (const r of found.rows) known.set(r.id, {name: name(r), address: address(r)});
  }));
}

const exact = dates({dateStyle: "full", timeStyle: "long"});

// folded puts rows that say the same, one behind the other, into one.
function folded(rows) {
  const all = [];
  for (const a of rows) {
    const last = all.at(-1);
    if (last && ["agent", "method", "outcome", "remote", "changed"].every((name) => last[name] === a[name]) && (last.object === a.object || /\/(get|search|getQRCode)$/.test(a.method))) {
      last.same.push(a);
    } else {
      all.push({...a, same: [a]});
    }
  }
  return all;
}

// what says what a row is about, with what was changed and how often it says so.
function what(a) {
  const changed = changesOf(a.changed);
  return [h("span", {title: a.method}, a.outcome && /^(auth\/(verify|logon)|console\/signIn)$/.test(a.method) ? "Tried to log in" : act(a.method)), changed && h("span", {class: "faint"}, ": " + changed), a.same.length > 1 && h("strong", {class: "times"}, " × " + number(a.same.length))];
}

const midnight = (day, later = 0) => {
  const [y, m, d] = day.split("-").map(Number);
  return new Date(y, m - 1, d + later).toISOString();
};

const day = 24 * 3600000, pieces = 56;
const dated = dates({day: "numeric", month: "short"}), timed = dates({day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const iso = (at) => { const d = new Date(at); return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 10); };

// when it was done: the time that the filters name, or a week until now.
function span(list) {
  const until = list.value("until"), from = list.value("from");
  const end = until ? Date.parse(midnight(until, 1)) : Date.now();
  return {end, begin: from ? Date.parse(midnight(from)) : end - 7 * day};
}

export function audit() {
  const known = new Map(); // what an object is called and its address, by id; null where it is gone
  const drawing = h("div", {class: "card in histogram", "aria-busy": "true"}); // it keeps the place of what comes
  let turn = 0;
  // draw shows when it was done, what the list shows.
  async function draw(match) {
    const mine = ++turn;
    drawing.setAttribute("aria-busy", "true");
    await null; // the list is there
    const {begin, end} = span(list);
    const found = match && begin < end ? await call("audit/histogram", {match, from: new Date(begin).toISOString(), until: new Date(end).toISOString(), parts: pieces}).catch((e) => { if (!(e instanceof Refused)) throw e; }) : null;
    if (mine !== turn) return;
    drawing.removeAttribute("aria-busy");
    if (!found) {
      drawing.replaceChildren(h("p", {class: "faint"}, "There is nothing to draw."));
      return;
    }
    const every = Math.ceil(pieces / 7);
    drawing.replaceChildren(...chart(found.parts.map((p) => ({at: Date.parse(p.from), yes: p.done, no: p.refused})), {words: ["done", "refused"], title: "When it was done", height: 130, width: innerWidth < 700 ? 420 : 1200,
      name: (at) => timed.format(at), tick: (at, i) => i % every === every >> 1 && (end - begin > 2 * day ? dated : timed).format(at), open: (b) => list.filters({from: iso(b.at), until: iso(b.at)})}),
    Date.parse(found.since) > begin ? h("p", {class: "faint"}, `Only since ${timed.format(Date.parse(found.since))}: before that there are more than are counted here.`) : "");
  }
  const list = listPage({
    title: "Audit", noun: "row", method: "audit/search", sort: "-time", returns: ["*"], name: (a) => a.id, fold: folded, ...(may("audit/histogram") && {above: drawing, found: draw}),
    also: (rows) => names(rows, known),
    search: {label: "Search by method", by: [{key: "method", label: "method", match: (t) => [["method", ">>", t]]}]},
    filters: [{key: "who", label: "Who", match: (v) => ["agent", "=", v]}, {key: "outcome", label: "Outcome", options: [{value: "0", label: outcome(0)}, ...refusals], match: (v) => ["outcome", "=", v]},
      {key: "from", label: "From", type: "date", match: (v) => ["time", ">=", midnight(v)]}, {key: "until", label: "Until", type: "date", match: (v) => ["time", "<", midnight(v, 1)]}],
    columns: [
      {label: "Time", sort: "time", text: (a) => a.time, cell: (a) => h("button", {type: "button", class: "link plain", "aria-label": "Details of row " + a.sequence, on: {click: (e) => details(a, known, e.currentTarget)}}, when(a.time))},
      {label: "Who", cell: (a) => a.agent || h("span", {class: "faint"}, "unknown")},
      {label: "What", grow: 2.2, text: (a) => a.method + (a.changed ? ": " + a.changed : ""), cell: (a) => h("span", {}, what(a))},
      {label: "Object", grow: 1.8, text: (a) => a.object, cell: (a) => about(a.object, known)},
      {label: "Outcome", text: (a) => outcome(a.outcome), cell: (a) => (a.outcome === 0 ? h("span", {class: "usual"}, outcome(0)) : chip(outcome(a.outcome), "bad"))},
      {label: "Address", cell: (a) => a.remote},
    ],
    tools: [mayEstimate() && button("What guessing may reach", (e) => estimate(e.currentTarget)), may("audit/verify") && button("Check the chain", (e) => check(e.currentTarget)),
      button("Export as CSV", () => attempt(() => list.save("audit.csv", 10000)))],
    empty: {title: "Nothing recorded yet", text: "Changes, refused credentials and revealed secrets are recorded here."},
  });
  return list.el;
}

// about shows an object by its name, which leads to its page.
function about(object, known) {
  if (!object) return null;
  const [, noun, id] = parts(object) ?? [];
  if (!id) return object;
  const found = known.get(id);
  const kind = noun[0].toUpperCase() + noun.slice(1);
  if (found) return h("span", {title: object}, kind + " ", h("a", {class: "name", href: found.address}, found.name));
  return h("span", {title: object}, kind, found === null ? h("span", {class: "faint"}, " that is gone") : null);
}

// details shows everything that the record has of a row, or of several that say the same.
function details(a, known, opener) {
  const d = dialog({title: act(a.method), opener, wide: true, buttons: [h("span", {class: "grow"}), button("Close", () => d.leave(), "primary", {autofocus: true})], body: [
    h("dl", {}, [["Time", exact.format(new Date(a.time))], ["Who", a.agent || "unknown"], ["Address", a.remote], ["Object", about(a.object, known) ?? "–"], ["Changed", changesOf(a.changed) || "–"], ["Outcome", outcome(a.outcome)],
      ["Method", h("code", {}, a.method)], ["Row", h("code", {}, `${a.sequence} of the chain ${a.writer}`)]].map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)])),
    a.same.length > 1 && table("All of them", ["Time", "Object", "Row"], a.same.map((r) => [exact.format(new Date(r.time)), about(r.object, known) ?? "–", r.sequence])),
  ]});
}

async function check(opener) {
  const d = dialog({title: "Check the chain", opener, body: h("p", {role: "status"}, "Every row of the record is being checked…"), buttons: [h("span", {class: "grow"}), button("Close", () => d.leave(), "primary")]});
  try {
    const found = await call("audit/verify");
    d.content.replaceChildren(h("p", {class: "big"}, "The record is whole."), h("dl", {},
      h("dt", {}, "Rows"), h("dd", {}, number(found.rows)), h("dt", {}, "Head, to compare with later"), h("dd", {}, h("code", {}, found.head))));
  } catch (e) {
    d.content.replaceChildren(h("p", {class: "alert"}, e.sentence ?? String(e)));
  }
}
