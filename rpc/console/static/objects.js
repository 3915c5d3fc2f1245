// Users, products, licenses, agents: lists with the editors they need.
import {h, when, number, plural} from "./dom.js";
import {at, call, may} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {emergencyCodes} from "./emergency.js";
import {field, newPassword} from "./field.js";
import {fileDialog, ignored} from "./file.js";
import {chip, listPage, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt} from "./notice.js";
import {secret} from "./secret.js";
import {options} from "./words.js";

const statuses = options("ACTIVE", "INACTIVE", "LOCKED", "DISABLED");
const pick = (value) => value.map((v) => ({value: v, label: v}));
const permissionHint = "Methods, one a line or separated by commas: token/create, token/*, or * for everything.";
// listed is a list that was entered. One with nothing but commas is not the same as no limit.
function listed(name, text, items) {
  if (text && !items.length) throw at(name, "This names nothing");
  return items;
}

const permissions = (text) => text.split(/[\s,]+/).filter(Boolean);

// page makes a list whose objects have one editor.
function page(object, noun, spec) {
  const open = (row, opener) => {
    const of = row && edited(object, row, spec.list.returns);
    return editor({opener, wide: spec.wide, of, title: (row ? "Edit " : "New ") + noun, done: `The ${noun} is saved.`, fields: spec.fields(row),
      save: async (v, d) => {
        const attrs = spec.attrs ? spec.attrs(v) : v;
        const made = row ? await of.set(attrs) : await call(object + "/create", {attrs});
        if (row) list.reload();
        else list.restart();
        if (!row && spec.made) {
          d.reveal("New " + noun, spec.made(made));
          return true;
        }
      }});
  };
  const add = () => may(object + "/create") && button("New " + noun, (e) => open(null, e.currentTarget), "primary");
  const list = listPage({
    ...spec.list, method: object + "/search", tools: [...(spec.tools?.(() => list) ?? []), add()],
    actions: (row) => menu("Actions for " + spec.name(row), [
      may(object + "/set") && {label: "Edit", act: (o) => open(row, o)},
      ...(spec.more?.(row, () => list.reload()) ?? []),
      may(object + "/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete " + noun, typed: spec.name(row), text: spec.goes, label: "Delete",
        act: async () => { await call(object + "/delete", {id: row.id}); list.reload(); }, done: `The ${noun} is deleted.`})},
    ]),
    empty: {...spec.list.empty, action: add},
  });
  return list.el;
}

export const users = () => page("user", "user", {
  name: (u) => u.loginName, wide: true, goes: "The account goes. One that has tokens, devices or installation codes is refused.",
  list: {title: "Users", sort: "loginName",
    returns: ["id", "loginName", "domain.name", "domain.id", "firstName", "lastName", "userPrincipalName", "email", "mobile", "status", "lastLogin", "permissions", "description", {tokens: ["serial"]}],
    search: {label: "Search by login name", match: (t) => ["loginName", ">>", t]},
    filters: [{label: "Status", options: statuses, match: (v) => ["status", "=", v]}],
    columns: [
      {label: "Login name", sort: "loginName", grow: 1.6, cell: (u) => h("span", {class: "inline"}, h("span", {class: "name"}, u.loginName), u.permissions.length ? chip("Administrator") : null)},
      {label: "Domain", cell: (u) => u["domain.name"]},
      {label: "Name", cell: (u) => [u.firstName, u.lastName].filter(Boolean).join(" ") || null},
      {label: "E-mail", sort: "email", grow: 1.5, cell: (u) => u.email},
      {label: "Status", cell: (u) => status(u.status)},
      {label: "Tokens", cell: (u) => u.tokens.length > 0 && h("code", {}, u.tokens.map((t) => t.serial).join(", "))},
      {label: "Last login", cell: (u) => when(u.lastLogin)},
    ],
    empty: {title: "No users yet", text: "Users are accounts of a domain, to which tokens and devices belong."}},
  tools: (list) => [may("user/import") && button("Import", (e) => fileDialog({title: "Import users", label: "Import", opener: e.currentTarget, accept: ".csv,text/csv", fields: [ignored()], method: "user/import",
    intro: "A CSV file with the columns domain, loginName and, if wanted, firstName, lastName, email, mobile and others. Users that are there are updated.",
    params: (v, csv) => ({csv, charset: v.charset, ignore: v.ignore ?? ""}), said: (made) => {
      list().restart();
      return h("p", {class: "big"}, `${plural(made.created, "user")} made, ${number(made.updated)} updated.`);
    }}))],
  fields: (u) => [
    field({name: "loginName", label: "Login name", value: u?.loginName, required: true, autofocus: true}),
    !u && field({name: "domain", label: "Domain", type: "pick", object: "domain", required: "Choose a domain"}),
    field({name: "firstName", label: "First name", value: u?.firstName, optional: true}),
    field({name: "lastName", label: "Last name", value: u?.lastName, optional: true}),
    field({name: "userPrincipalName", label: "Principal name", value: u?.userPrincipalName, optional: true, hint: "As in john.doe@north.example; names the user as well."}),
    field({name: "email", label: "E-mail", type: "email", value: u?.email, optional: true}),
    field({name: "mobile", label: "Mobile", type: "tel", value: u?.mobile, optional: true}),
    ...newPassword({label: u ? "New password" : "Password", optional: true}),
    u && field({name: "status", label: "Status", type: "select", value: u.status, options: statuses}),
    field({name: "permissions", label: "Permissions", type: "textarea", value: u?.permissions.join("\n"), optional: true, hint: "Of an administrator. " + permissionHint}),
    field({name: "description", label: "Description", value: u?.description, optional: true}),
  ],
  attrs: (v) => {
    const attrs = {...v};
    if ("permissions" in v) attrs.permissions = permissions(v.permissions);
    if (!v.password) delete attrs.password;
    return attrs;
  },
  more: (u, changed) => [
    emergencyCodes(u),
    may("user/unlock") && u.status === "LOCKED" && {label: "Unlock", act: () => attempt(async () => { await call("user/unlock", {id: u.id}); changed(); }, "The user is unlocked.")},
    may("user/resetPassword") && {label: "Reset password", act: (opener) => editor({opener, title: "Reset password of " + u.loginName, label: "Reset password", intro: "A random password is made, which must be changed at the next sign-in.", fields: [],
      save: async (_, d) => {
        const made = await call("user/resetPassword", {id: u.id});
        d.reveal("New password of " + u.loginName, secret("Password", made.password, "It is shown this once."));
        return true;
      }})},
  ],
});

const positive = (n) => n || null; // what 0 means is a choice of its own

const channels = [
  {value: "SMTP,SMS", label: "E-mail, else SMS"}, {value: "SMS,SMTP", label: "SMS, else e-mail"}, {value: "SMTP", label: "E-mail"}, {value: "SMS", label: "SMS"}, {value: "", label: "None are sent"}];
const channelsOf = (d) => d?.passcodeChannels.join(",") ?? "SMTP,SMS";

export const domains = () => page("domain", "domain", {
  name: (d) => d.name, wide: true, goes: "The domain goes. One that has users or installation codes is refused.",
  list: {title: "Domains", sort: "name", returns: ["*"],
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    columns: [
      {label: "Name", sort: "name", cell: (d) => h("span", {class: "name", title: d.description}, d.name)},
      {label: "Locks after", class: "num", cell: (d) => (d.lockoutThreshold ? plural(d.lockoutThreshold, "failure") : "never")},
      {label: "First lock", cell: (d) => (d.lockoutMinutes ? plural(d.lockoutMinutes, "minute") : "until unlocked")},
      {label: "Passcodes", grow: 1.4, cell: (d) => channels.find((c) => c.value === channelsOf(d))?.label},
    ],
    empty: {title: "No domains", text: "A domain is a name space of users, with its rules of locking."}},
  fields: (d) => [
    field({name: "name", label: "Name", value: d?.name, required: true, autofocus: true}),
    field({name: "netbiosName", label: "NetBIOS name", value: d?.netbiosName, optional: true, hint: "As in NORTH\\jdoe."}),
    field({name: "dnsName", label: "DNS name", value: d?.dnsName, optional: true, hint: "As in north.example\\jdoe."}),
    field({name: "isDefault", label: "Where several domains have a name, this one's user is meant", type: "checkbox", value: d?.isDefault}),
    field({name: "description", label: "Description", value: d?.description, optional: true}),
    field({name: "lockoutThreshold", label: "A user is locked", type: "choice", none: "Only by failures in a row, as below", some: "After failures", off: 0, inner: {type: "number", label: "Failures that lock a user", value: positive(d?.lockoutThreshold ?? 10), min: 1}}),
    field({name: "lockoutMinutes", label: "The first lock lasts", type: "choice", none: "Until somebody unlocks the user", some: "For a while; further ones grow to a day", off: 0, inner: {type: "number", label: "Minutes of the first lock", value: positive(d?.lockoutMinutes ?? 15), min: 1}}),
    field({name: "maxFailures", label: "Failures in a row, without a login between", type: "choice", none: "Never lock until unlocked", some: "Lock until unlocked", off: 0, inner: {type: "number", label: "Failures in a row that lock until unlocked", value: positive(d?.maxFailures ?? 100), min: 1}}),
    field({name: "passcodeChannels", label: "One-time passcodes go by", type: "select", value: channelsOf(d), options: channels}),
  ],
  attrs: (v) => ("passcodeChannels" in v ? {...v, passcodeChannels: v.passcodeChannels.split(",").filter(Boolean)} : v),
});

export const products = () => page("product", "product", {
  name: (p) => p.name, wide: true, goes: "The product goes. One that has tokens is refused.",
  list: {title: "Products", sort: "name", returns: ["*"],
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    columns: [
      {label: "Name", sort: "name", cell: (p) => h("span", {class: "name"}, p.name)},
      {label: "Codes", sort: "manufacturerCode", cell: (p) => h("code", {}, p.manufacturerCode + "/" + p.productCode)},
      {label: "Kind", cell: (p) => (p.kind === "SOFT" ? "Soft" : "Hardware")},
      {label: "Algorithm", cell: (p) => p.algorithm + (p.algorithm === "TOTP" ? ` ${p.period} s` : "") + `, ${p.digits} digits`},
      {label: "Windows", class: "num", cell: (p) => `${p.autoWindow} / ${p.checkWindow} / ${p.manualWindow}`},
      {label: "Activation", cell: (p) => (p.activation === "CODE" ? "By code" : "At once")},
    ],
    empty: {title: "No products", text: "A product says how a kind of token makes its one-time passwords."}},
  fields: (p) => [
    field({name: "name", label: "Name", value: p?.name, required: true, autofocus: true}),
    field({name: "manufacturerCode", label: "Manufacturer code", value: p?.manufacturerCode, required: true}),
    field({name: "productCode", label: "Product code", value: p?.productCode, required: true}),
    field({name: "algorithm", label: "Algorithm", type: "select", value: p?.algorithm ?? "TOTP", options: pick(["TOTP", "HOTP"])}),
    field({name: "digits", label: "Digits", type: "select", value: String(p?.digits ?? 6), options: pick(["6", "8"])}),
    field({name: "period", label: "Period in seconds", type: "number", value: p?.period ?? 30, min: 1, required: true, hint: "Of time-based tokens."}),
    field({name: "crypto", label: "Hash", type: "select", value: p?.crypto ?? "HmacSHA1", options: pick(["HmacSHA1", "HmacSHA256", "HmacSHA512"])}),
    field({name: "kind", label: "Kind", type: "select", value: p?.kind ?? "HARDWARE", options: options("HARDWARE", "SOFT")}),
    p && field({name: "autoWindow", label: "Auto window", type: "number", value: p.autoWindow, min: 0, required: true}),
    p && field({name: "checkWindow", label: "Check window", type: "number", value: p.checkWindow, min: 0, required: true}),
    p && field({name: "manualWindow", label: "Manual window", type: "number", value: p.manualWindow, min: 0, required: true}),
    field({name: "maxTokensPerUser", label: "A user may have", type: "choice", none: "Any number of its tokens", some: "Only so many", off: 0, inner: {type: "number", label: "Tokens a user may have", min: 1, value: positive(p?.maxTokensPerUser)}}),
    field({name: "activation", label: "Activation", type: "select", value: p?.activation ?? "AUTO", options: options("AUTO", "CODE")}),
  ],
  attrs: (v) => {
    const attrs = {...v};
    if (v.algorithm === "HOTP") delete attrs.period;
    return attrs;
  },
});

export const licenses = () => page("license", "license", {
  name: (l) => l.name, goes: "The license goes. One that devices or installation codes have is refused.",
  list: {title: "Licenses", sort: "name", returns: ["*"],
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    columns: [
      {label: "Name", sort: "name", cell: (l) => h("span", {class: "name", title: l.description}, l.name)},
      {label: "Seats used", class: "num", grow: 1.4, sort: "seatsUsed", cell: (l) => h("span", {class: "inline"}, h("meter", {min: "0", max: String(Math.max(1, l.seats)), value: l.seatsUsed, "aria-label": "Seats used"}), number(l.seatsUsed) + " of " + number(l.seats))},
      {label: "Expires", sort: "expires", cell: (l) => when(l.expires)},
    ],
    empty: {title: "No licenses yet", text: "A license has seats, one of which each device with it takes."}},
  fields: (l) => [
    field({name: "name", label: "Name", value: l?.name, required: true, autofocus: true}),
    field({name: "seats", label: "Seats", type: "number", value: l?.seats, min: 0, required: true}),
    field({name: "expires", label: "Expiration", type: "choice", none: "Does not expire", some: "Expires", inner: {type: "datetime", label: "Expires at", value: l?.expires}}),
    field({name: "description", label: "Description", value: l?.description, optional: true}),
  ],
});

export const agents = () => page("agent", "agent", {
  name: (a) => a.name, wide: true, goes: "The program that calls with it is refused from then on.",
  list: {title: "Agents", sort: "name", returns: ["*"],
    search: {label: "Search by name", match: (t) => ["name", ">>", t]},
    columns: [
      {label: "Name", sort: "name", cell: (a) => h("span", {class: "name"}, a.name)},
      {label: "Client id", grow: 2, cell: (a) => h("code", {}, a.clientId)},
      {label: "Permissions", cell: (a) => h("code", {}, a.permissions.join(", "))},
      {label: "Domains", cell: (a) => a.domains.join(", ") || "all"},
      {label: "Status", cell: (a) => status(a.status)},
      {label: "Last used", sort: "lastUsed", cell: (a) => when(a.lastUsed)},
    ],
    empty: {title: "No agents", text: "An agent is a program that calls the methods."}},
  fields: (a) => [
    field({name: "name", label: "Name", value: a?.name, required: true, autofocus: true}),
    field({name: "permissions", label: "Permissions", type: "textarea", value: a?.permissions.join("\n"), required: true, hint: permissionHint}),
    field({name: "domains", label: "Domains", type: "choice", none: "All domains", some: "Only these", off: "", inner: {label: "Names of the domains", value: a?.domains.join(", "), hint: "Separated by commas."}}),
    field({name: "addresses", label: "Addresses", type: "choice", none: "It may call from anywhere", some: "Only from these", off: "", inner: {label: "Networks it calls from", value: a?.addresses.join(", "), hint: "Such as 10.0.0.0/8, separated by commas."}}),
    field({name: "rateLimit", label: "Rate", type: "choice", none: "As many calls as it likes", some: "Only so many calls a second", off: 0, inner: {type: "number", label: "Calls a second", min: 1, value: positive(a?.rateLimit)}}),
    a && field({name: "status", label: "Status", type: "select", value: a.status, options: options("ACTIVE", "DISABLED")}),
  ],
  attrs: (v) => {
    const attrs = {...v};
    if ("permissions" in v) attrs.permissions = permissions(v.permissions);
    if ("domains" in v) attrs.domains = listed("domains", v.domains, v.domains.split(",").map((s) => s.trim()).filter(Boolean));
    if ("addresses" in v) attrs.addresses = listed("addresses", v.addresses, permissions(v.addresses));
    return attrs;
  },
  made: (made) => [secret("Client id", made.clientId), secret("Client secret", made.clientSecret, "It is shown this once. Store it where the program finds it.")],
  more: (a, changed) => [may("agent/rotateSecret") && {label: "Rotate secret", act: (opener) => editor({opener, title: "Rotate the secret of " + a.name, label: "Rotate", intro: "The agent gets a new secret; the old one stays good for a day.", fields: [],
    save: async (_, d) => {
      const made = await call("agent/rotateSecret", {id: a.id});
      changed();
      d.reveal("New secret of " + a.name, secret("Client secret", made.clientSecret, "It is shown this once."));
      return true;
    }})}],
});
