// The console: sign-in, navigation, pages.
import {h, icon} from "./dom.js";
import {post, permit, may, Refused} from "./api.js";
import {button, field, mark, failed} from "./ui.js";
import {devices} from "./devices.js";
import {codes} from "./codes.js";
import {tokens} from "./tokens.js";
import {users, domains, products, licenses, agents} from "./objects.js";
import {audit} from "./audit.js";
import {warning} from "./guessing.js";

const pages = [
  {path: "devices", label: "Devices", icon: "devices", method: "device/search", open: devices},
  {path: "installation-codes", label: "Installation codes", icon: "codes", method: "installationCode/search", open: codes},
  {path: "tokens", label: "Tokens", icon: "tokens", method: "token/search", open: tokens},
  {path: "users", label: "Users", icon: "users", method: "user/search", open: users},
  {path: "domains", label: "Domains", icon: "folder", method: "domain/search", open: domains},
  {path: "products", label: "Products", icon: "products", method: "product/search", open: products},
  {path: "licenses", label: "Licenses", icon: "licenses", method: "license/search", open: licenses},
  {path: "agents", label: "Agents", icon: "agents", method: "agent/search", open: agents},
  {path: "audit", label: "Audit", icon: "audit", method: "audit/search", open: audit},
];

const app = document.getElementById("app");
let person = null;

async function begin() {
  try {
    person = await post("whoami");
    permit(person.methods);
    shell();
  } catch (e) {
    if (e.code === 4) signIn();
    else if (e instanceof Refused) app.replaceChildren(h("main", {class: "alone"}, h("h1", {}, "The console is not available"), h("p", {}, e.sentence), button("Try again", begin, "primary")));
    else throw e;
  }
}

// signIn shows the page where one signs in; why says why, if it was not one's wish.
function signIn(why = "") {
  person = null;
  for (const d of document.querySelectorAll("dialog")) d.close();
  document.title = "Sign in · tokensmith";
  const login = field({name: "loginName", label: "Login name", required: true, autofocus: true, autocomplete: "username", hint: "Or DOMAIN\\name, or a principal name."});
  const password = field({name: "password", label: "Password", type: "password", required: true, autocomplete: "current-password"});
  const otp = field({name: "otp", label: "One-time password", optional: true, hint: "If your account has a token, its PIN in front if it has one.", inputmode: "numeric", autocomplete: "one-time-code"});
  const fresh = field({name: "newPassword", label: "New password", type: "password", autocomplete: "new-password", hint: "Your password must be changed before you go on."});
  fresh.show(false);
  const alert = h("p", {class: why ? "alert calm" : "alert", role: "alert", hidden: !why}, why);
  const go = h("button", {type: "submit", class: "primary"}, "Sign in");
  app.replaceChildren(h("main", {class: "alone"}, h("div", {class: "brand"}, h("span", {class: "mark"}), "tokensmith"), h("h1", {}, "Sign in"), alert,
    h("form", {novalidate: true, on: {submit: async (e) => {
      e.preventDefault();
      alert.hidden = true;
      for (const f of [login, password]) {
        if (!f.value()) {
          mark(f.el, "Please fill this in.");
          return;
        }
      }
      go.disabled = true;
      try {
        await post("signIn", {loginName: login.value(), password: password.value(), otp: otp.value(), newPassword: fresh.el.hidden ? "" : fresh.value()});
        await begin();
      } catch (err) {
        if (!(err instanceof Refused)) throw err;
        const change = err.code === 207 && err.attribute === "newPassword";
        const pin = err.code === 207 && !change;
        if (change) {
          fresh.show(true);
          fresh.control.focus();
        }
        alert.textContent = pin ? "Your PIN must be changed: enter the old PIN, the one-time password and the new PIN twice, all in one." : change ? "Your password must be changed. Enter a new one, and your token's next one-time password if you have one." : err.code === 201 ? "This login name, password and one-time password do not fit." : err.sentence;
        alert.className = "alert";
        alert.hidden = false;
        otp.control.value = "";
        if (!change) password.control.select();
      } finally {
        go.disabled = false;
      }
    }}}, login.el, password.el, otp.el, fresh.el, go), documents()));
  login.control.focus();
}

// documents leads programmers on.
function documents() {
  return h("p", {class: "documents"}, h("a", {href: "/methods"}, "Methods"), h("a", {href: "/openapi.json"}, "OpenAPI"));
}

function shell() {
  const open = pages.filter((p) => may(p.method));
  const links = open.map((p) => h("a", {href: "#/" + p.path}, icon(p.icon), h("span", {}, p.label)));
  const main = h("main", {id: "main"});
  const skip = h("a", {class: "skip", href: "#main", on: {click: (e) => { e.preventDefault(); main.querySelector("h1")?.focus(); }}}, "Skip to the page");
  app.replaceChildren(skip, h("div", {class: "shell"},
    h("header", {class: "side"},
      h("div", {class: "brand"}, h("span", {class: "mark"}), "tokensmith"),
      h("nav", {"aria-label": "Pages of the console"}, links),
      h("div", {class: "me"}, h("span", {class: "who", title: person.loginName}, person.loginName), button([icon("out"), h("span", {}, "Sign out")], async () => {
        try {
          await post("signOut");
        } catch (e) {
          failed(e);
          return;
        }
        signIn("You have signed out.");
      }, "quiet")), documents()),
    main));
  const show = () => {
    if (!person) return;
    const at = open.find((p) => location.hash === "#/" + p.path);
    if (!at) {
      if (open.length) location.replace("#/" + open[0].path);
      else main.replaceChildren(h("div", {class: "page"}, h("h1", {tabindex: "-1"}, "Nothing to show"), h("p", {}, "Your account's permissions open none of the console's pages.")));
      return;
    }
    open.forEach((p, i) => {
      if (p === at) links[i].setAttribute("aria-current", "page");
      else links[i].removeAttribute("aria-current");
    });
    links[open.indexOf(at)].scrollIntoView({block: "nearest", inline: "nearest"});
    document.title = at.label + " · tokensmith";
    for (const d of document.querySelectorAll("dialog")) d.close();
    main.replaceChildren(warning(), at.open());
    main.querySelector("h1").focus({preventScroll: true});
  };
  onhashchange = show;
  show();
}

addEventListener("signedout", () => { if (person) signIn("Your session has ended. Please sign in again."); });
begin();
