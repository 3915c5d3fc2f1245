// Deliveries: the messages that were sent, are on their way, or were given up; and the texts they are made of.
import {h, when, plural} from "./dom.js";
import {call, may} from "./api.js";
import {button} from "./dialog.js";
import {edited, editor} from "./editor.js";
import {field} from "./field.js";
import {chip, listPage} from "./list.js";
import {prepare} from "./notice.js";
import {options} from "./words.js";

const kinds = {activationCode: "Activation code", downloadUrl: "Download link", passcode: "One-time passcode", installationCode: "Installation code"};
const states = {QUEUED: "On its way", SENT: "Sent", FAILED: "Given up"};

export const deliveries = () => listPage({
  title: "Messages", noun: "message", method: "delivery/search", sort: "-dateCreated", returns: ["id", "channel", "template", "recipient", "status", "attempts", "reason", "nextTry", "dateCreated"], name: (d) => d.recipient,
  filters: [{key: "status", label: "Status", options: Object.entries(states).map(([value, label]) => ({value, label})), match: (v) => ["status", "=", v]}, {key: "channel", label: "By", options: options("SMTP", "SMS"), match: (v) => ["channel", "=", v]}],
  columns: [
    {label: "To", grow: 1.6, cell: (d) => h("span", {class: "name"}, d.recipient)},
    {label: "What", cell: (d) => kinds[d.template] ?? d.template},
    {label: "By", cell: (d) => (d.channel === "SMTP" ? "E-mail" : d.channel)},
    {label: "Status", cell: (d) => (d.status === "SENT" ? h("span", {class: "usual"}, "Sent") : chip(states[d.status] ?? d.status, d.status === "FAILED" ? "bad" : "warn"))},
    {label: "Tries", class: "num", cell: (d) => plural(d.attempts, "try", "tries")},
    {label: "Why not", grow: 2, class: "wrap", cell: (d) => d.reason},
    {label: "Made", sort: "dateCreated", cell: (d) => when(d.dateCreated)},
  ],
  tools: [may("template/search", "template/set") && button("Texts", (e) => texts(e.currentTarget))],
  empty: {title: "No messages yet", text: "Passcodes, links and codes that go by e-mail or SMS are listed here."},
}).el;

// texts lets one change what the messages say.
async function texts(opener) {
  const all = await prepare(async () => (await call("template/search", {return: ["id", "name", "subject", "text"], count: false})).rows);
  if (!all) return;
  const which = field({name: "which", label: "Message", type: "select", value: all[0].id, options: all.map((t) => ({value: t.id, label: kinds[t.name] ?? t.name}))});
  editor({title: "Texts of the messages", label: "Edit", opener, fields: [which], save: async (v, d) => {
    const t = all.find((x) => x.id === v.which);
    d.close();
    const of = edited("template", t, ["id", "name", "subject", "text"]);
    editor({title: kinds[t.name] ?? t.name, opener, wide: true, of, done: "The text is saved.", intro: "Parameters stand in braces, such as {loginName}.", fields: [
      field({name: "subject", label: "Subject", value: t.subject, optional: true}),
      field({name: "text", label: "Text", type: "textarea", rows: 8, value: t.text, required: true, autofocus: true}),
    ], save: (values) => of.set(values)});
    return true;
  }});
}
