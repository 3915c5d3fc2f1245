// Clients of RADIUS: the gateways, switches and machines that ask whether a login is right.
import {h, number, when} from "./dom.js";
import {call, may} from "./api.js";
import {button} from "./dialog.js";
import {confirm, edited, editor} from "./editor.js";
import {field} from "./field.js";
import {chip, status} from "./list.js";
import {menu} from "./menu.js";
import {attempt} from "./notice.js";
import {byName, objectList} from "./objectlist.js";
import {onePage} from "./one.js";
import {go, to} from "./route.js";
import {secret, snippet} from "./secret.js";
import {options, outcome} from "./words.js";

const returns = ["id", "name", "address", "certificate", "application.id", "application.name", "requireMessageAuthenticator", "attributes", "status", "oldSecretUntil", "lastUsed", "accepted", "refused", "dropped", "lastReason"];

const fields = (c) => {
  const by = !c && field({name: "", label: "It is known by", type: "radios", value: "address", on: {change: () => fit()}, options: [
    {value: "address", label: "Its address and a secret", more: "RADIUS over UDP"}, {value: "certificate", label: "Its certificate", more: "RADIUS over TLS"}]});
  const address = (!c || c.address) && field({name: "address", label: "Address", value: c?.address, required: true, mono: true, placeholder: "192.0.2.7 or 192.0.2.0/24", hint: "What it asks from. Of several ranges that fit, the smallest is meant."});
  const certificate = (!c || c.certificate) && field({name: "certificate", label: "Certificate", value: c?.certificate, required: true, mono: true, hint: "SHA-256 of its public key, 64 hex digits."});
  const own = !c && field({name: "secret", label: "Secret", type: "choice", none: "The server makes one, and shows it once", some: "It has one already", inner: {type: "password", label: "Its secret", autocomplete: "new-password", hint: "16 to 128 letters, digits and signs."}});
  function fit() {
    const tls = by.raw() === "certificate";
    address.show(!tls);
    own.show(!tls);
    certificate.show(tls);
  }
  if (!c) fit();
  return [
    field({name: "name", label: "Name", value: c?.name, required: true, autofocus: true}), by, address, certificate, own,
    field({name: "application", label: "Application", type: "pick", object: "application", value: c && {id: c["application.id"], name: c["application.name"]}, required: "Choose an application", hint: "Its realm says who logs on, its logon procedure how."}),
    field({name: "requireMessageAuthenticator", label: "Requests must carry a Message-Authenticator", type: "checkbox", value: c?.requireMessageAuthenticator ?? true, hint: "Without it, whoever can send from its address can forge requests."}),
    field({name: "attributes", label: "What it is told of who is accepted", type: "textarea", value: c?.attributes, optional: true, hint: "A line each, such as Class={login}, or sales/Filter-Id=sales for the group sales."}),
    c && field({name: "status", label: "Status", type: "select", value: c.status, options: options("ACTIVE", "DISABLED")}),
  ];
};

const attrs = (v) => {
  const attrs = {...v};
  if (!attrs.secret) delete attrs.secret;
  return attrs;
};

const goes = "It gets no answer from then on, so nobody logs in through it.";
const once = "It is shown this once. Set the client up now, or store it.";

// asks says how often it asked, the exceptions first.
const asked = (c) => c.accepted + c.refused + c.dropped;
const trouble = (c) => (c.status === "ACTIVE" && c.dropped && c.dropped >= c.accepted + c.refused ? chip(`${number(c.dropped)} not answered`, "bad") : null);

export const radiusClients = () => objectList("radiusClient", "RADIUS client", {
  name: (c) => c.name, wide: true, goes, fields, attrs,
  list: {title: "RADIUS clients", sort: "name", returns, href: (c) => to("radius-clients", c.name), search: byName("RADIUS clients"),
    filters: [{key: "status", label: "Status", options: options("ACTIVE", "DISABLED"), match: (v) => ["status", "=", v]}],
    columns: [
      {label: "Name", sort: "name", grow: 1.6, text: (c) => c.name, cell: (c) => h("span", {class: "inline"}, h("span", {class: "name"}, c.name), c.status === "ACTIVE" ? trouble(c) : status(c.status))},
      {label: "Asks from", cell: (c) => (c.address ? h("code", {}, c.address) : "its certificate")},
      {label: "Application", cell: (c) => c["application.name"]},
      {label: "Accepted", class: "num", grow: .6, cell: (c) => number(c.accepted)},
      {label: "Refused", class: "num", grow: .6, cell: (c) => number(c.refused)},
      {label: "Last asked", grow: .8, cell: (c) => when(c.lastUsed)},
      {label: "Last refused because", grow: 1.6, cell: (c) => c.lastReason || ""},
    ],
    empty: {title: "No RADIUS clients", text: "A VPN gateway, switch or machine that asks by RADIUS whether a login is right. The server answers where it is started with --radius-listen."}},
  made: (made, v) => shownOnce(v.name, made.secret),
  more: (c, changed) => [c.address && may("radiusClient/rotateSecret") && {label: "Rotate secret", act: (opener) => rotate(c, opener, changed)}],
});

// shownOnce is what a secret is shown with; nothing where the client had it already.
const shownOnce = (name, text) => text && [secret("Secret", text, once), recipe(name, text)];

// rotate gives a client a new secret, which is shown with what to paste.
const rotate = (c, opener, changed) => editor({opener, title: "Rotate the secret of " + c.name, label: "Rotate", intro: "The client gets a new secret; the one before is taken as well for a while, so that nobody is locked out while it is changed there.", fields: [
  field({name: "overlap", label: "The old one is taken", type: "select", value: "86400", options: [["0", "No longer"], ["3600", "For an hour"], ["86400", "For a day"], ["604800", "For a week"]].map(([value, label]) => ({value, label}))}),
], save: async (v, d) => {
  const made = await call("radiusClient/rotateSecret", {id: c.id, overlap: Number(v.overlap)});
  changed();
  d.reveal("New secret of " + c.name, shownOnce(c.name, made.secret));
  return true;
}});

// recipes are what is pasted into a client, by what it is. The server's README says more of each, and a test runs them.
const recipes = [
  ["A gateway or a switch", (host, key) => [["Its settings", `Server             ${host}\nPort               1812, as --radius-listen says\nSecret             ${key}\nProtocol           PAP\nTimeout            20 seconds\nMessage-Authenticator  required`]]],
  ["A login by PAM", (host, key) => [["/etc/pam_radius_auth.conf, which only root may read", `${host}:1812 ${key} 20`], ["The line in /etc/pam.d of a service", "auth required pam_radius_auth.so conf=/etc/pam_radius_auth.conf"]],
    "Version 2.0 of libpam-radius-auth sends no Message-Authenticator: do without it for this client alone, on a network of your own."],
  ["FreeRADIUS in front", (host, key) => [["In proxy.conf", `home_server tokensmith {\n    type = auth\n    ipaddr = ${host}\n    port = 1812\n    secret = ${key}\n    require_message_authenticator = yes\n    status_check = status-server\n    response_window = 20\n}\nhome_server_pool otp {\n    type = fail-over\n    home_server = tokensmith\n}\nrealm DEFAULT {\n    auth_pool = otp\n    nostrip\n}`],
    ["In authorize of the site", `update control {\n    Proxy-To-Realm := "DEFAULT"\n}`]]],
];
const overTLS = (host) => [["In radsecproxy.conf", `server tokensmith {\n    host ${host}\n    port 2083\n    type TLS\n    secret radsec\n    statusServer on\n}\nrealm * {\n    server tokensmith\n}`]];

// recipe shows what to paste into the client called name. key is its secret; null where it has none because of its certificate.
function recipe(name, key = "THE-SECRET") {
  const host = location.hostname, body = h("div", {class: "recipe"});
  const show = (parts, note) => body.replaceChildren(...parts.map(([label, text]) => snippet(label, text)), note ? h("p", {class: "faint"}, note) : "");
  const pick = (i) => show(recipes[i][1](host, key), recipes[i][2]);
  const choice = key !== null && field({name: "", label: "For", type: "select", options: recipes.map(([label], i) => ({value: String(i), label})), on: {change: (e) => pick(e.target.value)}}).el;
  if (choice) pick(0);
  else show(overTLS(host));
  return h("div", {class: "recipe"}, choice, body, snippet("Try it on the server, before the client asks", `tokensmith radius test ${/^[\w.-]+$/.test(name) ? name : "'" + name.replaceAll("'", "'\\''") + "'"} USER`));
}

// latest are the logins that it asked for last.
const latest = async (c) => (may("audit/search") ? (await call("audit/search", {match: [["agent", "=", "radius:" + c.name]], return: ["time", "object", "outcome", "remote"], sort: "-time", max: 8, cursor: "", count: false})).rows : null);

async function people(rows) {
  const ids = [...new Set(rows.map((a) => /^user (\w{32})$/.exec(a.object ?? "")?.[1]).filter(Boolean))];
  if (!ids.length || !may("user/search")) return new Map();
  return new Map((await call("user/search", {match: [["id", "in", ids]], return: ["id", "loginName", "domain.name"], count: false})).rows.map((u) => [u.id, u]));
}

// radiusClient is the page of one. parts is its name.
export const radiusClient = ([name]) => onePage({
  back: ["RADIUS clients", to("radius-clients")], noun: "RADIUS client", title: name, method: "radiusClient/search", match: [["name", "=", name]], returns: [...returns, "dateCreated", "lastUpdated"], name: (c) => c.name,
  also: async (c) => {
    c.latest = await latest(c);
    c.people = c.latest && await people(c.latest);
  },
  state: (c) => [status(c.status), trouble(c)],
  lead: (c) => [c.address ? ["It asks from ", h("code", {}, c.address)] : "It asks over TLS, by its certificate", ", and its users log on to ", h("a", {href: to("applications", c["application.name"])}, c["application.name"]), "."],
  problem: (c) => (c.status === "DISABLED" ? "Disabled: it gets no answer." : trouble(c) ? `Most of its requests got no answer, the last one because: ${c.lastReason}.`
    : c.address && !c.requireMessageAuthenticator ? "Its requests need no Message-Authenticator: whoever can send from its address can forge them." : null),
  act: (c, again) => [
    may("radiusClient/set") && button("Edit", (e) => {
      const of = edited("radiusClient", c, returns);
      editor({opener: e.currentTarget, wide: true, title: "Edit RADIUS client", of, done: "The RADIUS client is saved.", fields: fields(c), save: async (v) => {
        await of.set(attrs(v));
        if (v.name) go(to("radius-clients", v.name));
        else again();
      }});
    }),
    c.address && may("radiusClient/rotateSecret") && button("Rotate secret", (e) => rotate(c, e.currentTarget, again)),
    menu("More for " + c.name, [
      may("radiusClient/set") && {label: c.status === "ACTIVE" ? "Disable" : "Enable", act: () => attempt(async () => { await call("radiusClient/set", {id: c.id, attrs: {status: c.status === "ACTIVE" ? "DISABLED" : "ACTIVE"}, expect: {status: c.status}}); again(); }, c.status === "ACTIVE" ? "The client is disabled." : "The client is enabled.")},
      may("radiusClient/delete") && {label: "Delete", danger: true, act: (opener) => confirm({opener, title: "Delete RADIUS client", typed: c.name, text: goes, label: "Delete", done: "The RADIUS client is deleted.", act: async () => { await call("radiusClient/delete", {id: c.id}); go(to("radius-clients")); }})},
    ]),
  ],
  sections: (c) => [
    {title: "Requests", tools: c.latest?.length > 0 && h("a", {href: to("audit") + "?who=" + encodeURIComponent("radius:" + c.name)}, "All of them in the record"), body: [
      asked(c) ? h("dl", {class: "figures"}, [["Accepted", c.accepted], ["Refused", c.refused], ["Not answered", c.dropped]].map(([label, n]) => h("div", {}, h("dt", {}, label), h("dd", {}, number(n))))) : h("p", {class: "none"}, "It has not asked yet."),
      c.lastReason && h("p", {class: "in"}, h("span", {}, h("span", {class: "faint"}, "The last that was not accepted: "), c.lastReason)),
      c.latest?.length > 0 && h("ul", {class: "lines"}, c.latest.map((a) => requestLine(a, c.people)))].filter(Boolean)},
    {title: "Set it up", body: h("div", {class: "in"}, h("p", {class: "faint"}, c.address ? "The secret is shown when it is made or rotated, and then never again." : "It has no secret: its certificate proves it."), recipe(c.name, c.address ? undefined : null))},
  ],
  facts: (c) => [["Name", c.name, true], c.address ? ["Address", h("code", {}, c.address), c.address] : ["Certificate", h("code", {}, c.certificate), c.certificate], ["Application", c["application.name"]], ["Last asked", when(c.lastUsed)],
    c.oldSecretUntil && new Date(c.oldSecretUntil) > new Date() && ["The old secret is taken until", when(c.oldSecretUntil)], ["Message-Authenticator", c.requireMessageAuthenticator ? "required" : "not required"],
    c.attributes && ["Tells of who is accepted", h("code", {class: "block"}, c.attributes)], ["Made", when(c.dateCreated)], ["Changed", when(c.lastUpdated)], ["Id", h("code", {}, c.id), c.id]],
  history: (c) => ({noun: "RADIUS client", objects: ["RADIUS client " + c.id]}),
});

function requestLine(a, known) {
  const u = known.get(/^user (\w{32})$/.exec(a.object ?? "")?.[1]);
  return h("li", {}, h("div", {class: "what"}, u ? h("a", {href: to("users", u["domain.name"], u.loginName)}, u["domain.name"] + "\\" + u.loginName) : h("span", {class: "faint"}, a.object ? "A user that is gone" : "Nobody known"),
    a.outcome ? chip(outcome(a.outcome), "bad") : h("span", {class: "usual"}, "Accepted")), h("div", {class: "faint more"}, when(a.time), a.remote && " from " + a.remote));
}
