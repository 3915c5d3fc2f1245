// What guessing OTPs may reach, and the warning where refused credentials stand out.
import {h, when, number} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {button, dialog} from "./dialog.js";

const method = "domain/estimateGuessing";
export const mayEstimate = () => may(method);

// warning gives a place that shows, once asked, that somebody tries OTPs with many users.
export function warning() {
  const el = h("p", {class: "alert", role: "alert", hidden: true});
  if (mayEstimate()) {
    call(method, {estimate: false}).then((g) => {
      if (!g.standsOut) return;
      el.textContent = "Refused credentials stand out since " + when(g.standsSince).textContent + ": somebody may be trying one-time passwords with many users. Until it ends, tokens out of step need two of them.";
      el.hidden = false;
    }, (e) => { if (!(e instanceof Refused)) throw e; });
  }
  return el;
}

const chance = (p) => (p === 0 ? "0" : p.toExponential(1).replace("e-", " · 10⁻").replace(/⁻(\d+)$/, (_, n) => "⁻" + [...n].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")).replace("e+0", ""));
const accounts = (n) => (n < 10 ? String(Number(n.toPrecision(2))) : number(Math.round(n)));

// estimate opens the dialog.
export async function estimate(opener) {
  const d = dialog({title: "What guessing may reach", wide: true, opener, body: h("p", {role: "status"}, "The settings and tokens are being read…"), buttons: [h("span", {class: "grow"}), button("Close", () => d.leave(), "primary")]});
  try {
    const g = await call(method);
    const head = ["Domain", "Product", "Users", "Codes a guess may hit", "Guesses a year", "Mistyped a day", "Without PIN", "Random PIN", "Chosen PIN", "Passcode", "Emergency codes", "One address", "Many addresses"];
    d.content.replaceChildren(
      h("p", {}, "At most, by the settings in force: the chance to enter one user's account within a year, and how many accounts one address, or any number of them, enters."),
      g.warnings.map((w) => h("p", {class: "alert"}, w)),
      h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Estimate"}, h("table", {}, h("thead", {}, h("tr", {}, head.map((t) => h("th", {scope: "col"}, t)))), h("tbody", {}, g.rows.map((r) => h("tr", {},
        [r.domain, r.product, number(r.users), `${number(r.codes)}, first ${number(r.firstCodes)}`, number(r.guessesAYear), number(r.mistypedADay), chance(r.withoutPin), chance(r.randomPin), chance(r.chosenPin), chance(r.passcode), chance(r.emergencyCode), accounts(r.sprayedAYear), accounts(r.allUsersAYear)].map((t) => h("td", {}, t))))))));
  } catch (e) {
    d.content.replaceChildren(h("p", {class: "alert"}, e.sentence ?? String(e)));
  }
}
