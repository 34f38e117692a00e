// Draws of laws that are made from others, of uniform and normal numbers: `random` is {uniform(), normal()}, uniform() in [0, 1).

import { sigmoid } from "./functions.js";

export const drawExponential = (random) => -Math.log1p(-random.uniform());

/**
 * log g of g ~ Gamma(shape, 1), which cannot underflow; NaN for a shape that is none.
 * Source: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000, https://doi.org/10.1145/358407.358414.
 */
export function drawLogGamma(shape, random) {
  if (!(shape > 0 && shape < Infinity)) return NaN;
  const boost = shape < 1 ? drawExponential(random) / shape : 0; // g(a) = g(a + 1) U^(1/a) in law
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3,
    slope = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal(),
      root = 1 + slope * x;
    if (root <= 0) continue;
    if (-drawExponential(random) < (x * x) / 2 + d * (1 - root ** 3 + 3 * Math.log(root))) return Math.log(d) + 3 * Math.log(root) - boost;
  }
}

export const drawBeta = (a, b, random) => sigmoid(drawLogGamma(a, random) - drawLogGamma(b, random));

/**
 * Of n uniform numbers how many are below p: while there are many, one of the middle is drawn, and half of them are known by it.
 * Source: Ahrens and Dieter, "Computer methods for sampling from gamma, beta, Poisson and binomial distributions", 1974,
 * https://doi.org/10.1007/BF02293108.
 */
export function drawBinomial(n, p, random) {
  let count = 0;
  while (n > 16) {
    const place = 1 + Math.floor(n / 2),
      middle = drawBeta(place, n + 1 - place, random);
    if (middle <= p) {
      count += place;
      n -= place;
      p = (p - middle) / (1 - middle);
    } else {
      n = place - 1;
      p /= middle;
    }
  }
  for (; n > 0; n--) count += random.uniform() < p ? 1 : 0;
  return count;
}

/** How many events there are until the time `rate`: while that is late, the time of an early one is drawn. Source: as before. */
export function drawPoisson(rate, random) {
  if (!(rate < 2 ** 53)) return rate; // NaN, or so large that counts are no longer told apart
  let count = 0;
  while (rate > 16) {
    const event = Math.floor((7 / 8) * rate),
      time = Math.exp(drawLogGamma(event, random));
    if (time > rate) return count + drawBinomial(event - 1, rate / time, random);
    count += event;
    rate -= time;
  }
  for (let time = drawExponential(random); time < rate; time += drawExponential(random)) count++;
  return count;
}
