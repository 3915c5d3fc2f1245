// The console: who is signed in, navigation, pages.
import {h, icon} from "./dom.js";
import {post, permit, may, whenSignedOut, Refused} from "./api.js";
import {bound, button, leaveAll} from "./dialog.js";
import {changePassword, documents, signInAgain, signInPage} from "./signin.js";
import {failed} from "./notice.js";
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

// welcome learns who is signed in.
async function welcome() {
  person = await post("whoami");
  permit(person.methods);
}

async function begin() {
  try {
    await welcome();
  } catch (e) {
    if (e.code === 4) signIn();
    else if (e instanceof Refused) app.replaceChildren(h("main", {class: "alone"}, h("h1", {}, "The console is not available"), h("p", {}, e.sentence), button("Try again", begin, "primary")));
    else throw e;
    return;
  }
  whenSignedOut(() => signInAgain(person.loginName).then(welcome));
  shell();
}

// signIn shows the page where one signs in; why says why, if it was not one's wish.
function signIn(why = "") {
  person = null;
  whenSignedOut(null);
  onhashchange = null;
  document.title = "Sign in · tokensmith";
  const page = signInPage(why, begin);
  app.replaceChildren(page.el);
  page.first.focus();
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
      h("div", {class: "me"}, h("span", {class: "who", title: person.loginName}, person.loginName),
        button([icon("key"), h("span", {}, "Change password")], (e) => changePassword(person.loginName, e.currentTarget), "quiet password"),
        button([icon("out"), h("span", {}, "Sign out")], async () => {
          try {
            await post("signOut");
          } catch (e) {
            failed(e);
            return;
          }
          signIn("You have signed out.");
        }, "quiet")), documents()),
    main));
  let shown = null; // the fragment of the page that is there
  let deciding = false;
  const show = () => {
    const at = open.find((p) => location.hash === "#/" + p.path);
    if (!at) {
      if (open.length) location.replace("#/" + open[0].path);
      else main.replaceChildren(h("div", {class: "page"}, h("h1", {tabindex: "-1"}, "Nothing to show"), h("p", {}, "Your account's permissions open none of the console's pages.")));
      return;
    }
    shown = location.hash;
    open.forEach((p, i) => {
      if (p === at) links[i].setAttribute("aria-current", "page");
      else links[i].removeAttribute("aria-current");
    });
    links[open.indexOf(at)].scrollIntoView({block: "nearest", inline: "nearest"});
    document.title = at.label + " · tokensmith";
    main.replaceChildren(warning(), at.open());
    main.querySelector("h1").focus({preventScroll: true});
  };
  onhashchange = async () => {
    const to = location.hash;
    if (to === shown) return;
    // The page stays under a dialog that must not be lost, until one has decided.
    const holds = deciding || bound();
    if (holds) history.pushState(null, "", shown);
    if (deciding) return;
    deciding = true;
    const left = await leaveAll();
    deciding = false;
    if (!left) return;
    if (holds) history.pushState(null, "", to);
    show();
  };
  show();
}

begin();
