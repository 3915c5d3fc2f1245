// The panel beside a list: what its rows are in, one within the other. A level is read when it is opened.
import {h, icon} from "./dom.js";
import {call, may} from "./api.js";
import {button} from "./dialog.js";
import {menu} from "./menu.js";
import {failed, notice} from "./notice.js";
import {picker} from "./picker.js";

const most = 100; // how many of a level are shown; the others are found by name

// levelsBelow gives the ids of an object and of all that lie within it.
export async function levelsBelow(object, parent, id) {
  const all = new Set([id]);
  for (let level = [id]; level.length;) {
    const found = await call(object + "/search", {match: [[parent, "in", level]], return: ["id"], count: false});
    level = found.rows.map((r) => r.id).filter((child) => !all.has(child));
    for (const child of level) all.add(child);
  }
  return [...all];
}

// treePanel makes the panel. spec: title, all (what the entry is called that chooses everything), icon, object, parent (the
// attribute by which one lies within another), has (the attribute that tells whether something lies within), returns, sort,
// name(row), more(row), chosen() → id, choose(id), create(opener), edit(row, opener), remove(row, opener), and put(id, row): puts
// what was dropped into it, and gives what to say.
export function treePanel(spec) {
  if (!may(spec.object + "/search")) return {el: null, reload() {}};
  const noun = spec.noun;
  const tree = h("ul", {class: "tree"});
  const open = new Set();
  const find = picker({object: spec.object, name: "", common: {"aria-label": "Find a " + noun}, on: async () => {
    const found = await find.value().catch(() => null);
    if (found) spec.choose(found.id);
  }});
  find.control.placeholder = "Find a " + noun;
  find.el.hidden = true;
  const wide = matchMedia("(min-width: 861px)").matches; // a narrow window has no room for it until it is asked for
  const inner = h("div", {hidden: !wide}, find.el, tree, spec.create && button("New " + noun, (e) => spec.create(e.currentTarget), "quiet"));
  const head = h("button", {type: "button", class: "quiet", "aria-expanded": String(wide), on: {click: () => {
    inner.hidden = !inner.hidden;
    head.setAttribute("aria-expanded", String(!inner.hidden));
  }}}, spec.title, icon("down"));
  const el = h("section", {class: "card groups", "aria-label": spec.title}, h("h2", {}, head), inner);

  const level = (parent) => call(spec.object + "/search", {match: [[spec.parent, "=", parent || null]], return: spec.returns, sort: spec.sort ?? "name", max: most, cursor: "", count: false});

  const key = (b) => b.dataset.id ?? b.getAttribute("aria-label");

  async function branch(parent, depth) {
    const found = await level(parent);
    if (!parent) find.el.hidden = !found.next;
    const told = new Set(found.rows.map((r) => spec.more?.(r))).size > 1; // what all have is not told of each
    const items = await Promise.all(found.rows.map(async (row) => {
      const inner = row[spec.has] && open.has(row.id) && depth < 32 ? await branch(row.id, depth + 1) : null;
      return h("li", {}, entry(row, told ? spec.more(row) : ""), inner && h("ul", {}, inner));
    }));
    if (found.next) items.push(h("li", {class: "faint note"}, `Only the first ${most} are shown.`));
    return items;
  }

  async function draw() {
    let items;
    try {
      items = await branch("", 1);
    } catch (e) {
      failed(e);
      return;
    }
    // Who was at an entry, or at its menu, is there still.
    const held = tree.contains(document.activeElement) ? key(document.activeElement) : null;
    tree.replaceChildren(...(spec.all ? [h("li", {}, entry(null))] : []), ...items);
    if (!spec.all && !items.length) tree.replaceChildren(h("li", {class: "faint note"}, `No ${noun}s yet.`));
    if (held !== null) [...tree.querySelectorAll("button")].find((b) => key(b) === held)?.focus();
  }

  function entry(row, more = "") {
    const id = row?.id ?? "", name = row ? spec.name(row) : spec.all;
    const pressed = (spec.chosen() || "") === id;
    const b = h("button", {type: "button", class: "group", "data-id": id, "aria-pressed": String(pressed), on: {click: () => {
      spec.choose(id);
      for (const other of tree.querySelectorAll(".group")) other.setAttribute("aria-pressed", String(other === b));
    }}}, icon(row ? spec.icon ?? "folder" : spec.allIcon), h("span", {}, name), row && more && h("span", {class: "faint"}, more));
    const toggle = row?.[spec.has] ? h("button", {type: "button", class: "quiet round fold", "aria-expanded": String(open.has(id)), "aria-label": "What is in " + name, on: {click: () => {
      if (!open.delete(id)) open.add(id);
      draw();
    }}}, icon("down")) : h("span", {class: "fold"});
    const line = h("div", {class: "inline"}, row && toggle, b, row && menu(`Actions for ${noun} ${name}`, [
      spec.edit && {label: "Edit", act: (o) => spec.edit(row, o)},
      spec.within && {label: `New ${noun} in it`, act: (o) => { open.add(id); spec.within(row, o); }},
      spec.remove && {label: "Delete", danger: true, act: (o) => spec.remove(row, o)},
    ]));
    if (row && spec.put) {
      line.addEventListener("dragover", (e) => { e.preventDefault(); line.classList.add("over"); });
      line.addEventListener("dragleave", () => line.classList.remove("over"));
      line.addEventListener("drop", async (e) => {
        e.preventDefault();
        line.classList.remove("over");
        try {
          notice(await spec.put(e.dataTransfer.getData("text/plain"), row));
        } catch (err) {
          failed(err);
        }
      });
    }
    return line;
  }

  draw();
  return {el, reload: draw, press: () => { for (const b of tree.querySelectorAll(".group")) b.setAttribute("aria-pressed", String(b.dataset.id === (spec.chosen() || ""))); }};
}
