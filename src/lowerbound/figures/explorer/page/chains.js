// Latents in levels, each given those before it: p(z) = Π p(zᵢ | z₁ … zᵢ₋₁), and q(z|x) alike. The other half of levels.py.

import { tensor } from "./arrays.js";
import { POSTERIORS, closedKL, gaussian, priorOf } from "./latents.js";
import { forward, joined, register } from "./layers.js";

/** The law of levels of these sizes side by side; `lawOf(level, before)` is that of one given z of all before it. */
export function chainOf(sizes, lawOf) {
  const starts = sizes.map((_, level) => sizes.slice(0, level).reduce((sum, size) => sum + size, 0)),
    known = new WeakMap(); // z → the law of each of its levels, which is asked for again and again
  const along = (z, take = null) =>
    sizes.map((_, level) => {
      const law = lawOf(level, z.slice(0, starts[level]));
      if (take !== null) z.set(take(law), starts[level]);
      return law;
    });
  const taken = (take) => {
    const z = new Float64Array(starts.at(-1) + sizes.at(-1));
    known.set(z, along(z, take));
    return z;
  };
  const chain = {
    sizes,
    lawOf,
    /** The law of each level given those of z before it. */
    laws(z) {
      if (!known.has(z)) known.set(z, along(z));
      return known.get(z);
    },
    part: (z, level) => z.subarray(starts[level], starts[level] + sizes[level]),
    /** Each level at its mean given the means before it, and its spread there. */
    mean: taken((law) => law.mean),
    sd: null,
    independent: false,
    logDensity: (z) => chain.laws(z).reduce((sum, law, level) => sum + law.logDensity(chain.part(z, level)), 0),
    sample: (normal, uniform) => taken((law) => law.sample(normal, uniform)),
    plane: (i, j) => [chain.sd[i] ** 2, 0, chain.sd[j] ** 2],
  };
  const spreads = chain.laws(chain.mean).map((law) => law.sd);
  if (spreads.every((sd) => sd)) chain.sd = Float64Array.from(spreads.flatMap((sd) => Array.from(sd)));
  return chain;
}

/** KL(q ‖ p) by draws of q: of each level, given those of the draw before it, in closed form where there is one. Null for other laws. */
export function klAlong(q, p, latents) {
  if (!q.laws || String(q.sizes) !== String(p.sizes)) return null;
  return latents.map((z) => {
    const others = p.laws(z),
      each = q.laws(z).map((law, level) => closedKL(law, others[level]) ?? logRatio(law, others[level], q.part(z, level)));
    return each.reduce((sum, kl) => sum + kl, 0);
  });
}

const logRatio = (law, other, z) => law.logDensity(z) - other.logDensity(z);

/** What a network of features and of the latents before a level gives: N(μ, diag σ²). */
function levelOf(network, arrays, features, before) {
  const row = (numbers) => tensor([1, numbers.length], Float32Array.from(numbers));
  return POSTERIORS.gaussian(forward(network, joined(row(features), row(before)), arrays).data, network.floor);
}

/** p(z) of a model's words, of levels or of one. */
export function priorOfWords(words, latent, arrays) {
  if (words.law !== "chain") return priorOf(words, latent, arrays);
  const first = priorOf(words.first, words.sizes[0], arrays);
  return chainOf(words.sizes, (level, before) => (level === 0 ? first : levelOf(words.networks[level - 1], arrays, [], before)));
}

/** q(z|x) in levels, of the features that the encoder gave and p(z). */
export const CHAINS = {
  chain: ({ sizes, networks }, arrays, features) => chainOf(sizes, (level, before) => levelOf(networks[level], arrays, features, before)),
  ladder({ features: split, networks }, arrays, features, prior) {
    let at = 0;
    const seen = networks.map((network, level) => levelOf(network, arrays, features.subarray(at, (at += split[level])), []));
    return chainOf(prior.sizes, (level, before) => (level === 0 ? seen[0] : product(seen[level], prior.lawOf(level, before))));
  },
};

/** The normal proportional to both densities: means weighted by precisions. */
function product(seen, prior) {
  const precision = ({ sd }, i) => 1 / sd[i] ** 2,
    both = seen.sd.map((_, i) => precision(seen, i) + precision(prior, i));
  const mean = seen.mean.map((m, i) => (m * precision(seen, i) + prior.mean[i] * precision(prior, i)) / both[i]);
  return gaussian(
    mean,
    both.map((sum) => 1 / Math.sqrt(sum)),
  );
}

/** What each stage gives of what the one before it gave, side by side, the last one's first. */
function stages(layer, x, arrays, context) {
  const outputs = [];
  for (const part of layer.parts) outputs.unshift(forward(part, outputs[0] ?? x, arrays, outputs.length ? null : context));
  return outputs.reduce(joined);
}

register("stages", stages);
