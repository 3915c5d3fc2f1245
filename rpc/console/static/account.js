// My account: password, own tokens, sessions, and how this browser shows the console.
import {h, when} from "./dom.js";
import {own, post, Refused} from "./api.js";
import {chooseDateLanguage, dateLanguage, languages} from "./dates.js";
import {ask, button} from "./dialog.js";
import {chip, status} from "./list.js";
import {failed} from "./notice.js";
import {rows, section} from "./one.js";
import {chooseTheme, theme} from "./theme.js";
import {changePassword} from "./signin.js";
import {label} from "./words.js";

// account makes the page; signedOut is called once all sessions have ended.
export function account(signedOut) {
  const name = h("span", {});
  const body = h("div", {class: "relations", "aria-busy": "true"}, h("p", {class: "faint"}, "Your account is being read…"));
  const el = h("div", {class: "page"}, h("header", {class: "top"}, h("h1", {tabindex: "-1"}, "My account"), h("span", {class: "faint"}, name)), body);

  async function everywhere() {
    if (!(await ask({title: "Sign out everywhere?", text: "All your sessions end, this one too.", stay: "Cancel", leave: "Sign out everywhere"}))) return;
    try {
      await post("signOutEverywhere");
    } catch (e) {
      failed(e);
      return;
    }
    signedOut();
  }

  async function load() {
    let a;
    try {
      a = await own("account");
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      body.replaceChildren(h("p", {}, e.sentence), button("Try again", load));
      body.removeAttribute("aria-busy");
      return;
    }
    name.textContent = a.loginName;
    const choice = h("select", {"aria-label": "Colours", on: {change: (e) => chooseTheme(e.target.value)}}, [["", "As the system has them"], ["light", "Light"], ["dark", "Dark"]].map(([value, text]) => h("option", {value, selected: value === theme()}, text)));
    const sample = new Date(new Date().getFullYear(), 0, 31, 14, 5);
    const written = h("select", {"aria-label": "Dates", on: {change: (e) => chooseDateLanguage(e.target.value)}}, languages.map((value) => h("option", {value, selected: value === dateLanguage()},
      [value ? new Intl.DisplayNames("en", {type: "language"}).of(value) : "As the browser has them", new Intl.DateTimeFormat(value || undefined, {dateStyle: "medium", timeStyle: "short"}).format(sample)].join(": "))));
    body.replaceChildren(
      section({title: "Password", tools: button("Change password", (e) => changePassword(a.loginName, e.currentTarget)), body: h("p", {class: "none"}, "When it is changed, your other sessions end.")}),
      section({title: "Tokens", body: rows(a.tokens, (t) => ({main: [h("code", {}, t.serial), t.product, t.status === "ACTIVE" ? null : status(t.status), t.assignment === "ACTIVE" ? null : chip("Assignment " + label(t.assignment).toLowerCase(), "warn")]}),
        "You have none: whoever knows your password can sign in. Have one assigned, and its one-time password is asked for as well.")}),
      section({title: "Sessions", tools: button("Sign out everywhere", everywhere), body: rows(a.sessions, (s) => ({main: ["Since ", when(s.since), s.current ? chip("This one", "good") : null], more: ["used ", when(s.lastUsed)]}), "None.")}),
      section({title: "In this browser", body: h("div", {class: "in"}, h("label", {class: "inline"}, "Colours ", choice), h("label", {class: "inline"}, "Dates ", written))}));
    body.removeAttribute("aria-busy");
  }
  load();
  return el;
}
