// Functions that JavaScript lacks.

/** erf(x), to 1e-15 or so: its series near 0, and the continued fraction of erfc beyond. */
export function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x, sum = x;
    for (let n = 1; n < 100 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction));
}

const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360];

/** log Γ(x) for x > 0, to all digits but the last few, however large x is: Stirling's series from 16 on, and Γ(x + 1) = x Γ(x) below. */
export function logGamma(x) {
  let product = 1, y = x;
  for (; y < 16; y++) product *= y;
  let series = 0;
  for (let i = STIRLING.length - 1; i >= 0; i--) series = series / (y * y) + STIRLING[i];
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series / y - Math.log(product);
}

/** log Γ(x + n)/Γ(x): of a large x a difference of two Stirling series, of which nothing cancels that is of x's size. */
export function logRising(x, n) {
  if (x < 32) return logGamma(x + n) - logGamma(x);
  const rest = (y) => (1 / 12 - (1 / 360 - 1 / (1260 * y * y)) / (y * y)) / y;
  return n * Math.log(x + n) + (x - 0.5) * Math.log1p(n / x) - n + rest(x + n) - rest(x);
}

export const softplus = (x) => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)));
export const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
export const logSigmoid = (x) => -softplus(-x);

/** log Σ exp. */
export function logSumExp(values) {
  const top = values.reduce((most, v) => Math.max(most, v), -Infinity);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** Random numbers in [0, 1) of a seed, the same in every browser. Source: Marsaglia, "Xorshift RNGs", 2003, of 128 bits. */
export function uniforms(seed) {
  const state = Uint32Array.of(123456789, 362436069, 521288629 ^ seed, Math.imul(seed + 88675123, 2654435761));
  const next = () => {
    const t = state[0] ^ (state[0] << 11);
    state.copyWithin(0, 1);
    state[3] ^= (state[3] >>> 19) ^ t ^ (t >>> 8);
    return state[3] / 2 ** 32;
  };
  for (let i = 0; i < 20; i++) next();
  return next;
}

/** Standard normal numbers of a seed. */
export function normals(seed) {
  const uniform = uniforms(seed);
  return () => normalFrom(uniform);
}

// --- draws of laws, `uniform` giving random numbers in [0, 1) ----------------------------------------

/** A standard normal number, by Box and Muller. */
export const normalFrom = (uniform) => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/** A draw of a Gamma of a shape and mean the same. Source: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000. */
export function gammaFrom(shape, uniform) {
  if (shape < 1) return gammaFrom(shape + 1, uniform) * (1 - uniform()) ** (1 / shape);
  const d = shape - 1 / 3, c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normalFrom(uniform), v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - uniform()) < (x * x) / 2 + d * (1 - v + Math.log(v))) return d * v;
  }
}

/**
 * A Poisson count: by a product of uniform numbers, and from a rate of 10 on by PTRS. Source: Hörmann, "The Transformed Rejection Method
 * for Generating Poisson Random Variables", 1993.
 */
export function poissonFrom(rate, uniform) {
  if (rate < 10) {
    const least = Math.exp(-rate);
    let count = 0;
    for (let product = 1 - uniform(); product > least; product *= 1 - uniform()) count++;
    return count;
  }
  const b = 0.931 + 2.53 * Math.sqrt(rate), a = -0.059 + 0.02483 * b;
  const inside = 0.9277 - 3.6224 / (b - 2), height = 1.1239 + 1.1328 / (b - 3.4);
  for (;;) {
    const u = uniform() - 0.5, v = 1 - uniform(), away = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / away + b) * u + rate + 0.43);
    if (away >= 0.07 && v <= inside) return count;
    if (count < 0 || (away < 0.013 && v > away)) continue;
    if (Math.log((v * height) / (a / (away * away) + b)) <= count * Math.log(rate) - rate - logGamma(count + 1)) return count;
  }
}

/** Which of some probabilities' classes. */
export function classFrom(probabilities, uniform) {
  let left = uniform();
  const found = probabilities.findIndex((p) => (left -= p) < 0);
  return found < 0 ? probabilities.length - 1 : found;
}
