// Devices, their client tokens and their groups.
import {h, icon, when, plural, number} from "./dom.js";
import {call, everything, may, at} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {download} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {failed, notice, prepare} from "./notice.js";
import {kinds} from "./picker.js";
import {secret} from "./secret.js";
import {options} from "./words.js";

const advice = "Store this token securely: whoever has it is this device. It can be shown again from the device's Actions menu.";
const warning = "A new token deactivates the existing one: the device that uses the old token is logged out at once.";

const groupReturns = ["id", "name", "description", "parent.id"];
const groupsOf = () => everything("deviceGroup/search", {return: groupReturns, sort: "name", max: 1000});

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

export function devices() {
  let group = "";
  const panel = groupPanel((ids) => { group = ids; list.restart(); }, () => list.reload());
  const list = listPage({
    title: "Devices", method: "device/search", sort: "name",
    returns,
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    filters: [
      {label: "Status", options: options("ACTIVE", "INACTIVE"), match: (v) => ["status", "=", v]},
      {label: "Token", options: options("ISSUED", "ACTIVE", "REVOKED"), match: (v) => ["tokenState", "=", v]},
    ],
    fixed: () => (group ? [["groups.id", "in", group]] : []),
    aside: panel.el,
    drag: may("device/set"),
    columns: [
      {label: "Name", sort: "name", grow: 1.7, cell: (d) => h("span", {class: "name", title: d.description}, d.name)},
      {label: "Status", sort: "status", grow: 1.7, cell: (d) => h("span", {class: "inline"}, status(d.status), d.online ? chip("Online", "good dot") : null)},
      {label: "License", cell: (d) => d["license.name"]},
      {label: "Owner", cell: (d) => d["user.loginName"] && h("span", {title: d["user.domain.name"] + "\\" + d["user.loginName"]}, d["user.loginName"])},
      {label: "Groups", grow: 1.1, cell: (d) => d.groups.length > 0 && d.groups.map((g) => g.name).join(", ")},
      {label: "Last seen", sort: "lastSeen", grow: 1.2, cell: (d) => when(d.lastSeen)},
      {label: "Token", grow: 1.7, cell: (d) => h("span", {class: "inline"}, h("code", {}, "…" + d.tokenHint), d.tokenState === "ACTIVE" ? null : chip(d.tokenState === "ISSUED" ? "Not used" : "Revoked", d.tokenState === "ISSUED" ? "" : "bad"))},
    ],
    actions: (d) => menu("Actions for " + d.name, [
      may("device/revealToken") || may("device/generateToken") ? {label: "Generate Token", act: (o) => generateToken(d, o, list.reload)} : null,
      may("device/set") && {label: "Edit", act: (o) => editDevice(d, o, list.reload)},
      may("device/set", "deviceGroup/search") && {label: "Move to groups", act: (o) => moveDevice(d, o, () => { list.reload(); panel.reload(); })},
      may("device/revokeToken") && d.tokenState !== "REVOKED" && {label: "Revoke token", danger: true, act: (opener) => confirm({opener, title: "Revoke token",
        text: `The token of ${d.name} ends without a new one. A device that uses it is logged out at once.`, label: "Revoke token",
        act: async () => { await call("device/revokeToken", {id: d.id}); list.reload(); }, done: "The token is revoked."})},
      may("device/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete device", typed: d.name, label: "Delete",
        text: "Its token ends, its seat becomes free, and its installation codes have no target any more.",
        act: async () => { await call("device/delete", {id: d.id}); list.reload(); }, done: `${d.name} is deleted.`})},
    ]),
    tools: [may("device/create") && button("New Device", (e) => newDevice(e.currentTarget, () => { list.reload(); panel.reload(); }), "primary")],
    empty: {title: "No devices yet", text: "A device proves itself by a client token. Add the first one to get its token.",
      action: () => may("device/create") && button("New Device", (e) => newDevice(e.currentTarget, () => { list.reload(); panel.reload(); }), "primary")},
  });
  return list.el;
}

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
    changed();
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

// groupPanel is the tree of groups beside the list; choose is told the ids of a group and those within it, "" being all.
function groupPanel(choose, moved) {
  if (!may("deviceGroup/search")) return {el: null, reload() {}};
  const tree = h("ul", {class: "tree"});
  let chosen = "";
  const el = h("section", {class: "card groups", "aria-labelledby": "groups-title"},
    h("header", {}, h("h2", {id: "groups-title"}, "Groups"), h("span", {class: "grow"}), may("deviceGroup/create") && button("New group", (e) => edit(null, e.currentTarget), "quiet")), tree);
  let all = [];

  const within = (id) => [id, ...all.filter((g) => g["parent.id"] === id).flatMap((g) => within(g.id))];

  async function load() {
    try {
      all = await groupsOf();
    } catch (e) {
      failed(e);
      return;
    }
    if (chosen && !all.some((g) => g.id === chosen)) pick("");
    draw();
  }

  function pick(id) {
    chosen = id;
    draw();
    choose(id ? within(id) : "");
  }

  function draw() {
    const branch = (parent) => all.filter((g) => (g["parent.id"] ?? "") === parent).map((g) => {
      const inner = branch(g.id);
      return h("li", {}, entry(g.id, g.name, g), inner.length > 0 && h("ul", {}, inner));
    });
    // Who was at a group, or at its menu, is there still.
    const held = tree.contains(document.activeElement) ? document.activeElement : null;
    const key = (b) => b.dataset.id ?? b.getAttribute("aria-label");
    tree.replaceChildren(h("li", {}, entry("", "All devices")), ...branch(""));
    if (held) [...tree.querySelectorAll("button")].find((b) => key(b) === key(held))?.focus();
  }

  function entry(id, name, group) {
    const b = h("button", {type: "button", class: "group", "data-id": id, "aria-pressed": String(chosen === id), on: {click: () => pick(id)}}, icon(id ? "folder" : "devices"), h("span", {}, name));
    const row = h("div", {class: "inline"}, b, group && menu("Actions for group " + name, [
      may("deviceGroup/set") && {label: "Edit", act: (o) => edit(group, o)},
      may("deviceGroup/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete group", text: `The group ${name} goes; its devices stay.`, label: "Delete",
        act: async () => { await call("deviceGroup/delete", {id}); await load(); }, done: "The group is deleted."})},
    ]));
    if (id && may("device/set")) {
      row.addEventListener("dragover", (e) => { e.preventDefault(); row.classList.add("over"); });
      row.addEventListener("dragleave", () => row.classList.remove("over"));
      row.addEventListener("drop", async (e) => {
        e.preventDefault();
        row.classList.remove("over");
        try {
          notice(`${await addToGroup(e.dataTransfer.getData("text/plain"), id)} is in ${name} too.`);
          moved();
        } catch (err) {
          failed(err);
        }
      });
    }
    return row;
  }

  function edit(group, opener) {
    const of = group && edited("deviceGroup", group, groupReturns);
    editor({title: group ? "Edit group" : "New group", opener, of, done: "The group is saved.", fields: [
      field({name: "name", label: "Name", value: group?.name, required: true, autofocus: true}),
      field({name: "parent", label: "Within", type: "pick", object: "deviceGroup", value: group?.["parent.id"] && {id: group["parent.id"], name: all.find((g) => g.id === group["parent.id"])?.name ?? ""}, optional: true}),
      field({name: "description", label: "Description", value: group?.description, optional: true}),
    ], save: async (v) => {
      if (group) await of.set(v);
      else await call("deviceGroup/create", {attrs: v});
      await load();
    }});
  }

  load();
  return {el, reload: load};
}
