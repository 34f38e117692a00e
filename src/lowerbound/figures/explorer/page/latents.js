// Distributions of the latent z: priors p(z) and posteriors q(z|x), of what a network gave. The other half of model.py's.

import { logSumExp } from "./functions.js";

const LOG_TWO_PI = Math.log(2 * Math.PI);
const LOG_VARIANCE = [-20, 20]; // as the model bounds it

/** N(mean, diag sd²). */
export function gaussian(mean, sd) {
  return {
    mean,
    sd,
    independent: true,
    logDensity: (z) => mean.reduce((sum, m, i) => sum - 0.5 * (((z[i] - m) / sd[i]) ** 2 + LOG_TWO_PI) - Math.log(sd[i]), 0),
    sample: (normal) => mean.map((m, i) => m + sd[i] * normal()),
    /** The spread in the plane of two dimensions, as a covariance [[a, b], [b, c]]. */
    plane: (i, j) => [sd[i] ** 2, 0, sd[j] ** 2],
  };
}

/** N(mean, L Lᵀ), L a lower triangle in rows. */
function fullGaussian(mean, triangle) {
  const d = mean.length,
    at = (i, j) => triangle[i * d + j];
  const covariance = (i, j) => Array.from({ length: d }, (_, k) => at(i, k) * at(j, k)).reduce((a, b) => a + b, 0);
  return {
    mean,
    sd: mean.map((_, i) => Math.sqrt(covariance(i, i))),
    independent: false,
    logDensity(z) {
      const solved = new Float64Array(d);
      let sum = 0;
      for (let i = 0; i < d; i++) {
        let rest = z[i] - mean[i];
        for (let j = 0; j < i; j++) rest -= at(i, j) * solved[j];
        solved[i] = rest / at(i, i);
        sum -= 0.5 * (solved[i] ** 2 + LOG_TWO_PI) + Math.log(at(i, i));
      }
      return sum;
    },
    sample(normal) {
      const noise = mean.map(() => normal());
      return mean.map((m, i) => m + noise.reduce((sum, e, j) => sum + at(i, j) * e, 0));
    },
    plane: (i, j) => [covariance(i, i), covariance(i, j), covariance(j, j)],
  };
}

/** All mass at one point: there is no density. */
const dirac = (mean) => ({
  mean,
  sd: null,
  point: true,
  independent: true,
  logDensity: () => null,
  sample: () => Float64Array.from(mean),
  plane: () => null,
});

const bounded = (logVariance) => Math.exp(Math.min(Math.max(logVariance, LOG_VARIANCE[0]), LOG_VARIANCE[1]) / 2);

/** q(z|x) of a row of what the encoder gave, no σ below the floor. */
export const POSTERIORS = {
  gaussian(numbers, floor) {
    const d = numbers.length / 2;
    return gaussian(
      Float64Array.from(numbers.subarray(0, d)),
      Float64Array.from(numbers.subarray(d), (one) => bounded(one) + floor),
    );
  },
  "full gaussian"(numbers, floor) {
    const d = Math.round((Math.sqrt(9 + 8 * numbers.length) - 3) / 2),
      triangle = new Float64Array(d * d);
    for (let i = 0, below = 2 * d; i < d; i++) {
      for (let j = 0; j < i; j++) triangle[i * d + j] = numbers[below++];
      triangle[i * d + i] = bounded(2 * numbers[d + i]) + floor;
    }
    return fullGaussian(Float64Array.from(numbers.subarray(0, d)), triangle);
  },
  dirac: (numbers) => dirac(Float64Array.from(numbers)),
};

/** p(z) of a model's words. */
export function priorOf(words, latent, arrays) {
  if (words.law === "normal") return gaussian(new Float64Array(latent), new Float64Array(latent).fill(1));
  const rows = (index) =>
    Array.from({ length: arrays[index].shape[0] }, (_, k) => Float64Array.from(arrays[index].data.subarray(k * latent, (k + 1) * latent)));
  const means = rows(words.means),
    scales = rows(words.scales),
    each = means.map((mean, k) => gaussian(mean, scales[k]));
  const logWeights = Array.from(arrays[words.weights].data, Math.log);
  return {
    mean: means.reduce((sum, mean, k) => sum.map((s, i) => s + Math.exp(logWeights[k]) * mean[i]), new Float64Array(latent)),
    sd: null,
    independent: false,
    logDensity: (z) => logSumExp(each.map((one, k) => logWeights[k] + one.logDensity(z))),
    sample(normal, uniform) {
      let left = uniform(),
        k = 0;
      while (k + 1 < each.length && (left -= Math.exp(logWeights[k])) > 0) k++;
      return each[k].sample(normal);
    },
    plane: () => null,
  };
}

/** KL(q ‖ p) in nats where both are diagonal normals, else null: it is then to be estimated from draws. */
export function closedKL(q, p) {
  if (!q.sd || !p.sd || !q.independent || !p.independent) return null;
  return q.mean.reduce(
    (sum, m, i) => sum + 0.5 * ((q.sd[i] / p.sd[i]) ** 2 + ((m - p.mean[i]) / p.sd[i]) ** 2 - 1) - Math.log(q.sd[i] / p.sd[i]),
    0,
  );
}
