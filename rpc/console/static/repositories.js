// Repositories: where tokens are kept apart from each other.
import {h, number} from "./dom.js";
import {call, may, Refused} from "./api.js";
import {field} from "./field.js";
import {byName, objectList} from "./objectlist.js";
import {to} from "./route.js";

const countedMost = 50; // of how many rows it is said how many tokens they have

// countTokens adds how many tokens objects have, by their id in the filter called key: each from a counter.
export async function countTokens(rows, key) {
  if (!may("token/search") || rows.length > countedMost) return;
  await Promise.all(rows.map(async (r) => {
    try {
      r.tokens = (await call("token/search", {match: [[key + ".id", "=", r.id]], max: 0})).total;
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
    }
  }));
}

// tokensColumn is the column for it.
export const tokensColumn = (key) => ({label: "Tokens", class: "num", grow: .7, text: (r) => r.tokens ?? "", cell: (r) => r.tokens > 0 ? h("a", {href: to("tokens") + `?${key}=${r.id}`}, number(r.tokens)) : r.tokens === 0 ? h("span", {class: "faint"}, "none") : null});

// productTabs lead from products to repositories and back.
export const productTabs = (at) => h("nav", {class: "tabs", "aria-label": "About products"}, [["products", "Products", "product/search"], ["repositories", "Repositories", "repository/search"]]
  .filter(([, , method]) => may(method)).map(([path, label]) => h("a", {href: to(path), "aria-current": path === at ? "page" : null}, label)));

export const repositories = () => objectList("repository", "repository", {
  name: (r) => r.name, goes: "The repository goes. One that has tokens or repositories in it is refused.",
  list: {title: "Repositories", sort: "name", returns: ["id", "name", "description", "parent.id", "parent.name"], tabs: productTabs("repositories"), search: byName("repositories"), also: (rows) => countTokens(rows, "repository"),
    columns: [
      {label: "Name", sort: "name", cell: (r) => h("span", {class: "name"}, r.name)},
      {label: "Within", cell: (r) => r["parent.name"]},
      tokensColumn("repository"),
      {label: "Description", grow: 2, cell: (r) => r.description},
    ],
    empty: {title: "No repositories", text: "A repository keeps tokens apart from others, such as those of a site or a delivery."}},
  fields: (r) => [
    field({name: "name", label: "Name", value: r?.name, required: true, autofocus: true}),
    field({name: "parent", label: "Within", type: "pick", object: "repository", value: r?.["parent.id"] && {id: r["parent.id"], name: r["parent.name"]}, optional: true, hint: "Empty: at the top."}),
    field({name: "description", label: "Description", value: r?.description, optional: true}),
  ],
});
