// What is asked of a model about one example: its bound, log p(x), and what the hidden rest of it may be.

import { logSumExp, normals, uniforms } from "./functions.js";

/** Values as a Bernoulli sees them: greys are the probability of a one, drawn; others as they are. The same draw for the same seed. */
export function observed(model, values, seed = 0) {
  if (!model.words.likelihood.binarize) return Float64Array.from(values);
  const uniform = uniforms(seed);
  return Float64Array.from(values, (grey) => {
    const chance = uniform();
    return Number.isNaN(grey) ? NaN : Number(chance < grey);
  });
}

/**
 * The bound on log p(x) by draws of q(z|x), in nats: E log p(x|z) − KL, and log p(x) by importance weights.
 * KL is in closed form where there is one. `noise` gives the draws' normal numbers; null is said of a q without density.
 */
export function boundOf(model, x, label, draws, noise = normals(1)) {
  const q = model.posterior(x, label), latents = Array.from({ length: q.point ? 1 : draws }, () => (q.point ? q.mean : q.sample(noise)));
  const output = model.decode(latents, label), terms = latents.map((_, row) => model.logLikelihood(output, row, x));
  const reconstruction = mean(terms);
  if (q.point) return { q, reconstruction, kl: null, bound: null, se: null, logP: null };
  const ratios = latents.map((z) => q.logDensity(z) - model.prior.logDensity(z)), closed = model.kl(q), kl = closed ?? mean(ratios);
  const each = terms.map((term, k) => term - (closed ?? ratios[k]));
  const logP = logSumExp(terms.map((term, k) => term - ratios[k])) - Math.log(draws);
  return { q, reconstruction, kl, bound: reconstruction - kl, se: spread(each) / Math.sqrt(draws), logP };
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The standard deviation. */
function spread(values) {
  if (values.length < 2) return NaN;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

const BEGIN = 48, ROUNDS = 4, DRAWS = 160;

/**
 * Completions of an example of which some values are NaN: draws of p(x_hidden|x_seen), `count` of them, by importance resampling.
 * Latents come from p(z) and from q(z|x̂), x̂ being the example filled in with what was best so far; each has the weight
 * p(x_seen|z) p(z)/r(z). Given are images with what is seen as it is, their weights, and the effective number of draws.
 */
export function completions(model, x, label, count, seed = 1) {
  const normal = normals(seed), uniform = uniforms(seed + 1);
  const laws = [proposal(model, x, label, normal, uniform), model.prior], shares = [0.9, 0.1];
  const latents = Array.from({ length: DRAWS }, (_, k) => laws[k < shares[0] * DRAWS ? 0 : 1].sample(normal, uniform));
  const output = model.decode(latents, label);
  const log = latents.map((z, row) => model.logLikelihood(output, row, x) + model.prior.logDensity(z)
    - logSumExp(laws.map((law, k) => Math.log(shares[k]) + law.logDensity(z))));
  const total = logSumExp(log), weights = log.map((value) => Math.exp(value - total));
  const chosen = resampled(weights, count, uniform);
  return {
    effective: 1 / weights.reduce((sum, w) => sum + w * w, 0),
    found: chosen.map((row) => ({ z: latents[row], weight: weights[row], values: filled(x, model.mean(output, row)) })),
  };
}

/** q(z|x̂), twice as wide, x̂ filled in by the best of some draws of the prior and then by what the model makes of itself. */
function proposal(model, x, label, normal, uniform) {
  const begin = Array.from({ length: BEGIN }, () => model.prior.sample(normal, uniform)), output = model.decode(begin, label);
  const scores = begin.map((_, row) => model.logLikelihood(output, row, x));
  let values = model.mean(output, scores.indexOf(Math.max(...scores))), q = null;
  for (let round = 0; round < ROUNDS; round++) {
    q = model.posterior(filled(x, values), label);
    if (round + 1 < ROUNDS) values = model.image(q.mean, label);
  }
  return q.sd ? widened(q) : { ...model.prior, mean: q.mean };
}

/** A normal about the same mean, twice as wide in each dimension: what is hidden leaves more open than x̂ says. */
function widened(q) {
  const scale = q.sd.map((s) => 2 * s);
  return {
    logDensity: (z) => q.mean.reduce((sum, m, i) => sum - 0.5 * ((z[i] - m) / scale[i]) ** 2 - Math.log(scale[i]) - 0.5 * Math.log(2 * Math.PI), 0),
    sample: (normal) => q.mean.map((m, i) => m + scale[i] * normal()),
  };
}

export const filled = (x, values) => Float64Array.from(x, (value, i) => (Number.isNaN(value) ? values[i] : value));

/** Rows drawn with these weights, each row about `count` times its weight: one uniform number for all. Source: Kitagawa, 1996. */
export function resampled(weights, count, uniform) {
  const first = uniform(), rows = [];
  for (let k = 0, row = 0, sum = weights[0]; k < count; k++) {
    while ((first + k) / count > sum && row + 1 < weights.length) sum += weights[++row];
    rows.push(row);
  }
  return rows;
}
