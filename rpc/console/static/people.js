// What users are in: units, the tree of a domain, and groups. Both stand beside the list of users.
import {h} from "./dom.js";
import {call, may} from "./api.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {to} from "./route.js";
import {levelsBelow, treePanel} from "./tree.js";

const unitReturns = ["id", "name", "description", "domain.id", "domain.name", "parent.id", "parent.name", "hasChildren"];
const groupReturns = ["id", "name", "description", "domain.id", "domain.name", "hasMembers", {parents: ["id", "name"]}];

const known = new Map(); // the ids of the units in and below one

// unitsWithin gives the ids of a unit and of those below it, once they are read.
export const unitsWithin = (id) => known.get(id) ?? [id];
unitsWithin.read = async (id) => { known.set(id, await levelsBelow("unit", "parent.id", id)); };

// unitPanel is the tree of units beside the users.
export function unitPanel({chosen, choose, moved}) {
  const panel = treePanel({
    title: "Units", all: "All users", allIcon: "users", icon: "folder", object: "unit", noun: "unit", parent: "parent.id", has: "hasChildren", returns: unitReturns, chosen, choose,
    name: (u) => u.name, more: (u) => (u["parent.id"] ? "" : u["domain.name"]),
    create: may("unit/create") && ((o) => edit(null, o)),
    within: may("unit/create") && ((u, o) => edit(null, o, u)),
    edit: may("unit/set") && ((u, o) => edit(u, o)),
    remove: may("unit/delete") && ((u, opener) => confirm({opener, title: "Delete unit", label: "Delete", done: "The unit is deleted.", text: `The unit ${u.name} goes. One with users in it or units below it is refused.`,
      act: async () => { await call("unit/delete", {id: u.id}); if (chosen() === u.id) choose(""); panel.reload(); }})),
    put: may("user/set") && (async (id, u) => {
      await call("user/set", {id, attrs: {unit: {id: u.id}}});
      moved();
      return "The user is in the unit " + u.name + ".";
    }),
  });

  function edit(unit, opener, within) {
    const of = unit && edited("unit", unit, unitReturns);
    const parent = unit?.["parent.id"] ? {id: unit["parent.id"], name: unit["parent.name"]} : within && {id: within.id, name: within.name};
    const domain = !unit && !within && field({name: "domain", label: "Domain", type: "pick", object: "domain", required: "Choose a domain"});
    editor({title: unit ? "Edit unit" : within ? "New unit in " + within.name : "New unit", opener, of, done: "The unit is saved.", fields: [
      field({name: "name", label: "Name", value: unit?.name, required: true, autofocus: true}),
      domain,
      (unit || within) && field({name: "parent", label: "Within", type: "pick", object: "unit", value: parent, optional: true, hint: "Of the same domain; empty: at its top."}),
      field({name: "description", label: "Description", value: unit?.description, optional: true}),
    ], save: async (v) => {
      const attrs = {...v};
      if (!unit && within && !v.parent) attrs.domain = {id: within["domain.id"]};
      if (unit) await of.set(attrs);
      else await call("unit/create", {attrs});
      panel.reload();
    }});
  }
  return panel;
}

// groupPanel is the tree of groups beside the users. A group that is in several stands in each.
export function groupPanel({chosen, choose, moved}) {
  const panel = treePanel({
    title: "Groups", all: may("unit/search") ? "" : "All users", allIcon: "users", icon: "group", object: "group", noun: "group", parent: "parents.id", has: "hasMembers", returns: groupReturns, chosen, choose,
    name: (g) => g.name, more: (g) => (g.parents.length ? "" : g["domain.name"]),
    create: may("group/create") && ((o) => edit(null, o)),
    within: may("group/create") && ((g, o) => edit(null, o, g)),
    edit: may("group/set") && ((g, o) => edit(g, o)),
    remove: may("group/delete") && ((g, opener) => confirm({opener, title: "Delete group", label: "Delete", done: "The group is deleted.", text: `The group ${g.name} goes; its users and the groups in it stay.`,
      act: async () => { await call("group/delete", {id: g.id}); if (chosen() === g.id) choose(""); panel.reload(); }})),
    put: may("group/addUsers") && (async (id, g) => {
      await call("group/addUsers", {group: {id: g.id}, users: [{id}]});
      moved();
      return "The user is in the group " + g.name + " too.";
    }),
  });

  function edit(group, opener, within) {
    const of = group && edited("group", group, groupReturns);
    editor({title: group ? "Edit group" : within ? "New group in " + within.name : "New group", opener, of, done: "The group is saved.", fields: [
      field({name: "name", label: "Name", value: group?.name, required: true, autofocus: true}),
      !group && !within && field({name: "domain", label: "Domain", type: "pick", object: "domain", required: "Choose a domain", hint: "Its users and no others can be in it."}),
      (group || within) && field({name: "parents", label: "Within", type: "pick", object: "group", many: true, value: group?.parents ?? [{id: within.id, name: within.name}], optional: true, hint: "Groups of the same domain that it is in."}),
      field({name: "description", label: "Description", value: group?.description, optional: true}),
    ], save: async (v) => {
      const attrs = {...v};
      if (!group && within && !v.parents.length) attrs.domain = {id: within["domain.id"]};
      if (group) await of.set(attrs);
      else await call("group/create", {attrs});
      panel.reload();
    }});
  }
  return panel;
}

// groupsOf is the section of a user's page about the groups and the unit he is in.
export function groupsOf(u, tool) {
  const within = [...u.groups.map((g) => h("a", {class: "chip", href: to("users") + "?group=" + g.id}, g.name))];
  return {title: "Groups and unit", tools: tool, body: h("div", {class: "in"}, within.length ? h("p", {}, "In the groups ", h("span", {class: "chips"}, within)) : h("p", {class: "faint"}, "In no group."),
    u["unit.id"] && h("p", {}, "In the unit ", h("a", {class: "chip", href: to("users") + "?unit=" + u["unit.id"]}, u["unit.name"])))};
}
