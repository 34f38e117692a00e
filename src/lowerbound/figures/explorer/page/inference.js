// What is asked of a model about one example: its bound, log p(x), and what the hidden rest of it may be.

import { klAlong } from "./chains.js";
import { logSumExp, normals, uniforms } from "./functions.js";
import { givenBy } from "./given.js";
import { gaussian } from "./latents.js";

/** Values as the likelihood sees them: of a Bernoulli greys are the probability of a one, drawn, the same for the same seed. */
export function observed(model, values, seed = 0) {
  const { binarize, inside } = model.words.likelihood;
  if (inside) return Float64Array.from(values, (value) => Math.min(Math.max(value, inside), 1 - inside)); // off ends without a density
  if (!binarize) return values;
  const uniform = uniforms(seed);
  return Float64Array.from(values, (grey) => {
    const chance = uniform();
    return Number.isNaN(grey) ? NaN : Number(chance < grey);
  });
}

/**
 * The bound on log p(x) by draws of q(z|x), in nats: E log p(x|z) − KL, and log p(x) by importance weights.
 * KL is in closed form where there is one, of levels each given the draw's before it. `noise` gives the draws' normal numbers; null is
 * said of a q without density. A model that is given something of the values is given that of x.
 */
export function boundOf(model, x, given, draws, noise = normals(1)) {
  const label = givenBy(given, x),
    q = model.posterior(x, label),
    latents = Array.from({ length: q.point ? 1 : draws }, () => (q.point ? q.mean : q.sample(noise)));
  const output = model.decode(latents, label),
    terms = latents.map((_, row) => model.logLikelihood(output, row, x));
  const reconstruction = mean(terms);
  if (q.point) return { q, reconstruction, kl: null, bound: null, se: null, logP: null };
  const prior = model.prior(label),
    ratios = latents.map((z) => q.logDensity(z) - prior.logDensity(z)),
    closed = model.kl(q, label),
    costs = closed === null ? (klAlong(q, prior, latents) ?? ratios) : ratios.map(() => closed),
    kl = closed ?? mean(costs);
  const each = terms.map((term, k) => term - costs[k]);
  const logP = logSumExp(terms.map((term, k) => term - ratios[k])) - Math.log(draws);
  return { q, reconstruction, kl, bound: reconstruction - kl, se: spread(each) / Math.sqrt(draws), logP };
}

/**
 * The same for an example as it is: of greys that the model sees as zeros and ones the mean over several such draws, each with its own bound,
 * and the error has both. `draws` of z are taken, or a fourth of them for each of so many `binarizations`.
 */
export function boundOfExample(model, values, label, { draws, binarizations }) {
  const grey = model.words.likelihood.binarize && values.some((value) => value > 0 && value < 1);
  if (!grey) return boundOf(model, model.words.likelihood.binarize ? values : observed(model, values), label, draws);
  const noise = normals(1);
  const each = Array.from({ length: binarizations }, (_, seed) => boundOf(model, observed(model, values, seed), label, draws / 4, noise));
  const q = model.posterior(values, label); // last, so that what is asked of a server next is asked about this example
  const of = (name) => (each[0][name] === null ? null : mean(each.map((one) => one[name])));
  const found = Object.fromEntries(["reconstruction", "kl", "bound", "logP"].map((name) => [name, of(name)]));
  return { ...found, q, se: found.bound === null ? null : spread(each.map((one) => one.bound)) / Math.sqrt(binarizations) };
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The standard deviation. */
function spread(values) {
  if (values.length < 2) return NaN;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

const BEGIN = 48,
  ROUNDS = 4,
  FROM_PRIOR = 16,
  A_ROUND = 56,
  ADAPTED = 3,
  MOST = 7,
  ENOUGH = 16,
  EVEN = 14;
const LARGE = 10000; // values, from where on there are fewer draws: each is decoded while somebody waits

/**
 * Completions of an example of which some values are NaN: draws of p(x_hidden|x_seen), `count` of them, by importance resampling.
 * First latents come from p(z) and from about q(z|x̂), x̂ being the example filled in with what was best so far; then, round by round,
 * from a normal about the best of all so far. Each has the weight p(x_seen|z) p(z)/r(z), r being the mixture of all that were drawn from.
 * Given are images with what is seen as it is, their weights, and the effective number of draws.
 * Source: Cappé et al., "Population Monte Carlo", 2004; weights of a mixture: Owen and Zhou, "Safe and Effective Importance Sampling", 2000.
 */
export function completions(model, x, label, count, seed = 1) {
  const { latents, images, weights, uniform } = drawsGiven(model, x, label, seed),
    rows = different(weights, count, uniform);
  const all = rows.reduce((sum, row) => sum + weights[row], 0);
  return {
    effective: effective(weights),
    draws: latents.length,
    found: rows.map((row) => ({ z: latents[row], weight: weights[row] / all, values: filled(x, images[row]()) })),
  };
}

/** Latents drawn for what is seen of an example, as above: each with its row of what the decoder gave, its image, and its weight. */
export function drawsGiven(model, x, label, seed = 1) {
  const normal = normals(seed),
    uniform = uniforms(seed + 1),
    prior = model.prior(label),
    pool = { latents: [], targets: [], images: [], rows: [], laws: [] };
  const add = (law, n) => {
    const latents = Array.from({ length: n }, () => law.sample(normal, uniform)),
      output = model.decode(latents, label);
    latents.forEach((z, row) => {
      pool.targets.push(model.logLikelihood(output, row, x) + prior.logDensity(z));
      pool.images.push(() => model.mean(output, row));
      pool.rows.push({ output, row });
    });
    pool.latents.push(...latents);
    pool.laws.push({ law, n });
  };
  const round = model.size > LARGE ? A_ROUND / 8 : A_ROUND,
    about = posteriorAbout(model, x, label, normal, uniform);
  add(prior, FROM_PRIOR);
  if (model.words.bounded) {
    // latents that may not be anywhere, on a sphere, say: none of a normal's draws would be one
    add(prior, round);
    add(about, ADAPTED * round);
    return { ...pool, weights: weightsOf(pool), uniform, normal };
  }
  add(doubled(about), round);
  let weights = weightsOf(pool);
  for (let time = 0; time < ADAPTED || (time < MOST && effective(weights) < ENOUGH); time++) {
    add(fitted(pool), round);
    weights = weightsOf(pool);
  }
  return { ...pool, weights, uniform, normal };
}

/** The weights of all draws, which sum to 1. */
function weightsOf({ latents, targets, laws }) {
  for (const { law } of laws) law.prepare?.(latents);
  const shares = laws.map(({ n }) => Math.log(n / latents.length));
  const log = latents.map((z, row) => targets[row] - logSumExp(laws.map(({ law }, k) => shares[k] + law.logDensity(z))));
  const total = logSumExp(log);
  return log.map((value) => Math.exp(value - total));
}

export const effective = (weights) => 1 / weights.reduce((sum, w) => sum + w * w, 0);

/** A normal with the mean and spread of the draws by their weights, to the power at which `EVEN` of them count, so that one alone does not. */
function fitted(pool) {
  const log = weightsOf(pool).map(Math.log),
    tempered = (power) => {
      const total = logSumExp(log.map((value) => power * value));
      return log.map((value) => Math.exp(power * value - total));
    };
  let [low, high] = [0, 1];
  for (let step = 0; step < 20; step++) {
    const middle = (low + high) / 2;
    if (effective(tempered(middle)) > EVEN) low = middle;
    else high = middle;
  }
  const weights = tempered(effective(tempered(1)) > EVEN ? 1 : Math.max(low, 1e-6)),
    moment = (value) => pool.latents.reduce((sum, z, row) => sum + weights[row] * value(z), 0);
  const middle = Float64Array.from(pool.latents[0], (_, i) => moment((z) => z[i]));
  return gaussian(
    middle,
    middle.map((m, i) => Math.max(0.02, Math.sqrt(moment((z) => (z[i] - m) ** 2)))),
  );
}

/** q(z|x̂), x̂ filled in by the best draw of the prior, and then by what the model makes of it. */
function posteriorAbout(model, x, label, normal, uniform) {
  if (model.words.holes) return model.posterior(x, label); // an encoder that was trained to see holes
  const begin = Array.from({ length: model.size > LARGE ? BEGIN / 8 : BEGIN }, () => model.prior(label).sample(normal, uniform)),
    output = model.decode(begin, label);
  const scores = begin.map((_, row) => model.logLikelihood(output, row, x));
  let values = model.mean(output, scores.indexOf(Math.max(...scores))),
    q = null;
  for (let time = 0; time < ROUNDS; time++) {
    q = model.posterior(filled(x, values), label);
    if (time + 1 < ROUNDS) values = model.image(q.mean, label);
  }
  return q;
}

/** A normal about the same mean, twice as wide, since what is hidden leaves more open. */
const doubled = (q) => gaussian(q.mean, q.sd ? q.sd.map((s) => 2 * s) : q.mean.map(() => 0.3));

const filled = (x, values) => Float64Array.from(x, (value, i) => (Number.isNaN(value) ? values[i] : value));

/** Different rows, drawn one after the other with these weights. Source: Efraimidis and Spirakis, "Weighted Random Sampling", 2006. */
function different(weights, count, uniform) {
  const keys = weights.map((weight) => Math.log(weight) - Math.log(-Math.log(1 - uniform())));
  return keys
    .map((_, row) => row)
    .sort((a, b) => keys[b] - keys[a])
    .slice(0, count);
}

/** Rows drawn with these weights, each row about `count` times its weight: one uniform number for all. Source: Kitagawa, 1996. */
export function resampled(weights, count, uniform) {
  const first = uniform(),
    rows = [];
  for (let k = 0, row = 0, sum = weights[0]; k < count; k++) {
    while ((first + k) / count > sum && row + 1 < weights.length) sum += weights[++row];
    rows.push(row);
  }
  return rows;
}
