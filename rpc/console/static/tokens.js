// Tokens: found, imported, assigned, synchronised.
import {h, when, plural} from "./dom.js";
import {call, may, upload, Refused} from "./api.js";
import {attempt, button, chip, confirm, csv, dialog, download, editor, field, menu, prepare, secret} from "./ui.js";
import {listPage, status} from "./list.js";

export function tokens() {
  const list = listPage({
    title: "Tokens", method: "token/search", sort: "serial",
    returns: ["id", "serial", "status", "description", "product.name", "product.kind", "confined", "lastUsed", {users: ["id", "loginName"]}, {tokenAssignments: ["id", "status"]}],
    search: {label: "Search by serial", match: (t) => ["serial", ">>", t]},
    filters: [
      {label: "Login name of a user", match: (v) => ["user.loginName", "=", v]},
      {label: "Status", options: [{value: "ACTIVE", label: "Active"}, {value: "DISABLED", label: "Disabled"}, {value: "DECEASED", label: "Deceased"}], match: (v) => ["status", "=", v], unsorted: true},
      may("product/search") && {label: "Product", unsorted: true, match: (v) => ["product.id", "=", v],
        load: async () => (await call("product/search", {return: ["id", "name"], sort: "name", max: 200, count: false})).rows.map((p) => ({value: p.id, label: p.name}))},
    ].filter(Boolean),
    columns: [
      {label: "Serial", sort: "serial", cell: (t) => h("code", {class: "name", title: t.description}, t.serial)},
      {label: "Product", cell: (t) => t["product.name"]},
      {label: "Users", cell: (t) => t.users.length > 0 && t.users.map((u) => u.loginName).join(", ")},
      {label: "Status", sort: "status", cell: (t) => h("span", {class: "inline"}, status(t.status), t.confined ? chip("Confined", "warn") : null)},
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
  const set = (attrs, done) => attempt(async () => { await call("token/set", {id: t.id, attrs}); changed(); }, done);
  const plain = (method, done) => attempt(async () => { await call(method, {id: t.id}); changed(); }, done);
  return menu("Actions for " + t.serial, [
    may("tokenAssignment/create") && {label: "Assign", act: (opener) => editor({opener, title: "Assign token " + t.serial, label: "Assign", done: "The token is assigned.", fields: [
      field({name: "user", label: "User", type: "ref", object: "user", required: true, autofocus: true}),
      field({name: "pin", label: "PIN", type: "password", optional: true, autocomplete: "new-password"}),
    ], save: async (v) => {
      if (!v.user) throw new Refused({error: 10, message: "Choose a user.", result: {attribute: "user"}});
      await call("tokenAssignment/create", {attrs: {"token.id": t.id, user: v.user, ...(v.pin ? {pin: v.pin} : {})}});
      changed();
    }})},
    may("token/delete") && t.users.length > 0 && {label: "Unassign", act: (opener) => editor({opener, title: "Unassign token " + t.serial, label: "Unassign", done: "The token is unassigned.", fields: [
      field({name: "user", label: "From", type: "radios", value: t.users[0].id, options: t.users.map((u) => ({value: u.id, label: u.loginName}))}),
    ], save: async (v) => { await call("token/delete", {id: t.id, user: {id: v.user}}); changed(); }})},
    may("token/set") && t.status === "ACTIVE" && {label: "Disable", act: () => set({status: "DISABLED"}, "The token is disabled.")},
    may("token/set") && t.status === "DISABLED" && {label: "Enable", act: () => set({status: "ACTIVE"}, "The token is enabled.")},
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
  const d = dialog({title: "Download link of " + t.serial, opener, body: h("div", {class: "qr"},
    h("img", {src: "data:image/png;base64," + made.qrCode, alt: "QR code of the download link", width: "240", height: "240"}),
    secret("Download link", made.url, "It can be used once; a newer one ends it."), h("p", {class: "faint"}, ["Expires ", when(made.expires)])),
  buttons: [h("span", {class: "grow"}), button("Done", () => d.close(), "primary")]});
}

function newToken(opener, changed) {
  editor({opener, title: "New token", label: "Create", done: "The token is made.", fields: [
    field({name: "product", label: "Product", type: "ref", object: "product", required: true, autofocus: true}),
    field({name: "serial", label: "Serial", optional: true, mono: true, hint: "Empty: ten digits are made."}),
    field({name: "user", label: "User", type: "ref", object: "user", optional: true}),
    field({name: "description", label: "Description", optional: true}),
  ], save: async (v) => {
    if (!v.product) throw new Refused({error: 10, message: "Choose a product.", result: {attribute: "product"}});
    const attrs = {product: v.product, description: v.description};
    if (v.serial) attrs.serial = v.serial;
    if (v.user) attrs.user = v.user;
    await call("token/create", {attrs});
    changed();
  }});
}

// charsets are what a file may be written in that has no byte order mark and is not UTF-8.
const charsets = [["auto", "UTF-8, or as the file says"], ["windows-1252", "Windows-1252 (Western Europe)"], ["windows-1250", "Windows-1250 (Central Europe)"],
  ["windows-1251", "Windows-1251 (Cyrillic)"], ["windows-1253", "Windows-1253 (Greek)"], ["windows-1254", "Windows-1254 (Turkish)"], ["shift_jis", "Shift JIS"],
  ["gb18030", "GB 18030"], ["big5", "Big5"], ["euc-kr", "EUC-KR"]].map(([value, label]) => ({value, label}));

// bytesOf gives a file's bytes, each as a character: the server decides what they say.
async function bytesOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return parts.join("");
}

// ignored is the field of columns that are not known.
export const ignored = () => field({name: "ignore", label: "Columns to pass over", optional: true, hint: "Names of columns that are not known, with commas between."});

// fileDialog asks for a file and what goes with it, sends it with a progress bar, and lists rows that were refused. send gets the
// file's bytes as characters, and their charset among the values.
export function fileDialog({title, label, fields, accept, intro, send, opener}) {
  const file = field({name: "data", label: "File", type: "file", accept, required: true});
  const charset = field({name: "charset", label: "Characters of the file", type: "select", value: "auto", options: charsets});
  const bar = h("progress", {max: "1", value: 0, "aria-label": "Progress"});
  const words = h("p", {class: "faint", role: "status"});
  const progress = h("div", {class: "progress", hidden: true}, bar, words);
  const refused = h("div", {class: "refused", hidden: true});
  editor({title, label, opener, wide: true, intro, fields: [file, charset, ...fields, {name: "progress", el: progress, value: () => null}, {name: "refused", el: refused, value: () => null}],
    save: async (v, d) => {
      refused.hidden = true;
      if (!v.data) throw new Refused({error: 10, message: "Choose a file.", result: {attribute: "data"}});
      progress.hidden = false;
      d.hold(true); // what is under way is taken whole or not at all: it is not left alone
      bar.value = 0;
      words.textContent = "Reading the file…";
      try {
        const text = await bytesOf(v.data);
        const said = await send(v, text, (part) => {
          if (part < 1) bar.value = part;
          else bar.removeAttribute("value");
          words.textContent = part < 1 ? `Sending: ${Math.round(part * 100)} %` : "The server is working on it…";
        });
        d.hold(false);
        d.replace(title, said, [h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
        return true;
      } catch (e) {
        if (e.result?.rows?.length) {
          const rows = e.result.rows;
          refused.replaceChildren(h("h3", {}, plural(rows.length + (e.result.more ?? 0), "refused row")), h("div", {class: "frame low", tabindex: "0", role: "region", "aria-label": "Refused rows"}, h("table", {}, h("caption", {class: "hidden"}, "Refused rows"),
            h("thead", {}, h("tr", {}, ["Line", "Serial", "Reason"].map((x) => h("th", {scope: "col"}, x)))),
            h("tbody", {}, rows.map((r) => h("tr", {}, h("td", {class: "num"}, r.line), h("td", {}, h("code", {}, r.serial ?? "")), h("td", {}, r.reason)))))),
          button("Download the refused rows", () => download("refused.csv", csv([["line", "serial", "reason"], ...rows.map((r) => [r.line, r.serial, r.reason])]))));
          refused.hidden = false;
        }
        throw e;
      } finally {
        d.hold(false);
        progress.hidden = true;
      }
    }});
}

function importTokens(opener, changed) {
  fileDialog({title: "Import tokens", label: "Import", opener, intro: "A vendor's XML, PSKC, OATH CSV and other token files are recognised by their content. All of a file is imported, or nothing.", fields: [
    field({name: "product", label: "Product", type: "ref", object: "product", optional: true, hint: "Empty: the file says which."}),
    field({name: "password", label: "Password of the file", type: "password", optional: true, autocomplete: "new-password"}),
    field({name: "createProducts", label: "Make products that are missing", type: "checkbox"}),
    field({name: "assign", label: "Assign each token to the user the file names", type: "checkbox"}),
    field({name: "crypto", label: "Hash", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HmacSHA1", "HmacSHA256", "HmacSHA512"].map((value) => ({value, label: value}))], hint: "Of keys of which the file does not say it."}),
    field({name: "encode", label: "Seeds are written in", type: "select", value: "", options: [{value: "", label: "As the file says"}, ...["HEX", "BASE32", "BASE64"].map((value) => ({value, label: value}))], hint: "Where the file does not say it."}),
    ignored(),
  ], send: async (v, data, progress) => {
    const attrs = {data, charset: v.charset, createProducts: v.createProducts, assign: v.assign};
    if (v.crypto) attrs.crypto = v.crypto;
    if (v.encode) attrs.encode = v.encode;
    if (v.ignore) attrs.ignore = v.ignore;
    if (v.product) attrs.product = v.product;
    if (v.password) attrs.password = v.password;
    const made = await upload("token/import", {attrs}, progress);
    changed();
    return [h("p", {class: "big"}, plural(made.total, "token") + " imported."),
      made.notes && h("ul", {}, made.notes.map((n) => h("li", {}, n))),
      h("p", {}, button("Download the list", () => download("imported.csv", csv([["id", "serial"], ...made.rows.map((r) => [r.id, r.serial])]))))].filter(Boolean);
  }});
}

function batchAssign(opener, changed) {
  fileDialog({title: "Batch assign", label: "Assign", opener, accept: ".csv,text/csv", fields: [ignored()], intro: "A CSV file with the columns domain, loginName, manufacturerCode, productCode, serial and, if wanted, status and pin. All of it is assigned, or nothing.",
    send: async (v, text, progress) => {
      await upload("token/batchAssignTokens", {attrs: {csv: text, charset: v.charset, ignore: v.ignore ?? ""}}, progress);
      changed();
      return h("p", {class: "big"}, "All rows of the file are assigned.");
    }});
}
