// Forms in dialogs, and questions before what cannot be undone.
import {h} from "./dom.js";
import {call, at, Refused} from "./api.js";
import {dialog, button} from "./dialog.js";
import {field} from "./field.js";
import {notice} from "./notice.js";

// edited is an object that is edited: its method's object, its row as it was seen, and what to return of it. Its values go with
// a change, so that nobody overwrites what he has not seen.
export function edited(object, row, returns) {
  let seen = row;
  return {
    async set(attrs) {
      const expect = {};
      for (const name of Object.keys(attrs)) {
        if (name + ".id" in seen) expect[name + ".id"] = seen[name + ".id"];
        else if (name in seen) expect[name] = Array.isArray(seen[name]) ? seen[name].map((x) => (x.id ? {id: x.id} : x)) : seen[name];
      }
      await call(object + "/set", {id: row.id, attrs, expect});
    },
    // again reads the object as it is now, after a change was refused because somebody else was faster. It gives the names of
    // what has changed, with what they are now.
    async again() {
      const found = await call(object + "/search", {match: [["id", "=", row.id]], return: returns, count: false});
      if (!found.rows.length) return null;
      const was = seen;
      seen = found.rows[0];
      return Object.keys(seen).filter((name) => JSON.stringify(seen[name]) !== JSON.stringify(was[name])).map((name) => [name, seen[name]]);
    },
  };
}

const shown = (v) => (v === null || v === "" || Array.isArray(v) && !v.length ? "nothing" : Array.isArray(v) ? v.map((x) => x.name ?? x).join(", ") : String(v));

// editor opens a dialog with fields; save gets their values by name, of an object that is there those alone that were
// changed, and may throw what the server refused.
export function editor({title, fields, save, label = "Save", intro, done, wide, also = [], opener, of = null, danger = false}) {
  fields = fields.filter(Boolean);
  const form = h("form", {novalidate: true, on: {submit: (e) => { e.preventDefault(); submit(); }}}, intro && h("p", {class: "intro"}, intro), fields.map((f) => f.el), h("button", {type: "submit", hidden: true}));
  const act = button(label, () => submit(), danger ? "danger" : "primary");
  const before = new Map(fields.map((f) => [f, f.raw?.()]));
  const changed = (f) => f.raw && f.raw() !== before.get(f);
  const d = dialog({title, body: form, wide, opener, loses: () => fields.some(changed), buttons: [...also, h("span", {class: "grow"}), button("Cancel", () => d.leave()), act]});
  async function submit(use = save) {
    if (d.busy()) return;
    d.clear();
    d.hold(true);
    try {
      const values = {};
      for (const f of fields) {
        if (f.el.hidden || !f.value || of && !changed(f)) continue;
        const value = await f.value();
        if (f.name && value !== undefined) values[f.name] = value;
      }
      const keep = of && !Object.keys(values).length ? false : await use(values, d);
      d.hold(false);
      if (keep !== true) d.close();
      if (done) notice(done);
    } catch (e) {
      d.hold(false);
      d.refuse(e.code === 16 && of ? await overtaken() : e);
    }
  }
  // overtaken says what somebody else has made of the object meanwhile.
  async function overtaken() {
    try {
      const now = await of.again();
      if (!now) return new Refused({error: 16, message: "somebody has deleted this meanwhile"});
      const here = now.map(([name, value]) => [name.split(".")[0], value]).filter(([name]) => fields.some((f) => f.name === name && changed(f)));
      const [name, value] = here.findLast(([n]) => n) ?? [];
      return name ? at(name, `Somebody has changed this meanwhile, to “${shown(value)}”. Save again to have it as you entered it`)
        : new Refused({error: 16, message: "somebody has changed this meanwhile: save again to have it as you entered it"});
    } catch (e) {
      return e;
    }
  }
  d.submit = submit;
  return d;
}

// confirm asks before something that cannot be undone; with typed, the name must be typed.
export function confirm({title, text, label, act, typed, done, cancel = "Cancel", opener}) {
  const name = typed && field({name: "typed", label: `Type “${typed}” to confirm`, autofocus: true});
  const go = button(label, async () => {
    if (d.busy()) return;
    d.clear();
    if (typed && name.control.value !== typed) {
      name.mark("This is not the name.");
      return;
    }
    d.hold(true);
    try {
      await act();
      d.hold(false);
      d.close();
      if (done) notice(done);
    } catch (e) {
      d.hold(false);
      d.refuse(e);
    }
  }, "danger");
  const d = dialog({title, opener, body: [h("p", {}, text), name?.el], buttons: [h("span", {class: "grow"}), button(cancel, () => d.leave()), go]});
}
