// A slider for each latent dimension, those with the largest KL first; inactive ones are folded away. And directions from class to class.

import { card, cardOf, element, labelled, number, select, text } from "./dom.js";
import { nameOfDimension } from "./view.js";

const FOLDED = 10; // active dimensions that are shown at once

export function slidersCard(view) {
  const {
      model,
      state,
      words: {
        examples: { active, kl, variance },
      },
    } = view,
    reach = reachOf(view);
  const sliders = view.order.map((dim) => {
    const said = element("output", {}),
      input = element("input", {
        type: "range",
        min: -reach[dim],
        max: reach[dim],
        step: reach[dim] / 200,
        value: 0,
        "data-dimension": dim,
        oninput: () => {
          const z = Float64Array.from(state.values.z);
          z[dim] = Number(input.value);
          state.set({ z });
        },
      });
    const much =
      kl === null ? text("sliders.variance", { value: number(variance[dim], 2) }) : text("sliders.kl", { value: number(kl[dim], 2) });
    return { dim, input, said, row: labelled(nameOfDimension(model, dim), input, said, element("small", {}, much)) };
  });
  const first = sliders.filter((one, k) => active[one.dim] && k < FOLDED),
    rest = sliders.filter((one) => !first.includes(one));
  const more = rest.length
    ? element("details", {}, element("summary", {}, text("sliders.more", { n: rest.length })), ...rest.map((one) => one.row))
    : null;
  state.on(({ z }, changed) => {
    if (!changed.has("z")) return;
    for (const { dim, input, said } of sliders) {
      input.value = z[dim];
      said.textContent = number(z[dim], 2);
    }
  });
  const about = kl === null ? text("sliders.about.variance") : text("sliders.about") + ofLevels(model.words.sizes, kl);
  return cardOf("sliders", about, ...first.map((one) => one.row), more);
}

/** What each level of several costs, in words. */
function ofLevels(sizes, kl) {
  if (!sizes) return "";
  let at = 0;
  const costs = sizes.map((size) => kl.slice(at, (at += size)).reduce((sum, one) => sum + one, 0));
  return ` ${text("sliders.levels", { levels: costs.map((cost, level) => `z${level + 1} ${number(cost, 2)}`).join(", ") })}`;
}

/** How far each slider goes: as far as codes do, three standard deviations of the prior at least. */
function reachOf(view) {
  return Array.from({ length: view.model.latent }, (_, dim) => view.codes.reduce((most, code) => Math.max(most, Math.abs(code[dim])), 3));
}

/** From one class towards another: z moves along the difference of their mean codes. */
export function directionCard(view) {
  const { state } = view,
    means = classMeans(view),
    named = view.classes.map((name, k) => [name, means[k]]).filter(([, mean]) => mean !== null);
  if (named.length < 2) return null;
  let from = 0,
    to = 1,
    begin = null,
    moved = null;
  const said = element("output", {}),
    slider = element("input", {
      type: "range",
      min: -1,
      max: 2,
      step: 0.02,
      value: 0,
      oninput: () => {
        // a look at another place, by any other control, begins there anew
        if (begin === null || moved === null || moved.some((v, i) => v !== state.values.z[i])) begin = Float64Array.from(state.values.z);
        const t = Number(slider.value),
          a = named[from][1],
          b = named[to][1];
        moved = begin.map((value, i) => value + t * (b[i] - a[i]));
        said.textContent = number(t, 2);
        state.set({ z: Float64Array.from(moved) });
      },
    });
  const again = () => {
    begin = moved = null;
    slider.value = 0;
  };
  const names = named.map(([name]) => name),
    choice = (key, at, set) =>
      select(text(key), names, at, (k) => {
        set(k);
        again();
      }).label;
  return card(
    "direction",
    element(
      "div",
      { class: "row" },
      choice("direction.from", 0, (k) => (from = k)),
      choice("direction.to", 1, (k) => (to = k)),
    ),
    labelled(text("direction.step"), slider, said),
  );
}

/** The mean code of each class, null where none is of it. */
function classMeans(view) {
  if (view.labels === null) return view.classes.map(() => null);
  return view.classes.map((_, label) => {
    const own = view.codes.filter((_, row) => view.labels[row] === label);
    return own.length
      ? Float64Array.from({ length: view.model.latent }, (_, i) => own.reduce((sum, code) => sum + code[i], 0) / own.length)
      : null;
  });
}
