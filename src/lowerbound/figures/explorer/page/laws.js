// Likelihoods of arrays: what the decoder's output means. The other half of likelihoods.py: a kind there is a kind here.

import { bernoulliLaw, betaLaw, continuousBernoulliLaw, gaussianLaw, laplaceLaw, studentTLaw } from "./laws_real.js";
import { sharedLaw } from "./laws_shared.js";
import { betaBinomialLaw, categoricalLaw, logisticMixtureLaw, negativeBinomialLaw, orderedLogisticLaw, poissonLaw } from "./laws_whole.js";

/**
 * Of each kind mean(words, output, row, arrays), logEach(words, output, row, x, arrays) and draw(words, output, row, random, arrays), each of
 * as many numbers as an example has values. `output` is the decoder's, (N, …event), or (N, P, …event) of P parameters a value, of which
 * `row` is meant; x are values as the likelihood sees them, log p being NaN where one is; `random` is {uniform(), normal()}.
 */
export const LAWS = {
  bernoulli: bernoulliLaw,
  "continuous-bernoulli": continuousBernoulliLaw,
  beta: betaLaw,
  gaussian: gaussianLaw,
  laplace: laplaceLaw,
  "student-t": studentTLaw,
  categorical: categoricalLaw,
  "logistic-mixture": logisticMixtureLaw,
  "ordered-logistic": orderedLogisticLaw,
  "beta-binomial": betaBinomialLaw,
  poisson: poissonLaw,
  "negative-binomial": negativeBinomialLaw,
  nb: sharedLaw, // these two take the example's total as one more argument
  zinb: sharedLaw,
};

/** The row of a likelihood's words. */
export function likelihood(words) {
  const law = LAWS[words.kind];
  if (law === undefined) throw new Error(`no likelihood of kind ${words.kind}`);
  return law;
}
