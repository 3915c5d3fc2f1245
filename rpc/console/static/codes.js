// Installation codes.
import {h, when} from "./dom.js";
import {call, may} from "./api.js";
import {button, confirm, dialog, editor, failed, field, kinds, notice, prepare} from "./ui.js";
import {listPage, status} from "./list.js";
import {everything} from "./devices.js";

const actions = [
  {value: "CREATE_ACCOUNT_AND_DEVICE", label: "Create a new account and a device"},
  {value: "CREATE_DEVICE", label: "Create a new device"},
  {value: "USE_EXISTING_DEVICE", label: "Use existing device"},
];

export function codes() {
  const edit = button("Edit", (e) => editCode(list.selected(), e.currentTarget, list.reload), "", {disabled: true});
  const remove = button("Delete", (e) => removeCode(list.selected(), e.currentTarget, list.reload), "", {disabled: true});
  const add = (kind = "") => may("installationCode/create") && button("Add", (e) => editCode(null, e.currentTarget, list.restart), "primary " + kind);
  const list = listPage({
    title: "Installation codes", method: "installationCode/search", sort: "-dateCreated",
    returns: ["id", "description", "code", "expires", "timesUsed", "usageLimit", "usageLimitDelay", "lastUsed", "usernamePrefix", "action", "state", "enabled", "domain.id", "domain.name",
      "user.id", "user.loginName", "user.domain.name", "device.id", "device.name", "license.id", "license.name", {groups: ["id", "name"]}],
    search: {label: "Search by description", match: (t) => ["description", ">>", t]},
    filters: [{label: "Action", options: actions, match: (v) => ["action", "=", v]}],
    select: (c) => c.description ?? c.code ?? c.id,
    chosen: (c) => { edit.disabled = !c || !may("installationCode/set"); remove.disabled = !c || !may("installationCode/delete"); },
    columns: [
      {label: "Description", sort: "description", cell: (c) => h("span", {class: "inline"}, h("span", {class: "name"}, c.description ?? "–"), c.state === "active" ? null : status(c.state))},
      {label: "Installation Code", cell: (c) => (c.code === null ? h("span", {class: "faint"}, "hidden") : may("installationCode/getQRCode")
        ? h("button", {type: "button", class: "link code", "aria-label": "Show the QR code of " + c.code, on: {click: (e) => showCode(c, e.currentTarget)}}, c.code) : h("code", {}, c.code))},
      {label: "Expiration", sort: "expires", cell: (c) => when(c.expires)},
      {label: "Times used", sort: "timesUsed", class: "num", cell: (c) => c.timesUsed + (c.usageLimit ? " of " + c.usageLimit : "")},
      {label: "Last time used", sort: "lastUsed", cell: (c) => when(c.lastUsed)},
      {label: "Username prefix", cell: (c) => c.usernamePrefix ?? ""},
      {label: "Account", cell: (c) => c["user.loginName"] ?? ""},
      {label: "Device", cell: (c) => c["device.name"] ?? ""},
    ],
    tools: [add(), edit, remove],
    empty: {title: "No installation codes yet", text: "An installation code lets people install their devices themselves.", action: add},
  });
  return list.el;
}

// showCode opens the pop-up with the QR code.
async function showCode(c, opener) {
  const image = await prepare(() => call("installationCode/getQRCode", {id: c.id}));
  if (!image) return;
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(c.code);
      notice("The code is copied.");
    } catch {
      notice("The browser does not allow copying here: select the code.", true);
    }
  }, "", {autofocus: true});
  const send = (label, channel) => may("installationCode/send") && (c["user.id"] || c["device.id"]) && button(label, async () => {
    d.clear();
    try {
      await call("installationCode/send", {id: c.id, channel});
      notice("The code is on its way.");
    } catch (e) {
      d.refuse(e);
    }
  });
  const d = dialog({title: c.description ?? "Installation code", opener, body: h("div", {class: "qr"},
    h("img", {src: "data:image/png;base64," + image, alt: "QR code of the installation code", width: "240", height: "240"}),
    h("code", {class: "secret"}, c.code),
    h("p", {class: "faint"}, c.expires ? ["Expires ", when(c.expires)] : "Does not expire")), buttons: [send("Send by e-mail", "SMTP"), send("Send by SMS", "SMS"), h("span", {class: "grow"}), copy].filter(Boolean)});
}

function removeCode(c, opener, changed) {
  confirm({opener, title: "Remove installation code", label: "Remove", text: `“${c.description ?? c.code}” can then no longer be used. Devices that were installed with it stay.`,
    act: async () => { await call("installationCode/delete", {id: c.id}); changed(); }, done: "The code is removed."});
}

async function editCode(c, opener, changed) {
  const all = await prepare(() => Promise.all(["license/search", "deviceGroup/search"].map((m) => (may(m) ? everything(m, {return: ["id", "name"], sort: "name", max: 1000}) : null))));
  if (!all) return;
  const [licenses, groups] = all;
  const head = (text) => ({name: "", el: h("h3", {}, text), value: () => null});
  const code = field({name: "code", label: "Installation Code", value: c?.code, mono: true, placeholder: c && c.code === null ? "hidden: type a new one to replace it" : "", hint: c ? "A new text ends the old one and its printed QR codes at once." : "Leave it empty for a random one."});
  const random = {name: "random", value: () => null, el: button("Generate new code", async () => {
    try {
      code.control.value = (await call("installationCode/generateCode")).code;
    } catch (e) {
      failed(e);
    }
  })};
  const prefix = field({name: "usernamePrefix", label: "Username prefix", value: c?.usernamePrefix, required: true, hint: "Accounts are called by it and a number."});
  const domain = field({name: "domain", label: "Domain", type: "ref", object: "domain", value: c?.["domain.id"] && {id: c["domain.id"], name: c["domain.name"]}, required: true});
  const user = field({name: "user", label: "Account", type: "ref", object: "user", required: true,
    value: c?.["user.id"] && {id: c["user.id"], name: kinds.user.name({loginName: c["user.loginName"], "domain.name": c["user.domain.name"]})}});
  const device = field({name: "device", label: "Device", type: "ref", object: "device", value: c?.["device.id"] && {id: c["device.id"], name: c["device.name"]}, required: true});
  const license = licenses && field({name: "license", label: "License of the devices", type: "select", value: c?.["license.id"] ?? "", options: [{value: "", label: "No license"}, ...licenses.map((l) => ({value: l.id, label: l.name}))]});
  const of = groups && field({name: "groups", label: "Groups of the devices", type: "checks", value: c?.groups.map((g) => g.id) ?? [], options: groups.map((g) => ({value: g.id, label: g.name})), none: "There are no groups."});
  const action = field({name: "action", label: "Action", type: "radios", value: c?.action ?? "CREATE_ACCOUNT_AND_DEVICE", options: actions, on: {change: () => fit()}});
  function fit() {
    const is = action.value();
    prefix.show(is === "CREATE_ACCOUNT_AND_DEVICE");
    domain.show(is === "CREATE_ACCOUNT_AND_DEVICE");
    user.show(is === "CREATE_DEVICE");
    device.show(is === "USE_EXISTING_DEVICE");
    license?.show(is !== "USE_EXISTING_DEVICE");
    of?.show(is !== "USE_EXISTING_DEVICE");
  }
  fit();
  editor({title: c ? "Edit installation code" : "New installation code", opener, wide: true, changes: !!c, done: "The installation code is saved.", fields: [
    head("Basic settings"),
    field({name: "description", label: "Description", value: c?.description, autofocus: true}),
    code, may("installationCode/generateCode") && random,
    field({name: "enabled", label: "Enabled", type: "checkbox", value: c?.enabled ?? true}),
    head("Expiration"),
    field({name: "expires", label: "Expires", type: "datetime", value: c?.expires, optional: true, hint: "Empty: it does not expire."}),
    field({name: "usageLimit", label: "Usage limit", type: "number", min: 1, value: c?.usageLimit, optional: true, hint: "Empty: any number of times."}),
    field({name: "usageLimitDelay", label: "Usage limit delay, in seconds", type: "number", min: 0, value: c?.usageLimitDelay || "", optional: true, hint: "How long it stays usable once the limit is reached. Empty: not at all."}),
    head("Action"),
    action, prefix, domain, user, device, license, of,
  ].filter(Boolean), save: async (v) => {
    const {random: _, "": __, ...attrs} = v;
    if (!v.code) delete attrs.code;
    if ("license" in v) attrs.license = v.license ? {id: v.license} : null;
    if ("groups" in v) attrs.groups = v.groups.map((id) => ({id}));
    if (c) await call("installationCode/set", {id: c.id, attrs});
    else await call("installationCode/create", {attrs});
    changed();
  }});
}
