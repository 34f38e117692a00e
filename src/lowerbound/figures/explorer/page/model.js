// A model in the page: p(z), p(x|z) and q(z|x), its networks computed here. The other half of model.py.

import { sizeOf, tensor } from "./arrays.js";
import { forward } from "./layers.js";
import { POSTERIORS, closedKL, priorOf } from "./latents.js";
import { likelihood } from "./laws.js";
import { columnLaws } from "./columns.js";

/** The law of a table's row: that of each of its columns. */
const COLUMNS = {
  mean: (words, output, row) => Float64Array.from(columnLaws(words, output, row), (law) => law.mean),
  logEach: (words, output, row, x) =>
    Float64Array.from(columnLaws(words, output, row), (law, i) => (Number.isNaN(x[i]) ? NaN : law.logp(x[i]))),
  draw: (words, output, row, random) => Float64Array.from(columnLaws(words, output, row), (law) => law.draw(random)),
};

/** The model of these words, its weights among `arrays`. A label y is a class number, null for models that are given none. */
export function modelOf(words, arrays) {
  const size = sizeOf(words.event),
    law = words.likelihood.kind === "columns" ? COLUMNS : likelihood(words.likelihood),
    prior = priorOf(words.prior, words.latent, arrays);
  const context = (label) => {
    if (!words.classes_given) return null;
    const one = tensor([1, words.classes_given]);
    one.data[label] = 1;
    return one;
  };
  const model = {
    words,
    size,
    prior,
    latent: words.latent,
    event: words.event,
    /** q(z|x) for the values of one example, NaN where one is missing. */
    posterior(x, label = null) {
      const output = forward(words.encoder, tensor([1, ...words.event], new Float32Array(x)), arrays, context(label));
      return POSTERIORS[words.posterior](output.data);
    },
    /** What the decoder gives for some latents, a row each. */
    decode(latents, label = null) {
      const z = tensor([latents.length, words.latent]);
      latents.forEach((one, row) => z.data.set(one, row * words.latent));
      return forward(words.decoder, z, arrays, context(label));
    },
    /** The mean of p(x|z) of a row of what the decoder gave. */
    mean: (output, row = 0) => law.mean(words.likelihood, output, row, arrays),
    /** A draw of it. */
    draw: (output, row, random) => law.draw(words.likelihood, output, row, random, arrays),
    /** log p(x|z) of a row, in nats, of the values that are not NaN. */
    logLikelihood(output, row, x) {
      let sum = 0;
      for (const one of law.logEach(words.likelihood, output, row, x, arrays)) if (!Number.isNaN(one)) sum += one;
      return sum;
    },
    kl: (q) => closedKL(q, prior),
    /** The image that a latent stands for. */
    image: (z, label = null) => model.mean(model.decode([z], label)),
  };
  return model;
}
