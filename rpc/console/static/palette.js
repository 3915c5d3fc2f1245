// The command palette: pages, people, tokens and devices by a few letters.
import {h, newId} from "./dom.js";
import {may} from "./api.js";
import {dialog} from "./dialog.js";
import {find, kinds} from "./picker.js";
import {go, to} from "./route.js";

// objects are what is searched besides the pages: where one is shown, and its address.
const objects = [
  ["user", "user/search", (u) => to("users", u["domain.name"], u.loginName)],
  ["token", "token/search", (t) => to("tokens", t.serial)],
  ["device", "device/search", (d) => to("devices", d.name)],
];

// palette opens it. pages are [{label, address}].
export function palette(pages) {
  const listId = newId();
  const list = h("ul", {class: "found", id: listId, role: "listbox", "aria-label": "What fits"});
  const input = h("input", {type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": listId, "aria-autocomplete": "list", "aria-label": "Go to", placeholder: "A page, a person, a serial, a device", autocomplete: "off", spellcheck: "false", autofocus: true});
  const words = h("p", {class: "faint", role: "status"});
  const d = dialog({title: "Go to", body: [input, list, words]});
  d.el.classList.add("palette");
  let active = 0, turn = 0, timer;

  function offer(all) {
    active = 0;
    list.replaceChildren(...all.map((o, i) => h("li", {role: "option", id: listId + i, "aria-selected": String(i === 0), on: {click: () => take(o)}}, h("span", {class: "what"}, o.label), h("span", {class: "faint"}, o.more))));
    list.offered = all;
    if (all.length) input.setAttribute("aria-activedescendant", listId + 0);
    else input.removeAttribute("aria-activedescendant");
    words.textContent = all.length ? "" : "Nothing fits.";
  }

  function take(o) {
    d.close();
    go(o.address);
  }

  const pagesNow = () => pages.filter((p) => p.label.toLowerCase().includes(input.value.trim().toLowerCase())).map((p) => ({...p, more: "Page"}));

  async function look() {
    const mine = turn;
    const text = input.value.trim();
    if (!text) return;
    const fits = pagesNow();
    const found = await Promise.all(objects.filter(([, method]) => may(method)).map(async ([object, , address]) => {
      const {rows} = await find(object, kinds[object], text, 5).catch(() => ({rows: []}));
      return rows.map((r) => ({label: kinds[object].name(r), more: kinds[object].more(r) || object, address: address(r)}));
    }));
    if (mine === turn) offer([...fits, ...found.flat()]);
  }

  function move(by) {
    const all = [...list.children];
    if (!all.length) return;
    all[active]?.setAttribute("aria-selected", "false");
    active = (active + by + all.length) % all.length;
    all[active].setAttribute("aria-selected", "true");
    all[active].scrollIntoView({block: "nearest"});
    input.setAttribute("aria-activedescendant", all[active].id);
  }

  input.addEventListener("input", () => {
    turn++; // what is still under way comes too late
    offer(pagesNow());
    clearTimeout(timer);
    timer = setTimeout(look, 120);
  });
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      move(e.key === "ArrowDown" ? 1 : -1);
    } else if (e.key === "Enter" && list.offered[active]) {
      e.preventDefault();
      take(list.offered[active]);
    }
  });
  offer(pagesNow());
}
