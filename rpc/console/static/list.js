// A page that lists objects. The server pages, sorts and searches.
import {h, icon, number, newId} from "./dom.js";
import {call, Refused} from "./api.js";
import {button} from "./dialog.js";
import {field} from "./field.js";
import {label as words} from "./words.js";

export const chip = (text, tone = "") => h("span", {class: "chip " + tone}, text);

const pageSize = 25;

// listPage makes a page. spec:
//   title, method (object/search), returns, sort, columns [{label, sort, cell(row), class, grow: its share of the width}], search {label, match(text)},
//   filters [{label, options [{value, label}] or pick (an object of picker.js) or neither: typed text, match(value), unsorted}], tools [buttons], actions(row) → element, select(row) → label,
//   empty {title, text, action}, fixed() → further conditions, aside (element), also(rows): loads what cells show besides
// It gives {el, reload, restart, selected}.
export function listPage(spec) {
  let sort = spec.sort, asked = false, text = "", cursors = [""], total = null, next = "", chosen = null, turn = 0;
  const filters = (spec.filters ?? []).map((f) => ({...f, value: ""}));
  const count = h("span", {class: "count", role: "status"});
  const body = h("tbody");
  const status = h("div", {class: "state", hidden: true});
  const columns = spec.columns.filter(Boolean);
  const wide = columns.length + (spec.actions ? 1 : 0) + (spec.select ? 1 : 0);
  const heads = columns.map((c) => {
    if (!c.sort) return h("th", {scope: "col", class: c.class}, c.label);
    return h("th", {scope: "col", class: c.class}, h("button", {type: "button", class: "sort", on: {click: () => {
      sort = order() === c.sort ? "-" + c.sort : c.sort;
      asked = true;
      begin();
    }}}, c.label, h("span", {class: "arrow"})));
  });
  // Columns share the width, so that none lies under the last one; what is cut is shown on hover.
  const share = columns.reduce((sum, c) => sum + (c.grow ?? 1), 0);
  const cols = [spec.select && h("col", {class: "one"}), ...columns.map((c) => h("col", {"data-share": (c.grow ?? 1) / share})), spec.actions && h("col", {class: "one"})].filter(Boolean);
  for (const c of cols) if (c.dataset.share) c.style.width = c.dataset.share * 100 + "%";
  const table = h("table", {}, h("caption", {class: "hidden"}, spec.title), h("colgroup", {}, cols),
    h("thead", {}, h("tr", {}, spec.select && h("th", {scope: "col", class: "tight"}, h("span", {class: "hidden"}, "Select")), heads,
      spec.actions && h("th", {scope: "col", class: "tight"}, "Actions"))), body);
  let moved = null; // the button by which one went to another page
  const back = button("Previous", () => { moved = back; load(cursors.slice(0, -1)); });
  const on = button("Next", () => { moved = on; load([...cursors, next]); });
  const place = h("span", {class: "count"});
  const frame = h("div", {class: "frame", role: "region", "aria-label": spec.title, tabindex: "0"}, table);
  let timer;
  const searchId = newId();
  const search = spec.search && h("div", {class: "searching"}, h("label", {class: "hidden", for: searchId}, spec.search.label), icon("search"),
    h("input", {id: searchId, type: "search", placeholder: spec.search.label + ", from its beginning", on: {input: (e) => {
      clearTimeout(timer);
      timer = setTimeout(() => { text = e.target.value.trim(); begin(); }, 200);
    }}}));
  const choices = filters.map((f) => {
    if (f.pick) {
      const choice = field({type: "pick", object: f.pick, label: f.label, name: "", on: () => narrow()});
      const narrow = async () => {
        choice.unmark();
        let value;
        try {
          value = (await choice.value())?.id ?? "";
        } catch (e) {
          choice.mark(e.sentence);
          return;
        }
        if (value !== f.value) { f.value = value; begin(); }
      };
      choice.control.placeholder = f.label;
      choice.control.addEventListener("change", narrow);
      choice.el.classList.add("filter");
      choice.el.querySelector("label").classList.add("hidden");
      return choice.el;
    }
    const id = newId();
    const label = h("label", {class: "hidden", for: id}, f.label);
    if (!f.options) {
      let wait;
      return h("div", {class: "filter"}, label, h("input", {id, type: "search", placeholder: f.label, on: {input: (e) => {
        clearTimeout(wait);
        wait = setTimeout(() => { f.value = e.target.value.trim(); begin(); }, 200);
      }}}));
    }
    const options = (list) => list.map((o) => h("option", {value: o.value}, o.label));
    return h("div", {class: "filter"}, label,
      h("select", {id, on: {change: (e) => { f.value = e.target.value; begin(); }}}, h("option", {value: ""}, f.label + ": any"), options(f.options)));
  });
  const el = h("div", {class: "page"},
    h("header", {class: "top"}, h("h1", {tabindex: "-1"}, spec.title), count, h("span", {class: "grow"}), spec.tools),
    h("div", {class: spec.aside ? "split" : ""}, spec.aside,
      h("div", {class: "card"}, (search || choices.length > 0) && h("div", {class: "bar"}, search, choices), frame, status,
        h("nav", {class: "pager", "aria-label": "Pages"}, place, h("span", {class: "grow"}), back, on))));

  function begin() {
    cursors = [""];
    total = null;
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

  // load shows the page that the last of the cursors begins.
  async function load(to = cursors) {
    const mine = ++turn;
    back.disabled = on.disabled = true;
    arrows();
    if (!body.children.length) body.replaceChildren(...Array.from({length: 8}, () => h("tr", {class: "waiting", "aria-hidden": "true"}, h("td", {colspan: wide}, h("span", {class: "bone"})))));
    table.setAttribute("aria-busy", "true");
    const match = [...(spec.fixed?.() ?? []), ...filters.filter((f) => f.value).map((f) => f.match(f.value)), ...(text ? [spec.search.match(text)] : [])];
    try {
      const found = await call(spec.method, {match, return: spec.returns, sort: order(), max: pageSize, cursor: to.at(-1), count: total === null});
      if (mine !== turn) return;
      if (!found.rows.length && to.length > 1) { // what stood there is gone
        load(to.slice(0, -1));
        return;
      }
      await spec.also?.(found.rows);
      if (mine !== turn) return;
      total ??= found.total;
      cursors = to;
      next = found.next;
      show(found.rows, match.length > (spec.fixed?.().length ?? 0));
    } catch (e) {
      if (mine !== turn) return;
      if (!(e instanceof Refused)) throw e;
      body.replaceChildren();
      state("The list cannot be shown", e.sentence, button("Try again", () => load(to)));
    } finally {
      if (mine === turn) table.removeAttribute("aria-busy");
    }
  }

  function state(title, words, action) {
    status.replaceChildren(h("h2", {}, title), h("p", {}, words), action || "");
    status.hidden = false;
    frame.hidden = true;
  }

  function show(rows, narrowed) {
    chosen = rows.find((r) => r.id === chosen?.id) ?? null; // what was selected stays so while it is there
    spec.chosen?.(chosen);
    count.textContent = total === undefined ? "" : number(total);
    status.hidden = true;
    frame.hidden = false;
    // Who was at a row's button is at the same one of the row as it is now.
    const held = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const turned = document.activeElement === document.body || document.activeElement === back || document.activeElement === on;
    body.replaceChildren(...rows.map(line));
    const from = (cursors.length - 1) * pageSize;
    place.textContent = rows.length ? `${number(from + 1)}–${number(from + rows.length)} of ${number(total)}` : "";
    back.disabled = cursors.length < 2;
    on.disabled = !next;
    if (held) ([...body.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === held) ?? el.querySelector("h1")).focus();
    else if (turned && moved) (moved === on && !on.disabled ? on : !back.disabled ? back : frame).focus();
    moved = null;
    if (rows.length) return;
    if (narrowed) state("Nothing fits", "No " + spec.title.toLowerCase() + " fit the search and the filters.");
    else state(spec.empty.title, spec.empty.text, spec.empty.action?.());
  }

  function line(row) {
    const tr = h("tr", {draggable: spec.drag ? "true" : null, class: chosen?.id === row.id ? "chosen" : null}, spec.select && h("td", {class: "tight"}, h("input", {type: "radio", checked: chosen?.id === row.id, name: searchId + "s", "aria-label": "Select " + spec.select(row), on: {change: () => {
      chosen = row;
      for (const t of body.children) t.classList.toggle("chosen", t === tr);
      spec.chosen?.(row);
    }}})), columns.map((c, i) => h(i === 0 ? "th" : "td", {scope: i === 0 ? "row" : null, class: c.class}, c.cell(row) ?? h("span", {class: "faint"}, "–"))),
    spec.actions && h("td", {class: "tight"}, spec.actions(row)));
    for (const cell of tr.children) if (!cell.querySelector("[title], button, input")) cell.title = cell.textContent;
    if (spec.select) tr.addEventListener("click", (e) => { if (!e.target.closest("button, input, a")) tr.querySelector("input").click(); });
    if (spec.drag) tr.addEventListener("dragstart", (e) => e.dataTransfer.setData("text/plain", row.id));
    return tr;
  }

  begin();
  return {el, reload: () => { total = null; load(); }, restart: begin, selected: () => chosen};
}

// status shows an object's status with a tone of its own.
export function status(value) {
  const tone = {ACTIVE: "good", active: "good", grace: "warn", INACTIVE: "", ISSUED: "", LOCKED: "warn", DISABLED: "bad", DECEASED: "bad", REVOKED: "bad", exhausted: "bad", expired: "bad", disabled: "bad"}[value] ?? "";
  return chip(words(value), tone);
}
