// What the record says of an object, in sentences, the newest first.
import {h, when, plural} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button} from "./dialog.js";
import {sentence} from "./words.js";

const part = 20;

// timeline shows what was done to objects, which the record names as "token ID": {objects, noun}. Where one may not read it, there
// is none.
export function timeline({objects, noun}) {
  if (!may("audit/history")) return null;
  const list = h("ol", {class: "timeline"});
  const more = button("Show more", () => load(), "link");
  more.hidden = true;
  const words = h("p", {class: "none", role: "status"}, "Reading the record…");
  const el = h("section", {class: "card section", "aria-label": "History"}, h("header", {}, h("h2", {}, "History")), words, list, more);
  let before = "", last = null;

  async function load(fresh = false) {
    if (fresh) before = "";
    try {
      const found = await call("audit/history", {objects, max: part, cursor: before});
      if (fresh || !before) {
        list.replaceChildren();
        last = null;
      }
      for (const a of found.rows) add(a);
      before = found.next ?? "";
      more.hidden = !found.next;
      words.hidden = list.children.length > 0;
      words.textContent = "Nothing is recorded yet.";
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      words.hidden = false;
      words.textContent = e.sentence;
    }
  }

  // add adds a row; the same again, by the same person, is counted. One call has a row for each object that it touched, all of one
  // time: they count as often as one of these objects has one.
  function add(a) {
    const text = sentence(a, noun);
    if (last && last.text === text && last.agent === a.agent) {
      if (last.time !== a.time) {
        last.time = a.time;
        last.before = last.n;
        last.touched.clear();
      }
      last.touched.set(a.object, (last.touched.get(a.object) ?? 0) + 1);
      last.n = last.before + Math.max(...last.touched.values());
      last.count.textContent = last.n > 1 ? " " + plural(last.n, "time") : "";
      return;
    }
    const count = h("span", {class: "faint"});
    list.append(h("li", {class: a.outcome ? "bad" : ""}, h("div", {}, h("strong", {}, a.agent || "Somebody unknown"), " " + text, count), h("div", {class: "faint"}, when(a.time), a.remote && " from " + a.remote)));
    last = {text, agent: a.agent, time: a.time, touched: new Map([[a.object, 1]]), before: 0, n: 1, count};
  }

  load();
  return {el, reload: () => load(true), about(now) { objects = now.objects; }};
}
