// Users: the list with the units and groups they are in, and the page of one.
import {h, when, number, plural} from "./dom.js";
import {call, may} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {emergencyCodes} from "./emergency.js";
import {field, newPassword} from "./field.js";
import {fileDialog, ignored} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt} from "./notice.js";
import {onePage, rows} from "./one.js";
import {groupPanel, groupsOf, unitPanel, unitsWithin} from "./people.js";
import {kinds, nameOf} from "./picker.js";
import {roleOf} from "./permissions.js";
import {to} from "./route.js";
import {secret} from "./secret.js";
import {assignToken, tokenLine} from "./token.js";
import {options} from "./words.js";

const statuses = options("ACTIVE", "INACTIVE", "LOCKED", "DISABLED");
const listReturns = ["id", "loginName", "domain.name", "domain.id", "firstName", "lastName", "userPrincipalName", "email", "mobile", "status", "lastLogin", "permissions", "description", {tokens: ["serial"]}];

export const fullName = (u) => [u.firstName, u.lastName].filter(Boolean).join(" ");
export const userAddress = (u) => to("users", u["domain.name"], u.loginName);

const fields = (u) => [
  field({name: "loginName", label: "Login name", value: u?.loginName, required: true, autofocus: true}),
  !u && field({name: "domain", label: "Domain", type: "pick", object: "domain", required: "Choose a domain"}),
  field({name: "firstName", label: "First name", value: u?.firstName, optional: true}),
  field({name: "lastName", label: "Last name", value: u?.lastName, optional: true}),
  field({name: "userPrincipalName", label: "Principal name", value: u?.userPrincipalName, optional: true, hint: "As in john.doe@north.example; names the user as well."}),
  field({name: "email", label: "E-mail", type: "email", value: u?.email, optional: true}),
  field({name: "mobile", label: "Mobile", type: "tel", value: u?.mobile, optional: true}),
  ...newPassword({label: u ? "New password" : "Password", optional: true}),
  u && field({name: "status", label: "Status", type: "select", value: u.status, options: statuses}),
  field({name: "permissions", label: "Permissions", type: "permissions", value: u?.permissions, optional: true, hint: "Whoever has some is an administrator, and may sign in here."}),
  field({name: "description", label: "Description", value: u?.description, optional: true}),
];

function editUser(u, opener, changed) {
  const of = u && edited("user", u, listReturns);
  editor({opener, wide: true, of, title: u ? "Edit user" : "New user", done: "The user is saved.", fields: fields(u), save: async (v) => {
    const attrs = {...v};
    if (!v.password) delete attrs.password;
    if (u) await of.set(attrs);
    else await call("user/create", {attrs});
    changed();
  }});
}

const deleteUser = (u, opener, changed) => confirm({opener, title: "Delete user", typed: u.loginName, label: "Delete", done: "The user is deleted.",
  text: "The account goes. One that has tokens, devices or installation codes is refused.", act: async () => { await call("user/delete", {id: u.id}); changed(); }});

const unlock = (u, changed) => attempt(async () => { await call("user/unlock", {id: u.id}); changed(); }, "The user is unlocked.");

const resetPassword = (u, opener) => editor({opener, title: "Reset password of " + u.loginName, label: "Reset password", intro: "A random password is made, which must be changed at the next sign-in.", fields: [],
  save: async (_, d) => {
    const made = await call("user/resetPassword", {id: u.id});
    d.reveal("New password of " + u.loginName, secret("Password", made.password, "It is shown this once."));
    return true;
  }});

const importUsers = (opener, changed) => fileDialog({title: "Import users", label: "Import", opener, accept: ".csv,text/csv", fields: [ignored()], method: "user/import",
  intro: "A CSV file with the columns domain, loginName and, if wanted, firstName, lastName, email, mobile and others. Users that are there are updated.",
  params: (v, csv) => ({csv, charset: v.charset, ignore: v.ignore ?? ""}), said: (made) => {
    changed();
    return h("p", {class: "big"}, `${plural(made.created, "user")} made, ${number(made.updated)} updated.`);
  }});

// editMemberships lets one choose the groups and the unit of a user.
async function editMemberships(u, opener, changed) {
  const returns = ["id", "unit.id", "unit.name", {groups: ["id", "name"]}];
  const row = (await call("user/search", {match: [["id", "=", u.id]], return: returns, count: false})).rows[0];
  const of = edited("user", row, returns);
  editor({title: "Groups and unit of " + u.loginName, opener, of, done: "The user is saved.", fields: [
    may("group/search") && field({name: "groups", label: "Groups", type: "pick", object: "group", many: true, value: row.groups, optional: true, autofocus: true, hint: "Of the user's domain."}),
    may("unit/search") && field({name: "unit", label: "Unit", type: "pick", object: "unit", value: row["unit.id"] && {id: row["unit.id"], name: row["unit.name"]}, optional: true, hint: "A place in the tree of the user's domain."}),
  ], save: async (v) => { await of.set(v); changed(); }});
}

export function users() {
  const changed = () => { list.reload(); units.reload(); };
  const add = () => may("user/create") && button("New user", (e) => editUser(null, e.currentTarget, () => list.restart()), "primary");
  const choose = (key) => (id) => { list.filters({group: "", unit: "", [key]: id}); units.press(); groups.press(); };
  const units = unitPanel({chosen: () => list?.value("unit"), choose: choose("unit"), moved: () => list.reload()});
  const groups = groupPanel({chosen: () => list?.value("group"), choose: choose("group"), moved: () => list.reload()});
  let list;
  list = listPage({
    title: "Users", noun: "user", method: "user/search", sort: "loginName", returns: listReturns, name: (u) => u.loginName, href: userAddress,
    drag: may("user/set") || may("group/addUsers"),
    search: {label: "Search users", by: kinds.user.by},
    filters: [{key: "status", label: "Status", options: statuses, match: (v) => ["status", "=", v]}, {key: "domain", label: "Domain", pick: "domain", hidden: !may("domain/search"), match: (v) => ["domain.id", "=", v]},
      {key: "unit", label: "Unit", hidden: true, match: (v) => ["unit.id", "in", unitsWithin(v)], ready: (v) => unitsWithin.read(v), named: (id) => nameOf("unit", id)},
      {key: "group", label: "Group", hidden: true, match: (v) => ["group.id", "=", v], named: (id) => nameOf("group", id)}],
    filtered: () => { units.press(); groups.press(); },
    chips: [{key: "locked", label: "Locked", match: ["status", "=", "LOCKED"]}, {key: "untokened", label: "Without token", match: ["tokens.id", "=", null]}, {key: "admin", label: "Administrators", match: ["permissions", "!=", null]}],
    aside: units.el || groups.el ? h("div", {class: "panels"}, units.el, groups.el) : null,
    columns: [
      {label: "Login name", sort: "loginName", grow: 2.2, text: (u) => u.loginName, cell: (u) => h("span", {class: "inline"}, h("span", {class: "name"}, u.loginName), u.permissions.length ? chip(roleOf(u.permissions)) : null)},
      {label: "Name", sort: "lastName", grow: 1.2, cell: (u) => fullName(u) || null},
      {label: "Domain", cell: (u) => u["domain.name"]},
      {label: "E-mail", sort: "email", grow: 1.5, cell: (u) => u.email},
      {label: "Status", cell: (u) => status(u.status)},
      {label: "Tokens", cell: (u) => u.tokens.length > 0 && h("code", {}, u.tokens.map((t) => t.serial).join(", "))},
      {label: "Last login", text: (u) => u.lastLogin, cell: (u) => when(u.lastLogin)},
    ],
    actions: (u) => menu("Actions for " + u.loginName, [
      may("user/set") && {label: "Edit", act: (o) => editUser(u, o, list.reload)},
      may("user/set") && (may("group/search") || may("unit/search")) && {label: "Groups and unit", act: (o) => editMemberships(u, o, changed)},
      emergencyCodes(u),
      may("user/unlock") && u.status === "LOCKED" && {label: "Unlock", act: () => unlock(u, list.reload)},
      may("user/resetPassword") && {label: "Reset password", act: (o) => resetPassword(u, o)},
      may("user/delete") && {label: "Delete", danger: true, act: (o) => deleteUser(u, o, list.reload)},
    ]),
    bulk: [
      {label: "Unlock", permit: ["user/unlock"], title: (n) => "Unlock " + n, text: "Locks end, and refused credentials are forgotten.", call: (u) => ({method: "user/unlock", params: {id: u.id}})},
      {label: "Disable", permit: ["user/set"], title: (n) => "Disable " + n, text: "They can log in no more, until they are enabled again.", call: (u) => ({method: "user/set", params: {id: u.id, attrs: {status: "DISABLED"}}})},
      {label: "Enable", permit: ["user/set"], title: (n) => "Enable " + n, call: (u) => ({method: "user/set", params: {id: u.id, attrs: {status: "ACTIVE"}}})},
      may("group/search") && {label: "Add to a group", permit: ["group/addUsers"], title: (n) => `Add ${n} to a group`, fields: () => [field({name: "group", label: "Group", type: "pick", object: "group", required: "Choose a group", autofocus: true, hint: "Users of its domain can be in it."})],
        call: (u, v) => ({method: "group/addUsers", params: {group: v.group, users: [{id: u.id}]}})},
      {label: "Export as CSV", file: "users.csv"},
      {label: "Delete", danger: true, permit: ["user/delete"], title: (n) => "Delete " + n, text: "Accounts that have tokens, devices or installation codes stay.", call: (u) => ({method: "user/delete", params: {id: u.id}})},
    ],
    tools: [may("user/import") && button("Import", (e) => importUsers(e.currentTarget, () => list.restart())), add()],
    empty: {title: "No users yet", text: "Users are accounts of a domain, to which tokens and devices belong.", action: add},
  });
  return list.el;
}

// user is the page of one. parts are the domain and the login name.
export const user = ([domain, login]) => onePage({
  back: ["Users", to("users")], noun: "user", title: login, method: "user/search",
  match: [["domain.name", "=", domain ?? ""], ["loginName", "=", login ?? ""]],
  returns: [...listReturns, "telephone", "failCount", "mustChangePassword", "lastChangePassword", "unit.id", "unit.name", {groups: ["id", "name"]}, {devices: ["id", "name", "status", "online", "lastSeen"]},
    {tokenAssignments: ["id", "status", "starts", "expires", "priority", "usageCount", "usageLimit", "isOwner", "lastChangePin", "mustChangePin", "token.id", "token.serial", "token.status", "token.confined", "token.lastUsed", "token.product.name", "token.product.kind", "token.product.productCode"]}],
  name: (u) => fullName(u) || u.loginName,
  problem: (u) => why(u),
  state: (u) => [status(u.status), u.permissions.length ? chip(roleOf(u.permissions)) : null],
  act: (u, again) => [
    may("user/unlock") && (u.status === "LOCKED" || u.failCount > 0) && button("Unlock", () => unlock(u, again), "primary"),
    may("tokenAssignment/create") && may("token/search") && button("Assign a token", (e) => assignToken(u, e.currentTarget, again), u.tokenAssignments.length ? "" : "primary"),
    emergency(u),
    may("user/set") && button("Edit", (e) => editUser(u, e.currentTarget, again)),
    menu("More for " + u.loginName, [
      may("user/set") && u.status === "ACTIVE" && {label: "Disable", act: () => attempt(async () => { await call("user/set", {id: u.id, attrs: {status: "DISABLED"}, expect: {status: u.status}}); again(); }, "The user is disabled.")},
      may("user/set") && ["DISABLED", "INACTIVE"].includes(u.status) && {label: "Enable", act: () => attempt(async () => { await call("user/set", {id: u.id, attrs: {status: "ACTIVE"}, expect: {status: u.status}}); again(); }, "The user is enabled.")},
      may("user/resetPassword") && {label: "Reset password", act: (o) => resetPassword(u, o)},
      may("user/delete") && {label: "Delete", danger: true, act: (o) => deleteUser(u, o, () => { location.hash = to("users"); })},
    ]),
  ],
  sections: (u, again) => [
    {title: "Tokens", body: rows(u.tokenAssignments.toSorted((a, b) => a.priority - b.priority), (a) => tokenLine(u, a, again), "No token is assigned: only a password, a sent passcode or an emergency code can log in.")},
    {title: "Devices", body: rows(u.devices, (d) => ({main: h("a", {href: to("devices", d.name)}, d.name), more: [d.online ? "online, " : "", "seen ", when(d.lastSeen)], act: status(d.status)}), "No devices.")},
    groupsOf(u, may("user/set") && button("Change", (e) => editMemberships(u, e.currentTarget, again), "", {"aria-label": "Change groups and unit"})),
  ],
  facts: (u) => [
    ["Login name", u.loginName, true], ["Domain", u["domain.name"], true], u.userPrincipalName && ["Principal name", u.userPrincipalName, true], u.email && ["E-mail", u.email, true], u.mobile && ["Mobile", u.mobile, true], u.telephone && ["Telephone", u.telephone, true],
    ["Failures in a row", number(u.failCount)], ["Last login", when(u.lastLogin)], ["Password changed", when(u.lastChangePassword)], u.mustChangePassword && ["Password", "must be changed"],
    u.description && ["Description", u.description], u.permissions.length > 0 && ["Permissions", h("code", {}, u.permissions.join(", "))], ["Id", h("code", {}, u.id), u.id],
  ],
  history: (u) => ({noun: "user", objects: ["user " + u.id, ...u.tokenAssignments.map((a) => "token assignment " + a.id)]}),
});

// emergency is the button to a user's emergency codes.
function emergency(u) {
  const codes = emergencyCodes(u);
  return codes && button(codes.label, (e) => codes.act(e.currentTarget));
}

// why says why a user cannot log in; nothing where nothing is known that would hinder him.
function why(u) {
  if (u.status === "LOCKED") return `Cannot log in: locked after ${plural(u.failCount, "refused credential")}. Unlock the account, and see below what was refused.`;
  if (u.status === "DISABLED") return "Cannot log in: the account is disabled.";
  if (u.status === "INACTIVE") return "Cannot log in: the account is not active.";
  const usable = u.tokenAssignments.filter((a) => a.status === "ACTIVE" && a["token.status"] === "ACTIVE");
  if (u.tokenAssignments.length && !usable.length) return "No token works: each of them, or its assignment, is not active.";
  if (u.failCount > 0) return `${plural(u.failCount, "credential")} in a row ${u.failCount === 1 ? "was" : "were"} refused since the last login.`;
  return null;
}

