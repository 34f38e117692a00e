// A model in the page: p(z), p(x|z) and q(z|x), its networks computed here. The other half of model.py.

import { sizeOf, tensor } from "./arrays.js";
import { CHAINS, priorOfWords } from "./chains.js";
import {} from "./guided.js";
import { forward } from "./layers.js";
import { POSTERIORS, closedKL } from "./latents.js";
import { likelihood } from "./laws.js";
import { columnLaws } from "./columns.js";

/** The law of a table's row: that of each of its columns. */
const COLUMNS = {
  mean: (words, output, row) => Float64Array.from(columnLaws(words, output, row), (law) => law.mean),
  logEach: (words, output, row, x) =>
    Float64Array.from(columnLaws(words, output, row), (law, i) => (Number.isNaN(x[i]) ? NaN : law.logp(x[i]))),
  draw: (words, output, row, random) => Float64Array.from(columnLaws(words, output, row), (law) => law.draw(random)),
};

/**
 * The model of these words, its weights among `arrays`. A label y is a class number, null for models that are given nothing, and of those that
 * are given something of an example's values what given.js makes of them.
 */
export function modelOf(words, arrays) {
  const size = sizeOf(words.event),
    law = words.likelihood.kind === "columns" ? COLUMNS : likelihood(words.likelihood),
    prior = words.prior.law === "given" ? null : priorOfWords(words.prior, words.latent, arrays),
    priors = new WeakMap(); // of contexts, which are many, what was computed
  const classes = Array.from({ length: words.classes_given }, (_, label) => {
    const one = tensor([1, words.classes_given]);
    one.data[label] = 1;
    return one;
  });
  const context = (label) => (words.given ? label.context : words.classes_given ? classes[label] : null);
  const model = {
    words,
    size,
    latent: words.latent,
    event: words.event,
    /** p(z), or p(z|y) of a model whose prior is given y. */
    prior(label = null) {
      if (prior !== null) return prior;
      const given = context(label);
      if (!priors.has(given)) priors.set(given, POSTERIORS.gaussian(forward(words.prior.network, given, arrays).data, words.prior.floor));
      return priors.get(given);
    },
    /** q(z|x) for the values of one example, NaN where one is missing. */
    posterior(x, label = null) {
      const output = forward(words.encoder, tensor([1, ...words.event], new Float32Array(x)), arrays, context(label));
      if (words.levels) return CHAINS[words.posterior](words.levels, arrays, output.data, model.prior(label));
      return POSTERIORS[words.posterior](output.data, words.floor);
    },
    /** What the decoder gives for some latents, a row each. */
    decode(latents, label = null) {
      const z = tensor([latents.length, words.latent]);
      latents.forEach((one, row) => z.data.set(one, row * words.latent));
      return { ...forward(words.decoder, z, arrays, context(label)), known: label?.known ?? null };
    },
    /** The mean of p(x|z) of a row of what the decoder gave; values that y tells are what it tells. */
    mean: (output, row = 0) => withGiven(law.mean(words.likelihood, output, row, arrays), output.known),
    /** A draw of it. */
    draw: (output, row, random) => withGiven(law.draw(words.likelihood, output, row, random, arrays), output.known),
    /** log p(x|z) of a row, in nats, of the values that are not NaN, and that y does not tell. */
    logLikelihood(output, row, x) {
      const open = output.known === null ? x : x.map((value, i) => (Number.isNaN(output.known[i]) ? value : NaN));
      let sum = 0;
      for (const one of law.logEach(words.likelihood, output, row, open, arrays)) if (!Number.isNaN(one)) sum += one;
      return sum;
    },
    kl: (q, label = null) => closedKL(q, model.prior(label)),
    /** The image that a latent stands for. */
    image: (z, label = null) => model.mean(model.decode([z], label)),
  };
  return model;
}

/** Values with those in their places that are known, not NaN. */
const withGiven = (values, known) => (known === null ? values : values.map((value, i) => (Number.isNaN(known[i]) ? value : known[i])));
