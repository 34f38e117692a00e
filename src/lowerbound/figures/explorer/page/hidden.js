// A mask painted over an example, and eight completions of what it hides: draws of p(x_hidden|x_seen), each with its weight.

import { button, card, element, labelled, number, text } from "./dom.js";
import { completions } from "./inference.js";
import { picture, pictureSize } from "./pictures.js";

const COUNT = 8,
  ROUGH = 16;

export function hiddenCard(view) {
  const { model, state } = view,
    { event } = model;
  if (event.length < 2 || event.length > 3 || model.words.given) return null; // what is hidden from a model that is given a part: given.js
  const canvas = element("canvas", { class: "big mask", role: "img", "aria-label": text("hidden.canvas") });
  const found = Array.from({ length: COUNT }, (_, k) => {
    const small = element("canvas", { class: "thumb", role: "img", "aria-label": text("hidden.completion", { i: k + 1 }) }),
      weight = element("figcaption");
    return { small, weight, figure: element("figure", {}, small, weight) };
  });
  const said = element("p", { role: "status" }),
    size = element("input", { type: "range", min: 1, max: 8, value: 3 });
  const hidden = new Uint8Array(model.size),
    [width] = pictureSize(event);
  const show = () => {
    const { example } = state.values;
    if (example === null) return;
    picture(
      canvas,
      example.values.map((value, i) => (hidden[i] ? NaN : value)),
      event,
      view.range,
      view.colors,
    );
  };
  const complete = () => {
    const { example, label } = state.values;
    for (const one of found) one.figure.hidden = !hidden.includes(1);
    said.textContent = "";
    if (example === null || !hidden.includes(1)) return;
    const began = performance.now(),
      seen = example.bits.map((value, i) => (hidden[i] ? NaN : value));
    const made = completions(model, seen, label, COUNT);
    made.found.forEach((one, k) => {
      const shown = example.values.map((value, i) => (hidden[i] ? one.values[i] : value));
      picture(found[k].small, shown, event, view.range, view.colors);
      found[k].weight.textContent = text("hidden.weight", { weight: number(100 * one.weight, 1) });
    });
    view.completed = { ...made, milliseconds: performance.now() - began };
    said.textContent = text(made.effective < ROUGH ? "hidden.rough" : "hidden.effective", {
      all: made.draws,
      n: number(made.effective, 0),
    });
  };
  const hide = (which) => {
    hidden.forEach((_, i) => (hidden[i] = which(i) ? 1 : 0));
    show();
    complete();
  };
  const column = (i) => i % event[event.length - 1],
    row = (i) => Math.floor(i / event[event.length - 1]) % event[event.length - 2];
  brush(
    canvas,
    (across, y) => {
      const x = event.length === 2 ? across : across % event[event.length - 1]; // channels beside one another are of one image
      const radius = Number(size.value);
      hidden.forEach((_, i) => {
        const near =
          event.length === 2
            ? Math.abs(column(i) - x * (event[1] / width)) <= radius
            : Math.hypot(column(i) + 0.5 - x, row(i) + 0.5 - y) <= radius;
        if (near) hidden[i] = 1;
      });
      show();
    },
    complete,
  );
  state.on((_, changed) => {
    if (!["example", "label"].some((name) => changed.has(name))) return;
    show();
    complete();
  });
  const last = event[event.length - 1];
  return card(
    "hidden",
    element("div", { class: "beside" }, canvas, element("div", { class: "grid" }, ...found.map((one) => one.figure))),
    element(
      "div",
      { class: "row" },
      labelled(text("hidden.size"), size),
      button(text("hidden.half"), () => hide((i) => column(i) >= last / 2)),
      event.length === 3 ? button(text("hidden.lower"), () => hide((i) => row(i) >= event[1] / 2)) : null,
      button(text("hidden.none"), () => hide(() => false)),
    ),
    said,
  );
}

function brush(canvas, paint, ended) {
  let painting = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    paint(((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height);
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
