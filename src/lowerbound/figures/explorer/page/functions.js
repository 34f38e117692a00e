// Functions that JavaScript lacks.

/** erf(x), to 1e-15 or so: its series near 0, and the continued fraction of erfc beyond. */
export function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x,
      sum = x;
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
  let product = 1,
    y = x;
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

/** Standard normal numbers of a seed, by Box and Muller. */
export function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Which of some probabilities' classes. */
export function classFrom(probabilities, uniform) {
  let left = uniform();
  const found = probabilities.findIndex((p) => (left -= p) < 0);
  return found < 0 ? probabilities.length - 1 : found;
}
