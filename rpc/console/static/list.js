// A page that lists objects. The server pages, sorts and searches; how the list is narrowed stands in the address, so that
// reload, Back and a copied link show the same.
import {h, icon, number, newId} from "./dom.js";
import {call, Refused} from "./api.js";
import {bulkBar} from "./bulk.js";
import {button} from "./dialog.js";
import {editor} from "./editor.js";
import {field} from "./field.js";
import {csv, download} from "./file.js";
import {nameOf} from "./picker.js";
import {go, here, narrow, redraw} from "./route.js";
import {label as words} from "./words.js";

export const chip = (text, tone = "") => h("span", {class: "chip " + tone}, text);

const sizes = [25, 50, 100, 150];
const kept = "tokensmith rows"; // where the browser keeps how many rows one wants

// listPage makes a page. spec:
//   title, method (object/search), returns, sort,
//   columns [{label, sort, cell(row), text(row): for a file, class, grow: its share of the width}],
//   search {label, by [{key, label, match(text): conditions, or null where nothing can fit}]}: what the one search box looks for,
//   filters [{key, label, options [{value, label}] or pick (an object of picker.js) or neither: typed text; match(value), unsorted,
//     type: of an input, such as date, hidden: chosen elsewhere, named(value): what it is called}],
//   chips [{key, label, match}]: the states that matter, name(row), href(row): the page of one object,
//   bulk [{label, ...}]: what is done to many (see bulk.js), tools [buttons], tabs (element), actions(row) → element,
//   empty {title, text, action}, aside (element), also(rows): loads what cells show besides, drag,
//   fold(rows): several rows as one, above (element), found(conditions): told what the list shows, null where nothing can fit
// It gives {el, reload, restart, filter, filters, selected, drop, save, value}.
export function listPage(spec) {
  const filters = (spec.filters ?? []).filter(Boolean).map((f) => ({...f, value: ""}));
  const chips = (spec.chips ?? []).filter(Boolean);
  const by = spec.search?.by.filter(Boolean) ?? [];
  const hiding = "tokensmith columns " + spec.method; // where the browser keeps which columns one does not want
  const all = spec.columns.filter(Boolean);
  const hidden = new Set((localStorage.getItem(hiding) ?? "").split("|"));
  const columns = all.filter((c, i) => i === 0 || !hidden.has(c.label));
  const actions = spec.actions;
  let sort, asked, text, kind, page, size, on, cursors, total = null, turn = 0;

  // read takes the state from the address.
  function read() {
    const {params} = here();
    sort = params.get("sort") ?? spec.sort;
    asked = params.has("sort");
    text = params.get("q") ?? "";
    kind = by.find((b) => b.key === params.get("by")) ?? null;
    size = sizes.find((s) => String(s) === (params.get("rows") ?? (params.has("page") ? "25" : localStorage.getItem(kept)))) ?? sizes[0];
    page = Math.max(1, Math.trunc(Number(params.get("page"))) || 1);
    on = new Set((params.get("is") ?? "").split(",").filter((key) => chips.some((c) => c.key === key)));
    for (const f of filters) f.value = params.get(f.key) ?? "";
    cursors = [""];
  }

  // write puts the state into the address; with step as one that Back undoes.
  function write(step) {
    const params = new URLSearchParams();
    if (text) params.set("q", text);
    if (text && kind) params.set("by", kind.key);
    if (on.size) params.set("is", [...on].join(","));
    for (const f of filters) if (f.value) params.set(f.key, f.value);
    if (asked && sort !== spec.sort) params.set("sort", sort);
    if (page > 1) params.set("page", page);
    if (size !== sizes[0]) params.set("rows", size);
    narrow(params, step);
  }

  read();
  const count = h("span", {class: "count", role: "status"});
  const body = h("tbody");
  const status = h("div", {class: "state", hidden: true});
  const selection = spec.bulk?.some(Boolean) ? bulkBar(spec.bulk.filter(Boolean), {
    spec, name: spec.name, total: () => total, all: everyRow, changed: () => { total = null; load(); }, drawn: drawSelection,
    pageRows: () => rowsNow,
  }) : null;
  const wide = columns.length + (actions ? 1 : 0) + (selection ? 1 : 0);
  const heads = columns.map((c) => {
    if (!c.sort) return h("th", {scope: "col", class: c.class}, c.label);
    return h("th", {scope: "col", class: c.class}, h("button", {type: "button", class: "sort", on: {click: () => {
      sort = order() === c.sort ? "-" + c.sort : c.sort;
      asked = true;
      begin(true);
    }}}, c.label, h("span", {class: "arrow"})));
  });
  // Columns share the width, so that none lies under the last one; what is cut is shown on hover.
  const share = columns.reduce((sum, c) => sum + (c.grow ?? 1), 0);
  const cols = [selection && h("col", {class: "box"}), ...columns.map((c) => h("col", {"data-share": (c.grow ?? 1) / share})), actions && h("col", {class: "one"})].filter(Boolean);
  for (const c of cols) if (c.dataset.share) c.style.width = c.dataset.share * 100 + "%";
  const table = h("table", {class: "list"}, h("caption", {class: "hidden"}, spec.title), h("colgroup", {}, cols),
    h("thead", {}, h("tr", {}, selection && h("th", {scope: "col", class: "tight"}, selection.box), heads,
      actions && h("th", {scope: "col", class: "tight"}, h("span", {class: "hidden"}, "Actions")))), body);
  let moved = null; // the button by which one went to another page
  const back = button("Previous", () => { moved = back; page--; write(true); load(); });
  const next = button("Next", () => { moved = next; page++; write(true); load(); });
  const place = h("span", {class: "count"});
  const frame = h("div", {class: "frame", role: "region", "aria-label": spec.title, tabindex: "0"}, table);
  const rowsId = newId();
  const perPage = h("select", {id: rowsId, on: {change: (e) => {
    size = Number(e.target.value);
    localStorage.setItem(kept, size);
    begin(true);
  }}}, sizes.map((s) => h("option", {value: s, selected: s === size}, s)));

  // The search box, and what it looks for where a text may mean several things.
  let timer;
  const searchId = newId();
  const input = spec.search && h("input", {id: searchId, type: "search", placeholder: spec.search.label, value: text, "data-search": "", on: {
    input: (e) => {
      clearTimeout(timer);
      timer = setTimeout(() => { text = e.target.value.trim(); kind = null; begin(false); }, 200);
    },
    keydown: (e) => {
      if (e.key === "ArrowDown" && focusRow(0)) e.preventDefault();
    },
  }});
  const search = input && h("div", {class: "searching"}, h("label", {class: "hidden", for: searchId}, spec.search.label), icon("search"), input, h("kbd", {"aria-hidden": "true"}, "/"));
  const meant = h("p", {class: "meant", hidden: true, role: "status"});

  const choices = filters.filter((f) => !f.hidden).map((f) => (f.pick ? picked(f) : f.options ? selected(f) : typed(f)));

  function picked(f) {
    const choice = field({type: "pick", object: f.pick, label: f.label, name: "", value: f.value ? {id: f.value, name: "…"} : null, on: () => narrowed()});
    if (f.value) nameOf(f.pick, f.value).then((name) => { if (choice.control.value === "…") choice.control.value = name ?? ""; }, () => {});
    const narrowed = async () => {
      choice.unmark();
      let value;
      try {
        value = (await choice.value())?.id ?? "";
      } catch (e) {
        choice.mark(e.sentence);
        return;
      }
      if (value !== f.value) { f.value = value; begin(true); }
    };
    choice.control.placeholder = f.label;
    choice.control.addEventListener("change", narrowed);
    choice.el.classList.add("filter");
    choice.el.querySelector("label").classList.add("hidden");
    return choice.el;
  }

  function selected(f) {
    const id = newId();
    return h("div", {class: "filter"}, h("label", {class: "hidden", for: id}, f.label),
      h("select", {id, on: {change: (e) => { f.value = e.target.value; begin(true); }}}, h("option", {value: ""}, f.label + ": any"),
        f.options.map((o) => h("option", {value: o.value, selected: o.value === f.value}, o.label))));
  }

  function typed(f) {
    const id = newId();
    let wait;
    return h("div", {class: "filter"}, h("label", {class: "hidden", for: id}, f.label), h("input", {id, type: f.type ?? "search", placeholder: f.label, value: f.value, title: f.type && f.label, on: {input: (e) => {
      clearTimeout(wait);
      wait = setTimeout(() => { f.value = e.target.value.trim(); begin(false); }, 200);
    }}}), f.type && h("span", {class: "faint", "aria-hidden": "true"}, f.label));
  }

  const chipRow = chips.map((c) => {
    const b = h("button", {type: "button", class: "toggle", "aria-pressed": String(on.has(c.key)), on: {click: () => {
      if (!on.delete(c.key)) on.add(c.key);
      b.setAttribute("aria-pressed", String(on.has(c.key)));
      begin(true);
    }}}, c.label);
    return b;
  });
  const elsewhere = h("span", {class: "elsewhere"}); // what is chosen beside the list

  const el = h("div", {class: "page", on: {keydown: keys}},
    h("header", {class: "top"}, h("h1", {tabindex: "-1"}, spec.title), count, h("span", {class: "grow"}), spec.tools),
    spec.tabs, spec.above,
    h("div", {class: spec.aside ? "split" : ""}, spec.aside,
      h("div", {class: "card"}, (search || choices.length > 0) && h("div", {class: "bar"}, search, choices, (chipRow.length > 0 || filters.some((f) => f.hidden)) && h("div", {class: "narrow"}, chipRow, elsewhere)), meant, selection?.el, frame, status,
        h("nav", {class: "pager", "aria-label": "Pages"}, place, h("span", {class: "grow"}), button("Columns", (e) => chooseColumns(e.currentTarget), "quiet"), h("label", {class: "rows", for: rowsId}, "Rows"), perPage, back, next))));

  function chooseColumns(opener) {
    editor({title: "Columns", label: "Show", opener, intro: "Kept in this browser.", fields: [
      field({name: "shown", label: "Shown besides " + all[0].label, type: "checks", value: columns.map((c) => c.label), options: all.slice(1).map((c) => ({value: c.label, label: c.label}))}),
    ], save: async (v, d) => {
      localStorage.setItem(hiding, all.slice(1).map((c) => c.label).filter((l) => !v.shown.includes(l)).join("|"));
      d.close();
      redraw();
    }});
  }

  // begin shows the list from its beginning, after what narrows it has changed.
  function begin(step) {
    page = 1;
    cursors = [""];
    total = null;
    selection?.clear();
    write(step);
    load();
  }

  function arrows() {
    columns.forEach((c, i) => {
      if (!c.sort) return;
      const dir = order() === c.sort ? "ascending" : order() === "-" + c.sort ? "descending" : "";
      if (dir) heads[i].setAttribute("aria-sort", dir);
      else heads[i].removeAttribute("aria-sort");
      heads[i].querySelector(".arrow").replaceChildren(...(dir ? [icon(dir === "ascending" ? "up" : "down")] : []));
    });
  }

  // order is what is asked for, unless nobody asked and a filter finds so many that only their own order is at hand.
  const order = () => (!asked && filters.some((f) => f.value && f.unsorted) ? "id" : sort);

  const narrowing = () => [...filters.filter((f) => f.value).flatMap((f) => { const m = f.match(f.value); return typeof m[0] === "string" ? [m] : m; }), ...chips.filter((c) => on.has(c.key)).map((c) => c.match)];

  // matching gives the conditions of the list; null where nothing can fit. A text that may mean several things means the first of
  // which there is something, and the others are offered.
  async function matching() {
    for (const f of filters) if (f.value) await f.ready?.(f.value);
    const fixed = narrowing();
    meant.hidden = true;
    if (!text) return fixed;
    const tried = kind ? [kind] : by;
    let use = tried[0], conditions = await use.match(text);
    if (by.length > 1) {
      const found = await Promise.all(by.map(async (b) => {
        const c = await b.match(text);
        return c && {b, c, some: (await call(spec.method, {match: [...fixed, ...c], return: ["id"], max: 1, cursor: "", count: false, sort: "id"})).rows.length > 0};
      }));
      const fits = found.filter((f) => f?.some);
      const chosen = fits.find((f) => f.b === kind) ?? found.find((f) => f?.b === kind) ?? fits[0] ?? found.find(Boolean);
      if (chosen) { use = chosen.b; conditions = chosen.c; }
      const others = fits.filter((f) => f.b !== use);
      meant.replaceChildren(`Found by ${use.label}.`, ...others.map((f) => h("button", {type: "button", class: "link", on: {click: () => {
        kind = f.b;
        begin(true);
      }}}, `Also by ${f.b.label}`)));
      meant.hidden = !fits.length || fits.length < 2 && use === by[0];
    }
    return conditions && [...fixed, ...conditions];
  }

  let rowsNow = [], conditionsNow = [];

  // load shows the page.
  async function load() {
    const mine = ++turn;
    back.disabled = next.disabled = true;
    arrows();
    elsewhere.replaceChildren(...filters.filter((f) => f.hidden && f.value).map(chosenElsewhere));
    if (!body.children.length) body.replaceChildren(...Array.from({length: 8}, () => h("tr", {class: "waiting", "aria-hidden": "true"}, h("td", {colspan: wide}, h("span", {class: "bone"})))));
    table.setAttribute("aria-busy", "true");
    try {
      const match = await matching();
      if (mine !== turn) return;
      const cursor = cursors[page - 1]; // unknown where one came by the address
      const found = match ? await call(spec.method, {match, return: spec.returns, sort: order(), count: false,
        ...(cursor === undefined ? {offset: (page - 1) * size, max: size + 1} : {cursor, max: size})}) : {rows: [], total: 0};
      if (mine !== turn) return;
      const more = cursor === undefined ? found.rows.length > size : !!found.next;
      found.rows.length = Math.min(found.rows.length, size);
      if (!found.rows.length && page > 1) { // what stood there is gone
        page--;
        write(false);
        load();
        return;
      }
      await spec.also?.(found.rows);
      if (mine !== turn) return;
      conditionsNow = match;
      spec.found?.(match);
      if (found.next) cursors[page] = found.next;
      if (!more && (found.rows.length || page === 1)) total = (page - 1) * size + found.rows.length;
      show(found.rows, more, text || filters.some((f) => f.value) || on.size > 0);
      if (total === null) countAll(match, mine);
    } catch (e) {
      if (mine !== turn) return;
      if (!(e instanceof Refused)) throw e;
      body.replaceChildren();
      state("The list cannot be shown", e.sentence, button("Try again", () => load()));
    } finally {
      if (mine === turn) table.removeAttribute("aria-busy");
    }
  }

  // countAll counts what fits, behind the rows: of many that takes longer than to show some.
  async function countAll(match, mine) {
    const found = await call(spec.method, {match, max: 0}).catch(() => null);
    if (mine !== turn || !found) return;
    total = found.total;
    showTotal();
    selection?.draw();
  }

  function showTotal() {
    const from = (page - 1) * size;
    count.textContent = total === null ? "" : number(total);
    place.textContent = rowsNow.length ? `${number(from + 1)}–${number(from + rowsNow.length)}${total === null ? "" : " of " + number(total)}` : "";
  }

  // everyRow gives all rows that fit, up to most of them.
  async function everyRow(most) {
    const rows = [];
    for (let cursor = ""; cursor !== undefined && rows.length < most;) {
      const found = await call(spec.method, {match: conditionsNow, return: spec.returns, sort: order(), max: Math.min(1000, most - rows.length), cursor, count: false});
      rows.push(...found.rows);
      cursor = found.next;
    }
    await spec.also?.(rows);
    return rows;
  }

  function chosenElsewhere(f) {
    const name = h("span", {}, f.label);
    f.named?.(f.value).then((n) => { name.textContent = `${f.label}: ${n ?? "gone"}`; }, () => {});
    return h("span", {class: "chip"}, name, button(icon("close"), () => api.filter(f.key, ""), "quiet round", {"aria-label": "Remove the filter " + f.label}));
  }

  function state(title, words, action) {
    status.replaceChildren(h("h2", {}, title), h("p", {}, words), action || "");
    status.hidden = false;
    frame.hidden = true;
  }

  function show(rows, more, narrowed) {
    rowsNow = rows;
    showTotal();
    status.hidden = true;
    frame.hidden = false;
    // Who was at a row's button is at the same one of the row as it is now.
    const held = body.contains(document.activeElement) ? nameAt(document.activeElement) : null;
    const turned = document.activeElement === document.body || document.activeElement === back || document.activeElement === next;
    body.replaceChildren(...(spec.fold?.(rows) ?? rows).map(line));
    drawSelection();
    back.disabled = page < 2;
    next.disabled = !more;
    if (held) ([...body.querySelectorAll("button, input, a")].find((e) => nameAt(e) === held) ?? el.querySelector("h1")).focus();
    else if (turned && moved) (moved === next && !next.disabled ? next : !back.disabled ? back : frame).focus();
    moved = null;
    if (rows.length) return;
    if (narrowed) state("Nothing fits", "No " + spec.title.toLowerCase() + " fit the search and the filters.", button("Clear all", clear));
    else state(spec.empty.title, spec.empty.text, spec.empty.action?.());
  }

  function clear() {
    text = "";
    kind = null;
    on.clear();
    for (const f of filters) f.value = "";
    begin(true);
    redraw(); // the controls show what is in the address
  }

  const nameAt = (e) => e.getAttribute("aria-label") ?? e.textContent;

  function line(row) {
    const link = spec.href?.(row);
    const first = (c) => {
      const cell = c.cell(row);
      return link ? h("a", {href: link, class: "opens"}, cell) : cell;
    };
    const tr = h("tr", {draggable: spec.drag ? "true" : null, class: link ? "opening" : null, "data-id": row.id},
      selection && h("td", {class: "tight"}, selection.boxOf(row)),
      columns.map((c, i) => h(i === 0 ? "th" : "td", {scope: i === 0 ? "row" : null, class: c.class, "data-label": c.label}, (i === 0 ? first(c) : c.cell(row)) || h("span", {class: "faint"}, "–"))),
      actions && h("td", {class: "tight"}, actions(row)));
    for (const cell of tr.children) if (!cell.querySelector("[title], button, input")) cell.title = cell.textContent;
    if (link) tr.addEventListener("click", (e) => { if (!e.target.closest("button, input, a, label, .menu") && getSelection().isCollapsed) go(link); });
    if (spec.drag) tr.addEventListener("dragstart", (e) => e.dataTransfer.setData("text/plain", row.id));
    return tr;
  }

  function drawSelection() {
    if (!selection) return;
    for (const tr of body.children) tr.classList.toggle("chosen", selection.has(tr.dataset.id));
  }

  // focusRow moves the focus to a row; it tells whether there is such a row.
  function focusRow(n) {
    const to = body.children[n]?.querySelector("a, button, input:not([type=checkbox])");
    to?.focus();
    return !!to;
  }

  // keys moves through the rows by arrows, and chooses them by x.
  function keys(e) {
    const row = e.target.closest?.("tbody tr");
    if (!row || e.target.matches("input[type=text], select") || e.altKey || e.ctrlKey || e.metaKey || e.defaultPrevented) return;
    const at = [...body.children].indexOf(row);
    if (e.key === "ArrowDown" && focusRow(at + 1) || e.key === "ArrowUp" && (at > 0 ? focusRow(at - 1) : input && (input.focus(), true))) e.preventDefault();
    if (e.key === "x" && selection) row.querySelector("input[type=checkbox]").click();
  }

  load();
  const api = {
    el,
    reload: () => { total = null; load(); },
    // restart shows the list from its beginning.
    restart: () => begin(false),
    // filter sets a filter that is chosen beside the list.
    filter: (key, value) => { filters.find((f) => f.key === key).value = value; begin(true); spec.filtered?.(key, value); },
    // filters sets several at once.
    filters: (values) => { for (const f of filters) if (f.key in values) f.value = values[f.key]; begin(true); },
    // selected are the rows that are chosen by their check boxes, and drop forgets them.
    selected: () => selection.rows(),
    drop: () => selection.clear(),
    // save writes what fits, up to most rows, into a CSV file.
    async save(file, most) {
      const shown = columns.filter((c) => c.label);
      download(file, csv([shown.map((c) => c.label), ...(await everyRow(most)).map((r) => shown.map((c) => (c.text ?? ((x) => c.cell(x)?.textContent ?? c.cell(x)))(r)))]));
    },
    value: (key) => filters.find((f) => f.key === key).value,
  };
  return api;
}

// status shows an object's status: as a dot where all is as usual, and in words with a tone of its own where it is not.
export function status(value) {
  const tone = {ACTIVE: "good", active: "good", grace: "warn", INACTIVE: "", ISSUED: "", LOCKED: "warn", DISABLED: "bad", DECEASED: "bad", REVOKED: "bad", exhausted: "bad", expired: "bad", disabled: "bad"}[value] ?? "";
  return tone === "good" ? h("span", {class: "usual"}, words(value)) : chip(words(value), tone);
}
