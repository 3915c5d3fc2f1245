// Licenses: how many devices there may be of a kind.
import {h, when, number} from "./dom.js";
import {field} from "./field.js";
import {byName, objectList} from "./objectlist.js";

export const licenses = () => objectList("license", "license", {
  name: (l) => l.name, goes: "The license goes. One that devices or installation codes have is refused.",
  list: {title: "Licenses", sort: "name", returns: ["*"],
    search: byName("licenses"),
    columns: [
      {label: "Name", sort: "name", cell: (l) => h("span", {class: "name", title: l.description}, l.name)},
      {label: "Seats used", class: "num", grow: 1.4, sort: "seatsUsed", cell: (l) => h("span", {class: "inline"}, h("meter", {min: "0", max: String(Math.max(1, l.seats)), value: l.seatsUsed, "aria-label": "Seats used"}), number(l.seatsUsed) + " of " + number(l.seats))},
      {label: "Expires", sort: "expires", cell: (l) => when(l.expires)},
    ],
    empty: {title: "No licenses yet", text: "A license has seats, one of which each device with it takes."}},
  fields: (l) => [
    field({name: "name", label: "Name", value: l?.name, required: true, autofocus: true}),
    field({name: "seats", label: "Seats", type: "number", value: l?.seats, min: 0, required: true}),
    field({name: "expires", label: "Expiration", type: "choice", none: "Does not expire", some: "Expires", inner: {type: "datetime", label: "Expires at", value: l?.expires}}),
    field({name: "description", label: "Description", value: l?.description, optional: true}),
  ],
});
