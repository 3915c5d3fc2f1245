// Fields of a form. A field that holds something that cannot be read is refused, never taken for an empty one, and "no limit"
// is a choice that one makes.
import {h, newId} from "./dom.js";
import {at} from "./api.js";
import {permissionChooser} from "./permissions.js";
import {picker} from "./picker.js";

const made = new WeakMap(); // the field of an element

export const fieldsIn = (root) => [...root.querySelectorAll("[data-field]")].map((el) => made.get(el)).filter(Boolean);

// fieldAt finds the field of an attribute: "attrs.license.name" is at the field "license".
export function fieldAt(root, attribute) {
  const parts = attribute.split(".");
  if (["attrs", "expect"].includes(parts[0])) parts.shift();
  return parts[0] ? fieldsIn(root).find((f) => f.name === parts[0] && !f.el.closest("[hidden]")) : null;
}

const local = (iso) => {
  if (!iso) return "";
  const d = new Date(iso);
  return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

const empty = (v) => v === null || v === undefined || v === "" || Array.isArray(v) && !v.length;

// field makes a labelled control. spec: name, label, type, hint, required (true, or what to say where it is empty), options,
// value. It has value(), which refuses what cannot be read, raw(), which changes with what is entered, mark() and el.
export function field(spec) {
  const id = newId();
  const hint = spec.hint && h("p", {class: "hint", id: id + "h"}, spec.hint);
  const error = h("p", {class: "error", id: id + "e", hidden: true});
  const described = (hint ? id + "h " : "") + id + "e";
  const common = {id, name: spec.name, "aria-required": spec.required ? "true" : null, "aria-describedby": described, autofocus: spec.autofocus, autocomplete: spec.autocomplete ?? "off"};
  const head = () => h("label", {for: id}, spec.label, spec.optional && h("span", {class: "faint"}, " (optional)"));
  const box = (...inner) => h("div", {class: "field", "data-field": spec.name ?? ""}, ...inner, hint, error);
  let control, el, value, raw, focus = () => control, unreadable = () => "", also = () => {};
  switch (spec.type) {
    case "checkbox":
      control = h("input", {...common, type: "checkbox", checked: !!spec.value});
      value = raw = () => control.checked;
      el = h("div", {class: "field check", "data-field": spec.name}, h("div", {class: "inline"}, control, h("label", {for: id}, spec.label)), hint, error);
      break;
    case "checks": // several of some
    case "radios": { // one of some
      const type = spec.type === "checks" ? "checkbox" : "radio";
      control = h("fieldset", {"aria-describedby": described}, h("legend", {}, spec.label),
        h("div", {class: "panel"}, spec.options.length ? spec.options.map((o) => h("label", {class: o.disabled ? "option off" : "option"},
          h("input", {type, name: id, value: o.value, checked: [spec.value].flat().includes(o.value), disabled: o.disabled, on: spec.on}),
          h("span", {}, o.label), o.more && h("span", {class: "faint"}, o.more))) : h("p", {class: "faint"}, spec.none)));
      const chosen = () => [...control.querySelectorAll("input:checked")].map((i) => i.value);
      value = () => (type === "radio" ? chosen()[0] ?? "" : chosen());
      raw = () => chosen().join();
      focus = () => control.querySelector("input:checked, input") ?? control;
      el = box(control);
      break;
    }
    case "choice": { // none, or something that is entered then
      const inner = field({...spec.inner, label: spec.inner.label ?? spec.label, name: ""});
      const pick = (is, text) => h("label", {class: "option"}, h("input", {type: "radio", name: id, value: is, checked: (spec.initial ?? (empty(spec.inner.value) ? "none" : "some")) === is, on: {change: () => fit(is === "some")}}), h("span", {}, text));
      const [none, some] = [pick("none", spec.none), pick("some", spec.some)];
      const on = () => some.firstChild.checked;
      const fit = (focused) => {
        inner.show(on());
        if (focused) inner.control.focus();
      };
      control = h("fieldset", {"aria-describedby": described}, h("legend", {}, spec.label), h("div", {class: "panel"}, none, some, inner.el));
      raw = () => (on() ? "some " + inner.raw() : "none");
      value = async () => {
        if (!on()) return spec.off ?? null;
        let v;
        try {
          v = await inner.value();
        } catch (e) {
          throw at(spec.name, e.message);
        }
        if (empty(v)) throw at(spec.name, `Fill this in, or choose “${spec.none}”`);
        return v;
      };
      also = (text) => {
        if (on()) inner.mark(text);
        return on();
      };
      focus = () => none.firstChild;
      el = box(control);
      fit(false);
      break;
    }
    case "select":
      control = h("select", {...common, on: spec.on}, spec.options.map((o) => h("option", {value: o.value, selected: o.value === (spec.value ?? "")}, o.label)));
      value = raw = () => control.value;
      el = box(head(), control);
      break;
    case "textarea":
      control = h("textarea", {...common, rows: spec.rows ?? 3}, spec.value ?? "");
      value = raw = () => control.value;
      el = box(head(), control);
      break;
    case "datetime":
      control = h("input", {...common, type: "datetime-local", step: "1", value: local(spec.value)});
      value = () => (control.value ? new Date(control.value).toISOString().replace(".000", "") : null);
      raw = () => control.value + control.validity.badInput;
      unreadable = () => control.validity.badInput && "This is no whole date and time";
      el = box(head(), control);
      break;
    case "number":
      control = h("input", {...common, type: "number", step: "any", value: spec.value ?? "", min: spec.min, max: spec.max});
      value = () => (control.value === "" ? null : Number(control.value));
      raw = () => control.value + control.validity.badInput;
      unreadable = () => (control.validity.badInput || !Number.isSafeInteger(Number(control.value)) ? "This is no whole number"
        : control.validity.rangeUnderflow ? `It is ${spec.min} at least` : control.validity.rangeOverflow ? `It is ${spec.max} at most` : "");
      el = box(head(), control);
      break;
    case "file":
      control = h("input", {...common, type: "file", accept: spec.accept});
      value = () => control.files[0];
      raw = () => [...control.files].map((f) => f.name).join();
      el = box(head(), control);
      break;
    case "pick": { // another object, or several, found as one types
      const p = picker({...spec, id, common});
      ({control, value, raw} = p);
      el = box(head(), p.el);
      break;
    }
    case "permissions": {
      const p = permissionChooser({...spec, common});
      ({control, value, raw} = p);
      el = box(head(), p.el);
      break;
    }
    default:
      control = h("input", {...common, type: spec.type ?? "text", value: spec.value ?? "", inputmode: spec.inputmode, class: spec.mono && "mono", placeholder: spec.placeholder});
      value = raw = () => control.value;
      el = box(head(), control);
  }
  const f = {
    name: spec.name, el, control, raw,
    async value() {
      const wrong = unreadable();
      if (wrong) throw at(spec.name, wrong);
      const v = await value();
      const missing = spec.required && empty(typeof v === "string" ? v.trim() : v);
      if (missing) throw at(spec.name, spec.required === true ? "Please fill this in" : spec.required);
      return v;
    },
    // set is what is entered by the page itself.
    set(text) {
      control.value = text;
      f.unmark();
    },
    show(on) { el.hidden = !on; },
    mark(text) {
      if (also(text)) return;
      error.textContent = text;
      error.hidden = false;
      control.setAttribute("aria-invalid", "true");
      focus().focus();
    },
    unmark() {
      error.hidden = true;
      control.removeAttribute("aria-invalid");
    },
  };
  el.addEventListener("input", f.unmark);
  made.set(el, f);
  return f;
}

// newPassword makes the two fields of a password that one chooses: what is typed unseen is typed twice.
export function newPassword({name = "password", label = "New password", optional = false, hint}) {
  const first = field({name, label, type: "password", optional, autocomplete: "new-password", hint: hint ?? "At least 8 characters."});
  const again = field({name: name + "Again", label: label + ", again", type: "password", optional, autocomplete: "new-password"});
  const plain = again.value;
  again.raw = () => again.control.value + "\n" + first.control.value; // it is asked for whenever there is a new one
  again.value = async () => {
    if ((await plain()) !== first.control.value) throw at(again.name, "The two are not the same");
    return undefined;
  };
  return [first, again];
}
