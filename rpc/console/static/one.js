// The page of one object: what it is and what one can do with it, what it belongs to, what happened to it, and its facts.
import {h, icon} from "./dom.js";
import {call, Refused} from "./api.js";
import {button} from "./dialog.js";
import {copied} from "./secret.js";
import {timeline} from "./timeline.js";

// onePage makes a page. spec:
//   back [label, address]: the list it is in, noun, title (until it is read), method (object/search), returns, match: which it is,
//   also(row): reads what the page shows besides, name(row), state(row) → elements, lead(row) → what it is, as a sentence, problem(row) → what hinders it, null where nothing is known that does,
//   act(row, again) → buttons, sections(row, again) → [{title, tools, body}], facts(row) → [[label, text or element, copy]],
//   history(row) → what the record calls it and what belongs to it, several(rows) → what to show where several are called so
export function onePage(spec) {
  const title = h("h1", {tabindex: "-1"}, spec.title);
  const place = h("div", {class: "waiting-page", "aria-busy": "true"}, h("span", {class: "bone"}), h("span", {class: "bone"}));
  const head = h("header", {class: "top one"}, title);
  const el = h("div", {class: "page"}, h("nav", {class: "crumbs", "aria-label": "Where this is"}, h("a", {href: spec.back[1]}, spec.back[0])), head, place);
  let record = null;

  function nothing(words, text) {
    place.removeAttribute("aria-busy");
    place.replaceChildren(h("div", {class: "card state"}, h("h2", {}, words), h("p", {}, text), h("p", {}, h("a", {href: spec.back[1]}, "Back to " + spec.back[0].toLowerCase()))));
  }

  async function load() {
    try {
      const found = await call(spec.method, {match: spec.match, return: spec.returns, count: false, max: 20});
      if (!found.rows.length) {
        nothing(`There is no such ${spec.noun}`, "It may have been deleted or renamed, or you may not see it.");
        return;
      }
      if (found.rows.length > 1) {
        nothing("Several are called this", "Choose one of them.");
        place.firstChild.append(h("ul", {}, found.rows.map((r) => h("li", {}, spec.several(r)))));
        return;
      }
      const row = found.rows[0];
      await spec.also?.(row);
      show(row);
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      nothing("This cannot be shown", e.sentence);
      place.firstChild.append(button("Try again", load));
    }
  }

  const again = () => {
    record?.reload();
    return load();
  };

  function show(row) {
    const held = el.contains(document.activeElement) && document.activeElement !== title ? document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent : null;
    title.textContent = spec.name(row);
    document.title = spec.name(row) + " · tokensmith";
    head.replaceChildren(title, ...(spec.state?.(row) ?? []).filter(Boolean), h("span", {class: "grow"}), h("div", {class: "acts"}, (spec.act?.(row, again) ?? []).filter(Boolean)));
    const lead = spec.lead?.(row), problem = spec.problem?.(row);
    const about = spec.history?.(row);
    if (about && !record) record = timeline(about);
    else record?.about(about);
    place.removeAttribute("aria-busy");
    place.className = "one-page";
    place.replaceChildren(
      h("div", {class: "relations"}, problem && h("p", {class: "advice warn"}, problem), lead && h("p", {class: "lead"}, lead),
        (spec.sections?.(row, again) ?? []).filter(Boolean).map((s) => section(s)), record?.el),
      h("aside", {class: "card facts", "aria-label": "Facts"}, h("dl", {}, spec.facts(row, again).filter(Boolean).map(([label, value, copy]) => fact(label, value, copy)))));
    if (held) [...el.querySelectorAll("button, a, input")].find((e) => (e.getAttribute("aria-label") ?? e.textContent) === held)?.focus();
  }

  load();
  return el;
}

// section is a card with a heading.
export function section({title, tools = [], body, id}) {
  return h("section", {class: "card section", "aria-label": title, id}, h("header", {}, h("h2", {}, title), h("span", {class: "grow"}), [tools].flat().filter(Boolean)), body);
}

// fact shows a label and a value; copy is what its button copies, true for the value itself.
function fact(label, value, copy) {
  const shown = h("span", {}, value ?? "–");
  const text = copy === true ? String(value) : copy;
  return h("div", {class: "fact"}, h("dt", {}, label), h("dd", {}, shown, value != null && text ? button(icon("copy"), () => copied(label, text, shown), "quiet round", {"aria-label": "Copy " + label.toLowerCase()}) : null));
}

// rows shows what an object has, a line each: what it is, what more is to be said, and what one can do. none is said where there
// are none.
export function rows(list, line, none) {
  if (!list.length) return h("p", {class: "none"}, none);
  return h("ul", {class: "lines"}, list.map((item) => {
    const {main, more, act} = line(item);
    return h("li", {}, h("div", {class: "what"}, main), h("div", {class: "faint more"}, more), h("div", {class: "acts"}, [act].flat().filter(Boolean)));
  }));
}
