// Tokens: found, imported, assigned, many at once.
import {h, when, plural} from "./dom.js";
import {at, call, may} from "./api.js";
import {button} from "./dialog.js";
import {editor} from "./editor.js";
import {field, newPassword} from "./field.js";
import {csv, download, fileDialog, ignored} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {find, kinds} from "./picker.js";
import {tokenActions, tokenAddress} from "./token.js";
import {options} from "./words.js";

const most = 200; // of how many users' tokens a search by user looks

// ofUsers are the tokens of those whom a text means.
async function ofUsers(text) {
  const {rows} = await find("user", kinds.user, text, most);
  return rows.length ? [["user.id", "in", rows.map((r) => r.id)]] : null;
}

const ofStatus = (value, label, text) => ({label, permit: ["token/set"], title: (n) => `${label} ${n}`, text, call: (t) => ({method: "token/set", params: {id: t.id, attrs: {status: value}}})});

export function tokens() {
  const list = listPage({
    title: "Tokens", noun: "token", method: "token/search", sort: "serial", name: (t) => t.serial, href: tokenAddress,
    returns: ["id", "serial", "status", "description", "product.name", "product.kind", "product.algorithm", "confined", "lastUsed", {users: ["id", "loginName", "domain.name"]}, {tokenAssignments: ["id", "status"]}],
    search: {label: "Search tokens", by: [{key: "serial", label: "serial", match: (t) => [["serial", ">>", t]]}, may("user/search") && {key: "user", label: "user", match: ofUsers}]},
    filters: [
      may("user/search") ? {key: "user", label: "User", pick: "user", match: (v) => ["user.id", "=", v]} : {key: "login", label: "Login name of a user", match: (v) => ["user.loginName", "=", v]},
      {key: "status", label: "Status", options: options("ACTIVE", "DISABLED", "DECEASED"), match: (v) => ["status", "=", v], unsorted: true},
      may("product/search") && {key: "product", label: "Product", pick: "product", unsorted: true, match: (v) => ["product.id", "=", v]},
      may("repository/search") && {key: "repository", label: "Repository", pick: "repository", unsorted: true, match: (v) => ["repository.id", "=", v]},
    ],
    chips: [{key: "unassigned", label: "Unassigned", match: ["users.id", "=", null]}, {key: "unused", label: "Never used", match: ["lastUsed", "=", null]}, {key: "confined", label: "Confined", match: ["confined", "=", true]}],
    columns: [
      {label: "Serial", sort: "serial", text: (t) => t.serial, cell: (t) => h("code", {class: "name", title: t.description}, t.serial)},
      {label: "Product", grow: 1.4, cell: (t) => t["product.name"]},
      {label: "Users", text: (t) => t.users.map(kinds.user.name).join(", "), cell: (t) => t.users.length > 0 && h("span", {title: t.users.map(kinds.user.name).join(", ")}, t.users.map((u) => u.loginName).join(", "))},
      {label: "Status", sort: "status", grow: 1.2, cell: (t) => (t.confined ? h("span", {class: "inline"}, status(t.status), chip("Confined", "warn")) : status(t.status))},
      {label: "Last used", text: (t) => t.lastUsed, cell: (t) => when(t.lastUsed)},
    ],
    actions: (t) => {
      const a = tokenActions(t, () => list.reload());
      return menu("Actions for " + t.serial, [a.assign, a.unassign, a.disable, a.enable, a.confine, a.release, a.sync, a.reset, a.link, a.edit, a.remove]);
    },
    bulk: [
      ofStatus("DISABLED", "Disable", "Their one-time passwords are refused, until they are enabled again."), ofStatus("ACTIVE", "Enable"),
      {label: "Assign", permit: ["tokenAssignment/create"], title: (n) => "Assign " + n, text: "All of them to one user.", fields: () => [field({name: "user", label: "User", type: "pick", object: "user", required: "Choose a user", autofocus: true})],
        call: (t, v) => ({method: "tokenAssignment/create", params: {attrs: {"token.id": t.id, user: v.user}}})},
      {label: "Export as CSV", file: "tokens.csv"},
      may("token/export") && {label: "Export with seeds", act: exportSeeds},
      {label: "Delete", danger: true, permit: ["token/delete"], title: (n) => "Delete " + n, text: "The tokens and their assignments go.", call: (t) => ({method: "token/delete", params: {id: t.id}})},
    ],
    tools: [
      may("token/batchAssignTokens") && button("Batch assign", (e) => batchAssign(e.currentTarget, list.reload)),
      may("token/create") && button("New token", (e) => newToken(e.currentTarget, list.reload)),
      may("token/import") && button("Import", (e) => importTokens(e.currentTarget, list.restart), "primary"),
    ],
    empty: {title: "No tokens yet", text: "Import a vendor's token file, or make a soft token.", action: () => may("token/import") && button("Import", (e) => importTokens(e.currentTarget, list.restart), "primary")},
  });
  return list.el;
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
    may("repository/search") && field({name: "repository", label: "Repository", type: "pick", object: "repository", optional: true, hint: "Empty: the default one."}),
    field({name: "onExisting", label: "Serials that are there already", type: "select", value: "same-seed", options: [{value: "same-seed", label: "Pass over those with the same seed, refuse others"}, {value: "skip", label: "Pass over"}, {value: "refuse", label: "Refuse"}]}),
    field({name: "format", label: "Kind of file", type: "select", value: "", options: [{value: "", label: "As its content says"}, ...[["vendor", "Vendor's XML"], ["pskc", "PSKC"], ["oath-csv", "OATH CSV"], ["yubico", "Yubico"], ["entra", "Microsoft Entra"], ["safenet-xml", "SafeNet XML"], ["safenet-dat", "SafeNet DAT"], ["feitian", "Feitian"], ["otpauth", "otpauth addresses"], ["migration", "Authenticator export"]].map(([value, label]) => ({value, label}))]}),
    field({name: "createProducts", label: "Make products that are missing", type: "checkbox"}),
    field({name: "assign", label: "Assign each token to the user the file names", type: "checkbox"}),
    field({name: "crypto", label: "Hash", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HmacSHA1", "HmacSHA256", "HmacSHA512"].map((value) => ({value, label: value}))], hint: "Of keys of which the file does not say it."}),
    field({name: "encode", label: "Seeds are written in", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HEX", "BASE32", "BASE64"].map((value) => ({value, label: value}))], hint: "Where the file does not say it."}),
    ignored(),
  ].filter(Boolean), method: "token/import", params: (v, data) => {
    const attrs = {data, charset: v.charset, createProducts: v.createProducts, assign: v.assign};
    for (const name of ["crypto", "encode", "ignore", "product", "password", "repository", "format", "onExisting"]) if (v[name]) attrs[name] = v[name];
    return attrs;
  }, said: (made) => {
    changed();
    return [h("p", {class: "big"}, plural(made.total, "token") + " imported."),
      made.notes && h("ul", {}, made.notes.map((n) => h("li", {}, n))),
      h("p", {}, button("Download the list", () => download("imported.csv", csv([["id", "serial"], ...made.rows.map((r) => [r.id, r.serial])]))))];
  }});
}

// exportSeeds writes tokens into a file that another server takes, encrypted with a password.
function exportSeeds(some, opener) {
  editor({opener, title: `Export ${plural(some.length, "token")} with their seeds`, label: "Export", intro: "A PSKC file, encrypted with the password. Whoever has both can make the one-time passwords: keep them apart.",
    fields: newPassword({label: "Password of the file"}), save: async (v, d) => {
      if (!v.password) throw at("password", "Please fill this in");
      const made = await call("token/export", {match: [["id", "in", some.map((t) => t.id)]], attrs: {password: v.password}});
      download("tokens.pskc.xml", made.data, "application/xml");
      d.hold(false);
      d.replace("The tokens are exported", [h("p", {class: "big"}, plural(made.total, "token") + " in the file tokens.pskc.xml."), made.notes && h("ul", {}, made.notes.map((n) => h("li", {}, n)))], [h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
      return true;
    }});
}

function batchAssign(opener, changed) {
  fileDialog({title: "Batch assign", label: "Assign", opener, accept: ".csv,text/csv", fields: [ignored()], intro: "A CSV file with the columns domain, loginName, manufacturerCode, productCode, serial and, if wanted, status and pin. All of it is assigned, or nothing.",
    method: "token/batchAssignTokens", params: (v, csv) => ({csv, charset: v.charset, ignore: v.ignore ?? ""}), said: () => {
      changed();
      return h("p", {class: "big"}, "All rows of the file are assigned.");
    }});
}
