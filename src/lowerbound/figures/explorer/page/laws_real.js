// Laws of real values, by location and scale, and of values in [0, 1].

import { drawBeta, drawExponential, drawLogGamma } from "./draws.js";
import { logGamma, logRising, logSigmoid, sigmoid } from "./functions.js";
import { eventOf, ofEach, overEvent, positive } from "./laws_each.js";

// --- values in [0, 1] --------------------------------------------------------------------------------

/** Zeros and ones of logits; of greys the negative cross-entropy. */
export const bernoulliLaw = ofEach(() => ({
  mean: ([logit]) => sigmoid(logit),
  log: (x, [logit]) => x * logSigmoid(logit) + (1 - x) * logSigmoid(-logit),
  draw: ([logit], place, random) => (random.uniform() < sigmoid(logit) ? 1 : 0),
}));

/**
 * p(x) = l e^(lx)/(eˡ − 1), said of u = |l|/2: of a small one by series, of a large one by the distance from the end that has the mass.
 * Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019, https://arxiv.org/abs/1907.06845.
 */
export const continuousBernoulliLaw = ofEach(() => ({
  mean: ([logit]) => {
    const u = logit / 2,
      s = u * u;
    if (Math.abs(u) >= 0.25) return 0.5 + (1 / Math.tanh(u) - 1 / u) / 2;
    return 0.5 + (u * (1 / 3 - s * (1 / 45 - s * (2 / 945 - s * (1 / 4725 - s * (2 / 93555)))))) / 2;
  },
  log: (x, [logit]) => {
    const u = logit / 2,
      s = u * u,
      size = Math.abs(logit);
    if (Math.abs(u) >= 0.25) return Math.log(size) - Math.log(-Math.expm1(-size)) - (logit > 0 ? 1 - x : x) * size;
    return (2 * x - 1) * u - s * (1 / 6 - s * (1 / 180 - s * (1 / 2835 - s * (1 / 37800 - s / 467775))));
  },
  draw: ([logit], place, random) => {
    const size = Math.max(Math.abs(logit), 1e-6),
      far = Math.min(-Math.log1p(random.uniform() * Math.expm1(-size)) / size, 1);
    return logit > 0 ? 1 - far : far;
  },
}));

const ENDS = [2 ** -103, 1 - 2 ** -23]; // between which single precision tells values from 0 and 1

/** Beta(a, b). */
export const betaLaw = ofEach(({ inside }) => ({
  mean: (own) => {
    const [a, b] = concentrations(own);
    return a / (a + b);
  },
  log: (x, own) => {
    const [a, b] = concentrations(own),
      less = Math.min(a, b);
    const seen = Math.min(Math.max(x, inside), 1 - inside); // off the ends, where there is no density
    return (a - 1) * Math.log(seen) + (b - 1) * Math.log1p(-seen) + logRising(Math.max(a, b), less) - logGamma(less);
  },
  draw: (own, place, random) => Math.min(Math.max(drawBeta(...concentrations(own), random), ENDS[0]), ENDS[1]),
}));

export const concentrations = (own) => [positive(own[0] + 0.5), positive(own[1] + 0.5)];

// --- location and scale ------------------------------------------------------------------------------

/** loc + σ y; `standard` says of y what its log p is and how it is drawn, given the decoder's numbers. */
function located(standard) {
  return ofEach((words, arrays, output) => {
    const locationOf = ([first]) => (words.squash ? sigmoid(first) : first),
      scaleOf = scaleBy(words, arrays, output);
    return {
      mean: locationOf,
      log: (x, own, place) => {
        const scale = scaleOf(own, place);
        return standard.log((x - locationOf(own)) / scale, own) - Math.log(scale);
      },
      draw: (own, place, random) => locationOf(own) + scaleOf(own, place) * standard.draw(own, random),
    };
  });
}

/** σ of a value: given, learned, or the second of the decoder's numbers. */
function scaleBy(words, arrays, output) {
  const { kind, value, array } = words.scale;
  if (kind === "fixed") return () => value;
  if (kind === "decoded") return (own) => positive(own[1] - 2);
  if (kind !== "learned") throw new Error(`no scale of kind ${kind}`);
  const learned = overEvent(arrays[array], eventOf(words, output));
  return (own, place) => learned(place);
}

export const gaussianLaw = located({
  log: (y) => -(y * y + Math.log(2 * Math.PI)) / 2,
  draw: (own, random) => random.normal(),
});

export const laplaceLaw = located({
  log: (y) => -Math.abs(y) - Math.LN2,
  draw: (own, random) => (random.uniform() < 0.5 ? -1 : 1) * drawExponential(random),
});

/** Of more than 2 degrees of freedom, by the last of the decoder's numbers. */
export const studentTLaw = located({
  log: (y, own) => logStudent(y, freedomOf(own)),
  draw: (own, random) => drawStudent(freedomOf(own), random),
});

/** log of a standard Student-t's density. */
export function logStudent(y, freedom) {
  const gammas = logRising(freedom / 2, 0.5) - Math.log(Math.PI * freedom) / 2;
  return gammas - ((freedom + 1) / 2) * Math.log1p((y * y) / freedom);
}

/** A normal number over the root of a Gamma. */
export function drawStudent(freedom, random) {
  const half = freedom / 2;
  return random.normal() * Math.exp((Math.log(half) - drawLogGamma(half, random)) / 2);
}

const freedomOf = (own) => 2 + positive(own[own.length - 1] + 2);
