// The way from one example to another, straight and along the sphere, with the bound of what is decoded on it; and as an animation.

import { button, cardOf, element, later, number, select, text } from "./dom.js";
import { boundOf, observed } from "./inference.js";
import { isTable } from "./row.js";
import { exampleName } from "./view.js";
import { picture } from "./pictures.js";

const STEPS = 9,
  FRAMES = 120,
  DRAWS = 16;

const straight = (a, b, t) => Float64Array.from(a, (value, i) => value + t * (b[i] - value));

/** Along the great circle through both directions, the length going straight from one to the other. Source: Shoemake, 1985. */
export function spherical(a, b, t) {
  const length = (v) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0)),
    [la, lb] = [length(a), length(b)];
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (la * lb || 1),
    angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (la * lb === 0 || Math.sin(angle) < 1e-6) return straight(a, b, t);
  const [from, to] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)],
    size = la + t * (lb - la);
  return Float64Array.from(a, (value, i) => size * (from * (value / la) + to * (b[i] / lb)));
}

const WAYS = { straight, spherical };

export function pathsCard(view) {
  const { model, state } = view,
    names = view.test.values.slice(0, 40).map((_, i) => exampleName(view, i));
  if (names.length < 2 || isTable(view) || model.words.given) return null; // z says what c does not, and every example has a c of its own
  const ends = [0, 1],
    rows = Object.keys(WAYS).map((way) => {
      const canvases = Array.from({ length: STEPS }, (_, k) =>
        element("canvas", { class: "thumb", role: "img", "aria-label": text("paths.step", { way: text(`paths.${way}`), i: k + 1 }) }),
      );
      const bounds = canvases.map(() => element("figcaption")),
        figures = canvases.map((canvas, k) => element("figure", {}, canvas, bounds[k]));
      return {
        way,
        canvases,
        bounds,
        row: element(
          "div",
          { class: "path", "data-way": way },
          element("h3", {}, text(`paths.${way}`)),
          element("div", { class: "strip" }, ...figures),
        ),
      };
    });
  // of a model that is given labels each end is encoded as what it is, and the way between decoded as the class that is given
  const own = (row) => (state.values.label !== null && view.test.labels?.[row] >= 0 ? view.test.labels[row] : state.values.label);
  const latents = () => ends.map((row) => model.posterior(view.test.values[row], own(row)).mean);
  const show = () => {
    const [a, b] = latents();
    for (const { way, canvases, bounds } of rows) {
      const z = canvases.map((_, k) => WAYS[way](a, b, k / (STEPS - 1))),
        output = model.decode(z, state.values.label);
      canvases.forEach((canvas, k) => {
        const values = model.mean(output, k);
        picture(canvas, values, model.event, view.range, view.colors);
        const found = boundOf(model, observed(model, values, 3), state.values.label, Math.min(DRAWS, view.words.examples.test.draws / 4));
        bounds[k].textContent = number(found.bound ?? found.reconstruction, 0);
      });
    }
  };
  let way = 0,
    frame = null;
  const play = () => {
    const [a, b] = latents();
    let step = 0;
    const next = () => {
      state.set({ z: WAYS[Object.keys(WAYS)[way]](a, b, 0.5 - 0.5 * Math.cos((2 * Math.PI * step) / FRAMES)) });
      frame = step++ < FRAMES ? requestAnimationFrame(next) : null;
    };
    if (frame !== null) cancelAnimationFrame(frame);
    next();
  };
  const end = (key, which) =>
    select(text(key), names, ends[which], (row) => {
      ends[which] = row;
      show();
    }).label;
  state.on((_, changed) => changed.has("label") && later(show));
  return cardOf(
    "paths",
    text(state.values.label === null ? "paths.about" : "paths.about.given"),
    element(
      "div",
      { class: "row" },
      end("paths.from", 0),
      end("paths.to", 1),
      select(
        text("paths.way"),
        Object.keys(WAYS).map((name) => text(`paths.${name}`)),
        0,
        (k) => (way = k),
      ).label,
      button(text("paths.play"), play),
    ),
    ...rows.map((one) => one.row),
  );
}
