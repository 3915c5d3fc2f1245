// Emergency codes of a user: what stands for the one-time passwords of a lost token.
import {h, when, plural} from "./dom.js";
import {call, everything, may} from "./api.js";
import {button, dialog} from "./dialog.js";
import {confirm, editor} from "./editor.js";
import {field} from "./field.js";
import {chip} from "./list.js";
import {secret} from "./secret.js";
import {options} from "./words.js";

const returns = ["id", "starts", "expires", "usageLimit", "usedTimes", "sentTimes", "dateCreated"];

// emergencyCodes is the entry of a user's menu; false for who may not see codes.
export const emergencyCodes = (user) => may("tempPass/search") && {label: "Emergency codes", act: (opener) => show(user, opener)};

function state(c) {
  if (c.usageLimit && c.usedTimes >= c.usageLimit) return ["Used up", ""];
  if (c.expires && new Date(c.expires) <= new Date()) return ["Ended", ""];
  if (c.starts && new Date(c.starts) > new Date()) return ["Not yet good", "warn"];
  return ["Open", "good"];
}

const ended = (c) => ["Used up", "Ended"].includes(state(c)[0]);

// show lists a user's codes, without their texts, which nobody is shown twice.
async function show(user, opener) {
  const list = h("div", {}, h("p", {role: "status"}, "The codes are being read…"));
  const d = dialog({title: "Emergency codes of " + user.loginName, wide: true, opener, body: [
    h("p", {class: "intro"}, "A code stands for the one-time password of a token that is lost. It is shown once, when it is made."), list],
    buttons: [may("tempPass/create") && button("Make codes", (e) => make(user, e.currentTarget, load), "primary", {autofocus: true}), h("span", {class: "grow"}), button("Close", () => d.leave())].filter(Boolean)});
  async function load() {
    try {
      const rows = await everything("tempPass/search", {match: [["user.id", "=", user.id]], return: returns, sort: "-dateCreated", max: 100});
      list.replaceChildren(rows.length ? table(rows, load) : h("p", {class: "faint"}, "There are none."));
    } catch (e) {
      list.replaceChildren(h("p", {class: "alert"}, e.sentence ?? String(e)));
    }
  }
  await load();
}

function table(rows, changed) {
  const heads = ["State", "Made", "Good until", "Logins", "Sent", "Actions"];
  return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Emergency codes"}, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((t) => h("th", {scope: "col"}, t)))),
    h("tbody", {}, rows.map((c, i) => h("tr", {}, [chip(...state(c)), when(c.dateCreated), when(c.expires), c.usedTimes + (c.usageLimit ? " of " + c.usageLimit : ""), plural(c.sentTimes, "time"),
      h("span", {class: "inline"},
        may("tempPass/send") && !ended(c) && button("Send", (e) => send(c, e.currentTarget, changed), "", {"aria-label": "Send code " + (i + 1)}),
        may("tempPass/delete") && button("Delete", (e) => remove(c, e.currentTarget, changed), "", {"aria-label": "Delete code " + (i + 1)})),
    ].map((cell) => h("td", {}, cell)))))));
}

function make(user, opener, changed) {
  editor({opener, title: "New emergency codes of " + user.loginName, label: "Make", fields: [
    field({name: "count", label: "How many", type: "number", value: 1, min: 1, max: 100, required: true, autofocus: true}),
    field({name: "usageLimit", label: "Each is good for", type: "choice", none: "Any number of logins", some: "Only so many", off: 0, inner: {type: "number", label: "Logins", value: 1, min: 1}}),
    field({name: "expires", label: "They are good until", type: "choice", none: "As the domain says", some: "Another time", inner: {type: "datetime", label: "Good until"}}),
  ], save: async ({count, expires, ...attrs}, d) => {
    if (expires) attrs.expires = expires;
    const made = await call("tempPass/create", {attrs: {...attrs, "user.id": user.id}, count, return: ["id", "password"]});
    changed();
    const all = made.length > 1;
    d.reveal(all ? "New emergency codes" : "New emergency code", made.map((c, i) => (c.password
      ? secret(all ? "Emergency code " + (i + 1) : "Emergency code", c.password, i === made.length - 1 && "It is entered in place of a one-time password, behind the PIN of who has one.")
      : h("p", {}, "Your permissions do not show codes: send it."))));
    return true;
  }});
}

const send = (c, opener, changed) => editor({opener, title: "Send emergency code", label: "Send", done: "The code is on its way.", fields: [
  field({name: "message", label: "By", type: "select", value: "SMTP", options: options("SMTP", "SMS")}),
  field({name: "to", label: "To another address", optional: true, hint: "Left empty, it goes to the user's own."}),
], save: async ({message, to}) => {
  await call("tempPass/send", {ids: [c.id], message: {type: message, ...(to && {to})}});
  changed();
}});

const remove = (c, opener, changed) => confirm({opener, title: "Delete emergency code", text: "It logs nobody in from then on.", label: "Delete",
  act: async () => { await call("tempPass/delete", {id: c.id}); changed(); }, done: "The code is deleted."});
