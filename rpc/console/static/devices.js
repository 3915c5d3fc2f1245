// Devices, their client tokens and their groups.
import {h, icon, when, plural, number} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button, chip, confirm, download, editor, failed, field, kinds, menu, notice, prepare, secret} from "./ui.js";
import {listPage, status} from "./list.js";

const advice = "Store this token securely: whoever has it is this device. It can be shown again from the device's Actions menu.";
const warning = "A new token deactivates the existing one: the device that uses the old token is logged out at once.";

// everything gives all rows of a search, for lists that people keep short.
export async function everything(method, params) {
  const rows = [];
  for (let cursor = ""; cursor !== undefined;) {
    const found = await call(method, {...params, cursor, count: false});
    rows.push(...found.rows);
    cursor = found.next;
  }
  return rows;
}

const groupsOf = () => everything("deviceGroup/search", {return: ["id", "name", "description", "parent.id"], sort: "name", max: 1000});

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

export function devices() {
  let group = "";
  const panel = groupPanel((ids) => { group = ids; list.restart(); }, () => list.reload());
  const list = listPage({
    title: "Devices", method: "device/search", sort: "name",
    returns: ["id", "name", "description", "platform", "status", "online", "license.id", "license.name", "user.id", "user.loginName", "user.domain.name", {groups: ["id", "name"]}, "lastSeen", "tokenHint", "tokenState", "hardwareId"],
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    filters: [
      {label: "Status", options: [{value: "ACTIVE", label: "Active"}, {value: "INACTIVE", label: "Inactive"}], match: (v) => ["status", "=", v]},
      {label: "Token", options: [{value: "ISSUED", label: "Not used yet"}, {value: "ACTIVE", label: "Active"}, {value: "REVOKED", label: "Revoked"}], match: (v) => ["tokenState", "=", v]},
    ],
    fixed: () => (group ? [["groups.id", "in", group]] : []),
    aside: panel.el,
    drag: may("device/set"),
    columns: [
      {label: "Name", sort: "name", cell: (d) => h("span", {class: "name", title: d.description}, d.name)},
      {label: "Status", sort: "status", cell: (d) => h("span", {class: "inline"}, status(d.status), d.online ? chip("Online", "good dot") : null)},
      {label: "License", cell: (d) => d["license.name"]},
      {label: "Owner", cell: (d) => d["user.loginName"] && h("span", {title: d["user.domain.name"] + "\\" + d["user.loginName"]}, d["user.loginName"])},
      {label: "Groups", cell: (d) => d.groups.length > 0 && d.groups.map((g) => g.name).join(", ")},
      {label: "Last seen", sort: "lastSeen", cell: (d) => when(d.lastSeen)},
      {label: "Token", cell: (d) => h("span", {class: "inline"}, h("code", {}, "…" + d.tokenHint), d.tokenState === "ACTIVE" ? null : chip(d.tokenState === "ISSUED" ? "Not used" : "Revoked", d.tokenState === "ISSUED" ? "" : "bad"))},
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

async function newDevice(opener, changed) {
  const offered = await prepare(seats);
  if (!offered) return;
  const fields = [
    field({name: "name", label: "Device Name", required: true, autofocus: true}),
    field({name: "license", label: "License", type: "radios", options: offered, none: "There are no licenses. Save the device without one, or add a license first.", hint: "Skip this step to add the device without a license."}),
    may("user/search") && field({name: "user", label: "Owner", type: "ref", object: "user", optional: true}),
  ].filter(Boolean);
  const create = (licensed) => async (v, d) => {
    if (!v.name) throw new Refused({error: 10, message: "Give the device a name.", result: {attribute: "name"}});
    if (licensed && !v.license) throw new Refused({error: 10, message: "Select a license, or save the device without one.", result: {attribute: "license"}});
    const attrs = {name: v.name};
    if (licensed) attrs["license.id"] = v.license;
    if (v.user) attrs.user = v.user;
    const made = await call("device/create", {attrs});
    changed();
    d.replace("Client token of " + v.name, secret("Client token", made.clientToken, advice), [h("span", {class: "grow"}), button("Done", () => d.close(), "primary")]);
    return true;
  };
  const d = editor({title: "New Device", opener, fields, save: create(true), also: [
    may("device/createMany") && button("Add Multiple Devices", () => { d.close(); manyDevices(opener, offered, changed); }),
  ].filter(Boolean)});
  d.el.querySelector("footer").prepend(button("Save Device Without a License", () => d.submit(create(false)), "link"));
}

function manyDevices(opener, offered, changed) {
  const fields = [
    field({name: "label", label: "Label of the Devices", required: true, autofocus: true, hint: "The devices are called label-001 and so on, in a group of this name."}),
    field({name: "quantity", label: "Quantity of the Devices", type: "number", min: 1, max: 100000, value: 10, required: true}),
    field({name: "csv", label: "Get the list of the tokens as a CSV file", type: "checkbox", value: true, hint: "Without it, tokens can be shown or generated later for each device."}),
    field({name: "licenses", label: "Licenses", type: "checks", options: offered, none: "There are no licenses.", hint: "Their seats are used in this order. Skip this step to add the devices without a license."}),
  ];
  const create = (licensed) => async (v, d) => {
    if (licensed && !v.licenses.length) throw new Refused({error: 10, message: "Select licenses, or save the devices without one.", result: {attribute: "licenses"}});
    const made = await call("device/createMany", {attrs: {label: v.label, quantity: v.quantity ?? "", csv: v.csv, licenses: licensed ? v.licenses : [], allowUnlicensed: !licensed}});
    changed();
    const save = () => download(v.label.replace(/[^\w-]+/g, "-") + "-tokens.csv", made.csv);
    if (made.csv) save();
    d.replace(plural(made.total, "device") + " created", [
      h("p", {}, `They are in the group “${v.label}”, which you find in the Groups panel.`),
      made.csv ? h("p", {class: "advice"}, "The file holds the client tokens of all of them. Store it securely, and delete it when the clients have their tokens.")
        : h("p", {}, "Their tokens can be shown or generated from each device's Actions menu."),
    ], [made.csv ? button("Download the CSV again", save) : h("span"), h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
    return true;
  };
  const d = editor({title: "Add Multiple Devices", opener, fields, label: "Create Devices", save: create(true)});
  d.el.querySelector("footer").prepend(button("Save Device Without a License", () => d.submit(create(false)), "link"));
}

function generateToken(device, opener, changed) {
  const choice = field({name: "choice", label: "Token of " + device.name, type: "radios", value: device.tokenState === "REVOKED" || !may("device/revealToken") ? "new" : "existing", options: [
    {value: "existing", label: "Use your existing token", more: device.tokenState === "REVOKED" ? "it was revoked" : "to add the selected device", disabled: device.tokenState === "REVOKED" || !may("device/revealToken")},
    {value: "new", label: "Create a new token", more: "and delete the existing one", disabled: !may("device/generateToken")},
  ]});
  editor({title: "Generate Token", opener, fields: [choice, {name: "note", el: h("p", {class: "advice warn"}, warning), value: () => null}], label: "Generate Token",
    save: async (v, d) => {
      const made = v.choice === "new" ? await call("device/generateToken", {id: device.id, expect: device.tokenHint}) : await call("device/revealToken", {id: device.id});
      changed();
      d.replace("Client token of " + device.name, secret("Client token", made.clientToken, advice), [h("span", {class: "grow"}), button("Done", () => d.close(), "primary")]);
      return true;
    }});
}

async function editDevice(device, opener, changed) {
  const offered = await prepare(seats);
  if (!offered) return;
  for (const o of offered) if (o.value === device["license.id"]) o.disabled = false;
  const owner = device["user.id"] && {id: device["user.id"], name: kinds.user.name({loginName: device["user.loginName"], "domain.name": device["user.domain.name"]})};
  editor({title: "Edit device", opener, changes: true, done: "The device is saved.", fields: [
    field({name: "name", label: "Device Name", value: device.name, required: true, autofocus: true}),
    field({name: "description", label: "Description", value: device.description, optional: true}),
    field({name: "status", label: "Status", type: "select", value: device.status, options: [{value: "ACTIVE", label: "Active"}, {value: "INACTIVE", label: "Inactive: it does not connect"}]}),
    may("license/search") && field({name: "license", label: "License", type: "radios", value: device["license.id"] ?? "", options: [{value: "", label: "No license"}, ...offered]}),
    may("user/search") && field({name: "user", label: "Owner", type: "ref", object: "user", value: owner, optional: true}),
  ].filter(Boolean), save: async (v) => {
    const attrs = {...v};
    if ("license" in v) attrs.license = v.license ? {id: v.license} : null;
    await call("device/set", {id: device.id, attrs});
    changed();
  }});
}

async function moveDevice(device, opener, changed) {
  const all = await prepare(groupsOf);
  if (!all) return;
  editor({title: "Move " + device.name, opener, changes: true, done: "The device is moved.", fields: [
    field({name: "groups", label: "Groups", type: "checks", value: device.groups.map((g) => g.id), options: all.map((g) => ({value: g.id, label: g.name})), none: "There are no groups yet. Make one in the Groups panel."}),
  ], save: async (v) => {
    await call("device/set", {id: device.id, attrs: {groups: v.groups.map((id) => ({id}))}});
    changed();
  }});
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
    tree.replaceChildren(h("li", {}, entry("", "All devices")), ...branch(""));
  }

  function entry(id, name, group) {
    const b = h("button", {type: "button", class: "group", "aria-pressed": String(chosen === id), on: {click: () => pick(id)}}, icon(id ? "folder" : "devices"), h("span", {}, name));
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
          await call("device/set", {id: e.dataTransfer.getData("text/plain"), attrs: {groups: [{id}]}});
          notice("The device is moved to " + name + ".");
          moved();
        } catch (err) {
          failed(err);
        }
      });
    }
    return row;
  }

  function edit(group, opener) {
    const parents = all.filter((g) => !group || !within(group.id).includes(g.id));
    editor({title: group ? "Edit group" : "New group", opener, changes: !!group, done: "The group is saved.", fields: [
      field({name: "name", label: "Name", value: group?.name, required: true, autofocus: true}),
      field({name: "parent", label: "Within", type: "select", value: group?.["parent.id"] ?? "", options: [{value: "", label: "No other group"}, ...parents.map((g) => ({value: g.id, label: g.name}))]}),
      field({name: "description", label: "Description", value: group?.description, optional: true}),
    ], save: async (v) => {
      const attrs = {...v};
      if ("parent" in v) attrs.parent = v.parent ? {id: v.parent} : null;
      if (group) await call("deviceGroup/set", {id: group.id, attrs});
      else await call("deviceGroup/create", {attrs});
      await load();
    }});
  }

  load();
  return {el, reload: load};
}
