// What a model is given of the example, which one may paint otherwise, and what it makes of it: draws of x at the cross, and of p(z|c).

import { painted } from "./brush.js";
import { button, cardOf, element, labelled, text } from "./dom.js";
import { normals, uniforms } from "./functions.js";
import { givenOf, shownOf } from "./given.js";
import { picture, pictureSize } from "./pictures.js";

const AT_CROSS = 6,
  OF_PRIOR = 8;

export function givenCard(view) {
  const { model, state } = view;
  if (!model.words.given) return null;
  const part = model.words.given.kind === "observed",
    canvas = element("canvas", { class: `big given${part ? " mask" : ""}`, role: "img", "aria-label": text("given.canvas") });
  const here = strip("given.here", "given.draw", AT_CROSS),
    prior = strip("given.prior", "given.completion", OF_PRIOR);
  const drawn = (small, values) => picture(small, values, model.event, view.range, view.colors);
  state.on(({ label }, changed) => {
    if (["label", "theme"].some((name) => changed.has(name))) {
      const { values, event } = shownOf(model.words, label);
      picture(canvas, values, event, view.range, view.colors);
      view.supposed = fromPrior(view, OF_PRIOR);
      view.supposed.forEach(({ values: made }, k) => drawn(prior.canvases[k], made));
    }
    if (!["z", "label", "theme"].some((name) => changed.has(name))) return;
    const random = { uniform: uniforms(11), normal: normals(12) }; // the same noise everywhere, so that only what is there moves
    view.drawn = here.canvases.map(() => model.draw(view.now.output, 0, random));
    view.drawn.forEach((values, k) => drawn(here.canvases[k], values));
  });
  const about = text(part ? "given.about.part" : "given.about.small");
  return cardOf("given", about, canvas, part ? maskTools(view, canvas) : null, here.element, prior.element);
}

/** Examples that z ~ p(z|c) decodes to, and each z: the same draws for the same c. */
function fromPrior({ model, state }, n) {
  const { label, example } = state.values,
    given = example === null || !label.of ? label : label.of(example.bits), // as in training, where greys are seen as zeros and ones
    normal = normals(21),
    uniform = uniforms(22),
    latents = Array.from({ length: n }, () => model.prior(given).sample(normal, uniform)),
    output = model.decode(latents, given);
  const seen = (values) => (label.known === null ? values : values.map((value, i) => (Number.isNaN(label.known[i]) ? value : label.known[i])));
  return latents.map((z, row) => ({ z, values: seen(model.mean(output, row)) }));
}

function strip(title, each, n) {
  const canvases = Array.from({ length: n }, (_, k) =>
    element("canvas", { class: "thumb", role: "img", "aria-label": text(each, { i: k + 1 }) }),
  );
  return { canvases, element: element("div", { class: title.split(".")[1] }, element("h3", {}, text(title)), element("div", { class: "strip" }, ...canvases)) };
}

/** A brush that hides more of the example, and buttons. Pixels are hidden in all channels at once. */
function maskTools(view, canvas) {
  const { model, state } = view,
    grid = gridOf(model.event),
    size = element("input", { type: "range", min: 1, max: 8, value: 3 });
  let hidden = null; // while one paints
  const give = (mask) => {
    const { example } = state.values;
    if (example !== null) view.give({ ...givenOf(model.words, example.values, mask), row: null });
  };
  const hide = (which) => () => give(Uint8Array.from({ length: model.size }, (_, i) => (which(...grid.placeOf(i)) ? 1 : 0)));
  const paint = (across, down) => {
    const { example, label } = state.values;
    if (example === null) return;
    const [x, y] = [(across * grid.wide) % grid.columns, down * grid.rows];
    hidden ??= Uint8Array.from(label.hidden ?? new Uint8Array(model.size));
    hidden.forEach((_, i) => {
      const [column, row] = grid.placeOf(i);
      if (Math.hypot(column + 0.5 - x, grid.rows > 1 ? row + 0.5 - y : 0) <= Number(size.value)) hidden[i] = 1;
    });
    const seen = example.values.map((value, i) => (hidden[i] ? NaN : value));
    picture(canvas, seen, model.event, view.range, view.colors);
  };
  painted(canvas, paint, () => {
    if (hidden !== null) give(hidden);
    hidden = null;
  });
  const own = () => state.values.example !== null && view.give(view.givenFor(state.values.example.values, state.values.example.row));
  return element(
    "div",
    { class: "row" },
    labelled(text("hidden.size"), size),
    button(
      text("hidden.half"),
      hide((column) => column >= grid.columns / 2),
    ),
    grid.rows > 1
      ? button(
          text("hidden.lower"),
          hide((_, row) => row >= grid.rows / 2),
        )
      : null,
    button(
      text("given.all"),
      hide(() => true),
    ),
    button(
      text("hidden.none"),
      hide(() => false),
    ),
    button(text("given.own"), own),
  );
}

/** Columns and rows of a picture, over how many columns it goes, channels beside one another, and the place of a value in it. */
function gridOf(event) {
  const columns = event[event.length - 1],
    rows = event.length > 2 ? event[event.length - 2] : 1;
  return {
    columns,
    rows,
    wide: event.length > 2 ? pictureSize(event)[0] : columns,
    placeOf: (i) => [i % columns, Math.floor(i / columns) % rows],
  };
}
