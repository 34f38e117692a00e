// Examples to look at: some of the test data, and one's own.

import { cardOf, element, number, readouts, text } from "./dom.js";
import { isTable } from "./row.js";
import { ownImage } from "./own.js";
import { picture } from "./pictures.js";
import { exampleName, rank } from "./view.js";
import { normals } from "./functions.js";

const UNUSUAL = 0.05,
  STRIP = 40,
  DRAWN = 6;

export function examplesCard(view) {
  const { model, state } = view,
    table = isTable(view),
    strip = element("div", { class: "strip", role: "group", "aria-label": text("examples.strip") });
  view.test.values.slice(0, STRIP).forEach((values, row) => {
    const label = view.test.labels ? view.test.labels[row] : null,
      name = exampleName(view, row);
    const small = table ? name : element("canvas", { class: "thumb" });
    if (!table) picture(small, values, model.event, view.range, view.colors);
    strip.append(
      element("button", { type: "button", "aria-label": name, title: name, onclick: () => view.choose(values, name, row, label) }, small),
    );
  });
  const numbers = readouts(["reconstruction", "kl", "bound", "logp", "rank"]),
    plain = element("p", { class: "plain", "aria-live": "polite" });
  const back = element("canvas", { class: "thumb", role: "img", "aria-label": text("examples.back") });
  const draws = Array.from({ length: DRAWN }, (_, k) =>
    element("canvas", { class: "thumb", role: "img", "aria-label": text("examples.draw", { i: k + 1 }) }),
  );
  const spread = element("figcaption", {}, text("examples.draws")),
    percent = (share) => (share < 0.005 ? text("examples.few") : `${number(100 * share, 0)}%`);
  const shown = element(
    "div",
    { class: "posterior", hidden: true },
    element("figure", {}, back, element("figcaption", {}, text("examples.back"))),
    element("figure", {}, element("div", {}, ...draws), spread),
  );
  state.on(({ example, found, label }, changed) => {
    if (!changed.has("found") || found === null) return;
    shown.hidden = table;
    const share = rank(view, found.logP),
      normal = normals(7);
    numbers.show("reconstruction", number(found.reconstruction));
    numbers.show("kl", number(found.kl));
    numbers.show("bound", text("examples.bound", { value: number(found.bound), error: number(found.se) }));
    numbers.show("logp", number(found.logP));
    numbers.show("rank", share === null ? "–" : `${number(100 * share, 0)}%`);
    plain.textContent =
      (found.q.point
        ? text("examples.point")
        : share === null
          ? ""
          : text(share < UNUSUAL ? "examples.unusual" : "examples.usual", { name: example.name, share: percent(share) })) +
      (typeof label !== "number" ? "" : ` ${text("examples.given", { name: view.classes[label] })}`);
    for (const one of [...draws, spread]) one.hidden = found.q.point;
    const latents = [found.q.mean, ...draws.map(() => found.q.sample(normal))],
      output = model.decode(latents, label);
    if (!table) [back, ...draws].forEach((canvas, row) => picture(canvas, model.mean(output, row), model.event, view.range, view.colors));
  });
  return cardOf(
    "examples",
    text(table ? "examples.about.table" : "examples.about"),
    strip,
    view.model.event.length === 3 ? ownImage(view) : null,
    shown,
    numbers.element,
    plain,
  );
}
