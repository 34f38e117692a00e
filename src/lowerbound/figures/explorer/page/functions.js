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

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** log |Γ(x)| for x > 0, to 1e-13 relative. Source: Lanczos, "A Precision Approximation of the Gamma Function", 1964. */
export function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  const y = x - 1, t = y + 7.5;
  let sum = LANCZOS[0];
  for (let i = 1; i < 9; i++) sum += LANCZOS[i] / (y + i);
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** log Γ(x + n)/Γ(x): of a large x a difference of two Stirling series, of which nothing cancels that is of x's size. */
export function logRising(x, n) {
  if (x < 32) return logGamma(x + n) - logGamma(x);
  const rest = (y) => (1 / 12 - (1 / 360 - 1 / (1260 * y * y)) / (y * y)) / y;
  return n * Math.log(x + n) + (x - 0.5) * Math.log1p(n / x) - n + rest(x + n) - rest(x);
}

export const softplus = (x) => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)));
export const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

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
