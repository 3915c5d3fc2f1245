// Dialogs, menus, fields and notices.
import {h, icon, newId} from "./dom.js";
import {call, may, Refused} from "./api.js";

// notice says what was done, for a few seconds.
export function notice(text, bad = false) {
  const el = h("p", {class: bad ? "notice bad" : "notice"}, text);
  // What lies under an open dialog is neither seen nor told.
  const all = [...document.querySelectorAll("dialog[open] .notices")].at(-1) ?? document.getElementById("notices");
  all.append(el);
  while (all.children.length > 2) all.firstChild.remove();
  setTimeout(() => el.remove(), bad ? 9000 : 5000);
}

// failed shows an error that belongs to no field.
export const failed = (e) => notice(e instanceof Refused ? e.sentence : String(e), true);

// attempt runs an action and says how it went.
export async function attempt(action, done) {
  try {
    await action();
    if (done) notice(done);
    return true;
  } catch (e) {
    failed(e);
    return false;
  }
}

let preparing = false;

// prepare loads what a dialog needs. It gives nothing where that fails, where it is asked twice, and where one has gone to
// another page meanwhile.
export async function prepare(load) {
  if (preparing) return undefined;
  preparing = true;
  const at = location.hash;
  try {
    const got = await load();
    return location.hash === at ? got : undefined;
  } catch (e) {
    failed(e);
    return undefined;
  } finally {
    preparing = false;
  }
}

export const button = (label, click, kind = "", more = {}) => h("button", {type: "button", class: kind, on: {click}, ...more}, label);

// dialog opens a window of its own over the page. It gives an object with its body and close; focus goes back to where it
// was, or to opener.
export function dialog({title, body = [], buttons = [], wide = false, opener = document.activeElement}) {
  const id = newId();
  const called = opener?.getAttribute("aria-label") ?? opener?.textContent;
  const alert = h("p", {class: "alert", role: "alert", hidden: true});
  const foot = h("footer", {}, buttons);
  const content = h("div", {class: "content"}, alert, body);
  const el = h("dialog", {class: wide ? "wide" : "", "aria-labelledby": id},
    h("header", {}, h("h2", {id}, title), button(icon("close"), () => { if (!busy) el.close(); }, "quiet round", {"aria-label": "Close"})),
    content, foot, h("div", {class: "notices", role: "status"}));
  let busy = false;
  el.addEventListener("cancel", (e) => { if (busy) e.preventDefault(); });
  el.addEventListener("close", () => {
    el.remove();
    // What opened it may be gone with the list it stood in; what has taken its place is called the same.
    const same = opener?.isConnected && opener.checkVisibility() ? opener
      : [...document.querySelectorAll("main button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent) === called && b.checkVisibility());
    (same ?? document.querySelector("main .top button") ?? document.querySelector("main h1"))?.focus();
  });
  document.body.append(el);
  el.showModal();
  el.querySelector("[autofocus]")?.focus();
  return {
    el,
    content,
    close: () => { if (!busy) el.close(); },
    // hold keeps the dialog open and its buttons still while something is under way.
    hold(on) {
      busy = on;
      for (const b of el.querySelectorAll("header button, footer button")) b.disabled = on;
    },
    replace(newTitle, newBody, newButtons) {
      el.querySelector("h2").textContent = newTitle;
      alert.hidden = true;
      content.replaceChildren(alert, ...[newBody].flat(Infinity).filter(Boolean));
      foot.replaceChildren(...newButtons);
      (content.querySelector("[autofocus]") ?? foot.querySelector("button"))?.focus();
    },
    // refuse shows an error at the field the server named, or at the top.
    refuse(e) {
      if (!(e instanceof Refused)) throw e;
      const field = fieldOf(el, e.attribute);
      if (field) {
        mark(field, e.sentence);
        return;
      }
      alert.textContent = e.sentence;
      alert.hidden = false;
      alert.scrollIntoView({block: "nearest"});
    },
    clear() {
      alert.hidden = true;
      for (const f of el.querySelectorAll("[data-field]")) unmark(f);
    },
  };
}

// fieldOf finds the field of an attribute: "attrs.license.name" is at the field "license".
function fieldOf(root, attribute) {
  const parts = attribute.split(".");
  if (parts[0] === "attrs") parts.shift();
  return parts[0] ? root.querySelector(`[data-field="${CSS.escape(parts[0])}"]`) : null;
}

function mark(field, text) {
  const control = field.querySelector("input, select, textarea, fieldset");
  const error = field.querySelector(".error");
  error.textContent = text;
  error.hidden = false;
  control.setAttribute("aria-invalid", "true");
  (control.matches("fieldset") ? control.querySelector("input") ?? control : control).focus();
}

function unmark(field) {
  field.querySelector(".error").hidden = true;
  field.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
}

export {mark};

// field makes a labelled control. spec: name, label, type, hint, required, options, value. It has value() and el.
export function field(spec) {
  const id = newId();
  const hint = spec.hint && h("p", {class: "hint", id: id + "h"}, spec.hint);
  const error = h("p", {class: "error", id: id + "e", hidden: true});
  const described = (hint ? id + "h " : "") + id + "e";
  const common = {id, name: spec.name, required: spec.required, "aria-describedby": described, autofocus: spec.autofocus, autocomplete: spec.autocomplete ?? "off"};
  let control, value;
  switch (spec.type) {
    case "checkbox":
      control = h("input", {...common, type: "checkbox", checked: !!spec.value});
      value = () => control.checked;
      return made(h("div", {class: "field check", "data-field": spec.name}, h("div", {class: "inline"}, control, h("label", {for: id}, spec.label)), hint, error));
    case "checks": // several of some
    case "radios": { // one of some
      const type = spec.type === "checks" ? "checkbox" : "radio";
      control = h("fieldset", {"aria-describedby": described}, h("legend", {}, spec.label),
        h("div", {class: "panel"}, spec.options.length ? spec.options.map((o) => h("label", {class: o.disabled ? "option off" : "option"},
          h("input", {type, name: id, value: o.value, checked: [spec.value].flat().includes(o.value), disabled: o.disabled, on: spec.on}),
          h("span", {}, o.label), o.more && h("span", {class: "faint"}, o.more))) : h("p", {class: "faint"}, spec.none)));
      const chosen = () => [...control.querySelectorAll("input:checked")].map((i) => i.value);
      value = () => (type === "radio" ? chosen()[0] ?? "" : chosen());
      return made(h("div", {class: "field", "data-field": spec.name}, control, hint, error));
    }
    case "select":
      control = h("select", {...common, on: spec.on}, spec.options.map((o) => h("option", {value: o.value, selected: o.value === (spec.value ?? "")}, o.label)));
      value = () => control.value;
      break;
    case "textarea":
      control = h("textarea", {...common, rows: spec.rows ?? 3}, spec.value ?? "");
      value = () => control.value;
      break;
    case "datetime":
      control = h("input", {...common, type: "datetime-local", step: "1", value: local(spec.value)});
      value = () => (control.value ? new Date(control.value).toISOString().replace(".000", "") : null);
      break;
    case "file":
      control = h("input", {...common, type: "file", accept: spec.accept});
      value = () => control.files[0];
      break;
    case "ref": // another object, found as one types
      return made(...reference(spec, common, hint, error));
    default:
      control = h("input", {...common, type: spec.type ?? "text", value: spec.value ?? "", min: spec.min, max: spec.max, inputmode: spec.inputmode, class: spec.mono && "mono", placeholder: spec.placeholder});
      value = () => (spec.type === "number" ? (control.value === "" ? null : Number(control.value)) : control.value);
  }
  return made(h("div", {class: "field", "data-field": spec.name}, h("label", {for: id}, spec.label, spec.optional && h("span", {class: "faint"}, " (optional)")), control, hint, error));

  function made(el, read = value) {
    el.addEventListener("input", () => unmark(el));
    return {name: spec.name, el, value: read, control: control ?? el.querySelector("input"), show: (on) => { el.hidden = !on; }};
  }
}

const local = (iso) => {
  if (!iso) return "";
  const d = new Date(iso);
  return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

// What objects are called where one is chosen, and how one is named by somebody who may not look.
const byName = {name: (r) => r.name, returns: ["id", "name"], match: (t) => ["name", ">>", t], named: (name) => ({name})};
export const kinds = {
  user: {name: (r) => r["domain.name"] + "\\" + r.loginName, returns: ["id", "loginName", "domain.name"], match: (t) => ["loginName", ">>", t.split(/[\\/]/).at(-1)],
    named: (t) => ({loginName: t}), typed: true},
  domain: byName,
  device: byName,
  license: byName,
  product: {name: (r) => `${r.name} (${r.manufacturerCode}/${r.productCode})`, returns: ["id", "name", "manufacturerCode", "productCode"], match: (t) => ["name", ">>", t.split(" (")[0]], named: (name) => ({name})},
};

// reference makes an input that offers what fits; its value is a selector, or null.
function reference(spec, common, hint, error) {
  const kind = kinds[spec.object];
  const looks = may(spec.object + "/search");
  const known = new Map();
  if (spec.value) known.set(spec.value.name, spec.value.id);
  const list = h("datalist", {id: common.id + "l"});
  const input = h("input", {...common, type: "text", list: common.id + "l", value: spec.value?.name ?? "", placeholder: looks ? "Type to search" : ""});
  let timer;
  const look = async () => {
    const found = await call(spec.object + "/search", {match: input.value ? [kind.match(input.value)] : [], return: kind.returns, sort: kind.returns[1], max: 12, count: false});
    for (const r of found.rows) known.set(kind.name(r), r.id);
    list.replaceChildren(...found.rows.map((r) => h("option", {value: kind.name(r)})));
  };
  if (looks) {
    input.addEventListener("focus", () => look().catch(() => {}), {once: true});
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => look().catch(() => {}), 150);
    });
  }
  const el = h("div", {class: "field", "data-field": spec.name},
    h("label", {for: common.id}, spec.label, spec.optional && h("span", {class: "faint"}, " (optional)")), input, list, hint, error);
  const value = async () => {
    const text = input.value.trim();
    if (!text) return null;
    if (known.has(text)) return {id: known.get(text)};
    if (!looks || kind.typed) return kind.named(text); // users have more names than are shown
    await look();
    // A name typed in full, without its codes, is as good as one chosen.
    const id = known.get(text) ?? [...known].find(([name]) => name.split(" (")[0].toLowerCase() === text.toLowerCase())?.[1];
    if (!id) {
      mark(el, "Nothing is called this.");
      throw new Refused({error: 11, message: "nothing is called this", result: {attribute: spec.name}});
    }
    return {id};
  };
  return [el, value];
}

// editor opens a dialog with fields; save gets their values by name, of an object that is there those alone that were
// changed, and may throw what the server refused.
export function editor({title, fields, save, label = "Save", intro, done, wide, also = [], opener, changes = false}) {
  const form = h("form", {novalidate: true, on: {submit: (e) => { e.preventDefault(); submit(); }}}, intro && h("p", {class: "intro"}, intro), fields.map((f) => f.el), h("button", {type: "submit", hidden: true}));
  const act = button(label, () => submit(), "primary");
  const d = dialog({title, body: form, wide, opener, buttons: [...also, h("span", {class: "grow"}), button("Cancel", () => d.close()), act]});
  const before = new Map();
  const ready = changes && Promise.all(fields.map(async (f) => before.set(f, JSON.stringify(await f.value()))));
  let busy = false;
  async function submit(use = save) {
    if (busy) return;
    busy = true;
    d.clear();
    act.disabled = true;
    try {
      await ready;
      const values = {};
      for (const f of fields) {
        if (f.el.hidden) continue;
        const value = await f.value();
        if (!changes || JSON.stringify(value) !== before.get(f)) values[f.name] = value;
      }
      const keep = changes && !Object.keys(values).length ? false : await use(values, d);
      if (keep !== true) d.close();
      if (done) notice(done);
    } catch (e) {
      d.refuse(e);
    } finally {
      busy = false;
      act.disabled = false;
    }
  }
  d.submit = submit;
  return d;
}

// confirm asks before something that cannot be undone; with typed, the name must be typed.
export function confirm({title, text, label, act, typed, done, cancel = "Cancel", opener}) {
  const name = typed && field({name: "typed", label: `Type “${typed}” to confirm`, autofocus: true});
  let busy = false;
  const go = button(label, async () => {
    if (busy) return;
    d.clear();
    if (typed && name.value() !== typed) {
      mark(name.el, "This is not the name.");
      return;
    }
    busy = true;
    try {
      await act();
      d.close();
      if (done) notice(done);
    } catch (e) {
      d.refuse(e);
    } finally {
      busy = false;
    }
  }, "danger");
  const d = dialog({title, opener, body: [h("p", {}, text), name?.el], buttons: [h("span", {class: "grow"}), button(cancel, () => d.close()), go]});
}

// secret shows what is shown once, to be copied.
export function secret(label, text, advice) {
  const id = newId();
  const copy = button([icon("copy"), "Copy"], async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.lastChild.textContent = "Copied";
      notice(label + " is copied.");
    } catch {
      getSelection().selectAllChildren(code);
      copy.lastChild.textContent = "Selected";
      notice(label + " is selected: copy it now.");
    }
  }, "", {autofocus: true, "aria-label": "Copy " + label.toLowerCase()});
  const code = h("code", {class: "secret", tabindex: "0", "aria-labelledby": id}, text);
  return h("div", {class: "shown"}, h("p", {class: "label", id}, label), h("div", {class: "inline"}, code, copy), advice && h("p", {class: "advice"}, advice));
}

// menu is a button that opens a list of actions.
export function menu(label, items) {
  items = items.filter(Boolean);
  if (!items.length) return null;
  const opener = button(icon("more"), () => open(), "quiet round", {"aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false"});
  function open() {
    if (opener.getAttribute("aria-expanded") === "true") return;
    const list = h("div", {class: "menu", role: "menu", "aria-label": label}, items.map((i) => h("button", {type: "button", role: "menuitem", tabindex: "-1", class: i.danger ? "bad" : "", on: {click: () => { close(); i.act(opener); }}}, i.label)));
    const all = [...list.children];
    const close = (focus = true) => {
      list.remove();
      opener.setAttribute("aria-expanded", "false");
      removeEventListener("pointerdown", outside, true);
      removeEventListener("scroll", away, true);
      if (focus) opener.focus();
    };
    const away = () => close(false);
    const outside = (e) => { if (!list.contains(e.target)) close(false); };
    list.addEventListener("keydown", (e) => {
      const at = all.indexOf(document.activeElement);
      const to = {ArrowDown: (at + 1) % all.length, ArrowUp: (at + all.length - 1) % all.length, Home: 0, End: all.length - 1}[e.key];
      if (to !== undefined) { all[to].focus(); e.preventDefault(); }
      if (e.key === "Escape") { close(); e.stopPropagation(); e.preventDefault(); }
      if (e.key === "Tab") close();
    });
    (opener.closest("dialog") ?? document.querySelector("main")).append(list);
    const box = opener.getBoundingClientRect();
    list.style.top = Math.max(8, Math.min(box.bottom + 4, innerHeight - list.offsetHeight - 8)) + "px";
    list.style.left = Math.max(8, box.right - list.offsetWidth) + "px";
    opener.setAttribute("aria-expanded", "true");
    all[0].focus();
    addEventListener("pointerdown", outside, true);
    addEventListener("scroll", away, true);
  }
  return opener;
}

export const chip = (text, tone = "") => h("span", {class: "chip " + tone}, text);

// download saves text as a file.
export function download(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], {type: type + ";charset=utf-8"}));
  const a = h("a", {href: url, download: name});
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// csv writes rows as RFC 4180 has it; a cell that a spreadsheet would run begins with an apostrophe.
export const csv = (rows) => rows.map((row) => row.map((cell) => `"${String(cell ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`).join(",") + "\r\n").join("");
