// One token: what can be done with it, and its page.
import {h, when, number} from "./dom.js";
import {dates} from "./dates.js";
import {call, may} from "./api.js";
import {button, dialog} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {chip, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt, prepare} from "./notice.js";
import {onePage, rows} from "./one.js";
import {kinds} from "./picker.js";
import {go, to} from "./route.js";
import {secret} from "./secret.js";
import {label, options} from "./words.js";

export const tokenAddress = (t) => to("tokens", t.serial);
const userLink = (u) => h("a", {href: to("users", u["domain.name"], u.loginName)}, kinds.user.name(u));

const set = (t, to, done, changed) => attempt(async () => { await call("token/set", {id: t.id, attrs: {status: to}, expect: {status: t.status}}); changed(); }, done);
const plain = (method, t, done, changed) => attempt(async () => { await call(method, {id: t.id}); changed(); }, done);

const assign = (t, opener, changed) => editor({opener, title: "Assign token " + t.serial, label: "Assign", done: "The token is assigned.", fields: [
  field({name: "user", label: "User", type: "pick", object: "user", required: "Choose a user", autofocus: true}),
  field({name: "pin", label: "PIN", type: "password", optional: true, autocomplete: "new-password"}),
], save: async (v) => {
  await call("tokenAssignment/create", {attrs: {"token.id": t.id, user: v.user, ...(v.pin ? {pin: v.pin} : {})}});
  changed();
}});

// assignToken gives a user one of the tokens.
export const assignToken = (u, opener, changed) => editor({opener, title: "Assign a token to " + u.loginName, label: "Assign", done: "The token is assigned.", fields: [
  field({name: "token", label: "Token", type: "pick", object: "token", required: "Choose a token", autofocus: true, hint: "By the beginning of its serial."}),
  field({name: "pin", label: "PIN", type: "password", optional: true, autocomplete: "new-password"}),
], save: async (v) => {
  await call("tokenAssignment/create", {attrs: {token: v.token, "user.id": u.id, ...(v.pin ? {pin: v.pin} : {})}});
  changed();
}});

const unassign = (t, opener, changed) => editor({opener, title: "Unassign token " + t.serial, label: "Unassign", done: "The token is unassigned.", fields: [
  field({name: "user", label: "From", type: "radios", value: t.users[0].id, options: t.users.map((u) => ({value: u.id, label: kinds.user.name(u)}))}),
], save: async (v) => { await call("token/delete", {id: t.id, user: {id: v.user}}); changed(); }});

const synchronise = (t, opener, changed) => editor({opener, title: "Synchronise token " + t.serial, label: "Synchronise", done: "The token is synchronised.",
  intro: "Enter two one-time passwords that the token shows one after the other.", fields: [
    field({name: "first", label: "First one-time password", inputmode: "numeric", autofocus: true, required: true, mono: true}),
    field({name: "second", label: "Second one-time password", inputmode: "numeric", required: true, mono: true}),
  ], save: async (v) => { await call("token/syncToken", {id: t.id, token: {id: t.id}, credential: v.first.trim() + "," + v.second.trim()}); changed(); }});

// reset clears what a token's failures led to; of an event-based one also to a counter that somebody has read from it.
function reset(t, opener, changed) {
  const counted = t["product.algorithm"] !== "TOTP";
  editor({opener, title: "Reset token " + t.serial, label: "Reset", done: "The token is reset.", intro: "Drift, failures and a pending synchronisation are cleared.", fields: [
    counted && field({name: "counter", label: "Counter", type: "choice", none: "Stays as it is", some: "Is set", inner: {type: "number", label: "Next counter", min: 0}}),
  ], save: async (v) => {
    await call("token/reset", {token: {id: t.id}, ...(v.counter == null ? {} : {attrs: {counter: v.counter}})});
    changed();
  }});
}

async function downloadLink(t, opener) {
  const made = await prepare(() => call("token/getDownloadUrl", {id: t.id, qrCode: true}));
  if (!made) return;
  const d = dialog({title: "Download link of " + t.serial, opener});
  d.reveal("Download link of " + t.serial, h("div", {class: "qr"},
    h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of the download link", width: "240", height: "240"}),
    secret("Download link", made.url, "It can be used once; a newer one ends it."), h("p", {class: "faint"}, ["Expires ", when(made.expires)])), {warning: "It is not shown again; a new one can be made."});
}

const editReturns = ["id", "serial", "identifier", "description", "repository.id", "repository.name"];

async function edit(t, opener, changed) {
  const row = await prepare(async () => (await call("token/search", {match: [["id", "=", t.id]], return: editReturns, count: false})).rows[0]);
  if (!row) return;
  const of = edited("token", row, editReturns);
  editor({opener, title: "Edit token " + t.serial, of, done: "The token is saved.", fields: [
    field({name: "serial", label: "Serial", value: row.serial, required: true, mono: true}),
    field({name: "description", label: "Description", value: row.description, optional: true, autofocus: true}),
    field({name: "identifier", label: "Identifier", value: row.identifier, optional: true, hint: "What the token calls itself, where that is not the serial."}),
    may("repository/search") && field({name: "repository", label: "Repository", type: "pick", object: "repository", value: row["repository.id"] && {id: row["repository.id"], name: row["repository.name"]}}),
  ], save: async (v) => { await of.set(v); changed(v.serial); }});
}

const remove = (t, opener, changed) => confirm({opener, title: "Delete token", typed: t.serial, text: "The token and its assignments go.", label: "Delete",
  act: async () => { await call("token/delete", {id: t.id}); changed(); }, done: "The token is deleted."});

const retire = (t, opener, changed) => confirm({opener, title: "Retire token", text: `${t.serial} is lost, broken or given back: it stays in the list and is never used again. This is final.`, label: "Retire",
  act: async () => { await call("token/set", {id: t.id, attrs: {status: "DECEASED"}, expect: {status: t.status}}); changed(); }, done: "The token is retired."});

// tokenActions are what can be done with a token, as one may.
export function tokenActions(t, changed) {
  const soft = t["product.kind"] === "SOFT", alive = t.status !== "DECEASED";
  return {
    assign: may("tokenAssignment/create") && alive && {label: "Assign", act: (o) => assign(t, o, changed)},
    unassign: may("token/delete") && t.users.length > 0 && {label: "Unassign", act: (o) => unassign(t, o, changed)},
    disable: may("token/set") && t.status === "ACTIVE" && {label: "Disable", act: () => set(t, "DISABLED", "The token is disabled.", changed)},
    enable: may("token/set") && t.status === "DISABLED" && {label: "Enable", act: () => set(t, "ACTIVE", "The token is enabled.", changed)},
    confine: may("token/confine") && soft && !t.confined && {label: "Confine", act: () => plain("token/confine", t, "The token cannot be downloaded any more.", changed)},
    release: may("token/release") && soft && t.confined && {label: "Release", act: () => plain("token/release", t, "The token can be downloaded again.", changed)},
    sync: may("token/syncToken") && alive && {label: "Synchronise", act: (o) => synchronise(t, o, changed)},
    reset: may("token/reset") && {label: "Reset", act: (o) => reset(t, o, changed)},
    link: may("token/getDownloadUrl") && soft && alive && {label: "Download link", act: (o) => downloadLink(t, o)},
    edit: may("token/set") && {label: "Edit", act: (o) => edit(t, o, changed)},
    retire: may("token/set") && alive && {label: "Retire", danger: true, act: (o) => retire(t, o, changed)},
    remove: may("token/delete") && {label: "Delete", danger: true, act: (o) => remove(t, o, changed)},
  };
}

const asButton = (a, kind = "") => a && button(a.label, (e) => a.act(e.currentTarget), kind);

// token is the page of one. parts is its serial.
export const token = ([serial]) => onePage({
  back: ["Tokens", to("tokens")], noun: "token", title: serial, method: "token/search", match: [["serial", "=", serial]],
  returns: ["id", "serial", "identifier", "status", "description", "confined", "counter", "drift", "downloads", "lastDownload", "lastUsed", "dateCreated", "lastUpdated", "product.name", "product.kind", "product.algorithm", "product.period", "product.digits", "product.crypto", "repository.name",
    {users: ["id", "loginName", "domain.name"]},
    {tokenAssignments: ["id", "status", "isOwner", "starts", "expires", "priority", "usageCount", "usageLimit", "lastChangePin", "mustChangePin", "pinNeverExpires", "user.id", "user.loginName", "user.domain.name", "user.status", "user.failCount"]}],
  several: (t) => h("a", {href: to("tokens") + "?q=" + encodeURIComponent(t.serial)}, t["product.name"]),
  name: (t) => t.serial,
  state: (t) => [status(t.status), t.confined ? chip("Confined", "warn") : null],
  problem: (t) => problem(t),
  act: (t, again) => {
    const a = tokenActions(t, again);
    const away = {...a.remove, act: (o) => remove(t, o, () => go(to("tokens")))};
    const renamed = {...a.edit, act: (o) => edit(t, o, (serial) => (serial ? go(to("tokens", serial)) : again()))};
    return [asButton(a.enable, "primary"), asButton(a.assign, t.users.length ? "" : "primary"), asButton(a.sync), asButton(a.disable), menu("More for " + t.serial, [a.edit && renamed, a.unassign, a.reset, a.link, a.confine, a.release, a.retire, a.remove && away])];
  },
  sections: (t, again) => [
    {title: "Users", body: rows(t.tokenAssignments, (a) => assignmentLine(t, a, userLink({loginName: a["user.loginName"], "domain.name": a["user.domain.name"]}), again), "Nobody has it yet.")},
  ],
  facts: (t) => [
    ["Serial", h("code", {}, t.serial), t.serial], t.identifier && t.identifier !== t.serial && ["Identifier", h("code", {}, t.identifier), t.identifier], ["Product", t["product.name"]],
    ["One-time passwords", t["product.algorithm"] === "TOTP" ? `${t["product.digits"]} digits each ${t["product.period"]} s` : `${t["product.digits"]} digits, by a counter`],
    t["product.algorithm"] === "TOTP" ? ["Drift", t.drift ? number(t.drift) + (Math.abs(t.drift) === 1 ? " step" : " steps") : "none"] : ["Counter", h("code", {}, t.counter), String(t.counter)],
    ["Last used", when(t.lastUsed)], t["product.kind"] === "SOFT" && ["Downloads", number(t.downloads)], t["product.kind"] === "SOFT" && ["Last download", when(t.lastDownload)],
    ["Repository", t["repository.name"]], ["Made", when(t.dateCreated)], ["Changed", when(t.lastUpdated)], t.description && ["Description", t.description], ["Id", h("code", {}, t.id), t.id],
  ],
  history: (t) => ({noun: "token", objects: ["token " + t.id, ...t.tokenAssignments.map((a) => "token assignment " + a.id)]}),
});

// lead says why a token does not work; nothing where nothing is known that would hinder it.
function problem(t) {
  if (t.status === "DISABLED") return "Disabled: its one-time passwords are refused.";
  if (t.status === "DECEASED") return "Retired: its one-time passwords are refused for good.";
  const idle = t.tokenAssignments.find((a) => a.status !== "ACTIVE");
  if (idle) return `Its assignment to ${idle["user.loginName"]} is ${label(idle.status).toLowerCase()}.`;
  return null;
}

const day = dates({dateStyle: "medium"});

// valid says when and how often an assignment may be used.
const valid = (a) => [a.starts && "from " + day.format(new Date(a.starts)), a.expires && "until " + day.format(new Date(a.expires)), a.usageLimit > 0 && `${number(a.usageCount)} of ${number(a.usageLimit)} uses`, a.mustChangePin && "PIN must be changed",
  a.lastChangePin && "PIN of " + day.format(new Date(a.lastChangePin))].filter(Boolean).join(", ");

function assignmentLine(t, a, main, again) {
  return {main: [main, " ", a.status === "ACTIVE" ? null : status(a.status), a.isOwner ? null : chip("Shares it")], more: valid(a), act: assignmentActs(t, a, again)};
}

// tokenLine is a token of a user on the user's page.
export function tokenLine(u, a, again) {
  const t = {id: a["token.id"], serial: a["token.serial"], status: a["token.status"], confined: a["token.confined"], "product.kind": a["token.product.kind"], users: [u]};
  const all = tokenActions(t, again);
  return {
    main: [h("a", {href: to("tokens", t.serial)}, h("code", {}, t.serial)), " ", h("span", {}, a["token.product.name"]), " ", t.status === "ACTIVE" ? null : status(t.status), a.status === "ACTIVE" ? null : chip("Assignment " + label(a.status).toLowerCase(), "warn"), t.confined ? chip("Confined", "warn") : null],
    more: [["used ", when(a["token.lastUsed"])], valid(a) && ", " + valid(a)],
    act: assignmentActs(t, a, again, [all.enable, all.disable, all.sync, all.link]),
  };
}

function assignmentActs(t, a, again, more = []) {
  const who = a["user.loginName"] ?? t.users[0].loginName;
  return menu(`Actions for ${t.serial} of ${who}`, [
    ...more,
    may("tokenAssignment/set") && a.status !== "ACTIVE" && {label: "Make active", act: () => attempt(async () => { await call("tokenAssignment/set", {id: a.id, attrs: {status: "ACTIVE"}, expect: {status: a.status}}); again(); }, "The assignment is active.")},
    may("tokenAssignment/set") && {label: "PIN", act: (o) => editPIN(t, a, who, o, again)},
    may("tokenAssignment/set") && {label: "Validity and order", act: (o) => editAssignment(t, a, who, o, again)},
    may("tokenAssignment/sendDownloadUrl") && t["product.kind"] === "SOFT" && {label: "Send a download link", act: (o) => send("tokenAssignment/sendDownloadUrl", "Send a download link", "The download link is on its way.", a, who, o)},
    may("tokenAssignment/sendActivationCode") && {label: "Send an activation code", act: (o) => send("tokenAssignment/sendActivationCode", "Send an activation code", "The activation code is on its way.", a, who, o)},
    may("tokenAssignment/delete") && {label: "Take it away", danger: true, act: (opener) => confirm({opener, title: "Take the token away", label: "Take it away", text: `${who} can no longer log in with ${t.serial}. The token stays.`,
      act: async () => { await call("tokenAssignment/delete", {id: a.id}); again(); }, done: "The token is taken away."})},
  ]);
}

const send = (method, title, done, a, who, opener) => editor({opener, title: `${title} to ${who}`, label: "Send", done, fields: [
  field({name: "channel", label: "By", type: "select", value: "SMTP", options: options("SMTP", "SMS")}),
], save: async (v) => { await call(method, {id: a.id, channel: v.channel}); }});

function editPIN(t, a, who, opener, again) {
  editor({opener, title: `PIN of ${t.serial} for ${who}`, done: "The PIN is saved.", fields: [
    field({name: "pin", label: "PIN", type: "choice", none: "No PIN", some: "A new PIN", initial: "some", off: "", inner: {type: "password", label: "New PIN", autocomplete: "new-password", hint: "4 to 32 letters, digits and signs."}}),
    field({name: "mustChangePin", label: "It must be changed at the next login", type: "checkbox", value: a.mustChangePin}),
    field({name: "pinNeverExpires", label: "It never expires", type: "checkbox", value: a.pinNeverExpires}),
  ], save: async (v) => {
    await call("tokenAssignment/set", {id: a.id, attrs: v});
    again();
  }});
}

function editAssignment(t, a, who, opener, again) {
  const returns = ["id", "status", "isOwner", "starts", "expires", "priority", "usageLimit"];
  const of = edited("tokenAssignment", a, returns);
  editor({opener, title: `${t.serial} of ${who}`, of, done: "The assignment is saved.", fields: [
    field({name: "status", label: "Status", type: "select", value: a.status, options: options("ACTIVE", "INACTIVE", "LOCKED", "DISABLED")}),
    field({name: "starts", label: "Begins", type: "choice", none: "At once", some: "At a time", inner: {type: "datetime", label: "Begins at", value: a.starts}}),
    field({name: "expires", label: "Expiration", type: "choice", none: "Does not expire", some: "Expires", inner: {type: "datetime", label: "Expires at", value: a.expires}}),
    field({name: "usageLimit", label: "Uses", type: "choice", none: "Any number", some: "Only so many", off: 0, inner: {type: "number", label: "Times it can be used", min: 1, value: a.usageLimit || null}}),
    field({name: "priority", label: "Order", type: "number", value: a.priority, required: true, hint: "Of several tokens of a user the lower one is tried first."}),
    field({name: "isOwner", label: "Owns the token; others share it", type: "checkbox", value: a.isOwner}),
  ], save: async (v) => { await of.set(v); again(); }});
}
