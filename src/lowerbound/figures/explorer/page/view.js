// One run on the page: its model, its data, and what is looked at now.

import { arraysOf, inflated } from "./arrays.js";
import { store, text } from "./dom.js";
import { givenOf } from "./given.js";
import { boundOfExample, observed } from "./inference.js";
import { modelOf } from "./model.js";
import { remoteModel } from "./remote.js";

/** A run from its words in the page and its numbers. */
export async function viewOf(words, packed, colors) {
  const arrays = arraysOf(words.arrays, await inflated(packed)),
    model = words.model.remote ? remoteModel(words.model) : modelOf(words.model, arrays),
    data = words.examples;
  const rows = (index) => {
    if (index === null) return null;
    const {
      shape: [n, width],
      data: numbers,
    } = arrays[index];
    return Array.from({ length: n }, (_, row) => numbers.subarray(row * width, (row + 1) * width));
  };
  const values = ({ array, white }) => rows(array).map((row) => (white ? divided(row, white) : new Float64Array(row)));
  const labels = (index) => (index === null ? null : arrays[index].data);
  const view = {
    words,
    model,
    colors,
    arrays,
    range: data.range,
    classes: data.classes,
    codes: rows(data.codes),
    spreads: rows(data.spreads),
    labels: labels(data.labels),
    shown: values(data.shown),
    test: { values: values(data.test.values), known: rows(data.test.known), labels: labels(data.test.labels), logP: data.test.log_p },
    order: data.order,
    state: store({
      z: new Float64Array(model.latent),
      dims: model.latent > 1 ? [data.order[0], data.order[1]].sort((a, b) => a - b) : [0, 0],
      label: words.model.classes_given ? 0 : null, // or what is given of the example: given.js
      example: null, // {values, x, label, name, row}: a test example, or one's own
      found: null, // of the example: its posterior and bound
      frame: null, // of the plane: {x0, y0, wide}, or null for that which holds about all codes
      mask: null, // cells of the example that are hidden, 1 each, or null for none
    }),
    /** Its bound, given a class. */
    boundOf: (values, label) => boundOfExample(model, values, label, data.test),
    /** Look at an example: z goes to the mean of its posterior. A model that is given labels reads it as its own, or else as the likeliest. */
    choose(chosen, name, row = null, label = null) {
      const given = model.words.given
        ? view.givenFor(chosen, row)
        : view.state.values.label === null
          ? null
          : label !== null && label >= 0 && label < view.classes.length
            ? label
            : view.likeliest(chosen);
      const found = view.boundOf(chosen, given),
        bits = observed(model, chosen, row ?? 0);
      view.state.set({ example: { values: chosen, bits, label, name, row }, found, z: Float64Array.from(found.q.mean), label: given });
    },
    /** What the model is given of an example: of a test example what it was given for its log p(x), of others what was given last. */
    givenFor(chosen, row) {
      const known = row === null ? undefined : view.test.known?.[row],
        hidden = known ? known.map((one) => 1 - one) : (view.state.values.label?.hidden ?? null);
      return { ...givenOf(model.words, chosen, hidden), row: known ? row : null };
    },
    /** The first test example, where nothing was chosen yet. */
    begin() {
      if (view.state.values.example === null && view.test.values.length)
        view.choose(view.test.values[0], exampleName(view, 0), 0, view.test.labels && view.test.labels[0]);
    },
    /** Give another class: what is said of the chosen example is then given that one; z stays. */
    give(label) {
      const { example } = view.state.values;
      view.state.set({ label, ...(example === null ? {} : { found: view.boundOf(example.values, label) }) });
    },
    /** Give a model that is given a part of the chosen example another part: all but what is hidden, 1 each. */
    hide(hidden) {
      const { example } = view.state.values;
      if (example !== null) view.give({ ...givenOf(model.words, example.values, hidden), row: null });
    },
    /** log p(x|y) of an example for each class, in nats. */
    ofClasses: (values) => view.classes.map((_, label) => view.boundOf(values, label)).map((found) => found.logP ?? found.reconstruction),
    likeliest(values) {
      const each = view.ofClasses(values);
      return each.indexOf(Math.max(...each));
    },
  };
  if (model.words.given) view.state.values.label = view.givenFor(view.test.values[0] ?? new Float64Array(model.size), 0);
  return view;
}

/** Faster than typed arrays' own `from`, of which a page has thousands to make before its first image. */
function divided(row, by) {
  const made = new Float64Array(row.length);
  for (let i = 0; i < row.length; i++) made[i] = row[i] / by;
  return made;
}

/** log of the density of codes at z: the mean of q(z|x) over the examples on the map, in nats. */
export function logAggregate(view, z) {
  if (view.spreads === null) return null;
  view.logSpreads ??= view.spreads.map((spread) => spread.reduce((sum, s) => sum + Math.log(s), 0));
  const n = view.codes.length,
    d = z.length,
    logs = new Float64Array(n);
  let top = -Infinity,
    total = 0;
  for (let row = 0; row < n; row++) {
    const code = view.codes[row],
      spread = view.spreads[row];
    let sum = -view.logSpreads[row];
    for (let i = 0; i < d; i++) {
      const u = (z[i] - code[i]) / spread[i];
      sum -= 0.5 * u * u;
    }
    logs[row] = sum;
    if (sum > top) top = sum;
  }
  for (let row = 0; row < n; row++) if (logs[row] > top - 40) total += Math.exp(logs[row] - top);
  return top + Math.log(total / n) - 0.5 * d * Math.log(2 * Math.PI);
}

/** The row of the nearest of some vectors, by squared distance. */
export function nearest(vectors, wanted, most = vectors.length) {
  let best = -1,
    least = Infinity;
  for (let row = 0; row < most; row++) {
    const one = vectors[row];
    let sum = 0;
    for (let i = 0; i < wanted.length && sum < least; i++) {
      const gap = one[i] - wanted[i];
      if (!Number.isNaN(gap)) sum += gap * gap;
    }
    if (sum < least) [least, best] = [sum, row];
  }
  return best;
}

const LEAST = 20; // test examples, for a share of them to say something

/** Which share of test examples is less likely than this log p(x). */
export function rank(view, logP) {
  const all = view.test.logP;
  if (view.test.known !== null && view.state.values.label.row === null) return null; // log p of another part than theirs
  return all === null || !Number.isFinite(logP) || all.length < LEAST ? null : all.filter((other) => other < logP).length / all.length;
}

/** What a test example is called. */
export function exampleName(view, row) {
  const label = view.test.labels && nameOf(view, view.test.labels[row]),
    i = row + 1;
  return label ? text("examples.labelled", { i, label }) : text("examples.name", { i });
}

/** What a dimension of z is called; of several levels by its level and its place there. */
export function nameOfDimension({ words: { sizes } }, dim) {
  let [level, i] = [0, dim];
  while (sizes && i >= sizes[level]) i -= sizes[level++];
  return sizes ? text("plane.level", { level: level + 1, i: i + 1 }) : text("plane.dimension", { i: i + 1 });
}

export const nameOf = (view, label) => (label === null || label === undefined || label < 0 ? "" : view.classes[label]);
