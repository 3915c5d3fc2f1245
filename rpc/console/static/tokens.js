// Tokens: found, imported, assigned, synchronised.
import {h, when, plural} from "./dom.js";
import {call, may} from "./api.js";
import {button, dialog} from "./dialog.js";
import {confirm, editor} from "./editor.js";
import {field} from "./field.js";
import {csv, download, fileDialog, ignored} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt, prepare} from "./notice.js";
import {kinds} from "./picker.js";
import {secret} from "./secret.js";
import {options} from "./words.js";

export function tokens() {
  const list = listPage({
    title: "Tokens", method: "token/search", sort: "serial",
    returns: ["id", "serial", "status", "description", "product.name", "product.kind", "confined", "lastUsed", {users: ["id", "loginName", "domain.name"]}, {tokenAssignments: ["id", "status"]}],
    search: {label: "Search by serial", match: (t) => ["serial", ">>", t]},
    filters: [
      may("user/search") ? {label: "User", pick: "user", match: (v) => ["user.id", "=", v]} : {label: "Login name of a user", match: (v) => ["user.loginName", "=", v]},
      {label: "Status", options: options("ACTIVE", "DISABLED", "DECEASED"), match: (v) => ["status", "=", v], unsorted: true},
      may("product/search") && {label: "Product", pick: "product", unsorted: true, match: (v) => ["product.id", "=", v]},
    ].filter(Boolean),
    columns: [
      {label: "Serial", sort: "serial", cell: (t) => h("code", {class: "name", title: t.description}, t.serial)},
      {label: "Product", grow: 1.4, cell: (t) => t["product.name"]},
      {label: "Users", cell: (t) => t.users.length > 0 && h("span", {title: t.users.map(kinds.user.name).join(", ")}, t.users.map((u) => u.loginName).join(", "))},
      {label: "Status", sort: "status", grow: 1.2, cell: (t) => h("span", {class: "inline"}, status(t.status), t.confined ? chip("Confined", "warn") : null)},
      {label: "Last used", cell: (t) => when(t.lastUsed)},
    ],
    actions: (t) => tokenMenu(t, () => list.reload()),
    tools: [
      may("token/batchAssignTokens") && button("Batch assign", (e) => batchAssign(e.currentTarget, list.reload)),
      may("token/create") && button("New token", (e) => newToken(e.currentTarget, list.reload)),
      may("token/import") && button("Import", (e) => importTokens(e.currentTarget, list.restart), "primary"),
    ],
    empty: {title: "No tokens yet", text: "Import a vendor's token file, or make a soft token.", action: () => may("token/import") && button("Import", (e) => importTokens(e.currentTarget, list.restart), "primary")},
  });
  return list.el;
}

function tokenMenu(t, changed) {
  const soft = t["product.kind"] === "SOFT";
  const set = (status, done) => attempt(async () => { await call("token/set", {id: t.id, attrs: {status}, expect: {status: t.status}}); changed(); }, done);
  const plain = (method, done) => attempt(async () => { await call(method, {id: t.id}); changed(); }, done);
  return menu("Actions for " + t.serial, [
    may("tokenAssignment/create") && {label: "Assign", act: (opener) => editor({opener, title: "Assign token " + t.serial, label: "Assign", done: "The token is assigned.", fields: [
      field({name: "user", label: "User", type: "pick", object: "user", required: "Choose a user", autofocus: true}),
      field({name: "pin", label: "PIN", type: "password", optional: true, autocomplete: "new-password"}),
    ], save: async (v) => {
      await call("tokenAssignment/create", {attrs: {"token.id": t.id, user: v.user, ...(v.pin ? {pin: v.pin} : {})}});
      changed();
    }})},
    may("token/delete") && t.users.length > 0 && {label: "Unassign", act: (opener) => editor({opener, title: "Unassign token " + t.serial, label: "Unassign", done: "The token is unassigned.", fields: [
      field({name: "user", label: "From", type: "radios", value: t.users[0].id, options: t.users.map((u) => ({value: u.id, label: kinds.user.name(u)}))}),
    ], save: async (v) => { await call("token/delete", {id: t.id, user: {id: v.user}}); changed(); }})},
    may("token/set") && t.status === "ACTIVE" && {label: "Disable", act: () => set("DISABLED", "The token is disabled.")},
    may("token/set") && t.status === "DISABLED" && {label: "Enable", act: () => set("ACTIVE", "The token is enabled.")},
    may("token/confine") && soft && !t.confined && {label: "Confine", act: () => plain("token/confine", "The token cannot be downloaded any more.")},
    may("token/release") && soft && t.confined && {label: "Release", act: () => plain("token/release", "The token can be downloaded again.")},
    may("token/syncToken") && {label: "Synchronise", act: (opener) => editor({opener, title: "Synchronise token " + t.serial, label: "Synchronise", done: "The token is synchronised.",
      intro: "Enter two one-time passwords that the token shows one after the other.", fields: [
        field({name: "first", label: "First one-time password", inputmode: "numeric", autofocus: true, required: true, mono: true}),
        field({name: "second", label: "Second one-time password", inputmode: "numeric", required: true, mono: true}),
      ], save: async (v) => { await call("token/syncToken", {id: t.id, token: {id: t.id}, credential: v.first.trim() + "," + v.second.trim()}); changed(); }})},
    may("token/reset") && {label: "Reset", act: (opener) => confirm({opener, title: "Reset token", text: `Drift, failures and a pending synchronisation of ${t.serial} are cleared.`, label: "Reset",
      act: async () => { await call("token/reset", {token: {id: t.id}}); changed(); }, done: "The token is reset."})},
    may("token/getDownloadUrl") && soft && {label: "Download link", act: (opener) => downloadLink(t, opener)},
    may("token/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete token", typed: t.serial, text: "The token and its assignments go.", label: "Delete",
      act: async () => { await call("token/delete", {id: t.id}); changed(); }, done: "The token is deleted."})},
  ]);
}

async function downloadLink(t, opener) {
  const made = await prepare(() => call("token/getDownloadUrl", {id: t.id, qrCode: true}));
  if (!made) return;
  const d = dialog({title: "Download link of " + t.serial, opener});
  d.reveal("Download link of " + t.serial, h("div", {class: "qr"},
    h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of the download link", width: "240", height: "240"}),
    secret("Download link", made.url, "It can be used once; a newer one ends it."), h("p", {class: "faint"}, ["Expires ", when(made.expires)])), {warning: "It is not shown again; a new one can be made."});
}

function newToken(opener, changed) {
  editor({opener, title: "New token", label: "Create", done: "The token is made.", fields: [
    field({name: "product", label: "Product", type: "pick", object: "product", required: "Choose a product", autofocus: true}),
    field({name: "serial", label: "Serial", optional: true, mono: true, hint: "Empty: ten digits are made."}),
    field({name: "user", label: "User", type: "pick", object: "user", optional: true}),
    field({name: "description", label: "Description", optional: true}),
  ], save: async (v) => {
    const attrs = {product: v.product, description: v.description};
    if (v.serial) attrs.serial = v.serial;
    if (v.user) attrs.user = v.user;
    await call("token/create", {attrs});
    changed();
  }});
}

function importTokens(opener, changed) {
  fileDialog({title: "Import tokens", label: "Import", opener, intro: "A vendor's XML, PSKC, OATH CSV and other token files are recognised by their content. All of a file is imported, or nothing.", fields: [
    field({name: "product", label: "Product", type: "pick", object: "product", optional: true, hint: "Empty: the file says which."}),
    field({name: "password", label: "Password of the file", type: "password", optional: true, autocomplete: "new-password"}),
    field({name: "createProducts", label: "Make products that are missing", type: "checkbox"}),
    field({name: "assign", label: "Assign each token to the user the file names", type: "checkbox"}),
    field({name: "crypto", label: "Hash", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HmacSHA1", "HmacSHA256", "HmacSHA512"].map((value) => ({value, label: value}))], hint: "Of keys of which the file does not say it."}),
    field({name: "encode", label: "Seeds are written in", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HEX", "BASE32", "BASE64"].map((value) => ({value, label: value}))], hint: "Where the file does not say it."}),
    ignored(),
  ], method: "token/import", params: (v, data) => {
    const attrs = {data, charset: v.charset, createProducts: v.createProducts, assign: v.assign};
    for (const name of ["crypto", "encode", "ignore", "product", "password"]) if (v[name]) attrs[name] = v[name];
    return attrs;
  }, said: (made) => {
    changed();
    return [h("p", {class: "big"}, plural(made.total, "token") + " imported."),
      made.notes && h("ul", {}, made.notes.map((n) => h("li", {}, n))),
      h("p", {}, button("Download the list", () => download("imported.csv", csv([["id", "serial"], ...made.rows.map((r) => [r.id, r.serial])]))))];
  }});
}

function batchAssign(opener, changed) {
  fileDialog({title: "Batch assign", label: "Assign", opener, accept: ".csv,text/csv", fields: [ignored()], intro: "A CSV file with the columns domain, loginName, manufacturerCode, productCode, serial and, if wanted, status and pin. All of it is assigned, or nothing.",
    method: "token/batchAssignTokens", params: (v, csv) => ({csv, charset: v.charset, ignore: v.ignore ?? ""}), said: () => {
      changed();
      return h("p", {class: "big"}, "All rows of the file are assigned.");
    }});
}
