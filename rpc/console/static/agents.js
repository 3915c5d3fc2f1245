// Agents: the programs that call the methods.
import {h, when} from "./dom.js";
import {at, call, may} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {status} from "./list.js";
import {menu} from "./menu.js";
import {attempt} from "./notice.js";
import {byName, objectList, positive} from "./objectlist.js";
import {onePage, rows} from "./one.js";
import {go, to} from "./route.js";
import {secret} from "./secret.js";
import {options} from "./words.js";

// listed is a list that was entered. One with nothing but commas is not the same as no limit.
function listed(name, text, items) {
  if (text && !items.length) throw at(name, "This names nothing");
  return items;
}

const fields = (a) => [
  field({name: "name", label: "Name", value: a?.name, required: true, autofocus: true}),
  field({name: "permissions", label: "Permissions", type: "permissions", value: a?.permissions, optional: true, hint: "Without any it may call nothing."}),
  field({name: "domains", label: "Domains", type: "choice", none: "All domains", some: "Only these", off: "", inner: {label: "Names of the domains", value: a?.domains.join(", "), hint: "Separated by commas."}}),
  field({name: "addresses", label: "Addresses", type: "choice", none: "It may call from anywhere", some: "Only from these", off: "", inner: {label: "Networks it calls from", value: a?.addresses.join(", "), hint: "Such as 10.0.0.0/8, separated by commas."}}),
  field({name: "rateLimit", label: "Rate", type: "choice", none: "As many calls as it likes", some: "Only so many calls a second", off: 0, inner: {type: "number", label: "Calls a second", min: 1, value: positive(a?.rateLimit)}}),
  a && field({name: "status", label: "Status", type: "select", value: a.status, options: options("ACTIVE", "DISABLED")}),
];

const attrs = (v) => {
  const attrs = {...v};
  if ("domains" in v) attrs.domains = listed("domains", v.domains, v.domains.split(",").map((s) => s.trim()).filter(Boolean));
  if ("addresses" in v) attrs.addresses = listed("addresses", v.addresses, v.addresses.split(/[\s,]+/).filter(Boolean));
  return attrs;
};

function editAgent(a, opener, changed) {
  const of = edited("agent", a, ["*"]);
  editor({opener, wide: true, of, title: "Edit agent", done: "The agent is saved.", fields: fields(a), save: async (v) => {
    await of.set(attrs(v));
    changed(v.name);
  }});
}

const goes = "The program that calls with it is refused from then on.";

export const agents = () => objectList("agent", "agent", {
  name: (a) => a.name, wide: true, goes, fields, attrs,
  list: {title: "Agents", sort: "name", returns: ["*"], href: (a) => to("agents", a.name),
    filters: [{key: "status", label: "Status", options: options("ACTIVE", "DISABLED"), match: (v) => ["status", "=", v]}],
    chips: [{key: "unused", label: "Never used", match: ["lastUsed", "=", null]}],
    search: byName("agents"),
    columns: [
      {label: "Name", sort: "name", cell: (a) => h("span", {class: "name"}, a.name)},
      {label: "Client id", grow: 2, cell: (a) => h("code", {}, a.clientId)},
      {label: "Permissions", cell: (a) => h("code", {}, a.permissions.join(", "))},
      {label: "Domains", cell: (a) => a.domains.join(", ") || "all"},
      {label: "Status", cell: (a) => status(a.status)},
      {label: "Last used", sort: "lastUsed", cell: (a) => when(a.lastUsed)},
    ],
    empty: {title: "No agents", text: "An agent is a program that calls the methods."}},
  made: (made) => [secret("Client id", made.clientId), secret("Client secret", made.clientSecret, "It is shown this once. Store it where the program finds it.")],
  more: (a, changed) => [may("agent/rotateSecret") && {label: "Rotate secret", act: (opener) => rotate(a, opener, changed)}],
});

const rotate = (a, opener, changed) => editor({opener, title: "Rotate the secret of " + a.name, label: "Rotate", intro: "The agent gets a new secret; the old one stays good for a day.", fields: [],
    save: async (_, d) => {
      const made = await call("agent/rotateSecret", {id: a.id});
      changed();
      d.reveal("New secret of " + a.name, secret("Client secret", made.clientSecret, "It is shown this once."));
      return true;
    }});

// agent is the page of one. parts is its name.
export const agent = ([name]) => onePage({
  back: ["Agents", to("agents")], noun: "agent", title: name, method: "agent/search", match: [["name", "=", name]], returns: ["*", {applications: ["id", "name"]}], name: (a) => a.name,
  state: (a) => [status(a.status)],
  problem: (a) => (a.status === "DISABLED" ? "Disabled: its calls are refused." : !a.permissions.length ? "It has no permissions, so it may call nothing." : null),
  act: (a, again) => [
    may("agent/set") && button("Edit", (e) => editAgent(a, e.currentTarget, (renamed) => (renamed ? go(to("agents", renamed)) : again()))),
    may("agent/rotateSecret") && button("Rotate secret", (e) => rotate(a, e.currentTarget, again)),
    menu("More for " + a.name, [
      may("agent/set") && {label: a.status === "ACTIVE" ? "Disable" : "Enable", act: () => attempt(async () => { await call("agent/set", {id: a.id, attrs: {status: a.status === "ACTIVE" ? "DISABLED" : "ACTIVE"}, expect: {status: a.status}}); again(); }, a.status === "ACTIVE" ? "The agent is disabled." : "The agent is enabled.")},
      may("agent/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete agent", typed: a.name, text: goes, label: "Delete", done: "The agent is deleted.", act: async () => { await call("agent/delete", {id: a.id}); go(to("agents")); }})},
    ]),
  ],
  sections: (a, again) => [
    {title: "What it may do", body: h("div", {class: "in"}, a.permissions.length ? h("p", {class: "chips"}, a.permissions.map((p) => h("code", {class: "chip"}, p))) : h("p", {class: "faint"}, "Nothing."),
      h("p", {}, a.domains.length ? `In the domains ${a.domains.join(", ")} alone.` : "In all domains."), h("p", {}, a.addresses.length ? ["From ", h("code", {}, a.addresses.join(", ")), " alone."] : "From anywhere."))},
    {title: "Applications", tools: may("agent/addApplication", "application/search") && button("Give it one", (e) => editor({opener: e.currentTarget, title: "Give " + a.name + " an application", label: "Give", done: "The agent has the application.", fields: [
      field({name: "application", label: "Application", type: "pick", object: "application", required: "Choose an application", autofocus: true, hint: "Users log on to it through this agent. With the first one it is held to those it has."})],
    save: async (v) => { await call("agent/addApplication", {agent: {id: a.id}, application: v.application}); again(); }})),
    body: rows(a.applications, (x) => ({main: h("a", {href: to("applications", x.name)}, x.name), act: may("agent/removeApplication") && button("Take away", (e) => confirm({opener: e.currentTarget, title: "Take the application away", label: "Take away", done: "The agent has it no more.",
      text: a.applications.length === 1 ? `Without ${x.name} the agent is held to no application: its users may be those of all domains.` : `Users no longer log on to ${x.name} through ${a.name}.`,
      act: async () => { await call("agent/removeApplication", {agent: {id: a.id}, application: {id: x.id}}); again(); }}), "", {"aria-label": "Take away " + x.name})}), "It is held to none, and may name any.")},
  ],
  facts: (a) => [["Name", a.name, true], ["Client id", h("code", {}, a.clientId), a.clientId], ["Last used", when(a.lastUsed)], ["Made", when(a.dateCreated)], ["Rate", a.rateLimit ? a.rateLimit + " calls a second" : "the server's default"],
    ["Certificates", a.certificates.length ? String(a.certificates.length) : "none"], a.typeDescription && ["Kind", a.typeDescription], a.description && ["Description", a.description]],
  history: (a) => ({noun: "agent", objects: ["agent " + a.id]}),
});
