// Choosing other objects: people, groups, devices, products and others. The server is searched as one types; where a name fits
// several, one of them must be chosen.
import {h, icon, newId} from "./dom.js";
import {call, everything, may, at} from "./api.js";
import {label} from "./words.js";

const offered = 10; // how many are offered

const byName = {returns: ["id", "name"], name: (r) => r.name, more: () => "", searches: (t) => [[["name", ">>", t]]], called: (r) => [r.name], named: (name) => ({name}), sort: "name"};

// kinds are what can be chosen. searches are the conditions for what one has typed, one list a search; called are the names of
// which one typed in full means it; named is how somebody names one who may not look.
// named are the conditions for a first name, or for the beginnings of a first and a last name: "jo ba" is John Backus.
const named = (t) => {
  const [first, ...last] = t.split(/\s+/);
  return [["firstName", ">>", last.length ? first : t], ...(last.length ? [["lastName", ">>", last.join(" ")]] : [])];
};

export const kinds = {
  user: {
    by: [
      {key: "login", label: "login name", match: (t) => [["loginName", ">>", t]]},
      {key: "name", label: "name", match: named},
      {key: "last", label: "last name", match: (t) => [["lastName", ">>", t]]},
      {key: "email", label: "e-mail", match: (t) => [["email", ">>", t]]},
      {key: "principal", label: "principal name", match: (t) => [["userPrincipalName", ">>", t]]},
    ],
    returns: ["id", "loginName", "domain.name", "firstName", "lastName", "email", "userPrincipalName"], sort: "loginName",
    name: (r) => r["domain.name"] + "\\" + r.loginName,
    more: (r) => [[r.firstName, r.lastName].filter(Boolean).join(" "), r.email].filter(Boolean).join(" · "),
    searches: (t) => {
      const [, before, slashed] = /^([^\\/]+)[\\/](.*)$/.exec(t) ?? [];
      if (before) return [[["domain.name", "=", before], ["loginName", ">>", slashed]]];
      const [, login, domain] = /^(.+)@([^@]*)$/.exec(t) ?? [];
      return [...["loginName", "email", "userPrincipalName", "lastName"].map((name) => [[name, ">>", t]]), ...(t ? [named(t)] : []), ...(login ? [[["loginName", "=", login], ["domain.name", ">>", domain]]] : [])];
    },
    called: (r) => [r.loginName, r["domain.name"] + "\\" + r.loginName, r["domain.name"] + "/" + r.loginName, r.loginName + "@" + r["domain.name"], r.email, r.userPrincipalName, [r.firstName, r.lastName].filter(Boolean).join(" ")],
    named: (t) => ({loginName: t}),
    // Users have further names, such as those with the NetBIOS name of their domain.
    otherwise: async (t) => (may("user/get") ? call("user/get", {user: {loginName: t}, return: kinds.user.returns}) : null),
  },
  domain: byName,
  token: {returns: ["id", "serial", "status", "product.name", {users: ["loginName"]}], sort: "serial", name: (r) => r.serial, called: (r) => [r.serial], named: (serial) => ({serial}),
    more: (r) => [r["product.name"], r.status === "ACTIVE" ? "" : label(r.status), r.users.length ? "of " + r.users.map((u) => u.loginName).join(", ") : "nobody has it"].filter(Boolean).join(" · "), searches: (t) => [[["serial", ">>", t]]]},
  device: {...byName, returns: ["id", "name", "description", "user.loginName", "user.domain.name"],
    more: (r) => [r["user.loginName"] && r["user.domain.name"] + "\\" + r["user.loginName"], r.description].filter(Boolean).join(" · ")},
  deviceGroup: {...byName, returns: ["id", "name", "description", "parent.name"], more: (r) => [r["parent.name"] && "within " + r["parent.name"], r.description].filter(Boolean).join(" · ")},
  group: {...byName, returns: ["id", "name", "domain.name", "description"], more: (r) => [r["domain.name"], r.description].filter(Boolean).join(" · "), called: (r) => [r.name, r["domain.name"] + "\\" + r.name]},
  unit: {...byName, returns: ["id", "name", "domain.name", "parent.name"], more: (r) => [r["domain.name"], r["parent.name"] && "in " + r["parent.name"]].filter(Boolean).join(" · ")},
  realm: byName,
  application: byName,
  logonProcedure: byName,
  repository: {...byName, few: true},
  license: {...byName, returns: ["id", "name", "seats", "seatsUsed"], more: (r) => `${r.seats - r.seatsUsed} of ${r.seats} seats free`},
  // Products are few, and their names are compared with case by the server: the page looks among them.
  product: {...byName, returns: ["id", "name", "manufacturerCode", "productCode", "kind"], more: (r) => `${r.manufacturerCode}/${r.productCode} · ${label(r.kind)}`, few: true,
    called: (r) => [r.name, r.manufacturerCode + "/" + r.productCode, r.productCode]},
};

// nameOf is what an object is called; null where it is gone.
export async function nameOf(object, id) {
  const found = await call(object + "/search", {match: [["id", "=", id]], return: kinds[object].returns, count: false});
  return found.rows.length ? kinds[object].name(found.rows[0]) : null;
}

const fold = (s) => (s ?? "").trim().toLowerCase();

const fullName = (kind, r, text) => kind.called(r).some((name) => name && fold(name) === fold(text));

// find gives what fits a text, those called so in full first, and whether there is more.
export async function find(object, kind, text, most = offered) {
  if (kind.few) {
    const rows = (await everything(object + "/search", {return: kind.returns, sort: kind.sort, max: 1000})).filter((r) => kind.called(r).some((name) => fold(name).includes(fold(text))));
    return {rows: rows.slice(0, most), full: text ? rows.filter((r) => fullName(kind, r, text)) : [], more: rows.length > most};
  }
  // In the order of what is looked for, so that an index serves both.
  const order = (match) => match.find(([name, op]) => op === ">>" && !name.includes("."))?.[0] ?? kind.sort;
  const found = await Promise.all((text ? kind.searches(text) : [[]]).map((match) =>
    call(object + "/search", {match, return: kind.returns, sort: order(match), max: most, cursor: "", count: false})));
  const rows = [...new Map(found.flatMap((f) => f.rows).map((r) => [r.id, r])).values()];
  const full = (r) => fullName(kind, r, text);
  rows.sort((a, b) => full(b) - full(a));
  return {rows: rows.slice(0, most), full: rows.filter(full), more: rows.length > most || found.some((f) => f.next)};
}

// picker makes an input with a list of what fits. spec: object, name, value ({id, name}, or a list of them with many), many.
// Its value is a selector, null where nothing is chosen, or with many a list of selectors.
export function picker({object, name, value, many = false, id, common, on = () => {}}) {
  const kind = kinds[object];
  const looks = may(object + "/search");
  let chosen = [value].flat().filter(Boolean);
  const listId = newId();
  const list = h("ul", {id: listId, class: "offers", role: "listbox", "aria-label": "What fits", popover: "manual"}); // above the dialog it belongs to
  const said = h("span", {class: "hidden", role: "status"});
  const input = h("input", {...common, id, type: "text", value: many ? "" : chosen[0]?.name ?? "", placeholder: looks ? "Type to search" : "", spellcheck: "false",
    ...(looks ? {role: "combobox", "aria-expanded": "false", "aria-controls": listId, "aria-autocomplete": "list"} : {})});
  const chips = h("ul", {class: "chosen", hidden: true});
  const el = h("div", {class: "picker"}, many ? chips : null, input, list, said);
  let shownRows = [], active = -1, turn = 0, timer;

  function draw() {
    chips.hidden = !chosen.length;
    chips.replaceChildren(...chosen.map((c) => h("li", {class: "chip"}, c.name, h("button", {type: "button", class: "quiet round", "aria-label": "Remove " + c.name, on: {click: () => {
      chosen = chosen.filter((x) => x !== c);
      draw();
      input.focus();
    }}}, icon("close")))));
  }

  const shown = () => list.matches(":popover-open");

  // place puts the list below the input and what is said of it, or above where there is more room.
  function place() {
    const box = input.getBoundingClientRect();
    const error = el.parentElement?.querySelector(".error:not([hidden])");
    const below = (error ?? input).getBoundingClientRect().bottom + 4;
    const up = innerHeight - below < 180 && box.top > innerHeight - below;
    list.style.left = box.left + "px";
    list.style.width = box.width + "px";
    list.style.maxHeight = Math.min(280, (up ? box.top : innerHeight - below) - 12) + "px";
    list.style.top = up ? "auto" : below + "px";
    list.style.bottom = up ? innerHeight - box.top + 4 + "px" : "auto";
  }

  function close() {
    turn++; // what is still under way comes too late
    clearTimeout(timer);
    if (shown()) list.hidePopover();
    removeEventListener("scroll", place, true);
    removeEventListener("resize", place);
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function take(row) {
    const one = {id: row.id, name: kind.name(row)};
    if (many) {
      if (!chosen.some((c) => c.id === one.id)) chosen.push(one);
      input.value = "";
      draw();
    } else {
      chosen = [one];
      input.value = one.name;
    }
    close();
    el.dispatchEvent(new Event("input", {bubbles: true}));
    on();
  }

  // What is pressed stays where it is until it is let go: what was found meanwhile is offered then.
  let pressed = false, waiting = null;
  list.addEventListener("pointerdown", (e) => {
    e.preventDefault(); // the focus stays in the input
    pressed = true;
    const released = () => {
      pressed = false;
      removeEventListener("pointerup", released);
      removeEventListener("pointercancel", released);
      setTimeout(() => { // after the click
        if (waiting && document.activeElement === input && shown()) offer(waiting);
        waiting = null;
      });
    };
    addEventListener("pointerup", released);
    addEventListener("pointercancel", released);
  });

  function offer(found) {
    if (pressed) {
      waiting = found;
      return;
    }
    const {rows, more} = found;
    shownRows = rows;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(...rows.map((r, i) => h("li", {role: "option", id: listId + i, "aria-selected": "false", on: {click: () => take(r)}}, h("span", {class: "what"}, kind.name(r)), kind.more(r) && h("span", {class: "faint"}, kind.more(r)))),
    ...(rows.length ? more ? [h("li", {class: "faint note", role: "presentation"}, "There are more: type more of the name.")] : [] : [h("li", {class: "faint note", role: "presentation"}, "Nothing fits.")]));
    said.textContent = rows.length ? `${rows.length}${more ? " or more" : ""} fit` : "Nothing fits";
    if (!shown()) {
      list.showPopover();
      addEventListener("scroll", place, true);
      addEventListener("resize", place);
    }
    input.setAttribute("aria-expanded", String(rows.length > 0));
    place();
    requestAnimationFrame(place); // again, once it is said why
  }

  async function look() {
    const mine = ++turn;
    const text = input.value.trim();
    const found = await find(object, kind, !many && chosen.length && text === chosen[0].name ? "" : text);
    if (mine === turn && document.activeElement === input) offer(found);
  }

  function move(to) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (to + shownRows.length) % shownRows.length;
    const row = list.children[active];
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({block: "nearest"});
    input.setAttribute("aria-activedescendant", row.id);
  }

  if (looks) {
    input.addEventListener("input", () => {
      if (!many) chosen = [];
      clearTimeout(timer);
      timer = setTimeout(() => look().catch(() => {}), 150);
      if (!input.value) on();
    });
    input.addEventListener("click", () => { if (!shown()) look().catch(() => {}); });
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (e) => {
      const some = shown() && shownRows.length;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        if (some) move(active < 0 ? (e.key === "ArrowDown" ? 0 : -1) : active + (e.key === "ArrowDown" ? 1 : -1));
        else if (!shown()) look().catch(() => {});
      } else if (e.key === "Enter" && some && active >= 0) {
        e.preventDefault();
        e.stopPropagation();
        take(shownRows[active]);
      } else if (e.key === "Escape" && shown()) {
        e.preventDefault();
        e.stopPropagation();
        close();
      } else if (many && e.key === "Backspace" && !input.value && chosen.length) {
        chosen.pop();
        draw();
        el.dispatchEvent(new Event("input", {bubbles: true}));
      }
    });
  }
  draw();

  // settled is what a text means that was typed and not chosen: it must mean one.
  async function settled(text) {
    if (!looks) return kind.named(text);
    close();
    const found = await find(object, kind, text);
    let row = found.full.length === 1 ? found.full[0] : null;
    if (!row && !found.full.length && kind.otherwise && /[\\/@]/.test(text)) row = await kind.otherwise(text).catch(() => null);
    if (row) {
      take(row);
      return {id: row.id};
    }
    input.focus();
    if (found.rows.length) offer(found);
    throw at(name, found.full.length ? "Several are called this: choose one of them" : found.rows.length ? "Nothing is called this in full: choose from the list" : "Nothing is called this");
  }

  return {
    el, control: input,
    raw: () => chosen.map((c) => c.id).join() + " " + (many || !chosen.length ? input.value : ""),
    value: async () => {
      const text = input.value.trim();
      const typed = text && (many || !chosen.length) ? await settled(text) : null;
      if (!many) return typed ?? (chosen.length ? {id: chosen[0].id} : null);
      return looks || !typed ? chosen.map(({id}) => ({id})) : [...chosen.map(({id}) => ({id})), typed];
    },
  };
}
