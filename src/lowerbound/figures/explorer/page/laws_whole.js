// Laws of whole numbers k, seen as values k/steps: the levels of a pixel, and counts.

import { drawBeta, drawBinomial, drawLogGamma, drawPoisson } from "./draws.js";
import { logGamma, logRising, logSigmoid, logSumExp, sigmoid } from "./functions.js";
import { ofEach, positive } from "./laws_each.js";
import { concentrations } from "./laws_real.js";

/** The nearest whole number, of two the even one, as torch rounds. */
export function nearestWhole(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}

/** A row of LAWS, by the law of k: `one(words)` as `ofEach` has it. */
function ofWhole(one) {
  return ofEach((words) => {
    const law = one(words),
      { steps } = words;
    return {
      mean: (own) => law.mean(own) / steps,
      log: (x, own) => law.log(nearestWhole(x * steps), own),
      draw: (own, place, random) => law.draw(own, random) / steps,
    };
  });
}

// --- the levels of a pixel ---------------------------------------------------------------------------

/** A probability for each k. */
export const categoricalLaw = ofWhole(() => ({
  mean: (logits) => {
    let top = -Infinity,
      sum = 0,
      first = 0;
    for (const logit of logits) top = Math.max(top, logit);
    for (let k = 0; k < logits.length; k++) {
      const share = Math.exp(logits[k] - top);
      sum += share;
      first += k * share;
    }
    return first / sum;
  },
  log: (k, logits) => logits[k] - logSumExp(logits),
  draw: drawClass,
}));

/** The place of one of some logits, by the inverse of the distribution function. */
function drawClass(logits, random) {
  const whole = logSumExp(logits),
    last = logits.length - 1;
  let left = random.uniform(),
    k = 0;
  while (k < last && (left -= Math.exp(logits[k] - whole)) >= 0) k++;
  return k;
}

/**
 * Logistic laws of which one is drawn, and of whose pieces each is a number: of each law a logit, a location and a scale.
 * `one(words)` has locations and scales by the network's numbers, the cuts around k, the mean of a law, and the piece of a place.
 */
function mixtureOfLogistics(one) {
  return ofWhole((words) => {
    const { locationOf, scaleOf, around, meanOf, piece } = one(words),
      many = words.start.length,
      logs = new Float64Array(many);
    const location = (own, c) => locationOf(own[many + c] + words.start[c]),
      scale = (own, c) => scaleOf(own[2 * many + c]);
    return {
      mean: (own) => {
        const logits = own.subarray(0, many),
          whole = logSumExp(logits);
        return logits.reduce((sum, logit, c) => sum + Math.exp(logit - whole) * meanOf(location(own, c), scale(own, c)), 0);
      },
      log: (k, own) => {
        const [low, high] = around(k);
        for (let c = 0; c < many; c++) logs[c] = own[c] + logOfPiece(low, high, location(own, c), scale(own, c));
        return logSumExp(logs) - logSumExp(own.subarray(0, many));
      },
      draw: (own, random) => {
        const c = drawClass(own.subarray(0, many), random),
          u = random.uniform();
        return piece(location(own, c) + scale(own, c) * Math.log(u / (1 - u)));
      },
    };
  });
}

/** log p of what is between two cuts, without cancellation: S(b) − S(a) = S(b) S(−a) (1 − e^(a − b)) for the scaled cuts a < b. */
function logOfPiece(low, high, loc, scale) {
  const upper = (high - loc) / scale,
    lower = (low - loc) / scale;
  if (high === Infinity) return logSigmoid(-lower);
  if (low === -Infinity) return logSigmoid(upper);
  return logSigmoid(upper) + logSigmoid(-lower) + Math.log(-Math.expm1((low - high) / scale));
}

/**
 * Rounded to 0 … steps, the ends taking the tails.
 * Source: Salimans et al., "PixelCNN++", 2017, https://arxiv.org/abs/1701.05517.
 */
export const logisticMixtureLaw = mixtureOfLogistics(({ steps }) => ({
  locationOf: (raw) => steps * sigmoid(raw),
  scaleOf: (raw) => steps * positive(raw - 2),
  around: (k) => [k <= 0 ? -Infinity : k - 0.5, k >= steps ? Infinity : k + 0.5],
  meanOf: (loc, scale) => meanOfRounded(loc, scale, steps),
  piece: (place) => Math.min(Math.max(nearestWhole(place), 0), steps),
}));

/**
 * Between cuts.
 * Source: McCullagh, "Regression Models for Ordinal Data", 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.
 */
export const orderedLogisticLaw = mixtureOfLogistics(({ cuts, logScale }) => ({
  locationOf: (raw) => raw,
  scaleOf: (raw) => Math.exp(Math.min(Math.max(raw, -logScale), logScale)),
  around: (k) => [k <= 0 ? -Infinity : cuts[k - 1], k >= cuts.length ? Infinity : cuts[k]],
  meanOf: (loc, scale) => {
    let sum = 0;
    for (const cut of cuts) sum += 1 / (1 + Math.exp((cut - loc) / scale));
    return sum;
  },
  piece: (place) => cuts.reduce((below, cut) => below + (cut < place ? 1 : 0), 0),
}));

/** Σ P(x > k): those far below the location are 1, those far above 0, and between two the odds have one ratio. */
function meanOfRounded(loc, scale, top) {
  const first = Math.min(Math.max(Math.ceil(loc - 37 * scale - 0.5), 0), top),
    end = Math.min(Math.floor(loc + 37 * scale) + 1, top);
  const ratio = Math.exp(1 / scale);
  let sum = first,
    odds = Math.exp((first + 0.5 - loc) / scale);
  for (let k = first; k < end; k++, odds *= ratio) sum += 1 / (1 + odds);
  return sum;
}

/** A binomial whose probability is a Beta(a, b). */
export const betaBinomialLaw = ofWhole(({ steps }) => ({
  mean: (own) => {
    const [a, b] = concentrations(own);
    return (steps * a) / (a + b);
  },
  log: (k, own) => {
    const [a, b] = concentrations(own),
      choose = logGamma(steps + 1) - logGamma(k + 1) - logGamma(steps - k + 1);
    return choose + logRising(a, k) + logRising(b, steps - k) - logRising(a + b, steps);
  },
  draw: (own, random) => drawBinomial(steps, drawBeta(...concentrations(own), random), random),
}));

// --- counts ------------------------------------------------------------------------------------------

export const poissonLaw = ofWhole(({ steps }) => {
  const rateOf = ([raw]) => positive(raw) * (steps > 1 ? steps / 2 : 1);
  return {
    mean: rateOf,
    log: (k, own) => k * Math.log(rateOf(own)) - rateOf(own) - logGamma(k + 1),
    draw: (own, random) => drawPoisson(rateOf(own), random),
  };
});

/** Γ(k + r)/(Γ(r) k!) S(−l)ʳ S(l)ᵏ: a Poisson whose rate is a Gamma. */
export const negativeBinomialLaw = ofWhole(() => ({
  mean: ([raw, logit]) => positive(raw) * Math.exp(logit),
  log: (k, [raw, logit]) => logNegativeBinomial(k, positive(raw), logit),
  draw: ([raw, logit], random) => drawNegativeBinomial(positive(raw), logit, random),
}));

export const logNegativeBinomial = (k, r, logit) => logRising(r, k) - logGamma(k + 1) + r * logSigmoid(-logit) + k * logSigmoid(logit);
export const drawNegativeBinomial = (r, logit, random) => drawPoisson(Math.exp(drawLogGamma(r, random) + logit), random);
