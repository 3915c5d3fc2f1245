// Dialogs. One that holds somebody's work, or a secret that is shown once, is left only by a decision: not by Esc, ×, Back or
// the end of a session.
import {h, icon, newId} from "./dom.js";
import {Refused} from "./api.js";
import {fieldAt, fieldsIn} from "./field.js";
import {notice} from "./notice.js";

export const button = (text, click, kind = "", more = {}) => h("button", {type: "button", class: kind, on: {click}, ...more}, text);

const open = []; // the open dialogs, the topmost last

// held tells whether an open dialog would lose something, and bound whether one must not be left for another page.
export const held = () => open.some((d) => d.busy() || d.question());
export const bound = () => held() || open.some((d) => d.layer);

// leaveAll closes the dialogs from the topmost down, asking where something would be lost. It tells whether all are closed.
let leaving = null;
export function leaveAll() {
  leaving ??= (async () => {
    while (open.length) if (!(await open.at(-1).leave())) return false;
    return true;
  })().finally(() => { leaving = null; });
  return leaving;
}

// The browser asks before it leaves the console with something that would be lost, unless one has said that it may be.
let free = false;
addEventListener("beforeunload", (e) => { if (held() && !free) e.preventDefault(); });
export const letGo = () => { free = true; };

// discard is what is asked of somebody who leaves work behind.
const discard = {title: "Discard what you entered?", text: "It has not been saved.", stay: "Keep editing", leave: "Discard"};

// dialog opens a window of its own over the page. It gives an object with its body and close; focus goes back to where it
// was, or to opener. loses is asked whether work would be lost; layer makes it one that cannot be closed by the person.
export function dialog({title, body = [], buttons = [], wide = false, opener = document.activeElement, loses = () => false, layer = false}) {
  const id = newId();
  const called = opener?.getAttribute?.("aria-label") ?? opener?.textContent;
  const alert = h("p", {class: "alert", role: "alert", hidden: true});
  const foot = h("footer", {}, buttons);
  const content = h("div", {class: "content"}, alert, body);
  const el = h("dialog", {class: wide ? "wide" : "", "aria-labelledby": id},
    h("header", {}, h("h2", {id}, title), layer ? null : button(icon("close"), () => d.leave(), "quiet round", {"aria-label": "Close"})),
    content, foot, h("div", {class: "notices", role: "status"}));
  let busy = false, closed = false, asking = null;
  let question = () => (loses() ? discard : null);
  // A key that is handled here closes nothing by itself; the browser's other ways of closing come as "cancel" or "close".
  el.addEventListener("keydown", (e) => {
    if (e.key !== "Escape" || e.defaultPrevented) return;
    e.preventDefault();
    e.stopPropagation();
    d.leave();
  });
  el.addEventListener("cancel", (e) => { if (e.target === el) { e.preventDefault(); d.leave(); } });
  el.addEventListener("close", (e) => {
    if (e.target !== el) return;
    if (!closed) { // the browser closed it
      el.showModal();
      d.leave();
    }
  });
  const d = {
    el,
    layer,
    content,
    busy: () => busy,
    question: () => (layer ? null : question()),
    close() {
      if (closed) return;
      closed = true;
      open.splice(open.indexOf(d), 1);
      el.close();
      el.remove();
      // What opened it may be gone with the list it stood in; what has taken its place is called the same.
      const root = open.at(-1)?.el ?? document.querySelector("main");
      const same = opener?.isConnected && opener.checkVisibility() ? opener
        : [...(root?.querySelectorAll("button") ?? [])].find((b) => (b.getAttribute("aria-label") ?? b.textContent) === called && b.checkVisibility());
      (same ?? root?.querySelector(".top button, [autofocus]") ?? root?.querySelector("h1, h2"))?.focus();
    },
    // leave closes the dialog for somebody who goes away, and asks first where something would be lost. It tells whether it
    // closed.
    leave() {
      asking ??= (async () => {
        if (layer) return false;
        if (busy) {
          notice("This is being done. Please wait for the answer.");
          return false;
        }
        const q = question();
        if (q && !(await ask(q))) return false;
        if (!busy) d.close();
        return closed;
      })().finally(() => { asking = null; });
      return asking;
    },
    // hold keeps the dialog open and its buttons still while something is under way.
    hold(on) {
      busy = on;
      el.setAttribute("aria-busy", String(on));
      for (const b of el.querySelectorAll("header button, footer button")) b.disabled = on;
    },
    replace(newTitle, newBody, newButtons) {
      question = () => null;
      el.querySelector("h2").textContent = newTitle;
      alert.hidden = true;
      content.replaceChildren(alert, ...[newBody].flat(Infinity).filter(Boolean));
      foot.replaceChildren(...newButtons);
      (content.querySelector("[autofocus]") ?? foot.querySelector("button"))?.focus();
    },
    // reveal replaces the dialog by what is shown once. It stays until one says that one has it.
    reveal(newTitle, newBody, {confirm = "Done", also = [], warning = "It is not shown again."} = {}) {
      d.hold(false);
      d.replace(newTitle, newBody, [...also, h("span", {class: "grow"}), button(confirm, () => d.close(), "primary")]);
      question = () => ({title: "Have you stored it?", text: warning, stay: "Go back to it", leave: "I have stored it"});
    },
    // refuse shows an error at the field the server named, or at the top.
    refuse(e) {
      if (!(e instanceof Refused)) throw e;
      const field = fieldAt(el, e.attribute);
      if (field) {
        field.mark(e.sentence);
        return;
      }
      alert.textContent = e.sentence;
      alert.hidden = false;
      alert.scrollIntoView({block: "nearest"});
    },
    clear() {
      alert.hidden = true;
      for (const f of fieldsIn(el)) f.unmark();
    },
  };
  document.body.append(el);
  open.push(d);
  el.showModal();
  el.querySelector("[autofocus]")?.focus();
  return d;
}

// ask asks a question over everything else. It tells whether one leaves.
export function ask({title, text, stay, leave}) {
  return new Promise((resolve) => {
    const d = dialog({title, body: h("p", {}, text), buttons: [h("span", {class: "grow"}), button(stay, () => end(false), "", {autofocus: true}), button(leave, () => end(true), "danger")]});
    const end = (answer) => {
      d.close();
      resolve(answer);
    };
    d.leave = async () => {
      end(false);
      return true;
    };
  });
}
