"""How to choose: small trainings, one word changed at a time, scored by held-out log p(x): ``python benchmarks/choosing.py``.

A training is a set of ``choosing_data``, the words of a recipe and a seed. Its weights are those with the best validation bound (IWAE of 16
draws, whatever was maximised), looked at ``LOOKS`` times. It is an entry of ``benchmarks/results/choosing.json``, written as soon as it
is there; what is there is not done again, so that the command can be killed, and goes on. ``--plan`` says what is left, ``--page`` writes
the tables of docs/choose.md (``choosing_page.py``).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from choosing_data import Parts, parts
from entries import Entry, read, written

import lowerbound as lb
from lowerbound.recipes.build import Parts as Model

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "choosing.json"
LOOKS, RATE, DRAWS = 10, 2e-3, 500
STOP = lb.objectives.IWAE(16)

Words = dict[str, Any]


@dataclass(frozen=True)
class Usual:
    """How a set's models are trained, and their words where a question does not change them."""

    epochs: int
    batch: int
    words: Words


USUAL = {
    "digits": Usual(50, 64, {"network": "mlp:128", "latent": 10}),
    "mnist": Usual(12, 100, {"network": "mlp:256", "latent": 20}),
    "fashion": Usual(6, 64, {"network": "mlp:256", "latent": 10}),
    "colours": Usual(40, 64, {"network": "mlp:128", "latent": 10, "likelihood": "nb"}),
    "cells": Usual(150, 32, {"network": "mlp:128", "latent": 5, "likelihood": "columns"}),
    "patients": Usual(150, 32, {"network": "mlp:128", "latent": 5, "likelihood": "columns"}),
}


@dataclass(frozen=True)
class Question:
    """A table of the page: choices on a set, each from so many seeds, those of ``once`` from one; the others are ``beside`` one of them."""

    data: str
    choices: list[Words]
    seeds: int = 3
    once: Sequence[Words] = ()
    beside: int = 0

    def of_seed(self, seed: int) -> list[Words]:
        """Those that are trained from it."""
        return [*self.choices, *self.once] if seed == 0 else self.choices if seed < self.seeds else []


def each(field: str, *values: Any, **others: Any) -> list[Words]:
    """A choice for each value of one word, the ``others`` being the same."""
    return [{field: value, **others} for value in values]


def sizes(data: str, *latents: int, seeds: int = 3) -> Question:
    """That of the latent's size, beside the usual one."""
    return Question(data, each("latent", *latents), seeds, beside=latents.index(USUAL[data].words["latent"]))


def scaled(likelihood: str, *scales: str) -> list[Words]:
    """A likelihood with σ from each of these."""
    return [{"likelihood": likelihood, "scale": scale} for scale in scales]


LEVELS = ["categorical:17", "beta-binomial", "ordered-logistic:1", "ordered-logistic:3", "logistic-mixture:3"]
FEWER = ["beta-binomial", "ordered-logistic:1", "ordered-logistic:3"]
DENSITIES = [*scaled("gaussian", "learned", "0.1", "0.3", "optimal", "dimension", "decoder"), *scaled("laplace", "learned")]
DENSITIES += [*scaled("student-t", "learned"), *each("likelihood", "beta", "continuous-bernoulli")]
OF_NUMBERS = [*each("likelihood", "columns", "columns-gaussian"), *scaled("gaussian", "decoder", "dimension", "learned")]
#: no word of a recipe: that the encoder is given log(1 + x) of counts, as those of nb and zinb are
SEES, LOGS = "sees", "log(1 + x)"
COUNTS = [{"likelihood": name, **sees} for name in ("negative-binomial", "poisson") for sees in ({}, {SEES: LOGS})]
COUNTS += each("likelihood", "nb", "zinb")
OBJECTIVES = ["elbo", "elbo:5", "iwae:5", "iwae:20", "renyi:0.5:5"]
DREG = {"estimator": "doubly-reparameterized"}
CLOSED, SAMPLED, HELD = {"objective": "elbo"}, {"kl": "sampled"}, {**DREG, "kl": "sampled"}
PATHS = [CLOSED, SAMPLED, HELD, {"objective": "iwae:5"}, {"objective": "iwae:5", **DREG}]
SCORES = [*each("estimator", "score", "score-moving-average"), {"estimator": "score-rao-blackwell", "kl": "sampled"}]
SCORES += [{"objective": "elbo:5"}, {"objective": "elbo:5", "estimator": "score-leave-one-out"}]
CLASSES = {"prior": "categorical", "posterior": "categorical", "latent": 20}
PRIORS = each("prior", "normal", "mixture:20", "vamp:50")
FULL, FLOWS = {"posterior": "full-gaussian"}, [{"prior": "flow"}, {"posterior": "flow"}]


def betas(epochs: int) -> list[Words]:
    """β, and what is done for the same reasons."""
    return each("objective", "elbo", "beta:0.5", "beta:2", "beta:4", f"beta-linear:1:{epochs}", "free-bits:0.1")


QUESTIONS = {
    "levels of digits": Question("digits", each("likelihood", *LEVELS), 1),
    "levels of Fashion-MNIST": Question("fashion", each("likelihood", *FEWER), 1),
    "densities of digits": Question("digits", DENSITIES, 1),
    "counts": Question("colours", COUNTS, 1),
    "numbers of cells": Question("cells", OF_NUMBERS),
    "columns of patients": Question("patients", each("likelihood", "columns", "columns-gaussian")),
    "latents of digits": sizes("digits", 2, 5, 10, 20, 40),
    "latents of MNIST": sizes("mnist", 2, 5, 10, 20, 40, seeds=1),
    "latents of colours": sizes("colours", 2, 5, 10, 20, seeds=1),
    "latents of cells": sizes("cells", 1, 2, 5, 10, 20),
    "latents of patients": sizes("patients", 1, 2, 5, 10),
    "β of digits": Question("digits", betas(20)),
    "β of MNIST": Question("mnist", betas(4), 1),
    "β of cells": Question("cells", betas(50)),
    "objectives of digits": Question("digits", each("objective", *OBJECTIVES)),
    "objectives of MNIST": Question("mnist", each("objective", "elbo", "elbo:5", "iwae:5"), 2),
    "objectives of cells": Question("cells", each("objective", *OBJECTIVES)),
    "estimators of digits": Question("digits", PATHS + SCORES),
    "estimators of MNIST": Question("mnist", PATHS, 1),
    "estimators of classes": Question("digits", each("estimator", "enumerated", "relaxed", "score-moving-average", "score", **CLASSES)),
    "priors of digits": Question("digits", [*PRIORS, FULL, {"latent": "5-10"}], once=FLOWS),
    "priors of two latents": Question(
        "digits", each("prior", "normal", "mixture:20", "vamp:50", latent=2), once=[{"prior": "flow", "latent": 2}]
    ),
    "priors of MNIST": Question("mnist", [*PRIORS, FULL, {"latent": "10-20"}], 2),
    "priors of colours": Question("colours", [*PRIORS[:2], FULL], 1),  # nb gives the encoder log(1 + x), and pseudo-inputs may be below −1
    "priors of cells": Question("cells", [*PRIORS, FULL], once=FLOWS),
}


class Job(NamedTuple):
    """A training: of a set, by its words as text, from a seed."""

    data: str
    words: str
    seed: int

    @property
    def key(self) -> str:
        """Its name in the file of results."""
        return " / ".join(map(str, self))


def job(data: str, choice: Words, seed: int) -> Job:
    """That of a choice, beside what is usual; words that are the recipe's own defaults are left out, so that equals are one."""
    default = lb.Recipe()
    words = {name: value for name, value in {**USUAL[data].words, **choice}.items() if value != getattr(default, name, None)}
    words = {name: value for name, value in words.items() if (name, value) != ("objective", "elbo:1")}
    return Job(data, json.dumps(words, sort_keys=True, ensure_ascii=False), seed)


def jobs() -> Iterator[Job]:
    """All of them, a seed after the other, so that the first of all tables is there first."""
    for seed in range(3):
        for question in QUESTIONS.values():
            yield from (job(question.data, choice, seed) for choice in question.of_seed(seed))


# --- one of them -------------------------------------------------------------------------------------


def trained(model: Model, data: Parts, usual: Usual, seed: int) -> tuple[lb.VAE, int]:
    """The model with the best weights, and after which epoch they were so."""
    state, rate = lb.State(lb.Adam(model.vae.parameters(), RATE), seed), lb.schedules.Cosine(usual.epochs)
    every, best = max(1, usual.epochs // LOOKS), (float("-inf"), 0, model.vae)
    how = {"objective": model.objective, "estimator": model.estimator, "state": state, "rate": rate}
    for record in lb.fit(model.vae, data.train, epochs=usual.epochs, batch=usual.batch, **how):
        if record.ends_epoch and (record.epoch % every == 0 or record.epoch == usual.epochs):
            bound = lb.mean_bound(model.vae, data.validation, objective=STOP).bound
            if bound > best[0]:
                best = bound, record.epoch, copy.deepcopy(model.vae)
    return best[2], best[1]


def scored(vae: lb.VAE, data: Parts) -> Entry:
    """What an entry says of a model: log p(x) with its error over examples, each to a tenth of a nat; how z is used; what comes back."""
    found, x = lb.log_likelihood(vae, data.test, DRAWS), data.test[:]
    varies = lb.encode(vae, data.test).var(0)
    errors = vae.likelihood.errors(lb.reconstruct(vae, data.test), x)
    return {
        "log p": round(found.mean, 3),
        "se": round(found.se_data, 3),
        "bias": round(found.bias, 3),
        "ess": round(float(found.ess.median()), 1),
        "bound": round(float(found.elbo.mean()), 3),
        "KL": round(float(found.kl.mean()), 3),
        "active": int((varies > 0.01).sum()),
        "error": round(float(errors.nanmean()), 5),
        "each": [round(value, 1) for value in found.log_p.tolist()],
    }


def measured(one: Job) -> Entry:
    """An entry: what was found, or why nothing was."""
    data, usual, started = parts(one.data), USUAL[one.data], time.process_time()
    try:
        words = json.loads(one.words)
        logs = words.pop(SEES, None) == LOGS
        model = lb.build(lb.Recipe(**words, seed=one.seed), data.spec)
        if logs:
            model.vae.posterior.network = lb.nn.LogCounts(model.vae.posterior.network, data.spec.steps)
        vae, epoch = trained(model, data, usual, one.seed)
        found = scored(vae, data) | {"epoch": epoch}
    except lb.LowerboundError as error:  # one that fails must not end the others
        found = {"failed": f"{type(error).__name__}: {error}"[:300]}
    return found | {"seconds": round(time.process_time() - started, 1)}


# --- all of them -------------------------------------------------------------------------------------


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", action="store_true", help="say how many trainings there are, and how many are left")
    parser.add_argument("--page", action="store_true", help="write the tables of docs/choose.md")
    parser.add_argument("--out", type=Path, default=RESULT)
    typed = parser.parse_args()
    entries, wanted = read(typed.out), list(dict.fromkeys(jobs()))
    left = [one for one in wanted if one.key not in entries]
    if typed.page:
        import choosing_page

        choosing_page.write(entries)
    elif typed.plan:
        print(f"{len(wanted)} trainings, {len(left)} of them to do; {sum(entry['seconds'] for entry in entries.values()):,.0f} s spent")
    else:
        torch.set_num_threads(1)
        for one in left:
            entries[one.key] = measured(one)
            written(typed.out, entries)
            print(one.key, {name: value for name, value in entries[one.key].items() if name != "each"}, flush=True)


if __name__ == "__main__":
    main()
