// Installation codes.
import {h, when, plural} from "./dom.js";
import {dates} from "./dates.js";
import {at, call, everything, may} from "./api.js";
import {run} from "./bulk.js";
import {button, dialog} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt, failed, notice, prepare} from "./notice.js";
import {onePage, rows} from "./one.js";
import {kinds} from "./picker.js";
import {go, to} from "./route.js";
import {copied} from "./secret.js";
import {options} from "./words.js";

const actions = options("CREATE_ACCOUNT_AND_DEVICE", "CREATE_DEVICE", "USE_EXISTING_DEVICE");

// The code itself is not among these: each one that is shown is recorded, so that it is shown when somebody asks for it.
const returns = ["id", "description", "expires", "timesUsed", "usageLimit", "usageLimitDelay", "lastUsed", "usernamePrefix", "action", "state", "enabled", "domain.id", "domain.name",
  "user.id", "user.loginName", "user.domain.name", "device.id", "device.name", "license.id", "license.name", {groups: ["id", "name"]}];

// nameOf is what people call a code without its text.
const nameOf = (c) => c.description ?? "code for " + (c["device.name"] ?? c["user.loginName"] ?? (c.usernamePrefix ? c.usernamePrefix + " accounts" : "installing"));

const codeAddress = (c) => to("installation-codes", c.id);

export function codes() {
  const edit = button("Edit", (e) => editCode(list.selected()[0], e.currentTarget, () => { list.drop(); list.reload(); }), "", {disabled: true});
  const remove = button("Delete", (e) => {
    const some = list.selected();
    if (some.length === 1) removeCode(some[0], e.currentTarget, () => { list.drop(); list.reload(); });
    else removeCodes(some, e.currentTarget, () => { list.drop(); list.reload(); });
  }, "", {disabled: true});
  const add = (kind = "") => may("installationCode/create") && button("Add", (e) => editCode(null, e.currentTarget, list.restart), "primary " + kind);
  const list = listPage({
    title: "Installation codes", method: "installationCode/search", sort: "-dateCreated",
    returns,
    noun: "installation code", name: nameOf, href: codeAddress,
    search: {label: "Search installation codes", by: [{key: "description", label: "description", match: (t) => [["description", ">>", t]]}, {key: "prefix", label: "username prefix", match: (t) => [["usernamePrefix", ">>", t]]}]},
    filters: [{key: "action", label: "Action", options: actions, match: (v) => ["action", "=", v]}],
    chips: [{key: "unused", label: "Never used", match: ["timesUsed", "=", 0]}, {key: "disabled", label: "Disabled", match: ["enabled", "=", false]}],
    selected: (some) => { edit.disabled = some.length !== 1 || !may("installationCode/set"); remove.disabled = !some.length || !may("installationCode/delete") || some.length > 1 && !may("batch/execute"); },
    bulk: [
      may("installationCode/getQRCode") && {label: "Sheet of QR codes", act: printCodes},
      {label: "Disable", permit: ["installationCode/set"], title: (n) => "Disable " + n, text: "They can no longer be used, until they are enabled again.", call: (c) => ({method: "installationCode/set", params: {id: c.id, attrs: {enabled: false}}})},
      {label: "Enable", permit: ["installationCode/set"], title: (n) => "Enable " + n, call: (c) => ({method: "installationCode/set", params: {id: c.id, attrs: {enabled: true}}})},
      {label: "Export as CSV", file: "installation-codes.csv"},
    ],
    columns: [
      {label: "Description", sort: "description", grow: 1.8, text: nameOf, cell: (c) => h("span", {class: "inline"}, h("span", {class: "name"}, nameOf(c)), c.state === "active" ? null : status(c.state))},
      {label: "Installation Code", text: () => "", cell: (c) => (may("installationCode/getQRCode") || may("installationCode/get")
        ? h("button", {type: "button", class: "link code", "aria-label": "Show the installation code " + nameOf(c), on: {click: (e) => showCode(c, e.currentTarget)}}, "•••••-•••••") : h("span", {class: "faint"}, "hidden"))},
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

// does says what using a code does, as a sentence.
function does(c) {
  const license = c["license.name"] ? ` with the license ${c["license.name"]}` : "";
  const into = c.groups.length ? `, in the ${c.groups.length === 1 ? "group" : "groups"} ${c.groups.map((g) => g.name).join(", ")}` : "";
  if (c.action === "CREATE_ACCOUNT_AND_DEVICE") return `Whoever uses it gets a new account, ${c.usernamePrefix}1 and so on in the domain ${c["domain.name"] ?? "that is gone"}, and a new device${license}${into}.`;
  if (c.action === "CREATE_DEVICE") return `Whoever uses it gets a new device of ${c["user.loginName"] ?? "an account that is gone"}${license}${into}.`;
  return `Whoever uses it has the device ${c["device.name"] ?? "that is gone"} from then on; its old token ends.`;
}

const limits = (c) => [c.usageLimit ? `It can be used ${plural(c.usageLimit, "time")}` : "It can be used any number of times", c.usageLimit && c.usageLimitDelay ? `, and ${plural(c.usageLimitDelay, "second")} longer` : "", c.expires ? [", until ", when(c.expires)] : ", and does not expire", "."];

// code is the page of one. parts is its id: its text must not stand in an address.
export const code = ([id]) => onePage({
  back: ["Installation codes", to("installation-codes")], noun: "installation code", title: "Installation code", method: "installationCode/search", match: [["id", "=", id]],
  returns: [...returns, "generation", "dateCreated", "lastUpdated"],
  also: async (c) => {
    c.uses = may("installationCode/listUses") ? (await call("installationCode/listUses", {id: c.id, sort: "-time", max: 50, return: ["time", "device.name", "user.loginName", "user.domain.name", "newUser", "hardwareId"]})).rows : null;
  },
  name: nameOf,
  state: (c) => [status(c.state)],
  lead: (c) => [does(c), " ", limits(c)],
  act: (c, again) => [
    (may("installationCode/getQRCode") || may("installationCode/get")) && button("Show the code", (e) => showCode(c, e.currentTarget), "primary"),
    may("installationCode/set") && button("Edit", (e) => editCode(c, e.currentTarget, again)),
    menu("More for " + nameOf(c), [
      may("installationCode/set") && {label: c.enabled ? "Disable" : "Enable", act: () => attempt(async () => { await call("installationCode/set", {id: c.id, attrs: {enabled: !c.enabled}, expect: {enabled: c.enabled}}); again(); }, c.enabled ? "The code is disabled." : "The code is enabled.")},
      may("installationCode/delete") && {label: "Delete", danger: true, act: (o) => removeCode(c, o, () => go(to("installation-codes")))},
    ]),
  ],
  sections: (c) => [
    c.uses && {title: "Uses", body: rows(c.uses, (u) => ({main: u["device.name"] ? h("a", {href: to("devices", u["device.name"])}, u["device.name"]) : h("span", {class: "faint"}, "A device that is gone"),
      more: [u["user.loginName"] ? [u.newUser ? "new account " : "of ", h("a", {href: to("users", u["user.domain.name"], u["user.loginName"])}, u["user.loginName"]), ", "] : "", when(u.time)]}), "Nobody has used it yet.")},
  ],
  facts: (c) => [["Times used", String(c.timesUsed) + (c.usageLimit ? " of " + c.usageLimit : "")], ["Last time used", when(c.lastUsed)], ["Expires", when(c.expires)], ["Text", c.generation > 1 ? `changed ${plural(c.generation - 1, "time")}` : "never changed"],
    ["Made", when(c.dateCreated)], ["Changed", when(c.lastUpdated)], ["Id", h("code", {}, c.id), c.id]],
  history: (c) => ({noun: "installation code", objects: ["installation code " + c.id]}),
});

// reveal asks for a code, with its QR code where it can still be used, so that it is recorded as shown once.
async function reveal(c) {
  let why = null;
  if (may("installationCode/getQRCode")) {
    try {
      return await call("installationCode/getQRCode", {id: c.id, code: true});
    } catch (e) {
      if (![502, 503, 504, 505].includes(e.code) || !may("installationCode/get")) throw e;
      why = e;
    }
  }
  const {code} = await call("installationCode/get", {id: c.id, return: ["code"]});
  if (code === null) throw why ?? at("code", "You may not see this code");
  return {code, why: why?.sentence};
}

// showCode opens the pop-up with the code and its QR code.
async function showCode(c, opener) {
  const made = await prepare(() => reveal(c));
  if (!made) return;
  const text = h("code", {class: "secret"}, made.code);
  const copy = button("Copy", () => copied("The code", made.code, text), "", {autofocus: true});
  const send = (label, channel) => may("installationCode/send") && (c["user.id"] || c["device.id"]) && button(label, async () => {
    d.clear();
    d.hold(true);
    try {
      await call("installationCode/send", {id: c.id, channel});
      notice("The code is on its way.");
    } catch (e) {
      d.refuse(e);
    } finally {
      d.hold(false);
    }
  });
  const d = dialog({title: nameOf(c), opener, body: h("div", {class: "qr"},
    made.why && h("p", {class: "advice warn"}, made.why), made.qrCode && h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of the installation code", width: "240", height: "240"}), text,
    h("p", {class: "faint"}, c.expires ? ["Expires ", when(c.expires)] : "Does not expire")),
  buttons: [send("Send by e-mail", "SMTP"), send("Send by SMS", "SMS"), h("span", {class: "grow"}), button("Print", () => print()), copy].filter(Boolean)});
}

const sheetMost = 200; // codes on the sheets; each is recorded as shown

// printCodes shows the QR codes of several installation codes, to be printed and handed out.
async function printCodes(some, opener) {
  const all = some.slice(0, sheetMost);
  const words = h("p", {class: "screen", role: "status"}, "The codes are being made…");
  const sheet = h("div", {class: "sheet"});
  const d = dialog({title: plural(all.length, "installation code"), opener, wide: true, body: [words, sheet], buttons: [h("span", {class: "grow"}), button("Print", () => print(), "primary", {autofocus: true}), button("Done", () => d.leave())]});
  d.el.classList.add("sheets");
  const refused = [];
  for (const c of all) {
    if (!d.el.isConnected) return;
    try {
      const made = await call("installationCode/getQRCode", {id: c.id, code: true});
      sheet.append(h("figure", {}, h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of " + nameOf(c), width: "180", height: "180"}),
        h("figcaption", {}, h("strong", {}, nameOf(c)), h("code", {}, made.code), h("span", {class: "faint"}, c.expires ? "until " + until.format(new Date(c.expires)) : ""))));
    } catch (e) {
      refused.push(`${nameOf(c)}: ${e.sentence ?? e}`);
    }
    words.textContent = `${sheet.children.length} of ${all.length}`;
  }
  words.replaceChildren(refused.length ? "Without " + refused.join(" ") : "Whoever has a code can use it: keep the sheets where the devices are.", some.length > all.length ? ` Only the first ${sheetMost} are here.` : "");
}

const until = dates({dateStyle: "medium"});

const removeCodes = (some, opener, changed) => editor({opener, title: `Remove ${plural(some.length, "installation code")}`, label: "Remove", danger: true, intro: "They can then no longer be used. Devices that were installed with them stay.", fields: [],
  save: async (_, d) => {
    await run(`Remove ${plural(some.length, "installation code")}`, some, (c) => ({method: "installationCode/delete", params: {id: c.id}}), d, nameOf);
    changed();
    return true;
  }});

function removeCode(c, opener, changed) {
  confirm({opener, title: "Remove installation code", label: "Remove", text: `“${nameOf(c)}” can then no longer be used. Devices that were installed with it stay.`,
    act: async () => { await call("installationCode/delete", {id: c.id}); changed(); }, done: "The code is removed."});
}

async function editCode(c, opener, changed) {
  const licenses = may("license/search") ? await prepare(() => everything("license/search", {return: ["id", "name"], sort: "name", max: 1000})) : null;
  if (licenses === undefined) return;
  const of = c && edited("installationCode", c, returns);
  const head = (text) => ({el: h("h3", {}, text)});
  const code = field({name: "code", label: "Installation Code", mono: true, placeholder: c ? "Hidden: type a new one to replace it" : "", hint: c ? "A new text ends the old one and its printed QR codes at once." : "Leave it empty for a random one."});
  const drawn = h("figure", {class: "drawn", hidden: true, role: "status"});
  const random = may("installationCode/generateCode") && {el: h("div", {class: "inline"}, drawn, button("Generate new code", async () => {
    try {
      code.set((await call("installationCode/generateCode")).code);
      draw();
    } catch (e) {
      failed(e);
    }
  }))};
  let drawing = 0, wait;
  // draw shows the QR code of what is entered, as it will be once it is saved.
  async function draw() {
    const mine = ++drawing, text = code.control.value.trim();
    const made = text && random ? await call("installationCode/generateCode", {code: text, qrCode: true}).catch(() => null) : null; // until it is a code
    if (mine !== drawing) return;
    drawn.hidden = !made;
    if (made) drawn.replaceChildren(h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of " + made.code, width: "120", height: "120"}), h("figcaption", {class: "faint"}, "Good once it is saved"));
  }
  code.control.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(draw, 250);
  });
  const prefix = field({name: "usernamePrefix", label: "Username prefix", value: c?.usernamePrefix, required: true, hint: "Accounts are called by it and a number."});
  const domain = field({name: "domain", label: "Domain", type: "pick", object: "domain", value: c?.["domain.id"] && {id: c["domain.id"], name: c["domain.name"]}, required: "Choose a domain"});
  const user = field({name: "user", label: "Account", type: "pick", object: "user", required: "Choose an account",
    value: c?.["user.id"] && {id: c["user.id"], name: kinds.user.name({loginName: c["user.loginName"], "domain.name": c["user.domain.name"]})}});
  const device = field({name: "device", label: "Device", type: "pick", object: "device", value: c?.["device.id"] && {id: c["device.id"], name: c["device.name"]}, required: "Choose a device"});
  const license = licenses && field({name: "license", label: "License of the devices", type: "select", value: c?.["license.id"] ?? "", options: [{value: "", label: "No license"}, ...licenses.map((l) => ({value: l.id, label: l.name}))]});
  const groups = may("deviceGroup/search") && field({name: "groups", label: "Groups of the devices", type: "pick", object: "deviceGroup", many: true, value: c?.groups, optional: true});
  const action = field({name: "action", label: "Action", type: "radios", value: c?.action ?? "CREATE_ACCOUNT_AND_DEVICE", options: actions, on: {change: () => fit()}});
  function fit() {
    const is = action.raw();
    prefix.show(is === "CREATE_ACCOUNT_AND_DEVICE");
    domain.show(is === "CREATE_ACCOUNT_AND_DEVICE");
    user.show(is === "CREATE_DEVICE");
    device.show(is === "USE_EXISTING_DEVICE");
    if (license) license.show(is !== "USE_EXISTING_DEVICE");
    if (groups) groups.show(is !== "USE_EXISTING_DEVICE");
  }
  fit();
  const expires = field({name: "expires", label: "Expiration", type: "choice", none: "Does not expire", some: "Expires", inner: {type: "datetime", label: "Expires at", value: c?.expires}});
  const limit = field({name: "usageLimit", label: "Usage limit", type: "choice", none: "Any number of times", some: "Only so many times", inner: {type: "number", label: "Times it can be used", min: 1, value: c?.usageLimit}});
  const delay = field({name: "usageLimitDelay", label: "Once the limit is reached", type: "choice", none: "It ends at once", some: "It stays usable for a while", off: 0, inner: {type: "number", label: "Usage limit delay, in seconds", min: 1, value: c?.usageLimitDelay || null}});
  const sentence = h("p", {class: "advice", role: "status"});
  // tell says what the code will do, as it is entered so far.
  function tell() {
    const entered = (f) => /^some (.+)$/.exec(f.raw())?.[1].replace(/false$/, "").trim();
    const at = entered(expires), licensed = license ? license.control.selectedOptions[0] : null;
    sentence.replaceChildren(...[does({action: action.raw(), usernamePrefix: prefix.control.value || "…", "domain.name": domain.control.value || "…", "user.loginName": user.control.value || "…", "device.name": device.control.value || "…",
      "license.name": licensed?.value ? licensed.text : null, groups: [...(groups ? groups.el.querySelectorAll("li.chip") : [])].map((li) => ({name: li.textContent}))}), " ",
    ...limits({usageLimit: Number(entered(limit)) || null, usageLimitDelay: Number(entered(delay)) || 0, expires: at && !isNaN(new Date(at)) ? new Date(at).toISOString() : null}).flat()].filter((x) => x !== ""));
  }
  const d = editor({title: c ? "Edit installation code" : "New installation code", opener, wide: true, of, done: "The installation code is saved.", fields: [
    head("Basic settings"),
    field({name: "description", label: "Description", value: c?.description, autofocus: true}),
    code, random,
    field({name: "enabled", label: "Enabled", type: "checkbox", value: c?.enabled ?? true}),
    head("Expiration"),
    expires, limit, delay,
    head("Action"),
    {el: sentence}, action, prefix, domain, user, device, license, groups,
  ], save: async (v) => {
    const attrs = {...v};
    if (!v.code) delete attrs.code;
    if ("license" in v) attrs.license = v.license ? {id: v.license} : null;
    if (c) await of.set(attrs);
    else await call("installationCode/create", {attrs});
    changed();
  }});
  for (const event of ["input", "change"]) d.el.addEventListener(event, tell);
  tell();
}
