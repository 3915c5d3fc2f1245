// Menus of actions.
import {h} from "./dom.js";
import {button} from "./dialog.js";

// menu is a button that opens a list of actions.
export function menu(label, items) {
  items = items.filter(Boolean);
  if (!items.length) return null;
  const opener = button("", () => open(), "quiet round", {"aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false"});
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
    // A menu that is not where its button is any more goes.
    const away = () => { if (Math.abs(opener.getBoundingClientRect().top - box.top) > 2) close(false); };
    const outside = (e) => { if (!list.contains(e.target)) close(false); };
    list.addEventListener("keydown", (e) => {
      const at = all.indexOf(document.activeElement);
      const to = {ArrowDown: (at + 1) % all.length, ArrowUp: (at + all.length - 1) % all.length, Home: 0, End: all.length - 1}[e.key];
      if (to !== undefined) { all[to].focus(); e.preventDefault(); }
      if (e.key === "Escape") { close(); e.stopPropagation(); e.preventDefault(); }
      if (e.key === "Tab") close();
    });
    const box = opener.getBoundingClientRect();
    (opener.closest("dialog") ?? document.querySelector("main")).append(list);
    list.style.top = Math.max(8, Math.min(box.bottom + 4, innerHeight - list.offsetHeight - 8)) + "px";
    list.style.left = Math.max(8, box.right - list.offsetWidth) + "px";
    opener.setAttribute("aria-expanded", "true");
    all[0].focus();
    addEventListener("pointerdown", outside, true);
    addEventListener("scroll", away, true);
  }
  return opener;
}
