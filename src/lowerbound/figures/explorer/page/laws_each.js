// Likelihoods whose values are independent, by the law of one value.

import { sizeOf } from "./arrays.js";
import { softplus } from "./functions.js";

/** A number that the decoder may give any size, as one above .001: scales.positive. */
export const positive = (raw) => 0.001 + softplus(raw);

/** The shape of an example, of the decoder's output (N, …event), or (N, P, …event) where there are P parameters of each value. */
export const eventOf = (words, output) => output.shape.slice(words.parameters > 1 ? 2 : 1);

/**
 * A row of LAWS: `one(words, arrays, output)` gives the law of one value, as functions of `own`, the P numbers that the decoder has for it,
 * and of its place: mean(own, place), log(x, own, place) and draw(own, place, random).
 */
export function ofEach(one) {
  const over = (words, output, row, arrays, each) => {
    const law = one(words, arrays, output),
      many = words.parameters,
      size = sizeOf(eventOf(words, output));
    const own = new Float64Array(many),
      made = new Float64Array(size);
    for (let place = 0; place < size; place++) {
      for (let p = 0; p < many; p++) own[p] = output.data[(row * many + p) * size + place];
      made[place] = each(law, own, place);
    }
    return made;
  };
  return {
    mean: (words, output, row, arrays) => over(words, output, row, arrays, (law, own, place) => law.mean(own, place)),
    logEach: (words, output, row, x, arrays) =>
      over(words, output, row, arrays, (law, own, place) => (Number.isNaN(x[place]) ? NaN : law.log(x[place], own, place))),
    draw: (words, output, row, random, arrays) => over(words, output, row, arrays, (law, own, place) => law.draw(own, place, random)),
  };
}

/** Numbers of the last axes of an example, read by the place of a value in it. */
export function overEvent(numbers, event) {
  const { shape, data } = numbers,
    sides = shape.slice(shape.findIndex((side) => side !== 1));
  if (data.length === 1) return () => data[0];
  if (sides.join() !== event.slice(-sides.length).join()) throw new Error(`numbers of shape ${shape} for values of shape ${event}`);
  return (place) => data[place % data.length];
}
