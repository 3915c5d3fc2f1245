// Permissions, chosen: by a role, or method by method. What is saved are the methods' names, with noun/* where all of a noun that
// shows no secret is meant, so that methods of that noun that come later are permitted too.
import {h} from "./dom.js";
import {allMethods, reveals} from "./api.js";
import {nounOf} from "./words.js";

// roles are what people do here. A role's permissions are those of its patterns that whoever grants it has himself.
export const roles = [
  {label: "Administrator", text: "Everything, also what comes with later versions.", patterns: ["*"]},
  {label: "Help desk", text: "Finds people and their tokens, unlocks, assigns, synchronises, resets, sends links and passwords.", patterns: ["user/get", "user/search", "user/unlock", "user/resetPassword", "group/search", "unit/search", "domain/search", "product/search", "token/get", "token/search", "token/set",
    "token/reset", "token/syncToken", "token/confine", "token/release", "token/getDownloadUrl", "tokenAssignment/*", "device/get", "device/search", "audit/history", "audit/overview", "delivery/search"]},
  {label: "Device manager", text: "Devices with their groups and client tokens, licenses and installation codes.", patterns: ["device/*", "device/revealToken", "device/generateToken", "deviceGroup/*", "license/*", "installationCode/*", "installationCode/get", "installationCode/search", "installationCode/getQRCode",
    "user/search", "domain/search", "batch/execute", "audit/history", "audit/overview"]},
  {label: "Auditor", text: "Reads everything, and changes and shows nothing.", patterns: ["audit/*", "user/get", "user/search", "group/search", "unit/search", "domain/search", "domain/estimateGuessing", "product/search", "repository/search", "token/get", "token/search", "tokenAssignment/search", "device/search",
    "deviceGroup/search", "license/search", "agent/search", "application/search", "application/selfTest", "realm/search", "logonProcedure/search", "logonStep/search", "delivery/search", "template/search"]},
];

// covers tells whether a pattern permits a method. One that shows a secret is permitted by its own name or by "*" alone.
const covers = (pattern, path) => pattern === "*" || pattern === path || pattern.endsWith("/*") && path.startsWith(pattern.slice(0, -1)) && !reveals(path);

const listed = (text) => text.split(/[\s,]+/).filter(Boolean);

// permissionChooser makes what a field of permissions has: a choice of roles, check boxes for the methods, and the list of their names.
export function permissionChooser({value = [], common}) {
  const mine = allMethods();
  const nouns = [...new Set(mine.map((m) => m.split("/")[0]))];
  let chosen = [...value];
  const words = h("p", {class: "faint", role: "status"});
  const role = h("select", {...common, on: {change: () => {
    if (role.value === "own") open(true);
    else take(role.value === "none" ? [] : [...roles[role.value].patterns]);
  }}}, h("option", {value: "none"}, "None"), roles.map((r, i) => h("option", {value: i}, r.label)), h("option", {value: "own"}, "Chosen one by one"));
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

  const same = (a, b) => a.length === b.length && a.every((p) => b.includes(p));

  const boxes = nouns.map((noun) => h("fieldset", {}, h("legend", {}, nounOf(noun)), mine.filter((m) => m.startsWith(noun + "/")).map((m) => h("label", {class: "option"},
    h("input", {type: "checkbox", value: m, on: {change: (e) => set(m, e.target.checked)}}), h("code", {}, m), h("span", {class: "faint", "data-of": m})))));
  methods.append(...boxes);

  function draw(also) {
    const at = roles.findIndex((r) => same(r.patterns, chosen));
    role.value = !chosen.length ? "none" : at >= 0 ? String(at) : "own";
    const unknown = chosen.filter((p) => !mine.some((m) => covers(p, m)));
    words.textContent = [at >= 0 ? roles[at].text : chosen.length ? "Permitted: " + chosen.join(", ") + "." : "", unknown.length ? `Not known here, or not yours to give: ${unknown.join(", ")}.` : ""].filter(Boolean).join(" ");
    if (also) text.value = chosen.join(", ");
    for (const box of methods.querySelectorAll("input")) box.checked = chosen.some((p) => covers(p, box.value));
  }
  draw(true);
  return {el, control: role, raw: () => [...chosen].sort().join(), value: () => chosen};
}
