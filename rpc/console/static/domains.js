// Domains: name spaces of users, with their rules of locking.
import {h, plural} from "./dom.js";
import {field} from "./field.js";
import {byName, objectList, positive} from "./objectlist.js";

const channels = [
  {value: "SMTP,SMS", label: "E-mail, else SMS"}, {value: "SMS,SMTP", label: "SMS, else e-mail"}, {value: "SMTP", label: "E-mail"}, {value: "SMS", label: "SMS"}, {value: "", label: "None are sent"}];
const channelsOf = (d) => d?.passcodeChannels.join(",") ?? "SMTP,SMS";

export const domains = () => objectList("domain", "domain", {
  name: (d) => d.name, wide: true, goes: "The domain goes. One that has users or installation codes is refused.",
  list: {title: "Domains", sort: "name", returns: ["*"],
    search: byName("domains"),
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
