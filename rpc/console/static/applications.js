// Applications: who logs on where, and by which steps. Beside them realms, whose users they are, and logon procedures, the steps.
import {h} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {chip} from "./list.js";
import {menu} from "./menu.js";
import {attempt} from "./notice.js";
import {byName, objectList} from "./objectlist.js";
import {onePage, rows} from "./one.js";
import {go, to} from "./route.js";

const codes = [["OTP", "a one-time password"], ["OTPoD", "a passcode that is sent"], ["SPASS", "the static password"]];
const called = Object.fromEntries(codes);

const or = (words) => (words.length < 2 ? words.join("") : words.slice(0, -1).join(", ") + " or " + words.at(-1));
const and = (words) => (words.length < 2 ? words.join("") : words.slice(0, -1).join(", ") + " and " + words.at(-1));
const upper = (s) => s[0].toUpperCase() + s.slice(1);

const taken = (s) => s.authenticators.map((a) => a.code).filter((code) => code !== "SPASS" || s.checkStaticPass);

// passes says what passes a step; nothing where nothing does.
const passes = (s) => (s.challengResponse ? "" : or(taken(s).map((code) => called[code] ?? code)));

const stepReturns = ["id", "name", "description", "position", "challengResponse", "checkStaticPass", {authenticators: ["code"]}];

// byOrder are the steps as they are taken.
const byOrder = (steps) => steps.toSorted((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1));

// how says by which steps one logs on, as a sentence. without a procedure there is one that anything passes.
function how(procedures) {
  if (!procedures.length) return "In one step, by " + or(codes.map(([, words]) => words));
  const steps = byOrder(procedures[0].steps);
  if (!steps.length) return "By no step yet: nobody can log on";
  const words = steps.map((s) => passes(s) || "something that this server cannot check");
  return words.length === 1 ? "In one step, by " + words[0] : "First by " + words.join(", then by ");
}

const whose = (a) => (a["realm.id"] ? (a.domains.length ? `Users of ${and(a.domains)}` : `Nobody: the realm ${a["realm.name"]} has no domain`) : "Users of all domains");

const tabs = (at) => h("nav", {class: "tabs", "aria-label": "About applications"}, [["applications", "Applications", "application/search"], ["realms", "Realms", "realm/search"], ["logon-procedures", "Logon procedures", "logonProcedure/search"]]
  .filter(([, , method]) => may(method)).map(([path, label]) => h("a", {href: to(path), "aria-current": path === at ? "page" : null}, label)));

const applicationReturns = ["id", "name", "description", "realm.id", "realm.name", {agents: ["id", "name"]}, {logonProcedures: ["id", "name", {steps: stepReturns}]}];

// domainsOf reads the domains of the realms of applications.
async function domainsOf(found) {
  const ids = [...new Set(found.map((a) => a["realm.id"]).filter(Boolean))];
  const realms = ids.length && may("realm/search") ? (await call("realm/search", {match: [["id", "in", ids]], return: ["id", {domains: ["name"]}], count: false})).rows : [];
  for (const a of found) a.domains = realms.find((r) => r.id === a["realm.id"])?.domains.map((d) => d.name) ?? [];
}

const applicationFields = (a) => [
  field({name: "name", label: "Name", value: a?.name, required: true, autofocus: true}),
  field({name: "realm", label: "Realm", type: "pick", object: "realm", value: a?.["realm.id"] && {id: a["realm.id"], name: a["realm.name"]}, optional: true, hint: "Whose users log on to it; empty: those of all domains."}),
  field({name: "logonProcedures", label: "Logon procedure", type: "pick", object: "logonProcedure", many: true, value: a?.logonProcedures.map(({id, name}) => ({id, name})), optional: true, hint: "The steps; empty: one that a password or any one-time password passes."}),
  field({name: "description", label: "Description", value: a?.description, optional: true}),
];

export const applications = () => objectList("application", "application", {
  name: (a) => a.name, goes: "Users can no longer log on to it by name. One that agents have is refused.", fields: applicationFields,
  list: {title: "Applications", sort: "name", returns: applicationReturns, tabs: tabs("applications"), href: (a) => to("applications", a.name), also: domainsOf, search: byName("applications"),
    filters: [may("realm/search") && {key: "realm", label: "Realm", pick: "realm", match: (v) => ["realm.id", "=", v]}],
    columns: [
      {label: "Name", sort: "name", text: (a) => a.name, cell: (a) => h("span", {class: "name", title: a.description}, a.name)},
      {label: "Who logs on", grow: 1.3, class: "wrap", text: whose, cell: (a) => (a["realm.id"] && !a.domains.length ? chip(whose(a), "warn") : whose(a))},
      {label: "How", grow: 2.4, class: "wrap", text: (a) => how(a.logonProcedures), cell: (a) => (a.logonProcedures.some((p) => !p.steps.length) ? chip(how(a.logonProcedures), "warn") : how(a.logonProcedures))},
      {label: "Through", cell: (a) => and(a.agents.map((g) => g.name)) || h("span", {class: "faint"}, "no agent of its own")},
    ],
    empty: {title: "No applications", text: "An application is what users log on to, through the agents that have it: who they are, and by which steps."}},
});

// application is the page of one. parts is its name.
export const application = ([name]) => onePage({
  back: ["Applications", to("applications")], noun: "application", title: name, method: "application/search", match: [["name", "=", name]], returns: applicationReturns,
  also: async (a) => {
    await domainsOf([a]);
    a.tests = may("application/selfTest") ? (await call("application/selfTest", {id: a.id})).rows : [];
  },
  name: (a) => a.name,
  state: (a) => [a.tests.some((t) => !t.passed) ? chip("Nobody can log on yet", "warn") : null],
  lead: (a) => `${whose(a)} log on${a.agents.length ? " through " + and(a.agents.map((g) => g.name)) : ""}. ${how(a.logonProcedures)}.`.replace(/^Nobody(.*?) log on/, "Nobody$1; nobody logs on"),
  act: (a, again) => [
    may("application/set") && button("Edit", (e) => {
      const of = edited("application", a, applicationReturns);
      editor({opener: e.currentTarget, title: "Edit application", of, done: "The application is saved.", fields: applicationFields(a), save: async (v) => {
        await of.set(v);
        if (v.name) go(to("applications", v.name));
        else again();
      }});
    }),
    menu("More for " + a.name, [may("application/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete application", typed: a.name, label: "Delete", text: "Users can no longer log on to it by name. One that agents have is refused.", done: "The application is deleted.",
      act: async () => { await call("application/delete", {id: a.id}); go(to("applications")); }})}]),
  ],
  sections: (a, again) => [
    a.logonProcedures.length ? stepsSection(a.logonProcedures[0], again, a.logonProcedures[0]) : {title: "Steps", body: h("div", {class: "in"}, h("p", {}, how([]) + "."), h("p", {class: "faint"}, "Choose a logon procedure under Edit to have more steps, or fewer ways."))},
    {title: "Agents", body: rows(a.agents, (g) => ({main: may("agent/search") ? h("a", {href: to("agents") + "?q=" + encodeURIComponent(g.name)}, g.name) : g.name}), "No agent has it for its own. It is given to one on the agent's page.")},
    a.tests.length > 0 && {title: "Self-test", body: h("ul", {class: "tests"}, a.tests.map((t) => h("li", {class: t.passed ? "passed" : "bad"}, h("strong", {}, {agent: "Agent", realm: "Realm", logonProcedure: "Logon procedure"}[t.name] ?? t.name), " ", t.passed ? "passed" : t.message)))},
  ],
  facts: (a) => [["Name", a.name, true], ["Realm", a["realm.id"] ? h("a", {href: to("realms", a["realm.name"])}, a["realm.name"]) : "none: all domains"], ["Logon procedure", a.logonProcedures.length ? h("a", {href: to("logon-procedures", a.logonProcedures[0].name)}, a.logonProcedures[0].name) : "none: one step"],
    a.description && ["Description", a.description], ["Id", h("code", {}, a.id), a.id]],
  history: (a) => ({noun: "application", objects: ["application " + a.id]}),
});

// stepsSection shows the steps of a procedure as sentences, each with what can be done to it. shared is said where others use them too.
function stepsSection(p, again, shared) {
  const steps = byOrder(p.steps);
  return {
    title: "Steps", tools: [shared && h("a", {href: to("logon-procedures", p.name)}, p.name), may("logonStep/create") && button("Add a step", (e) => editStep(p, null, e.currentTarget, again))],
    body: steps.length ? h("ol", {class: "steps"}, steps.map((s, i) => h("li", {}, h("div", {}, h("p", {}, s.challengResponse || !taken(s).length ? h("strong", {class: "bad"}, "Nothing passes this step") : [upper(passes(s)), " passes."]),
      h("p", {class: "faint"}, [s.name, s.description, s.challengResponse && "It wants the response to a challenge, which this server does not have.", !s.checkStaticPass && "A static password is not taken."].filter(Boolean).join(" · "))),
    h("div", {class: "acts"}, menu(`Actions for step ${i + 1}`, [
      may("logonStep/set") && {label: "Edit", act: (o) => editStep(p, s, o, again)},
      may("logonStep/set") && i > 0 && {label: "Earlier", act: () => swap(s, steps[i - 1], again)},
      may("logonStep/set") && i < steps.length - 1 && {label: "Later", act: () => swap(s, steps[i + 1], again)},
      may("logonStep/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: `Delete step ${i + 1}`, label: "Delete", text: steps.length === 1 ? "Nobody can log on by this procedure, until it has another step." : "Users log on without it from then on.", done: "The step is deleted.",
        act: async () => { await call("logonStep/delete", {id: s.id}); again(); }})},
    ])))))
      : h("p", {class: "none"}, "No step yet: nobody can log on by it."),
  };
}

// swap exchanges the places of two steps: both, or neither.
const swap = (a, b, again) => attempt(async () => {
  const place = (s, position) => ({method: "/logonStep/set", params: {id: s.id, attrs: {position}, expect: {position: s.position}}});
  const [one, two] = a.position === b.position ? [a.position, a.position + 1] : [b.position, a.position];
  const calls = [place(a, one), place(b, two)];
  if (may("batch/execute")) await call("batch/execute", {calls, atomic: true});
  else for (const c of calls) await call(c.method.slice(1), c.params);
  again();
}, "The order is changed.");

function editStep(p, s, opener, again) {
  const of = s && edited("logonStep", s, stepReturns);
  editor({opener, title: s ? "Edit step" : "New step of " + p.name, of, done: "The step is saved.", fields: [
    field({name: "authenticators", label: "Any of these passes it", type: "checks", value: s?.authenticators.map((a) => a.code) ?? ["OTP"], options: codes.map(([value, words]) => ({value, label: upper(words)}))}),
    field({name: "checkStaticPass", label: "The static password is taken, where it is among these", type: "checkbox", value: s?.checkStaticPass ?? true}),
    field({name: "name", label: "Name", value: s?.name, optional: true}),
    field({name: "description", label: "Description", value: s?.description, optional: true}),
  ], save: async (v) => {
    if (v.authenticators && !v.authenticators.length) throw new Refused({error: 10, message: "Choose one at least", result: {attribute: "authenticators"}});
    if (s) await call("logonStep/set", {id: s.id, attrs: v, expect: {authenticators: s.authenticators, checkStaticPass: s.checkStaticPass}});
    else await call("logonStep/create", {attrs: {...v, logonProcedure: {id: p.id}}});
    again();
  }});
}

const realmReturns = ["id", "name", "description", {domains: ["id", "name"]}, {applications: ["id", "name"]}];
const realmFields = (r) => [
  field({name: "name", label: "Name", value: r?.name, required: true, autofocus: true}),
  field({name: "domains", label: "Domains", type: "pick", object: "domain", many: true, value: r?.domains, optional: true, hint: "Whose users it has; none: nobody."}),
  field({name: "description", label: "Description", value: r?.description, optional: true}),
];
const applicationLinks = (some) => some.map((a) => h("a", {href: to("applications", a.name)}, a.name));

export const realms = () => objectList("realm", "realm", {
  name: (r) => r.name, goes: "The realm goes; its domains stay. One that applications have is refused.", fields: realmFields,
  list: {title: "Realms", sort: "name", returns: realmReturns, tabs: tabs("realms"), href: (r) => to("realms", r.name), search: byName("realms"),
    columns: [
      {label: "Name", sort: "name", text: (r) => r.name, cell: (r) => h("span", {class: "name", title: r.description}, r.name)},
      {label: "Domains", grow: 2, cell: (r) => and(r.domains.map((d) => d.name)) || chip("None: no users", "warn")},
      {label: "Applications", grow: 1.4, cell: (r) => and(r.applications.map((a) => a.name)) || null},
    ],
    empty: {title: "No realms yet", text: "A realm is a set of domains: it says whose users log on to an application."}},
});

// realm is the page of one. parts is its name.
export const realm = ([name]) => onePage({
  back: ["Realms", to("realms")], noun: "realm", title: name, method: "realm/search", match: [["name", "=", name]], returns: realmReturns, name: (r) => r.name,
  state: (r) => [r.domains.length ? null : chip("No users", "warn")],
  lead: (r) => (r.domains.length ? `Users of ${and(r.domains.map((d) => d.name))} log on to the applications below.` : "It has no domain yet, so nobody logs on to its applications."),
  act: (r, again) => [
    may("realm/set") && button("Edit", (e) => {
      const of = edited("realm", r, realmReturns);
      editor({opener: e.currentTarget, title: "Edit realm", of, done: "The realm is saved.", fields: realmFields(r), save: async (v) => {
        await of.set(v);
        if (v.name) go(to("realms", v.name));
        else again();
      }});
    }),
    menu("More for " + r.name, [may("realm/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete realm", typed: r.name, label: "Delete", text: "The realm goes; its domains stay. One that applications have is refused.", done: "The realm is deleted.",
      act: async () => { await call("realm/delete", {id: r.id}); go(to("realms")); }})}]),
  ],
  sections: (r) => [
    {title: "Domains", body: rows(r.domains, (d) => ({main: h("a", {href: to("users") + "?domain=" + d.id}, d.name)}), "None.")},
    {title: "Applications", body: rows(applicationLinks(r.applications), (main) => ({main}), "None log on by it yet.")},
  ],
  facts: (r) => [["Name", r.name, true], r.description && ["Description", r.description], ["Id", h("code", {}, r.id), r.id]],
  history: (r) => ({noun: "realm", objects: ["realm " + r.id]}),
});

const procedureReturns = ["id", "name", "description", {steps: stepReturns}, {applications: ["id", "name"]}];
const procedureFields = (p) => [
  field({name: "name", label: "Name", value: p?.name, required: true, autofocus: true}),
  field({name: "description", label: "Description", value: p?.description, optional: true}),
];

export const procedures = () => objectList("logonProcedure", "logon procedure", {
  name: (p) => p.name, goes: "The procedure and its steps go. One that applications have is refused.", fields: procedureFields,
  list: {title: "Logon procedures", sort: "name", returns: procedureReturns, tabs: tabs("logon-procedures"), href: (p) => to("logon-procedures", p.name), search: byName("logon procedures"),
    columns: [
      {label: "Name", sort: "name", text: (p) => p.name, cell: (p) => h("span", {class: "name", title: p.description}, p.name)},
      {label: "How one logs on", grow: 2.4, class: "wrap", cell: (p) => (p.steps.length ? how([p]) : chip("No step yet: nobody can", "warn"))},
      {label: "Applications", grow: 1.3, cell: (p) => and(p.applications.map((a) => a.name)) || null},
    ],
    empty: {title: "No logon procedures yet", text: "A logon procedure is a row of steps. Applications without one have a single step that anything passes."}},
});

// procedure is the page of one. parts is its name.
export const procedure = ([name]) => onePage({
  back: ["Logon procedures", to("logon-procedures")], noun: "logon procedure", title: name, method: "logonProcedure/search", match: [["name", "=", name]], returns: procedureReturns, name: (p) => p.name,
  state: (p) => [p.steps.length ? null : chip("Nobody can log on", "warn")],
  lead: (p) => how([p]) + ".",
  act: (p, again) => [
    may("logonProcedure/set") && button("Edit", (e) => {
      const of = edited("logonProcedure", p, procedureReturns);
      editor({opener: e.currentTarget, title: "Edit logon procedure", of, done: "The logon procedure is saved.", fields: procedureFields(p), save: async (v) => {
        await of.set(v);
        if (v.name) go(to("logon-procedures", v.name));
        else again();
      }});
    }),
    menu("More for " + p.name, [may("logonProcedure/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete logon procedure", typed: p.name, label: "Delete", text: "The procedure and its steps go. One that applications have is refused.", done: "The logon procedure is deleted.",
      act: async () => { await call("logonProcedure/delete", {id: p.id}); go(to("logon-procedures")); }})}]),
  ],
  sections: (p, again) => [
    stepsSection(p, again),
    {title: "Applications", body: rows(applicationLinks(p.applications), (main) => ({main}), "None use it yet.")},
  ],
  facts: (p) => [["Name", p.name, true], p.description && ["Description", p.description], ["Id", h("code", {}, p.id), p.id]],
  history: (p) => ({noun: "logon procedure", objects: ["logon procedure " + p.id]}),
});
