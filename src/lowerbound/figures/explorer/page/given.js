// What a model is given of an example: a part of its values, or the example made small. The other half of given.py.

import { sizeOf, tensor } from "./arrays.js";

const PRIORS = 40; // as many as there are small pictures to choose from

let made = 0;

/**
 * What stands where of other models a label does: {context, known, hidden, of(values), id}. `known` are the values that the context tells, NaN
 * elsewhere, or null; `hidden` is 1 where a value is not given; `of` gives the same of other values; each has an `id` of its own.
 */
export function givenOf(words, values, hidden = null) {
  const found = words.given.kind === "observed" ? partOf(words.given, values, hidden) : smallOf(words, values);
  const given = { ...found, hidden, id: `given ${++made}`, of: (others) => (others === values ? given : givenOf(words, others, hidden)) };
  return given;
}

/** What a model is given when it looks at these values: of one that is given a label, that. */
export const givenBy = (given, values) => (given?.of ? given.of(values) : given);

/** Values that are observed, 0 elsewhere, and beside them which are. */
function partOf({ shape }, values, hidden) {
  const context = tensor([1, ...shape]),
    known = Float64Array.from(values, (value, i) => (hidden !== null && hidden[i] ? NaN : value));
  known.forEach((value, i) => {
    if (Number.isNaN(value)) return;
    context.data[i] = value;
    context.data[known.length + i] = 1;
  });
  return { context, known };
}

/** The means of blocks of factor × factor pixels. */
function smallOf({ event, given: { shape, factor } }, values) {
  const context = tensor([1, ...shape]),
    [, height, width] = event;
  for (let i = 0; i < values.length; i++) {
    const x = Math.floor((i % width) / factor),
      y = Math.floor((Math.floor(i / width) % height) / factor),
      channel = Math.floor(i / (width * height));
    context.data[(channel * shape[1] + y) * shape[2] + x] += values[i] / factor ** 2;
  }
  return { context, known: null };
}

/** The lowest (side 0) or highest (side 1) of a number and of what p(z|c) of the first test examples reach in a dimension. */
export function priorsAlong(view, dim, end, side) {
  if (!view.model.words.given) return end;
  view.priors ??= view.test.values.slice(0, PRIORS).map((values, row) => view.model.prior(view.givenFor(values, row)));
  const ends = view.priors.filter((prior) => prior.sd).map(({ mean, sd }) => mean[dim] + (side ? 1 : -1) * 2 * sd[dim]);
  return side ? Math.max(end, ...ends) : Math.min(end, ...ends);
}

/** What is to be shown of it: {values, event} of a picture, hidden values NaN. */
export function shownOf(words, given) {
  if (words.given.kind === "observed") return { values: given.known, event: words.event };
  return { values: given.context.data.subarray(0, sizeOf(words.given.shape)), event: words.given.shape };
}
