// Many rows at once: check boxes, a bar with what can be done to them, and how it went.
import {h, number, plural} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button, dialog} from "./dialog.js";
import {editor} from "./editor.js";
import {csv, download, table} from "./file.js";
import {failed} from "./notice.js";

const most = 10000; // how many can be chosen
const part = 200; // how many calls are sent at once

// bulkBar makes the check boxes of a list and the bar over it. Each of actions is {label, title(n), text, fields(), call(row, values):
// {method, params}, danger, permit: the methods it needs}, {label, act(rows, opener)} or {label, file: name of a CSV file of the rows}.
export function bulkBar(actions, list) {
  actions = actions.filter((a) => a.file || a.act || may("batch/execute", ...a.permit));
  const chosen = new Map(); // rows by id
  const box = h("input", {type: "checkbox", "aria-label": "Select all on this page", on: {change: () => {
    for (const row of list.pageRows()) if (box.checked) chosen.set(row.id, row); else chosen.delete(row.id);
    draw();
  }}});
  const words = h("strong", {role: "status"});
  const all = button("", async () => {
    all.disabled = true;
    try {
      for (const row of await list.all(most)) chosen.set(row.id, row);
    } catch (e) {
      failed(e);
    }
    all.disabled = false;
    draw();
  }, "link");
  const el = h("div", {class: "bulk", role: "group", "aria-label": "Selected rows", hidden: true}, words, all,
    actions.map((a) => button(a.label, (e) => act(a, e.currentTarget), a.danger ? "quiet bad" : "quiet")), h("span", {class: "grow"}), button("Clear selection", () => { chosen.clear(); draw(); }, "quiet"));

  function draw() {
    const rows = list.pageRows();
    const here = rows.filter((r) => chosen.has(r.id)).length;
    box.checked = rows.length > 0 && here === rows.length;
    box.indeterminate = here > 0 && here < rows.length;
    for (const [id, input] of boxes) input.checked = chosen.has(id);
    el.hidden = !chosen.size;
    words.textContent = number(chosen.size) + " selected";
    const more = Math.min(list.total() ?? 0, most);
    all.hidden = !(box.checked && more > chosen.size);
    all.textContent = `Select ${list.total() > most ? "the first" : "all"} ${number(more)}`;
    list.spec.selected?.([...chosen.values()]);
    list.drawn();
  }

  let boxes = new Map(), last = null;

  function act(a, opener) {
    const rows = [...chosen.values()];
    if (a.act) {
      a.act(rows, opener);
      return;
    }
    if (a.file) {
      const columns = list.spec.columns.filter((c) => c && c.label);
      download(a.file, csv([columns.map((c) => c.label), ...rows.map((r) => columns.map((c) => (c.text ? c.text(r) : c.cell(r)?.textContent ?? c.cell(r) ?? "")))]));
      return;
    }
    const title = a.title(plural(rows.length, list.spec.noun, list.spec.nouns));
    editor({title, label: a.label, opener, danger: a.danger, intro: a.text, fields: a.fields?.() ?? [], save: async (v, d) => {
      await run(title, rows, (row) => a.call(row, v), d, list.name);
      if (a.danger) chosen.clear();
      list.changed();
      return true;
    }});
  }

  return {
    el, box,
    boxOf(row) {
      const input = h("input", {type: "checkbox", checked: chosen.has(row.id), "aria-label": "Select " + list.name(row), on: {
        click: (e) => { // with Shift also what lies between
          const rows = list.pageRows(), at = rows.findIndex((r) => r.id === row.id), from = rows.findIndex((r) => r.id === last);
          if (e.shiftKey && from >= 0) for (const r of rows.slice(Math.min(at, from), Math.max(at, from) + 1)) chosen.set(r.id, r);
          last = row.id;
        },
        change: () => {
          if (input.checked) chosen.set(row.id, row);
          else chosen.delete(row.id);
          draw();
        },
      }});
      if (row === list.pageRows()[0]) boxes = new Map();
      boxes.set(row.id, input);
      if (chosen.has(row.id)) chosen.set(row.id, row); // as it is now
      if (row === list.pageRows().at(-1)) queueMicrotask(draw);
      return input;
    },
    draw,
    rows: () => [...chosen.values()],
    has: (id) => chosen.has(id),
    clear() { chosen.clear(); draw(); },
  };
}

// run makes one call for each row, many at once, and shows in the dialog how far it is, how many were done and what was refused.
export async function run(title, rows, calls, d, name) {
  const bar = h("progress", {max: rows.length, value: 0, "aria-label": "Progress"});
  const words = h("p", {role: "status"}, "Begun…");
  d.replace(title, h("div", {class: "progress"}, bar, words), []);
  d.hold(true);
  const refused = [];
  let done = 0, cut = null;
  for (let at = 0; at < rows.length && !cut; at += part) {
    const these = rows.slice(at, at + part);
    try {
      const replies = await call("batch/execute", {calls: these.map((row) => { const c = calls(row); return {method: "/" + c.method, params: c.params}; })});
      replies.forEach((reply, i) => {
        if (reply.error) refused.push([name(these[i]), new Refused(reply).sentence]);
        else done++;
      });
    } catch (e) {
      cut = e;
    }
    bar.value = Math.min(at + part, rows.length);
    words.textContent = `${number(done + refused.length)} of ${number(rows.length)}`;
  }
  d.hold(false);
  const left = rows.length - done - refused.length;
  d.replace(title, [
    h("p", {class: "big"}, number(done) + " done" + (refused.length ? `, ${number(refused.length)} refused` : "") + "."),
    cut && h("p", {class: "alert"}, `${cut.sentence ?? cut} ${number(left)} were not tried.`),
    refused.length > 0 && table("What was refused", ["Which", "Why"], refused.slice(0, 200)),
    refused.length > 0 && button("Download what was refused", () => download("refused.csv", csv([["which", "why"], ...refused]))),
  ], [h("span", {class: "grow"}), button("Done", () => d.close(), "primary", {autofocus: true})]);
}
