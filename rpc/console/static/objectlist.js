// Lists of objects that have one editor.
import {call, may} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {listPage} from "./list.js";
import {menu} from "./menu.js";

// objectList makes a list of objects with one editor. spec: name(row), fields(row), attrs(values): what is sent, goes: what is said
// before one is deleted, made(reply, values): what is shown once, if anything, more(row, changed): further actions, list: as of listPage.
export function objectList(object, noun, spec) {
  const open = (row, opener) => {
    const of = row && edited(object, row, spec.list.returns);
    return editor({opener, wide: spec.wide, of, title: (row ? "Edit " : "New ") + noun, done: `The ${noun} is saved.`, fields: spec.fields(row),
      save: async (v, d) => {
        const attrs = spec.attrs ? spec.attrs(v) : v;
        const made = row ? await of.set(attrs) : await call(object + "/create", {attrs});
        if (row) list.reload();
        else list.restart();
        const shown = !row && spec.made?.(made, v);
        if (shown) {
          d.reveal("New " + noun, shown);
          return true;
        }
      }});
  };
  const add = () => may(object + "/create") && button("New " + noun, (e) => open(null, e.currentTarget), "primary");
  const list = listPage({
    ...spec.list, noun, name: spec.name, method: object + "/search", tools: [...(spec.tools?.(() => list) ?? []), add()],
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

// byName is the search of objects that have a name.
export const byName = (title) => ({label: "Search " + title, by: [{key: "name", label: "name", match: (t) => [["name", ">>", t]]}]});

export const positive = (n) => n || null; // what 0 means is a choice of its own
