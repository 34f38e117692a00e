// A mask painted over an example, and eight completions of what it hides: draws of p(x_hidden|x_seen), each with its weight.

import { button, card, element, labelled, number, text } from "./dom.js";
import { completions } from "./inference.js";
import { paintedByKeys } from "./cursor.js";
import { picture, pictureSize } from "./pictures.js";

const COUNT = 8,
  ROUGH = 16;

export function hiddenCard(view) {
  const { model, state } = view,
    { event } = model;
  if (event.length < 2 || event.length > 3) return null;
  const canvas = element("canvas", { class: "big mask", "aria-label": text("hidden.canvas") });
  const found = Array.from({ length: COUNT }, (_, k) => {
    const small = element("canvas", { class: "thumb", role: "img", "aria-label": text("hidden.completion", { i: k + 1 }) }),
      weight = element("figcaption");
    return { small, weight, figure: element("figure", {}, small, weight) };
  });
  const said = element("p", { class: "found", role: "status" }),
    size = element("input", { type: "range", min: 1, max: 8, value: 3 });
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
  const hide = (which) => {
    mask.forEach((_, cell) => (mask[cell] = which(cell % grid.columns, Math.floor(cell / grid.columns)) ? 1 : 0));
    done();
  };
  /** Hide what is about a place, in cells, or show it again. */
  const paint = (x, y, on = true) => {
    const radius = Number(size.value);
    mask.forEach((_, cell) => {
      const [column, row] = [(cell % grid.columns) + 0.5, Math.floor(cell / grid.columns) + 0.5];
      if (Math.hypot(column - x, grid.rows > 1 ? row - y : 0) <= radius) mask[cell] = Number(on);
    });
    show();
  };
  const byKeys = paintedByKeys(canvas, {
    columns: grid.columns,
    rows: grid.rows,
    wide: grid.wide,
    words: ["hidden.is", "hidden.seen"],
    painted: (x, y) => mask[y * grid.columns + x] === 1,
    paint: (x, y, on) => paint(x + 0.5, y + 0.5, on),
    ended: done,
  });
  // channels beside one another are of one image
  brush(canvas, (across, down) => paint((across * grid.wide) % grid.columns, down * grid.rows), done);
  state.on((values, changed) => {
    if (!["example", "label", "mask"].some((name) => changed.has(name))) return;
    if (changed.has("mask")) mask.set(values.mask ?? new Uint8Array(mask.length));
    show();
    complete();
  });
  return card(
    "hidden",
    element("div", { class: "beside" }, byKeys, element("div", { class: "grid" }, ...found.map((one) => one.figure))),
    element(
      "div",
      { class: "row" },
      labelled(text("hidden.size"), size),
      button(text("hidden.half"), () => hide((column) => column >= grid.columns / 2)),
      grid.rows > 1 ? button(text("hidden.lower"), () => hide((_, row) => row >= grid.rows / 2)) : null,
      button(text("hidden.none"), () => hide(() => false)),
    ),
    said,
  );
}

/** Of which cells a mask is: pixels, or of a series steps; and over how many cells the picture goes, channels beside one another. */
function cellsOf(event) {
  const columns = event[event.length - 1];
  if (event.length === 2) return { columns, rows: 1, wide: columns };
  return { columns, rows: event[1], wide: pictureSize(event)[0] };
}

/** Calls `paint` with shares of the width and height under the pointer, and `ended` when it is lifted. */
function brush(canvas, paint, ended) {
  let painting = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    paint((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    painting = true;
    at(event);
  });
  canvas.addEventListener("pointermove", (event) => painting && at(event));
  const end = () => {
    if (painting) ended();
    painting = false;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
