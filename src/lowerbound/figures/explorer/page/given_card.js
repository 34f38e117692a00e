// What a model is given of the example, which one may paint otherwise, and what it makes of it: draws of x at the cross, and of p(z|c).

import { brushOn, cellsOf, maskTools } from "./brush.js";
import { button, cardOf, element, text } from "./dom.js";
import { normals, uniforms } from "./functions.js";
import { shownOf } from "./given.js";
import { picture } from "./pictures.js";

const AT_CROSS = 6,
  OF_PRIOR = 8;

export function givenCard(view) {
  const { model, state } = view;
  if (!model.words.given) return null;
  const part = model.words.given.kind === "observed",
    canvas = element("canvas", { class: `big given${part ? " mask" : ""}`, role: part ? null : "img", "aria-label": text("given.canvas") });
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
  return cardOf("given", about, ...(part ? brushOfPart(view, canvas) : [canvas]), here.element, prior.element);
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
  const made = element("div", { class: title.split(".")[1] }, element("h3", {}, text(title)), element("div", { class: "strip" }, ...canvases));
  return { canvases, element: made };
}

/** The canvas with a brush that hides more of the example, and buttons. Pixels are hidden in all channels at once. */
function brushOfPart(view, canvas) {
  const { model, state } = view,
    grid = cellsOf(model.event);
  let hidden = null; // while one paints
  const all = () => hidden ?? state.values.label.hidden ?? new Uint8Array(model.size),
    hide = (which) => view.hide(Uint8Array.from({ length: model.size }, (_, i) => (which(...grid.placeOf(i)) ? 1 : 0)));
  const tools = maskTools(grid, hide);
  const brush = brushOn(canvas, grid, tools, {
    hidden: (x, y) => all().some((one, i) => one && grid.placeOf(i).every((at, axis) => at === [x, y][axis])),
    hide(isWithin, on) {
      const { example } = state.values;
      if (example === null) return;
      hidden = all().map((one, i) => (isWithin(...grid.placeOf(i)) ? Number(on) : one));
      const seen = example.values.map((value, i) => (hidden[i] ? NaN : value));
      picture(canvas, seen, model.event, view.range, view.colors);
    },
    ended() {
      if (hidden !== null) view.hide(hidden);
      hidden = null;
    },
  });
  const own = () => state.values.example !== null && view.give(view.givenFor(state.values.example.values, state.values.example.row));
  const more = [button(text("given.all"), () => hide(() => true)), button(text("given.own"), own)];
  return [brush, element("div", { class: "row" }, ...tools.controls, ...more)];
}
