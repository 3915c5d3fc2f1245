// Products: how a kind of token makes its one-time passwords.
import {h} from "./dom.js";
import {may} from "./api.js";
import {field} from "./field.js";
import {byName, objectList, positive} from "./objectlist.js";
import {countTokens, productTabs, tokensColumn} from "./repositories.js";
import {options} from "./words.js";

const pick = (value) => value.map((v) => ({value: v, label: v}));

export const products = () => objectList("product", "product", {
  name: (p) => p.name, wide: true, goes: "The product goes. One that has tokens is refused.",
  list: {title: "Products", sort: "name", returns: ["*"], tabs: productTabs("products"),
    search: byName("products"), also: (rows) => countTokens(rows, "product"),
    columns: [
      {label: "Name", sort: "name", cell: (p) => h("span", {class: "name"}, p.name)},
      {label: "Codes", sort: "manufacturerCode", cell: (p) => h("code", {}, p.manufacturerCode + "/" + p.productCode)},
      {label: "Kind", cell: (p) => (p.kind === "SOFT" ? "Soft" : "Hardware")},
      {label: "Algorithm", cell: (p) => p.algorithm + (p.algorithm === "TOTP" ? ` ${p.period} s` : "") + `, ${p.digits} digits`},
      tokensColumn("product"),
      {label: "Windows", class: "num", cell: (p) => `${p.autoWindow} / ${p.checkWindow} / ${p.manualWindow}`},
      {label: "Activation", cell: (p) => (p.activation === "CODE" ? "By code" : "At once")},
    ],
    empty: {title: "No products", text: "A product says how a kind of token makes its one-time passwords."}},
  fields: (p) => [
    field({name: "name", label: "Name", value: p?.name, required: true, autofocus: true}),
    field({name: "manufacturerCode", label: "Manufacturer code", value: p?.manufacturerCode, required: true}),
    field({name: "productCode", label: "Product code", value: p?.productCode, required: true}),
    field({name: "algorithm", label: "Algorithm", type: "select", value: p?.algorithm ?? "TOTP", options: pick(["TOTP", "HOTP"])}),
    field({name: "digits", label: "Digits", type: "select", value: String(p?.digits ?? 6), options: pick(["6", "8"])}),
    field({name: "period", label: "Period in seconds", type: "number", value: p?.period ?? 30, min: 1, required: true, hint: "Of time-based tokens."}),
    field({name: "crypto", label: "Hash", type: "select", value: p?.crypto ?? "HmacSHA1", options: pick(["HmacSHA1", "HmacSHA256", "HmacSHA512"])}),
    field({name: "kind", label: "Kind", type: "select", value: p?.kind ?? "HARDWARE", options: options("HARDWARE", "SOFT")}),
    p && field({name: "autoWindow", label: "Auto window", type: "number", value: p.autoWindow, min: 0, required: true}),
    p && field({name: "checkWindow", label: "Check window", type: "number", value: p.checkWindow, min: 0, required: true}),
    p && field({name: "manualWindow", label: "Manual window", type: "number", value: p.manualWindow, min: 0, required: true}),
    field({name: "maxTokensPerUser", label: "A user may have", type: "choice", none: "Any number of its tokens", some: "Only so many", off: 0, inner: {type: "number", label: "Tokens a user may have", min: 1, value: positive(p?.maxTokensPerUser)}}),
    field({name: "activation", label: "Activation", type: "select", value: p?.activation ?? "AUTO", options: options("AUTO", "CODE")}),
  ],
  attrs: (v) => {
    const attrs = {...v};
    if (v.algorithm === "HOTP") delete attrs.period;
    return attrs;
  },
});
