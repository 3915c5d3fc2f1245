// Devices, their client tokens and their groups: the list, and the page of one.
import {h, when, plural, number} from "./dom.js";
import {call, everything, may, at} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {download} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {prepare} from "./notice.js";
import {onePage, rows} from "./one.js";
import {find, kinds, nameOf} from "./picker.js";
import {go, to} from "./route.js";
import {secret} from "./secret.js";
import {levelsBelow, treePanel} from "./tree.js";
import {options} from "./words.js";

const advice = "Store this token securely: whoever has it is this device. It can be shown again from the device's Actions menu.";
const warning = "A new token deactivates the existing one: the device that uses the old token is logged out at once.";

// seats offers the licenses that have some.
async function seats() {
  if (!may("license/search")) return [];
  const now = Date.now();
  const all = await everything("license/search", {return: ["id", "name", "seats", "seatsUsed", "expires"], sort: "name", max: 1000});
  return all.map((l) => {
    const gone = l.expires && new Date(l.expires) < now;
    const free = gone ? 0 : l.seats - l.seatsUsed;
    return {value: l.id, label: l.name, more: gone ? "expired" : `${number(free)} of ${plural(l.seats, "seat")} free`, disabled: free <= 0};
  });
}

const returns = ["id", "name", "description", "platform", "status", "online", "license.id", "license.name", "user.id", "user.loginName", "user.domain.name", {groups: ["id", "name"]}, "lastSeen", "tokenHint", "tokenState", "hardwareId"];

const chosenGroups = (row) => row?.groups.map(({id, name}) => ({id, name})) ?? [];

export const deviceAddress = (d) => to("devices", d.name);
const ownerAddress = (d) => to("users", d["user.domain.name"], d["user.loginName"]);
const ownerName = (d) => d["user.domain.name"] + "\\" + d["user.loginName"];

async function ofOwner(text) {
  const {rows} = await find("user", kinds.user, text, 200);
  return rows.length ? [["user.id", "in", rows.map((r) => r.id)]] : null;
}

const known = new Map(); // the ids of the groups in and below one

const tokenState = (d) => (d.tokenState === "ACTIVE" ? null : chip(d.tokenState === "ISSUED" ? "Not used" : "Revoked", d.tokenState === "ISSUED" ? "" : "bad"));

const deleteDevice = (d, opener, changed) => confirm({opener, title: "Delete device", typed: d.name, label: "Delete", text: "Its token ends, its seat becomes free, and its installation codes have no target any more.",
  act: async () => { await call("device/delete", {id: d.id}); changed(); }, done: `${d.name} is deleted.`});

const revokeToken = (d, opener, changed) => confirm({opener, title: "Revoke token", text: `The token of ${d.name} ends without a new one. A device that uses it is logged out at once.`, label: "Revoke token",
  act: async () => { await call("device/revokeToken", {id: d.id}); changed(); }, done: "The token is revoked."});

export function devices() {
  let list;
  const choose = (id) => { list.filters({group: id}); panel.press(); };
  const panel = groupPanel({chosen: () => list?.value("group"), choose, moved: () => list.reload()});
  const changed = () => { list.reload(); panel.reload(); };
  const add = () => may("device/create") && button("New Device", (e) => newDevice(e.currentTarget, changed), "primary");
  list = listPage({
    title: "Devices", noun: "device", method: "device/search", sort: "name", returns, name: (d) => d.name, href: deviceAddress,
    search: {label: "Search devices", by: [{key: "name", label: "name", match: (t) => [["name", ">>", t]]}, may("user/search") && {key: "owner", label: "owner", match: ofOwner}]},
    filters: [
      {key: "status", label: "Status", options: options("ACTIVE", "INACTIVE"), match: (v) => ["status", "=", v]},
      {key: "token", label: "Token", options: options("ISSUED", "ACTIVE", "REVOKED"), match: (v) => ["tokenState", "=", v]},
      {key: "group", label: "Group", hidden: true, match: (v) => ["groups.id", "in", known.get(v) ?? [v]], ready: async (v) => { known.set(v, await levelsBelow("deviceGroup", "parent.id", v)); }, named: (id) => nameOf("deviceGroup", id)},
    ],
    filtered: () => panel.press(),
    chips: [{key: "unused", label: "Token never used", match: ["tokenState", "=", "ISSUED"]}, {key: "unlicensed", label: "Without license", match: ["license.id", "=", null]}, {key: "unowned", label: "Without owner", match: ["user.id", "=", null]}],
    aside: panel.el,
    drag: may("device/set"),
    columns: [
      {label: "Name", sort: "name", grow: 1.7, text: (d) => d.name, cell: (d) => h("span", {class: "name", title: d.description}, d.name)},
      {label: "Status", sort: "status", grow: 1.7, cell: (d) => h("span", {class: "inline"}, status(d.status), d.online ? chip("Online", "good dot") : null)},
      {label: "License", cell: (d) => d["license.name"]},
      {label: "Owner", text: (d) => d["user.loginName"] && ownerName(d), cell: (d) => d["user.loginName"] && h("span", {title: ownerName(d)}, d["user.loginName"])},
      {label: "Groups", grow: 1.1, cell: (d) => d.groups.length > 0 && d.groups.map((g) => g.name).join(", ")},
      {label: "Last seen", sort: "lastSeen", grow: 1.2, text: (d) => d.lastSeen, cell: (d) => when(d.lastSeen)},
      {label: "Token", grow: 1.7, cell: (d) => h("span", {class: "inline"}, h("code", {}, "…" + d.tokenHint), tokenState(d))},
    ],
    actions: (d) => menu("Actions for " + d.name, [
      may("device/revealToken") || may("device/generateToken") ? {label: "Generate Token", act: (o) => generateToken(d, o, list.reload)} : null,
      may("device/set") && {label: "Edit", act: (o) => editDevice(d, o, list.reload)},
      may("device/set", "deviceGroup/search") && {label: "Move to groups", act: (o) => moveDevice(d, o, changed)},
      may("device/revokeToken") && d.tokenState !== "REVOKED" && {label: "Revoke token", danger: true, act: (o) => revokeToken(d, o, list.reload)},
      may("device/delete") && {label: "Delete", danger: true, act: (o) => deleteDevice(d, o, list.reload)},
    ]),
    bulk: [
      {label: "Deactivate", permit: ["device/set"], title: (n) => "Deactivate " + n, text: "They do not connect, until they are active again.", call: (d) => ({method: "device/set", params: {id: d.id, attrs: {status: "INACTIVE"}}})},
      {label: "Activate", permit: ["device/set"], title: (n) => "Activate " + n, call: (d) => ({method: "device/set", params: {id: d.id, attrs: {status: "ACTIVE"}}})},
      may("deviceGroup/search") && {label: "Add to a group", permit: ["device/set"], title: (n) => `Add ${n} to a group`, text: "The groups they are in stay.", fields: () => [field({name: "group", label: "Group", type: "pick", object: "deviceGroup", required: "Choose a group", autofocus: true})],
        call: (d, v) => ({method: "device/set", params: {id: d.id, attrs: {groups: [...d.groups.filter((g) => g.id !== v.group.id).map(({id}) => ({id})), v.group]}, expect: {groups: d.groups.map(({id}) => ({id}))}}})},
      may("license/search") && {label: "License", permit: ["device/set"], title: (n) => `Give ${n} a license`, fields: () => [field({name: "license", label: "License", type: "pick", object: "license", required: "Choose a license", autofocus: true})],
        call: (d, v) => ({method: "device/set", params: {id: d.id, attrs: {license: v.license}}})},
      {label: "Export as CSV", file: "devices.csv"},
      {label: "Delete", danger: true, permit: ["device/delete"], title: (n) => "Delete " + n, text: "Their tokens end, and their seats become free.", call: (d) => ({method: "device/delete", params: {id: d.id}})},
    ],
    tools: [add()],
    empty: {title: "No devices yet", text: "A device proves itself by a client token. Add the first one to get its token.", action: add},
  });
  return list.el;
}

// device is the page of one. parts is its name.
export const device = ([name]) => onePage({
  back: ["Devices", to("devices")], noun: "device", title: name, method: "device/search", match: [["name", "=", name]],
  returns: [...returns, "tokenCreated", "tokenFirstUsed", "tokenLastUsed", "dateCreated", "lastUpdated"],
  also: async (d) => {
    d.codes = may("installationCode/search") ? (await call("installationCode/search", {match: [["device.id", "=", d.id]], return: ["id", "description", "state", "timesUsed", "expires"], count: false, max: 100})).rows : [];
  },
  name: (d) => d.name,
  state: (d) => [status(d.status), d.online ? chip("Online", "good dot") : null, tokenState(d)],
  problem: (d) => (d.status === "INACTIVE" ? "Inactive: it is refused when it connects." : d.tokenState === "REVOKED" ? "Its client token was revoked: it cannot connect until it has a new one." : d.tokenState === "ISSUED" ? "It has never connected with its client token." : null),
  act: (d, again) => [
    (may("device/revealToken") || may("device/generateToken")) && button("Generate Token", (e) => generateToken(d, e.currentTarget, again), d.tokenState === "REVOKED" ? "primary" : ""),
    may("device/set") && button("Edit", (e) => editDevice(d, e.currentTarget, (renamed) => (renamed ? go(to("devices", renamed)) : again()))),
    menu("More for " + d.name, [
      may("device/revokeToken") && d.tokenState !== "REVOKED" && {label: "Revoke token", danger: true, act: (o) => revokeToken(d, o, again)},
      may("device/delete") && {label: "Delete", danger: true, act: (o) => deleteDevice(d, o, () => go(to("devices")))},
    ]),
  ],
  sections: (d, again) => [
    {title: "Owner and license", body: h("div", {class: "in"}, d["user.id"] ? h("p", {}, "It belongs to ", h("a", {href: ownerAddress(d)}, ownerName(d)), ".") : h("p", {class: "faint"}, "It belongs to nobody."),
      d["license.id"] ? h("p", {}, "It takes a seat of the license ", h("a", {href: to("licenses") + "?q=" + encodeURIComponent(d["license.name"])}, d["license.name"]), ".") : h("p", {class: "faint"}, "It has no license."))},
    {title: "Groups", tools: may("device/set", "deviceGroup/search") && button("Change", (e) => moveDevice(d, e.currentTarget, again), "", {"aria-label": "Change groups"}),
      body: h("div", {class: "in"}, d.groups.length ? h("p", {class: "chips"}, d.groups.map((g) => h("a", {class: "chip", href: to("devices") + "?group=" + g.id}, g.name))) : h("p", {class: "faint"}, "In no group."))},
    d.codes.length > 0 && {title: "Installation codes", body: rows(d.codes, (c) => ({main: h("a", {href: to("installation-codes", c.id)}, c.description ?? "Code for " + d.name), more: [`used ${plural(c.timesUsed, "time")}, `, c.expires ? ["expires ", when(c.expires)] : "does not expire"], act: status(c.state)}), "")},
  ],
  facts: (d) => [
    ["Name", d.name, true], d.description && ["Description", d.description], d.platform && ["Platform", d.platform], d.hardwareId && ["Hardware", h("code", {}, d.hardwareId), d.hardwareId],
    ["Last seen", when(d.lastSeen)], ["Client token", h("code", {}, "…" + d.tokenHint)], ["Token made", when(d.tokenCreated)], ["First used", when(d.tokenFirstUsed)], ["Last used", when(d.tokenLastUsed)],
    ["Made", when(d.dateCreated)], ["Changed", when(d.lastUpdated)], ["Id", h("code", {}, d.id), d.id],
  ],
  history: (d) => ({noun: "device", objects: ["device " + d.id]}),
});

// made shows the token of a device. It can be shown again where it may be revealed.
const shownToken = (d, name, token) => d.reveal("Client token of " + name, secret("Client token", token, may("device/revealToken") ? advice : "Store this token securely: whoever has it is this device."),
  {warning: may("device/revealToken") ? "It can be shown again from the device's Actions menu." : "It is not shown again."});

async function newDevice(opener, changed) {
  const offered = await prepare(seats);
  if (!offered) return;
  const name = field({name: "name", label: "Device Name", required: "Give the device a name", autofocus: true});
  const license = field({name: "license", label: "License", type: "radios", options: offered, none: "There are no licenses. Save the device without one, or add a license first.", hint: "Skip this step to add the device without a license."});
  const owner = may("user/search") && field({name: "user", label: "Owner", type: "pick", object: "user", optional: true});
  const create = (licensed) => async (v, d) => {
    if (licensed && !v.license) throw at("license", "Select a license, or save the device without one");
    const attrs = {name: v.name};
    if (licensed) attrs["license.id"] = v.license;
    if (v.user) attrs.user = v.user;
    const made = await call("device/create", {attrs});
    changed();
    shownToken(d, v.name, made.clientToken);
    return true;
  };
  const d = editor({title: "New Device", opener, fields: [name, license, owner], save: create(true), also: [
    may("device/createMany") && button("Add Multiple Devices", async () => {
      const [label, chosen] = [name.control.value, await license.value()];
      if (owner?.raw().trim() && !(await d.leave())) return; // many devices have no owner
      d.close();
      manyDevices(opener, offered, changed, {label, licenses: chosen ? [chosen] : []});
    }),
  ].filter(Boolean)});
  d.el.querySelector("footer").prepend(button("Save Device Without a License", () => d.submit(create(false)), "link"));
}

// manyDevices goes on with what was entered for one.
function manyDevices(opener, offered, changed, begun) {
  const fields = [
    field({name: "label", label: "Label of the Devices", value: begun.label, required: "Give the devices a label", autofocus: true, hint: "The devices are called label-001 and so on, in a group of this name."}),
    field({name: "quantity", label: "Quantity of the Devices", type: "number", min: 1, max: 100000, value: 10, required: true}),
    field({name: "csv", label: "Get the list of the tokens as a CSV file", type: "checkbox", hint: "Without it, tokens can be shown or generated later for each device."}),
    field({name: "licenses", label: "Licenses", type: "checks", value: begun.licenses, options: offered, none: "There are no licenses.", hint: "Their seats are used in this order. Skip this step to add the devices without a license."}),
    offered.length > 0 && field({name: "mixed", label: "Make devices without a license where the seats do not suffice", type: "checkbox"}),
  ];
  const create = (licensed) => async (v, d) => {
    if (licensed && !v.licenses.length) throw at("licenses", "Select licenses, or save the devices without one");
    const made = await call("device/createMany", {attrs: {label: v.label, quantity: v.quantity, csv: v.csv, licenses: licensed ? v.licenses : [], allowUnlicensed: !licensed || !!v.mixed}});
    changed();
    const save = () => download(v.label.replace(/[^\p{L}\p{N}_-]+/gu, "-") + "-tokens.csv", made.csv);
    const where = h("p", {}, `They are in the group “${v.label}”, which you find in the Groups panel.`);
    if (!made.csv) {
      d.replace(plural(made.total, "device") + " created", [where, h("p", {}, "Their tokens can be shown or generated from each device's Actions menu.")], [h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
      return true;
    }
    save();
    d.reveal(plural(made.total, "device") + " created", [where,
      h("p", {class: "advice"}, "The file holds the client tokens of all of them. Store it securely, and delete it when the clients have their tokens.")],
    {also: [button("Download the CSV again", save)], warning: "The list of the tokens is not made again."});
    return true;
  };
  const d = editor({title: "Add Multiple Devices", opener, wide: true, fields, label: "Create Devices", save: create(true)});
  d.el.querySelector("footer").prepend(button("Save Device Without a License", () => d.submit(create(false)), "link"));
}

function generateToken(device, opener, changed) {
  const choice = field({name: "choice", label: "Token of " + device.name, type: "radios", value: device.tokenState === "REVOKED" || !may("device/revealToken") ? "new" : "existing", options: [
    {value: "existing", label: "Use your existing token", more: device.tokenState === "REVOKED" ? "it was revoked" : "to add the selected device", disabled: device.tokenState === "REVOKED" || !may("device/revealToken")},
    {value: "new", label: "Create a new token", more: "and delete the existing one", disabled: !may("device/generateToken")},
  ]});
  editor({title: "Generate Token", opener, fields: [choice, {el: h("p", {class: "advice warn"}, warning)}], label: "Generate Token",
    save: async (v, d) => {
      const made = v.choice === "new" ? await call("device/generateToken", {id: device.id, expect: device.tokenHint}) : await call("device/revealToken", {id: device.id});
      changed();
      shownToken(d, device.name, made.clientToken);
      return true;
    }});
}

async function editDevice(device, opener, changed) {
  const offered = await prepare(seats);
  if (!offered) return;
  for (const o of offered) if (o.value === device["license.id"]) o.disabled = false;
  const owner = device["user.id"] && {id: device["user.id"], name: kinds.user.name({loginName: device["user.loginName"], "domain.name": device["user.domain.name"]})};
  const of = edited("device", device, returns);
  editor({title: "Edit device", opener, of, done: "The device is saved.", fields: [
    field({name: "name", label: "Device Name", value: device.name, required: "Give the device a name", autofocus: true}),
    field({name: "description", label: "Description", value: device.description, optional: true}),
    field({name: "status", label: "Status", type: "select", value: device.status, options: [{value: "ACTIVE", label: "Active"}, {value: "INACTIVE", label: "Inactive: it does not connect"}]}),
    may("license/search") && field({name: "license", label: "License", type: "radios", value: device["license.id"] ?? "", options: [{value: "", label: "No license"}, ...offered]}),
    may("user/search") && field({name: "user", label: "Owner", type: "pick", object: "user", value: owner, optional: true}),
  ], save: async (v) => {
    const attrs = {...v};
    if ("license" in v) attrs.license = v.license ? {id: v.license} : null;
    await of.set(attrs);
    changed(v.name);
  }});
}

function moveDevice(device, opener, changed) {
  const of = edited("device", device, returns);
  editor({title: "Move " + device.name, opener, of, done: "The device is moved.", fields: [
    field({name: "groups", label: "Groups", type: "pick", object: "deviceGroup", many: true, value: chosenGroups(device), autofocus: true, hint: "It is in these, and in no others."}),
  ], save: async (v) => {
    await of.set({groups: v.groups});
    changed();
  }});
}

// addToGroup puts a device into a further group; those it is in stay.
async function addToGroup(id, group) {
  const of = (await call("device/get", {id, return: ["name", {groups: ["id"]}]}));
  if (of.groups.some((g) => g.id === group)) return of.name;
  await call("device/set", {id, attrs: {groups: [...of.groups, {id: group}]}, expect: {groups: of.groups}});
  return of.name;
}

// groupPanel is the tree of groups of devices beside the list.
const groupReturns = ["id", "name", "description", "parent.id", "parent.name", "hasChildren"];

function groupPanel({chosen, choose, moved}) {
  const panel = treePanel({
    title: "Groups", all: "All devices", allIcon: "devices", object: "deviceGroup", noun: "group", parent: "parent.id", has: "hasChildren", returns: groupReturns, chosen, choose,
    name: (g) => g.name,
    create: may("deviceGroup/create") && ((o) => edit(null, o)),
    within: may("deviceGroup/create") && ((g, o) => edit(null, o, g)),
    edit: may("deviceGroup/set") && ((g, o) => edit(g, o)),
    remove: may("deviceGroup/delete") && ((g, opener) => confirm({opener, title: "Delete group", text: `The group ${g.name} goes; its devices stay.`, label: "Delete", done: "The group is deleted.",
      act: async () => { await call("deviceGroup/delete", {id: g.id}); if (chosen() === g.id) choose(""); panel.reload(); }})),
    put: may("device/set") && (async (id, g) => {
      const said = `${await addToGroup(id, g.id)} is in ${g.name} too.`;
      moved();
      return said;
    }),
  });

  function edit(group, opener, within) {
    const of = group && edited("deviceGroup", group, groupReturns);
    const parent = group?.["parent.id"] ? {id: group["parent.id"], name: group["parent.name"]} : within && {id: within.id, name: within.name};
    editor({title: group ? "Edit group" : "New group", opener, of, done: "The group is saved.", fields: [
      field({name: "name", label: "Name", value: group?.name, required: true, autofocus: true}),
      field({name: "parent", label: "Within", type: "pick", object: "deviceGroup", value: parent, optional: true}),
      field({name: "description", label: "Description", value: group?.description, optional: true}),
    ], save: async (v) => {
      if (group) await of.set(v);
      else await call("deviceGroup/create", {attrs: v});
      panel.reload();
    }});
  }
  return panel;
}
