// What is decoded at the cross, beside the chosen example and the nearest of others; and what there is to know of that place.

import { card, element, number, readouts, text } from "./dom.js";
import { logAggregate, nameOf, nearest } from "./view.js";
import { isTable, rowsBeside } from "./row.js";
import { picture } from "./pictures.js";

export function placeCard(view) {
  const { model, state } = view,
    numbers = readouts(["likelihood", "kl", "bound", "prior", "density"]);
  const shown = isTable(view) ? rowsHere(view) : imagesHere(view);
  state.on(({ z, label, example, found }, changed) => {
    if (!["z", "example", "found", "label", "theme"].some((name) => changed.has(name))) return;
    const output = model.decode([z], label),
      values = model.mean(output);
    view.now = { output, values };
    numbers.show("likelihood", number(example && model.logLikelihood(output, 0, example.values)));
    numbers.show("kl", number(found && found.kl));
    numbers.show("bound", number(found && found.bound));
    numbers.show("prior", number(model.prior(label).logDensity(z), 2));
    numbers.show("density", number(logAggregate(view, z), 2));
    shown.show(values, example && example.values, nearest(view.codes, z, view.shown.length), nearest(view.shown, values));
  });
  return card("place", shown.element, numbers.element);
}

const NEAR = ["place.nearest.code", "place.nearest.value"];

function rowsHere(view) {
  const made = rowsBeside(view, [text("place.here"), text("place.example"), ...NEAR.map((key) => text(key))]);
  return {
    element: made.element,
    show: (values, example, ...near) =>
      [values, example, ...near.map((row) => view.shown[row])].forEach((one, place) => made.show(place, one)),
  };
}

function imagesHere(view) {
  const big = element("canvas", { class: "big", role: "img", "aria-label": text("place.image") }),
    held = small(text("place.example"));
  const near = NEAR.map((key) => small(text(key))),
    drawn = (canvas, values) => picture(canvas, values, view.model.event, view.range, view.colors);
  return {
    element: element("div", { class: "beside" }, big, element("div", { class: "near" }, held.figure, ...near.map((one) => one.figure))),
    show(values, example, ...rows) {
      drawn(big, values);
      held.figure.hidden = example === null;
      if (example !== null) drawn(held.canvas, example);
      near.forEach((one, k) => {
        drawn(one.canvas, view.shown[rows[k]]);
        one.name.textContent = nameOf(view, view.labels && view.labels[rows[k]]);
      });
    },
  };
}

function small(words) {
  const canvas = element("canvas", { class: "thumb", role: "img", "aria-label": words }),
    name = element("span");
  return { canvas, name, figure: element("figure", {}, canvas, element("figcaption", {}, words, " ", name)) };
}
