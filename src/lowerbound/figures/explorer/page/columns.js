// A table's columns: what an encoder is shown of them, and the law of each given a decoder's output. The other half of columns.py.

import { tensor } from "./arrays.js";
import { classFrom, logSigmoid, logSumExp, sigmoid, softplus } from "./functions.js";
import { drawStudent, logStudent } from "./laws_real.js";
import { drawNegativeBinomial, logNegativeBinomial } from "./laws_whole.js";
import { forward, register } from "./layers.js";
import { bent, unbent } from "./maps.js";

// --- what an encoder is shown ------------------------------------------------------------------------

register("table", (layer, x, arrays, context) => forward(layer.network, shownColumns(layer.columns, x), arrays, context));

/** Of values (N, D), NaN where one is missing: a number for each but categories, whether each spike is met, and categories one-hot. */
export function shownColumns(columns, x) {
  const spikes = columns.flatMap((column, place) => column.spikes.map((spike) => [place, spike]));
  const classes = columns.flatMap((column, place) => Array.from({ length: column.classes ?? 0 }, (_, number) => [place, number]));
  const plain = columns.map((_, place) => place).filter((place) => columns[place].kind !== "category");
  const met = [...spikes, ...classes],
    width = plain.length + met.length,
    made = tensor([x.shape[0], width]);
  for (let row = 0; row < x.shape[0]; row++) {
    const values = x.data.subarray(row * columns.length, (row + 1) * columns.length);
    plain.forEach((place, i) => {
      made.data[row * width + i] = shownValue(columns[place], values[place]);
    });
    met.forEach(([place, value], i) => {
      made.data[row * width + plain.length + i] = Math.fround(values[place]) === value ? 1 : 0;
    });
  }
  return made;
}

function shownValue(column, value) {
  if (Number.isNaN(value) || isSpike(column, value)) return 0;
  switch (column.kind) {
    case "count":
      return (Math.log1p(value) - column.loc) / column.scale;
    case "boolean":
      return 2 * value - 1;
    case "ordinal":
      return value < 0 ? 0 : column.scores[Math.trunc(value)];
    default:
      return column.map === null ? value : bent(column.map, value).u;
  }
}

/** Spikes are in single precision, in which all values of a model are. */
const isSpike = (law, value) => law.spikes.includes(Math.fround(value));

// --- the law of each column --------------------------------------------------------------------------

/**
 * The laws of one row of a decoder's output (N, width), as Columns.law has them: {name, kind, mean, logp(value), draw(random)} each, of
 * numbers, dates and counts `sd` too, of classes and booleans the `probabilities`. Values are a model's, log p is in nats, `random` is
 * {uniform(), normal()}. The mean of a class is the most likely one.
 */
export function columnLaws(words, output, row = 0) {
  const of = (place) => output.data[row * words.width + place] + (words.start === null ? 0 : words.start[place]);
  return words.columns.map(({ name, kind, law }) => ({ name, kind, ...COLUMN_LAWS[kind](law, law.outputs.map(of), law.logits?.map(of)) }));
}

const COLUMN_LAWS = { number: numberLaw, date: numberLaw, count: countLaw, boolean: truthLaw, category: classLaw, ordinal: ordinalLaw };

function numberLaw(law, [loc, scale, freedom], logits) {
  const base = { loc, scale: law.floor + softplus(scale), freedom: Infinity };
  if (freedom !== undefined) base.freedom = 2 + law.floor + softplus(freedom + law.more + 2); // above 2, where there is a variance
  const rest = law.map === null ? unmapped(base) : mapped(base, law.map);
  return law.spikes.length === 0 ? rest : spiked(law, logits, rest);
}

/** A Student-t, a normal where its degrees of freedom are infinite. */
function unmapped({ loc, scale, freedom }) {
  const heavy = freedom < Infinity;
  return {
    mean: loc,
    sd: heavy ? scale * Math.sqrt(freedom / (freedom - 2)) : scale,
    logp(value) {
      const y = (value - loc) / scale;
      return (heavy ? logStudent(y, freedom) : -(y * y + Math.log(2 * Math.PI)) / 2) - Math.log(scale);
    },
    draw: (random) => loc + scale * (heavy ? drawStudent(freedom, random) : random.normal()),
  };
}

function mapped(base, map) {
  const law = unmapped(base);
  return {
    ...momentsOf(base, map),
    logp(value) {
      const { u, slope } = bent(map, value);
      return law.logp(u) + slope;
    },
    draw: (random) => unbent(map, law.draw(random)),
  };
}

const QUADRATURE = { nodes: 33, reach: 9, tail: 4.6 }; // those of distributions/mapped.py

/** Mean and standard deviation by a quadrature of a base that is cut off: nodes are even for a normal's tails, else ever farther apart. */
function momentsOf({ loc, scale, freedom }, map) {
  const heavy = freedom < Infinity,
    even = map.light || !heavy,
    middle = unbent(map, loc);
  let total = 0,
    first = 0,
    second = 0;
  for (let node = 0; node < QUADRATURE.nodes; node++) {
    const at = (2 * node) / (QUADRATURE.nodes - 1) - 1;
    const t = even ? QUADRATURE.reach * at : Math.sinh(QUADRATURE.tail * at);
    const step = even ? 1 : Math.cosh(QUADRATURE.tail * at);
    const weight = step * Math.exp(heavy ? (-(freedom + 1) / 2) * Math.log1p((t * t) / freedom) : (-t * t) / 2);
    const away = unbent(map, loc + t * scale) - middle;
    total += weight;
    first += weight * away;
    second += weight * away * away;
  }
  const mean = first / total;
  return { mean: middle + mean, sd: Math.sqrt(Math.max(second / total - mean * mean, 0)) };
}

/** Point masses beside a density. */
function spiked(law, logits, rest) {
  const whole = logSumExp([0, ...logits]),
    logShares = logits.map((logit) => logit - whole),
    shares = logShares.map(Math.exp);
  const left = Math.exp(-whole),
    mean = shares.reduce((sum, share, i) => sum + share * law.spikes[i], left * rest.mean);
  const ofRest = left * (rest.sd ** 2 + (rest.mean - mean) ** 2);
  return {
    mean,
    sd: Math.sqrt(shares.reduce((sum, share, i) => sum + share * (law.spikes[i] - mean) ** 2, ofRest)),
    logp: (value) => (isSpike(law, value) ? logShares[law.spikes.indexOf(Math.fround(value))] : rest.logp(value) - whole),
    draw(random) {
      const which = classFrom([left, ...shares], random.uniform);
      return which === 0 ? rest.draw(random) : law.spikes[which - 1];
    },
  };
}

/** A negative binomial of log mean and dispersion, with more zeros where there is a logit for them; draws are Poisson of a Gamma's rate. */
function countLaw(law, [mean, total, more]) {
  const within = (value) => Math.min(Math.max(value, law.bounds[0]), law.bounds[1]);
  const logMean = within(law.loc + law.scale * mean),
    logTotal = within(law.total + total);
  const r = Math.exp(logTotal),
    logit = logMean - logTotal;
  const counts = {
    mean: Math.exp(logMean),
    sd: Math.sqrt(Math.exp(logMean) * (1 + Math.exp(logit))),
    logp: (k) => logNegativeBinomial(k, r, logit),
    draw: (random) => drawNegativeBinomial(r, logit, random),
  };
  return more === undefined ? counts : withMoreZeros(counts, more);
}

/** Counts that are 0 with one more probability, of this logit. */
function withMoreZeros(counts, more) {
  const p = sigmoid(more),
    logp = (k) => logSigmoid(-more) + counts.logp(k);
  return {
    mean: (1 - p) * counts.mean,
    sd: Math.sqrt((1 - p) * (counts.sd ** 2 + p * counts.mean ** 2)),
    logp: (k) => (k === 0 ? logSumExp([logSigmoid(more), logp(k)]) : logp(k)),
    draw: (random) => (random.uniform() < p ? 0 : counts.draw(random)),
  };
}

function truthLaw(law, [logit]) {
  const p = sigmoid(logit);
  return {
    mean: p,
    probabilities: [sigmoid(-logit), p],
    logp: (value) => value * logSigmoid(logit) + (1 - value) * logSigmoid(-logit),
    draw: (random) => (random.uniform() < p ? 1 : 0),
  };
}

/** A class that training has not seen, a number below 0, has the probability of the least likely one. */
function classLaw(law, logits) {
  const whole = logSumExp(logits),
    logs = logits.map((logit) => logit - whole),
    probabilities = logs.map(Math.exp);
  return {
    mean: logs.indexOf(Math.max(...logs)),
    probabilities,
    logp: (value) => (value < 0 ? Math.min(...logs) : (logs[value] ?? NaN)),
    draw: (random) => classFrom(probabilities, random.uniform),
  };
}

/** Classes in an order: a logistic law of one location and scale, cut into pieces. */
function ordinalLaw(law, [loc, logScale]) {
  const scale = Math.exp(Math.min(Math.max(logScale, -law.bound), law.bound)),
    last = law.cuts.length;
  const at = law.cuts.map((cut) => (cut - loc) / scale);
  const logs = Array.from({ length: last + 1 }, (_, c) => {
    const below = c === last ? 0 : logSigmoid(at[c]),
      above = c === 0 ? 0 : logSigmoid(-at[c - 1]);
    return below + above + (c === 0 || c === last ? 0 : Math.log(-Math.expm1((law.cuts[c - 1] - law.cuts[c]) / scale)));
  });
  return classLaw(law, logs);
}
