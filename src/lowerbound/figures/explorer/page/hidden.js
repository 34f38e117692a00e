// A mask painted over an example, and eight completions of what it hides: draws of p(x_hidden|x_seen), each with its weight.

import { card, element, number, text } from "./dom.js";
import { brushOn, cellsOf, maskTools } from "./brush.js";
import { completions } from "./inference.js";
import { picture } from "./pictures.js";

const COUNT = 8,
  ROUGH = 16;

export function hiddenCard(view) {
  const { model, state } = view,
    { event } = model;
  if (event.length < 2 || event.length > 3 || model.words.given) return null; // what is hidden from a model that is given a part: given.js
  const canvas = element("canvas", { class: "big mask", "aria-label": text("hidden.canvas") });
  const found = Array.from({ length: COUNT }, (_, k) => {
    const small = element("canvas", { class: "thumb", role: "img", "aria-label": text("hidden.completion", { i: k + 1 }) }),
      weight = element("figcaption");
    return { small, weight, figure: element("figure", {}, small, weight) };
  });
  const said = element("p", { class: "found", role: "status" });
  const grid = cellsOf(event),
    mask = new Uint8Array(grid.columns * grid.rows), // which cells are hidden, of all channels alike
    hides = (i) => mask[i % mask.length] === 1;
  const show = () => {
    const { example } = state.values;
    if (example === null) return;
    picture(
      canvas,
      example.values.map((value, i) => (hides(i) ? NaN : value)),
      event,
      view.range,
      view.colors,
    );
  };
  const complete = () => {
    const { example, label } = state.values;
    for (const one of found) one.figure.hidden = !mask.includes(1);
    said.textContent = "";
    if (example === null || !mask.includes(1)) return;
    const began = performance.now(),
      seen = example.bits.map((value, i) => (hides(i) ? NaN : value));
    const made = completions(model, seen, label, COUNT);
    made.found.forEach((one, k) => {
      const shown = example.values.map((value, i) => (hides(i) ? one.values[i] : value));
      picture(found[k].small, shown, event, view.range, view.colors);
      found[k].weight.textContent = text("hidden.weight", { weight: number(100 * one.weight, 1) });
    });
    view.completed = { ...made, milliseconds: performance.now() - began };
    said.textContent = text(made.effective < ROUGH ? "hidden.rough" : "hidden.effective", {
      all: made.draws,
      n: number(made.effective, 0),
    });
  };
  const done = () => state.set({ mask: mask.includes(1) ? Uint8Array.from(mask) : null });
  const tools = maskTools(grid, (which) => {
    mask.forEach((_, cell) => (mask[cell] = which(...grid.placeOf(cell)) ? 1 : 0));
    done();
  });
  const byKeys = brushOn(canvas, grid, tools, {
    hidden: (x, y) => mask[y * grid.columns + x] === 1,
    hide(isWithin, on) {
      mask.forEach((_, cell) => isWithin(...grid.placeOf(cell)) && (mask[cell] = Number(on)));
      show();
    },
    ended: done,
  });
  state.on((values, changed) => {
    if (!["example", "label", "mask"].some((name) => changed.has(name))) return;
    if (changed.has("mask")) mask.set(values.mask ?? new Uint8Array(mask.length));
    show();
    complete();
  });
  return card(
    "hidden",
    element("div", { class: "beside" }, byKeys, element("div", { class: "grid" }, ...found.map((one) => one.figure))),
    element("div", { class: "row" }, ...tools.controls),
    said,
  );
}
