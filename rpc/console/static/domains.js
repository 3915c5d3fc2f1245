// Domains: name spaces of users, with their rules of locking.
import {h, number, plural} from "./dom.js";
import {call, may} from "./api.js";
import {editor} from "./editor.js";
import {field} from "./field.js";
import {byName, objectList, positive} from "./objectlist.js";
import {to} from "./route.js";

const channels = [
  {value: "SMTP,SMS", label: "E-mail, else SMS"}, {value: "SMS,SMTP", label: "SMS, else e-mail"}, {value: "SMTP", label: "E-mail"}, {value: "SMS", label: "SMS"}, {value: "", label: "None are sent"}];
const channelsOf = (d) => d?.passcodeChannels.join(",") ?? "SMTP,SMS";

// countUsers adds how many users domains have, each from a counter.
const countUsers = async (rows) => {
  if (may("user/search") && rows.length <= 50) await Promise.all(rows.map(async (d) => { d.users = (await call("user/search", {match: [["domain.id", "=", d.id]], max: 0}).catch(() => ({}))).total; }));
};

// deploy gives every active user of a domain a soft token of a product.
const deploy = (d, opener, changed) => editor({opener, title: "Deploy soft tokens in " + d.name, label: "Deploy", done: "The tokens are deployed.", intro: "Every active user of the domain who has no token of the product gets one: all of them, or nobody. They get it into their app by a link or a QR code.", fields: [
  field({name: "product", label: "Product", type: "pick", object: "product", required: "Choose a product", autofocus: true, hint: "One of kind Soft."}),
], save: async (v) => {
  await call("domain/deployTokens", {attrs: {domain: {id: d.id}, product: v.product}});
  changed();
}});

export const domains = () => objectList("domain", "domain", {
  name: (d) => d.name, wide: true, goes: "The domain goes. One that has users or installation codes is refused.",
  list: {title: "Domains", sort: "name", returns: ["*", "repository.id", "repository.name"],
    search: byName("domains"), also: countUsers,
    columns: [
      {label: "Name", sort: "name", cell: (d) => h("span", {class: "name", title: d.description}, d.name)},
      {label: "Users", class: "num", grow: .7, text: (d) => d.users ?? "", cell: (d) => d.users > 0 ? h("a", {href: to("users") + "?domain=" + d.id}, number(d.users)) : d.users === 0 ? h("span", {class: "faint"}, "none") : null},
      {label: "Locks after", class: "num", cell: (d) => (d.lockoutThreshold ? plural(d.lockoutThreshold, "failure") : "never")},
      {label: "First lock", cell: (d) => (d.lockoutMinutes ? plural(d.lockoutMinutes, "minute") : "until unlocked")},
      {label: "Passcodes", grow: 1.4, cell: (d) => channels.find((c) => c.value === channelsOf(d))?.label},
    ],
    empty: {title: "No domains", text: "A domain is a name space of users, with its rules of locking."}},
  more: (d, changed) => [may("domain/deployTokens") && {label: "Deploy soft tokens", act: (o) => deploy(d, o, changed)}],
  fields: (d) => [
    field({name: "name", label: "Name", value: d?.name, required: true, autofocus: true}),
    field({name: "netbiosName", label: "NetBIOS name", value: d?.netbiosName, optional: true, hint: "As in NORTH\\jdoe."}),
    field({name: "dnsName", label: "DNS name", value: d?.dnsName, optional: true, hint: "As in north.example\\jdoe."}),
    field({name: "isDefault", label: "Where several domains have a name, this one's user is meant", type: "checkbox", value: d?.isDefault}),
    field({name: "description", label: "Description", value: d?.description, optional: true}),
    field({name: "lockoutThreshold", label: "A user is locked", type: "choice", none: "Only by failures in a row, as below", some: "After failures", off: 0, inner: {type: "number", label: "Failures that lock a user", value: positive(d?.lockoutThreshold ?? 10), min: 1}}),
    field({name: "lockoutMinutes", label: "The first lock lasts", type: "choice", none: "Until somebody unlocks the user", some: "For a while; further ones grow to a day", off: 0, inner: {type: "number", label: "Minutes of the first lock", value: positive(d?.lockoutMinutes ?? 15), min: 1}}),
    field({name: "maxFailures", label: "Failures in a row, without a login between", type: "choice", none: "Never lock until unlocked", some: "Lock until unlocked", off: 0, inner: {type: "number", label: "Failures in a row that lock until unlocked", value: positive(d?.maxFailures ?? 100), min: 1}}),
    may("repository/search") && field({name: "repository", label: "New tokens of its users are put into", type: "pick", object: "repository", value: d?.["repository.id"] && {id: d["repository.id"], name: d["repository.name"]}, optional: true, hint: "Empty: the default repository."}),
    field({name: "passcodeChannels", label: "One-time passcodes go by", type: "select", value: channelsOf(d), options: channels}),
    {el: h("h3", {}, "Emergency codes")},
    field({name: "emergencyCodeNeedsPin", label: "Who has a PIN enters it in front", type: "checkbox", value: d?.emergencyCodeNeedsPin ?? true}),
    field({name: "emergencyCodeLength", label: "Digits", type: "number", value: d?.emergencyCodeLength ?? 8, min: 6, max: 32, required: true}),
    field({name: "emergencyCodeHoursMost", label: "They are good", type: "choice", none: "As long as whoever makes them says", some: "At most for a while", off: 0, inner: {type: "number", label: "Hours at most", value: positive(d?.emergencyCodeHoursMost ?? 168), min: 1}}),
    field({name: "emergencyCodeHours", label: "Unless somebody says otherwise, they are good", type: "choice", none: "As long as they may be", some: "For a while", off: 0, inner: {type: "number", label: "Hours", value: positive(d?.emergencyCodeHours ?? 24), min: 1}}),
    field({name: "emergencyCodesMost", label: "Open ones of a user", type: "choice", none: "Any number", some: "At most so many", off: 0, inner: {type: "number", label: "Open codes at most", value: positive(d?.emergencyCodesMost ?? 10), min: 1}}),
  ],
  attrs: (v) => ("passcodeChannels" in v ? {...v, passcodeChannels: v.passcodeChannels.split(",").filter(Boolean)} : v),
});
