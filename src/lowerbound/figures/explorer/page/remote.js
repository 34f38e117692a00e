// A model that no page computes: the server that served the page is asked. The same object as model.js's, but for where numbers come from.
//
// The page waits for each answer, as it does for its own networks. All rows are asked for at once, and what was answered is kept: a look at
// another z costs one request.

import { sizeOf } from "./arrays.js";
import { say, text } from "./dom.js";

const DRAWS = 64,
  POOL = 256; // at once, of a posterior and of the prior
const KEPT = 20000; // densities, before all are forgotten

/** The model of these words. Errors, thrown and said on the page, where the server is gone or cannot compute what is asked. */
export function remoteModel(words) {
  const size = sizeOf(words.event),
    ask = (question, given, more) => post(`${words.token}/${question}`, { run: words.run, ...said(given), ...more });
  const densities = new Map(); // log p(z), by label and z
  let label = null,
    example = null; // what was asked about last; p(z) is that of this label
  const keep = (latents, logs) => {
    if (densities.size > KEPT) densities.clear();
    latents.forEach((z, row) => densities.set(keyOf(label, z), logs[row]));
  };
  const model = {
    words,
    size,
    latent: words.latent,
    event: words.event,
    /** q(z|x) for the values of one example, NaN where one is missing. */
    posterior(x, given = null) {
      [label, example] = [given, x];
      const values = Array.from(x),
        drawn = (more) => {
          const answer = ask("posterior", given, { x: values, ...more }),
            latents = answer.draws.map(rowOf);
          keep(latents, rowOf(answer.log_p));
          return { ...answer, latents, log_q: rowOf(answer.log_q) };
        };
      return posteriorOf(drawn);
    },
    /** What stands for the decoder's output for some latents: it is asked for once something of it is wanted. */
    decode(latents, given = null) {
      label = given;
      return { latents: latents.map((z) => Array.from(z)), label: given, means: null, example: null, logs: null };
    },
    mean(output, row = 0) {
      if (output.means === null) {
        const answer = ask("decode", output.label, { z: output.latents, x: example && Array.from(example) });
        output.means = answer.means.map(rowOf);
        took(output, answer, example);
      }
      return output.means[row];
    },
    draw: (output, row, random) =>
      rowOf(ask("decode", output.label, { z: [output.latents[row]], draw: seedOf(random.uniform) }).means[0]),
    logLikelihood(output, row, x) {
      if (output.example !== x) took(output, ask("likelihood", output.label, { z: output.latents, x: Array.from(x) }), x);
      return output.logs[row];
    },
    kl: (q) => q.kl,
    image: (z, given = null) => model.mean(model.decode([z], given)),
    prior(given = null) {
      label = given;
      return words.given ? priorGiven(given) : prior;
    },
  };
  const priors = new WeakMap(); // of contexts, which are many, what was answered
  /** p(z|c), with its mean and spread where it is a normal. */
  function priorGiven(given) {
    if (!priors.has(given.context)) {
      const { mean, sd } = ask("prior", given, { n: 1, seed: 0 }),
        plane = (i, j) => [sd[i] ** 2, 0, sd[j] ** 2];
      priors.set(given.context, sd ? { ...prior, mean: rowOf(mean), sd: rowOf(sd), plane } : prior);
    }
    return priors.get(given.context);
  }
  const prior = {
    sd: null,
    independent: false,
    plane: () => null,
    logDensity(z) {
      const key = keyOf(label, z);
      if (!densities.has(key)) keep([z], rowOf(ask("prior", label, { z: [Array.from(z)] }).log_p));
      return densities.get(key);
    },
    sample: sampler((normal, uniform) => {
      const answer = ask("prior", label, { n: POOL, seed: seedOf(uniform) }),
        latents = answer.draws.map(rowOf);
      keep(latents, rowOf(answer.log_p));
      return latents;
    }),
  };
  /** Take in what comes with the answer about some latents: log p(x|z) of an example, and log p(z). */
  function took(output, answer, x) {
    [label, example] = [output.label, x];
    if (x !== null) [output.example, output.logs] = [x, rowOf(answer.log_likelihood)];
    keep(output.latents, rowOf(answer.log_p));
  }
  return model;
}

/** q(z|x), whose draws the server makes, so many at once; `drawn` asks for some, or for what is known of given ones. */
function posteriorOf(drawn) {
  const first = drawn({ n: DRAWS, seed: 0 }),
    logs = new Map();
  const take = (answer) => {
    answer.latents.forEach((z, row) => logs.set(keyOf(null, z), answer.log_q[row]));
    return answer.latents;
  };
  take(first);
  let asked = 0;
  return {
    mean: rowOf(first.mean),
    sd: first.sd && rowOf(first.sd),
    kl: first.kl,
    point: first.point,
    /** Asks for the densities of many latents at once. */
    prepare(latents) {
      const unknown = latents.filter((z) => !logs.has(keyOf(null, z)));
      if (unknown.length) take(drawn({ z: unknown.map((z) => Array.from(z)) }));
    },
    logDensity(z) {
      if (first.point) return null;
      if (!logs.has(keyOf(null, z))) take(drawn({ z: [Array.from(z)] }));
      return logs.get(keyOf(null, z));
    },
    sample: sampler((normal, uniform, before) => (before === 0 ? first.latents : take(drawn({ n: DRAWS, seed: ++asked })))),
    plane(i, j) {
      const { sd, covariance } = first;
      return covariance ? [covariance[i][i], covariance[i][j], covariance[j][j]] : [sd[i] ** 2, 0, sd[j] ** 2];
    },
  };
}

/** Draws, one after the other, of pools that `more` brings; those who bring the same `normal` again go on where they were. */
function sampler(more) {
  const pools = new WeakMap();
  return (normal, uniform = normal) => {
    const pool = pools.get(normal) ?? { latents: [], at: 0, before: 0 };
    pools.set(normal, pool);
    if (pool.at === pool.latents.length) Object.assign(pool, { latents: more(normal, uniform, pool.before++), at: 0 });
    return pool.latents[pool.at++];
  };
}

/** Numbers of an answer: null stands for NaN. */
const rowOf = (numbers) => Float64Array.from(numbers, (value) => value ?? NaN);
const keyOf = (label, z) => `${label?.id ?? label}:${Array.from(z).join()}`;
/** What the model is given, as a question has it: a class number, or the context that was made of an example. */
const said = (given) => (given?.context ? { context: Array.from(given.context.data) } : { label: given });
const seedOf = (uniform) => Math.floor(Math.abs(uniform()) * 2 ** 31) % 2 ** 31;

function post(path, words) {
  const request = new XMLHttpRequest();
  request.open("POST", path, false);
  request.setRequestHeader("Content-Type", "application/json");
  const failed = (said) => {
    say(said);
    return new Error(said);
  };
  try {
    request.send(JSON.stringify(words)); // NaN becomes null
  } catch {
    throw failed(text("remote.gone"));
  }
  if (request.status !== 200) throw failed(text("remote.refused", { reason: request.responseText }));
  return JSON.parse(request.responseText);
}
