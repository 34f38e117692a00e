// Laws of counts that share a total, as a cell's molecules are shared by genes: μ = total × softmax, and a dispersion θ of each value.

import { sizeOf } from "./arrays.js";
import { drawLogGamma, drawPoisson } from "./draws.js";
import { logGamma, logRising, logSigmoid, logSumExp, sigmoid } from "./functions.js";
import { eventOf, overEvent } from "./laws_each.js";
import { nearestWhole } from "./laws_whole.js";

/**
 * The rows of LAWS, "zinb" with a second number of each value, the logit of a further zero. A last argument is the example's total; without
 * it a mean and a draw are of `words.library`, and log p is of the total of the values at hand.
 */
export const sharedLaw = {
  mean: (words, output, row, arrays, total = words.library) =>
    overShares(words, output, row, arrays, total, ({ logMean, more }) => (sigmoid(-more) * Math.exp(logMean)) / words.steps),
  logEach: (words, output, row, x, arrays, total = totalOf(words, output, row, x)) =>
    overShares(words, output, row, arrays, total, (own, place) =>
      Number.isNaN(x[place]) ? NaN : logOfShared(countOf(words, x[place]), own),
    ),
  draw: (words, output, row, random, arrays, total = words.library) =>
    overShares(words, output, row, arrays, total, (own) => drawShared(own, random) / words.steps),
};

const countOf = ({ steps }, value) => (steps === 1 ? value : nearestWhole(value * steps));

/** What each value gives, of its { logMean, logTheta, more }; `more` is −∞ where no zeros are inflated. */
function overShares(words, output, row, arrays, total, each) {
  const size = sizeOf(eventOf(words, output)),
    made = new Float64Array(size),
    shares = logShares(words, output, row);
  const dispersion = overEvent(arrays[words.dispersion], eventOf(words, output));
  for (let place = 0; place < size; place++) {
    const more = words.parameters > 1 ? output.data[(2 * row + 1) * size + place] : -Infinity;
    made[place] = each({ logMean: shares[place] + Math.log(total), logTheta: dispersion(place), more }, place);
  }
  return made;
}

function logShares(words, output, row) {
  const size = sizeOf(eventOf(words, output)),
    from = row * words.parameters * size;
  const logits = Float64Array.from(output.data.subarray(from, from + size)),
    whole = logSumExp(logits);
  return logits.map((logit) => logit - whole);
}

/** The total of an example, of what is there and of what is known of the rest: its share of `words.library`, as if by one count. */
function totalOf(words, output, row, x) {
  const shares = logShares(words, output, row).map(Math.exp);
  let total = 0,
    there = 0,
    missing = 0;
  for (let place = 0; place < shares.length; place++) {
    if (Number.isNaN(x[place])) missing += shares[place];
    else {
      total += countOf(words, x[place]);
      there += shares[place];
    }
  }
  return missing === 0 ? total : (total + missing) / (there + missing / words.library);
}

/** log p of a count: of zeros, which are most, without a Γ. */
function logOfShared(count, { logMean, logTheta, more }) {
  const theta = Math.exp(logTheta),
    logRatio = Math.log1p(Math.exp(logMean - logTheta));
  const counts = count === 0 ? 0 : logRising(theta, count) - logGamma(count + 1) + count * (logMean - logTheta - logRatio);
  const plain = logSigmoid(-more) + counts - theta * logRatio;
  return count === 0 ? logSumExp([logSigmoid(more), plain]) : plain;
}

function drawShared({ logMean, logTheta, more }, random) {
  const drawn = drawPoisson(Math.exp(drawLogGamma(Math.exp(logTheta), random) + logMean - logTheta), random);
  return random.uniform() < sigmoid(more) ? 0 : drawn;
}
