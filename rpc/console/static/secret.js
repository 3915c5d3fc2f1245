// What is shown to be copied.
import {h, icon, newId} from "./dom.js";
import {button} from "./dialog.js";
import {notice} from "./notice.js";

// copied puts a text into the clipboard, or selects the element that shows it where the browser does not allow that.
export async function copied(what, text, el) {
  try {
    await navigator.clipboard.writeText(text);
    notice(what + " is copied.");
    return "Copied";
  } catch {
    getSelection().selectAllChildren(el);
    notice(what + " is selected: copy it now.");
    return "Selected";
  }
}

// snippet shows lines to be pasted elsewhere, with a button that copies them.
export function snippet(label, text) {
  const lines = h("pre", {tabindex: "0", role: "region", "aria-label": label}, text);
  return h("div", {class: "snippet"}, h("div", {class: "inline"}, h("span", {class: "faint grow"}, label), button(icon("copy"), () => copied("The text", text, lines), "quiet round", {"aria-label": "Copy: " + label})), lines);
}

// secret shows a secret with a button that copies it.
export function secret(label, text, advice) {
  const id = newId();
  const copy = button([icon("copy"), "Copy"], async () => { copy.lastChild.textContent = await copied(label, text, code); },
    "", {autofocus: true, "aria-label": "Copy " + label.toLowerCase()});
  const code = h("code", {class: "secret", tabindex: "0", "aria-labelledby": id}, text);
  return h("div", {class: "shown"}, h("p", {class: "label", id}, label), h("div", {class: "inline"}, code, copy), advice && h("p", {class: "advice"}, advice));
}
