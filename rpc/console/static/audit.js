// The record of who did what.
import {h, when, number} from "./dom.js";
import {call, may} from "./api.js";
import {button, chip, dialog} from "./ui.js";
import {listPage} from "./list.js";
import {estimate, mayEstimate} from "./guessing.js";

export function audit() {
  const list = listPage({
    title: "Audit", method: "audit/search", sort: "-time", returns: ["*"],
    search: {label: "Search by method", match: (t) => ["method", ">>", t]},
    filters: [{label: "Who", match: (v) => ["agent", "=", v]}, {label: "Outcome", options: [{value: "0", label: "Done"}, {value: "4", label: "Not authenticated"}, {value: "201", label: "Wrong credential"}, {value: "501", label: "Unknown installation code"}], match: (v) => ["outcome", "=", v]}],
    columns: [
      {label: "Time", sort: "time", cell: (a) => when(a.time)},
      {label: "Who", cell: (a) => a.agent},
      {label: "Method", cell: (a) => h("code", {}, a.method)},
      {label: "Object", cell: (a) => a.object && h("span", {class: "clip", title: a.object}, a.object)},
      {label: "Outcome", cell: (a) => (a.outcome === 0 ? chip("Done", "good") : chip("Error " + a.outcome, "bad"))},
      {label: "Address", cell: (a) => a.remote},
    ],
    tools: [mayEstimate() && button("What guessing may reach", (e) => estimate(e.currentTarget)), may("audit/verify") && button("Check the chain", (e) => check(e.currentTarget))],
    empty: {title: "Nothing recorded yet", text: "Changes, refused credentials and revealed secrets are recorded here."},
  });
  return list.el;
}

async function check(opener) {
  const d = dialog({title: "Check the chain", opener, body: h("p", {role: "status"}, "Every row of the record is being checked…"), buttons: [h("span", {class: "grow"}), button("Close", () => d.close(), "primary")]});
  try {
    const found = await call("audit/verify");
    d.content.replaceChildren(h("p", {class: "big"}, "The record is whole."), h("dl", {}, Object.entries(found).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, typeof value === "number" ? number(value) : String(value)))])));
  } catch (e) {
    d.content.replaceChildren(h("p", {class: "alert"}, e.sentence ?? String(e)));
  }
}
