// Saying what was done, and what was not.
import {h} from "./dom.js";
import {Refused} from "./api.js";

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
