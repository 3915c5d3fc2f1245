// The record of who did what.
import {h, when, number} from "./dom.js";
import {call, may} from "./api.js";
import {button, dialog} from "./dialog.js";
import {chip, listPage} from "./list.js";
import {estimate, mayEstimate} from "./guessing.js";
import {act, outcome, refusals} from "./words.js";

// named are the objects that the record names by their id: how it calls them, their method's object, and what people call them.
const named = [
  ["user", "user", ["loginName", "domain.name"], (r) => r["domain.name"] + "\\" + r.loginName],
  ["token", "token", ["serial"], (r) => r.serial],
  ["token assignment", "tokenAssignment", ["token.serial", "user.loginName"], (r) => `${r["token.serial"]} of ${r["user.loginName"]}`],
  ["device", "device", ["name"], (r) => r.name],
  ["installation code", "installationCode", ["description", "usernamePrefix"], (r) => r.description ?? (r.usernamePrefix ? r.usernamePrefix + " accounts" : null)],
  ["license", "license", ["name"], (r) => r.name],
  ["device group", "deviceGroup", ["name"], (r) => r.name],
  ["domain", "domain", ["name"], (r) => r.name],
  ["product", "product", ["name"], (r) => r.name],
  ["repository", "repository", ["name"], (r) => r.name],
  ["agent", "agent", ["name"], (r) => r.name],
];

const parts = (text) => /^(.*) ([0-9a-f]{32})$/.exec(text ?? "");

// names looks up what the objects of rows are called, with one search for each kind of object.
async function names(rows, known) {
  await Promise.all(named.map(async ([noun, object, returns, name]) => {
    const ids = [...new Set(rows.map((a) => parts(a.object)).filter((p) => p && p[1] === noun).map((p) => p[2]))].filter((id) => !known.has(id));
    if (!ids.length || !may(object + "/search")) return;
    const found = await call(object + "/search", {match: [["id", "in", ids]], return: ["id", ...returns], count: false}).catch(() => ({rows: []}));
    for (const id of ids) known.set(id, null);
    for (const r of found.rows) known.set(r.id, name(r));
  }));
}

export function audit() {
  const known = new Map(); // what an object is called, by id; null where it is gone
  const list = listPage({
    title: "Audit", method: "audit/search", sort: "-time", returns: ["*"],
    also: (rows) => names(rows, known),
    noun: "row", nouns: "rows", name: (a) => a.id,
    search: {label: "Search by method", by: [{key: "method", label: "method", match: (t) => [["method", ">>", t]]}]},
    filters: [{key: "who", label: "Who", match: (v) => ["agent", "=", v]}, {key: "outcome", label: "Outcome", options: [{value: "0", label: outcome(0)}, ...refusals], match: (v) => ["outcome", "=", v]}],
    columns: [
      {label: "Time", sort: "time", cell: (a) => when(a.time)},
      {label: "Who", cell: (a) => a.agent},
      {label: "What", grow: 1.6, cell: (a) => h("span", {title: a.method}, act(a.method))},
      {label: "Object", grow: 1.8, cell: (a) => about(a.object, known)},
      {label: "Outcome", cell: (a) => chip(outcome(a.outcome), a.outcome === 0 ? "good" : "bad")},
      {label: "Address", cell: (a) => a.remote},
    ],
    tools: [mayEstimate() && button("What guessing may reach", (e) => estimate(e.currentTarget)), may("audit/verify") && button("Check the chain", (e) => check(e.currentTarget))],
    empty: {title: "Nothing recorded yet", text: "Changes, refused credentials and revealed secrets are recorded here."},
  });
  return list.el;
}

// about shows an object by its name.
function about(object, known) {
  if (!object) return null;
  const [, noun, id] = parts(object) ?? [];
  if (!id) return object;
  const name = known.get(id);
  const kind = noun[0].toUpperCase() + noun.slice(1);
  if (name) return h("span", {title: object}, kind + " ", h("span", {class: "name"}, name));
  return h("span", {title: object}, kind, name === null && known.has(id) ? h("span", {class: "faint"}, " that is gone") : null);
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
