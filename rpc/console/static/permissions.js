// Permissions, chosen: by a role, or method by method. What is saved is the role's name, or the methods' names, with noun/* where all
// of a noun that shows no secret is meant: so methods that come later are permitted too.
import {h} from "./dom.js";
import {allMethods, allRoles, reveals} from "./api.js";
import {nounOf} from "./words.js";

// roles are what people do here. Those but the first are the server's.
const roles = () => [{label: "Administrator", about: "Everything, also what comes with later versions.", permission: "*"}, ...allRoles()];

// roleOf is what somebody with these permissions is called.
export const roleOf = (permissions) => (permissions.length === 1 && roles().find((r) => r.permission === permissions[0])?.label) || "Some permissions";

// covers tells whether a pattern permits a method. One that shows a secret is permitted by its own name or by "*" alone.
const covers = (pattern, path) => pattern === "*" || pattern === path || pattern.endsWith("/*") && path.startsWith(pattern.slice(0, -1)) && !reveals(path)
  || allRoles().some((r) => r.permission === pattern && r.patterns.some((p) => covers(p, path)));

const listed = (text) => text.split(/[\s,]+/).filter(Boolean);

// permissionChooser makes what a field of permissions has: a choice of roles, check boxes for the methods, and the list of their names.
export function permissionChooser({value = [], common}) {
  const mine = allMethods(), all = roles();
  const nouns = [...new Set(mine.map((m) => m.split("/")[0]))];
  let chosen = [...value];
  const words = h("p", {class: "faint", role: "status"});
  const role = h("select", {...common, on: {change: () => {
    if (role.value === "own") open(true);
    else take(role.value === "none" ? [] : [all[role.value].permission]);
  }}}, h("option", {value: "none"}, "None"), all.map((r, i) => h("option", {value: i}, r.label)), h("option", {value: "own"}, "Chosen one by one"));
  const text = h("textarea", {rows: 2, class: "mono", "aria-label": "Names of the permissions", spellcheck: "false", on: {input: () => { chosen = listed(text.value); draw(false); }}});
  const methods = h("div", {class: "methods"});
  const details = h("div", {class: "one-by-one", hidden: true}, text, methods);
  const toggle = h("button", {type: "button", class: "link", "aria-expanded": "false", on: {click: () => open(details.hidden)}}, "Choose one by one");
  const el = h("div", {class: "permissions"}, role, words, toggle, details);

  let told = false;

  function open(on) {
    details.hidden = !on;
    toggle.setAttribute("aria-expanded", String(on));
    if (on && !told) tell();
  }

  // tell says what each method does, in the words of the server's own description.
  async function tell() {
    told = true;
    try {
      const {paths} = await (await fetch("/openapi.json")).json();
      const does = new Map(Object.entries(paths).map(([path, {post}]) => [path.split("/").slice(-2).join("/"), post?.summary]));
      for (const span of methods.querySelectorAll("[data-of]")) span.textContent = (does.get(span.dataset.of) ?? "").split(/[;.:]/)[0];
    } catch {
      told = false; // the names remain, and it is tried again the next time
    }
  }

  function take(patterns) {
    chosen = patterns;
    draw(true);
    el.dispatchEvent(new Event("input", {bubbles: true}));
  }

  // set permits a method, or takes it away; what a pattern permits besides is written out then.
  function set(path, on) {
    take(on ? [...chosen, path] : chosen.flatMap((p) => (p !== path && covers(p, path) ? mine.filter((m) => covers(p, m)) : [p])).filter((p) => p !== path));
  }

  const boxes = nouns.map((noun) => h("fieldset", {}, h("legend", {}, nounOf(noun)), mine.filter((m) => m.startsWith(noun + "/")).map((m) => h("label", {class: "option"},
    h("input", {type: "checkbox", value: m, on: {change: (e) => set(m, e.target.checked)}}), h("code", {}, m), h("span", {class: "faint", "data-of": m})))));
  methods.append(...boxes);

  function draw(also) {
    const at = all.findIndex((r) => chosen.length === 1 && r.permission === chosen[0]);
    role.value = !chosen.length ? "none" : at >= 0 ? String(at) : "own";
    const unknown = chosen.filter((p) => !mine.some((m) => covers(p, m)));
    words.textContent = [at >= 0 ? all[at].about : chosen.length ? "Permitted: " + chosen.join(", ") + "." : "", unknown.length ? `Not known here, or not yours to give: ${unknown.join(", ")}.` : ""].filter(Boolean).join(" ");
    if (also) text.value = chosen.join(", ");
    for (const box of methods.querySelectorAll("input")) box.checked = chosen.some((p) => covers(p, box.value));
  }
  draw(true);
  return {el, control: role, raw: () => [...chosen].sort().join(), value: () => chosen};
}
