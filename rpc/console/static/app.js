// The console: who is signed in, navigation, pages.
import {h, icon, mark} from "./dom.js";
import {post, permit, may, whenSignedOut, Refused} from "./api.js";
import {bound, button, leaveAll} from "./dialog.js";
import {documents, signInAgain, signInPage} from "./signin.js";
import {failed} from "./notice.js";
import {account} from "./account.js";
import {agents, agent} from "./agents.js";
import {application, applications, procedure, procedures, realm, realms} from "./applications.js";
import {audit} from "./audit.js";
import {code, codes} from "./codes.js";
import {deliveries} from "./deliveries.js";
import {device, devices} from "./devices.js";
import {domains} from "./domains.js";
import {warning} from "./guessing.js";
import {licenses} from "./licenses.js";
import {overview} from "./overview.js";
import {palette} from "./palette.js";
import {products} from "./products.js";
import {radiusClient, radiusClients} from "./radius.js";
import {repositories} from "./repositories.js";
import {drawnBy, here, showing, shownAddress, to} from "./route.js";
import {token} from "./token.js";
import {tokens} from "./tokens.js";
import {user, users} from "./users.js";

// pages are what the address may begin with: the list, the page of one object of it, and under which entry of the navigation
// (under) a page stands that has none of its own.
const pages = [
  {path: "overview", label: "Overview", icon: "overview", method: "audit/overview", open: overview},
  {path: "devices", label: "Devices", icon: "devices", method: "device/search", open: devices, one: device},
  {path: "installation-codes", label: "Installation codes", icon: "codes", method: "installationCode/search", open: codes, one: code},
  {path: "tokens", label: "Tokens", icon: "tokens", method: "token/search", open: tokens, one: token},
  {path: "users", label: "Users", icon: "users", method: "user/search", open: users, one: user},
  {path: "domains", label: "Domains", icon: "folder", method: "domain/search", open: domains},
  {path: "applications", label: "Applications", icon: "applications", method: "application/search", open: applications, one: application},
  {path: "realms", label: "Realms", icon: "applications", method: "realm/search", open: realms, one: realm, under: "applications"},
  {path: "logon-procedures", label: "Logon procedures", icon: "applications", method: "logonProcedure/search", open: procedures, one: procedure, under: "applications"},
  {path: "radius-clients", label: "RADIUS clients", icon: "radius", method: "radiusClient/search", open: radiusClients, one: radiusClient},
  {path: "products", label: "Products", icon: "products", method: "product/search", open: products},
  {path: "repositories", label: "Repositories", icon: "products", method: "repository/search", open: repositories, under: "products"},
  {path: "licenses", label: "Licenses", icon: "licenses", method: "license/search", open: licenses},
  {path: "agents", label: "Agents", icon: "agents", method: "agent/search", open: agents, one: agent},
  {path: "deliveries", label: "Messages", icon: "messages", method: "delivery/search", open: deliveries},
  {path: "audit", label: "Audit", icon: "audit", method: "audit/search", open: audit},
];

const app = document.getElementById("app");
let person = null;

// welcome learns who is signed in.
async function welcome() {
  person = await post("whoami");
  permit(person.methods, person.reveals, person.roles);
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
  const entries = open.filter((p) => !p.under || !open.some((other) => other.path === p.under));
  const links = entries.map((p) => h("a", {href: to(p.path)}, icon(p.icon), h("span", {}, p.label)));
  const jumper = h("button", {type: "button", class: "jump", "aria-label": "Go to"}, icon("search"), h("span", {}, "Go to"), h("kbd", {"aria-hidden": "true"}, "Ctrl K"));
  const mine = h("a", {href: to("account"), class: "account"}, icon("users"), h("span", {}, "My account"));
  const main = h("main", {id: "main"});
  const skip = h("a", {class: "skip", href: "#main", on: {click: (e) => { e.preventDefault(); main.querySelector("h1")?.focus(); }}}, "Skip to the page");
  app.replaceChildren(skip, h("div", {class: "shell"},
    h("header", {class: "side"},
      h("div", {class: "brand"}, mark(), "tokensmith"), jumper,
      h("nav", {"aria-label": "Pages of the console"}, links),
      h("div", {class: "me"}, h("span", {class: "who", title: person.loginName}, person.loginName),
        mine,
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
  let deciding = false;
  const show = () => {
    const {parts: [path, ...rest]} = here();
    const own = path === "account" ? {label: "My account", open: () => account(() => signIn("You have signed out everywhere."))} : null;
    const at = own ?? open.find((p) => path === p.path && (!rest.length || p.one));
    if (!at) {
      if (open.length) location.replace(to(open[0].path));
      else main.replaceChildren(h("div", {class: "page"}, h("h1", {tabindex: "-1"}, "Nothing to show"), h("p", {}, "Your account's permissions open none of the console's pages.")));
      return;
    }
    showing();
    mine.toggleAttribute("data-current", !!own);
    const entry = entries.find((p) => p.path === (entries.includes(at) ? at.path : at.under));
    entries.forEach((p, i) => {
      if (p === entry) links[i].setAttribute("aria-current", rest.length || p !== at ? "true" : "page");
      else links[i].removeAttribute("aria-current");
    });
    links[entries.indexOf(entry)]?.scrollIntoView({block: "nearest", inline: "nearest"});
    document.title = (rest.at(-1) ?? at.label) + " · tokensmith";
    main.replaceChildren(warning(), rest.length ? at.one(rest) : at.open());
    main.querySelector("h1").focus({preventScroll: true});
    scrollTo(0, 0);
  };
  drawnBy(show);
  onhashchange = async () => {
    const to = location.hash, shown = shownAddress();
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
  const jump = () => palette(entries.map((p) => ({label: p.label, address: to(p.path)})));
  jumper.addEventListener("click", jump);
  onkeydown = (e) => {
    if (e.key === "k" && (e.ctrlKey || e.metaKey) && !document.querySelector("dialog[open]")) {
      e.preventDefault();
      jump();
      return;
    }
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog")) return;
    const search = main.querySelector("[data-search]");
    if (!search) return;
    e.preventDefault();
    search.focus();
    search.select();
  };
  show();
}

begin();
