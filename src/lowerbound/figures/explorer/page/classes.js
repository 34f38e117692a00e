// Of a model that is given labels: every class in one style, and which class an example is, by the bound of each.

import { card, element, number, select, text } from "./dom.js";
import { isTable } from "./row.js";
import { picture } from "./pictures.js";
import { logSumExp } from "./functions.js";

export function classesCard(view) {
  const { model, state } = view;
  if (!model.words.classes_given) return null;
  const chosen = select(text("classes.given"), view.classes, state.values.label, (label) => view.give(label));
  const all = view.classes.map((name, label) => {
    const small = element("canvas", { class: "thumb", role: "img", "aria-label": text("classes.image", { name }) }),
      share = element("meter", { min: 0, max: 1, value: 0, "aria-label": text("classes.share", { name }) });
    const said = element("small", {}),
      figure = element("figure", {}, isTable(view) ? "" : small, element("figcaption", {}, name, " ", share, said));
    return { label, small, share, said, figure };
  });
  state.on(({ z, label, example }, changed) => {
    if (changed.has("label")) chosen.control.selectedIndex = label;
    if (changed.has("z") && !isTable(view))
      for (const one of all) picture(one.small, model.image(z, one.label), model.event, view.range, view.colors);
    if (!changed.has("example") || example === null) return;
    const logs = view.ofClasses(example.values),
      total = logSumExp(logs);
    all.forEach((one, k) => {
      one.share.value = Math.exp(logs[k] - total);
      one.said.textContent = `${number(100 * one.share.value, 0)}%`;
    });
  });
  return card("classes", chosen.label, element("div", { class: "grid wide" }, ...all.map((one) => one.figure)));
}
