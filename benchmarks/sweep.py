"""Does any allowed combination of words ever give a NaN? Trains a covering design of them on ``digits`` and says.

A covering array has every pair of words of different tables that some allowed recipe has in at least one of its recipes. ``make sweep``
deals one array out over ten seeds, and trains every recipe of the zoo from each of them; ``--whole`` takes for each seed an array of its
own, so that every pair is trained from ten seeds, and most triples are met as well, in five times the hours. It goes on where it was
stopped (a line of the log is a finished training), and writes ``benchmarks/results/sweep.json`` and ``docs/sweep.md``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import LowerboundError, NoClosedForm, RecipeError
from lowerbound.recipes import estimators, objectives, posteriors, priors
from lowerbound.recipes.build import build
from lowerbound.recipes.likelihoods import LIKELIHOODS, MISSINGNESS, PIXELS, SCALES
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.training.adam import Adam

ROOT = Path(__file__).parents[1]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "sweep.json", ROOT / "docs" / "sweep.md"
LOG = ROOT / "benchmarks" / "results" / "sweep.jsonl"
STEPS, SEEDS = 2000, 10
SIZE = {"data": "digits", "network": "mlp:32", "batch": 32, "learning_rate": 1e-3}
#: words whose own numbers are too large for so small a model, or would exclude the estimators that need two draws
NUMBERS = {
    ("prior", "vamp"): "vamp:10",
    ("likelihood", "categorical"): "categorical:17",
    ("objective", "elbo"): "elbo:2",
    ("objective", "beta"): "beta:4:2",
    **{("objective", name): f"{name}:1:10:2" for name in ("beta-linear", "beta-cyclical", "beta-sigmoid")},
    ("objective", "iwae"): "iwae:2",
    ("objective", "renyi"): "renyi:0.5:2",
}
OWN = {"scale": ["0.1", *SCALES], "pixels": [*PIXELS], "missingness": [*MISSINGNESS]}
INNER = {
    "prior": priors.PRIORS,
    "posterior": posteriors.POSTERIORS,
    "objective": objectives.OBJECTIVES,
    "kl": objectives.KLS,
    "estimator": estimators.ESTIMATORS,
}

Words = dict[str, str]
Pair = tuple[tuple[str, str], ...]


# --- the design --------------------------------------------------------------------------------------


def numbered(field: str, word: str) -> str:
    """The word with the numbers that are wanted here."""
    return NUMBERS.get((field, word), word)


@cache
def likelihoods() -> list[Words]:
    """Every likelihood with every choice of its own words that it takes."""
    found = []
    for name, row in LIKELIHOODS.items():
        for values in itertools.product(*(OWN[word] for word in row.own)):
            found.append({"likelihood": numbered("likelihood", name), **dict(zip(row.own, values, strict=True))})
    return [words for words in found if refusal(words) is None]


def inner() -> Iterator[Words]:
    """Every choice of the words that may exclude one another: all but the likelihood's."""
    for choice in itertools.product(*INNER.values()):
        yield {field: numbered(field, word) for field, word in zip(INNER, choice, strict=True)}


def given(words: Words) -> Words:
    """With labels given where the prior is theirs."""
    return {**words, "given": "label"} if words.get("prior") == "given-context" else words


def refusal(words: Words) -> str | None:
    """Why these words make no model, or None where they do."""
    try:
        build(Recipe(latent=3, **SIZE, **given(words)), DataSpec((1, 8, 8), classes=tuple("0123456789")))
    except (RecipeError, NoClosedForm) as error:
        return str(error)
    return None


def allowed() -> tuple[list[Words], Counter[str]]:
    """The inner choices that make a model, and how often each reason was given by those that do not."""
    plain = {"objective": "reconstruction", "kl": "sampled", "estimator": "pathwise"}

    @cache
    def apart(prior: str, posterior: str) -> str | None:  # what refuses even this refuses all of its kind, which saves minutes
        return refusal({"prior": prior, "posterior": posterior, **plain})

    reasons = [(words, apart(words["prior"], words["posterior"]) or refusal(words)) for words in inner()]
    return [words for words, reason in reasons if reason is None], Counter(reason for _, reason in reasons if reason is not None)


def pairs(words: Words) -> set[Pair]:
    """The pairs of words in a recipe."""
    return set(itertools.combinations(sorted(words.items()), 2))


def covering(choices: list[Words], seed: int) -> list[Words]:
    """Recipes that together have every pair of words of ``choices`` and ``likelihoods()``; greedy, the same for the same seed."""
    chance, laws = random.Random(seed), likelihoods()  # noqa: S311 - no secret
    left = set.union(*map(pairs, [*choices, *laws]))
    ends = [{item for words in side for item in words.items()} for side in (choices, laws)]
    left |= {(min(pair), max(pair)) for pair in itertools.product(*ends)}
    array = []
    while left:
        wanted = set(min(left))
        sides = [[words for words in side if wanted & end <= words.items()] for side, end in zip((choices, laws), ends, strict=True)]
        tries = [{**chance.choice(sides[0]), **chance.choice(sides[1])} for _ in range(60)]
        array.append(max(tries, key=lambda words: len(pairs(words) & left)))
        left -= pairs(array[-1])
    return array


def some(count: int, seed: int) -> list[Words]:
    """Allowed recipes at random: what a quick test takes instead of the array."""
    chance, found = random.Random(seed), []  # noqa: S311 - no secret
    while len(found) < count:
        words = {field: chance.choice([*table]) for field, table in INNER.items()}
        words = {field: numbered(field, word) for field, word in words.items()} | chance.choice(likelihoods())
        if refusal(words) is None:
            found.append(words)
    return found


# --- a training ----------------------------------------------------------------------------------------


@cache
def digits() -> lb.data.Dataset:
    """What is learned from."""
    torch.set_num_threads(1)
    return lb.data.load("digits").train


def fault(words: dict[str, object], seed: int, steps: int = STEPS) -> str | None:
    """What went wrong in a training, or None: a NaN, a bound or weight that is not finite, or a refusal after its beginning."""
    recipe = Recipe(**{"latent": 3, **SIZE, **given(words), "seed": seed})
    parts = build(recipe, DataSpec(digits().event_shape, classes=tuple("0123456789")))
    state = lb.State(Adam(parts.vae.parameters(), recipe.learning_rate), seed)
    records = lb.fit(
        parts.vae, digits(), epochs=steps, batch=recipe.batch, objective=parts.objective, estimator=parts.estimator, state=state
    )
    must_be_finite = slice(1, 2) if isinstance(parts.vae.posterior, lb.posteriors.Dirac) else slice(None)  # a point's KL is infinite
    try:
        for record in itertools.islice(records, steps):
            if record.means.isnan().any() or not record.means[must_be_finite].isfinite().all():
                return f"step {record.step}: bound, log-likelihood, KL are {record.means.tolist()}"
    except LowerboundError as error:
        return f"refused after its beginning: {error}"
    bad = [name for name, tensor in parts.vae.state_dict().items() if not tensor.isfinite().all()]
    return f"weights are not finite: {', '.join(bad)}" if bad else None


def timed(words: dict[str, object], seed: int) -> dict[str, object]:
    """A line of the log."""
    started = time.perf_counter()
    return {"words": words, "seed": seed, "fault": fault(words, seed), "seconds": round(time.perf_counter() - started, 1)}


# --- all of them -----------------------------------------------------------------------------------------


def key(words: dict[str, object], seed: object) -> str:
    """What makes a training the same as one of the log."""
    return json.dumps([words, seed], sort_keys=True)


Job = tuple[dict[str, object], int]  # words and seed


def plan(choices: list[Words], whole: bool) -> list[Job]:
    """What to train: the zoo from each seed, and one array dealt out over them, or one array for each."""
    named = [(row.words, seed) for row in ZOO.values() for seed in range(SEEDS)]
    if whole:
        return named + [(words, seed) for seed in range(SEEDS) for words in covering(choices, seed)]
    return named + [(words, number % SEEDS) for number, words in enumerate(covering(choices, 0))]


def run(jobs: list[Job], processes: int) -> list[dict[str, object]]:
    """Train what the log has not; returns the log's lines of these jobs."""
    LOG.parent.mkdir(exist_ok=True)
    lines = [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []
    done = {key(line["words"], line["seed"]): line for line in lines}
    todo = [job for job in jobs if key(*job) not in done]
    print(f"{len(jobs):,} trainings, {len(jobs) - len(todo):,} of them done", flush=True)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool, LOG.open("a") as log:
        for number, ended in enumerate(as_completed([pool.submit(timed, *job) for job in todo]), start=1):
            line = ended.result()
            done[key(line["words"], line["seed"])] = line
            log.write(json.dumps(line) + "\n")
            log.flush()
            if line["fault"] or number % 50 == 0:
                print(f"{number:,}/{len(todo):,} {line['fault'] or ''} {line['words'] if line['fault'] else ''}", flush=True)
    return [done[key(*job)] for job in jobs]


def summary(lines: list[dict[str, object]], whole: bool, choices: int, reasons: Counter[str]) -> dict[str, object]:
    """What ``sweep.json`` holds."""
    return {
        "whole": whole,
        "seeds": SEEDS,
        "steps": STEPS,
        "recipe": SIZE,
        "trainings": len(lines),
        "combinations": len({key(line["words"], None) for line in lines}),
        "pairs": len(set.union(*(pairs({k: str(v) for k, v in line["words"].items()}) for line in lines))),
        "hours": round(sum(line["seconds"] for line in lines) / 3600, 2),
        "faults": [line for line in lines if line["fault"]],
        "allowed": choices,
        "refused": dict(reasons.most_common()),
    }


def page(found: dict[str, object]) -> str:
    """``docs/sweep.md``."""
    verdict = f"{len(found['faults'])} of them failed" if found["faults"] else "None gave a NaN, a bound or a weight that is not finite"
    faults = "".join(f"| {line['words']} | {line['seed']} | {line['fault']} |\n" for line in found["faults"])
    refused = "".join(f"| {reason} | {count:,} |\n" for reason, count in found["refused"].items())
    spread = "each of them from every seed" if found["whole"] else "spread over the seeds"
    return f"""# Every pair of words

Written by `make sweep`. On `digits` ({SIZE["network"]}, batches of {SIZE["batch"]}, learning rate {SIZE["learning_rate"]:g}),
{found["trainings"]:,} trainings of {found["steps"]:,} steps each, of {found["combinations"]:,} different recipes: every model known by name
from {found["seeds"]} seeds, and every pair of words that some allowed recipe has (prior, posterior, objective, KL, estimator,
likelihood, σ, pixels; {found["pairs"]:,} of them), {spread}. {verdict}.
{chr(10) + "| words | seed | fault |" + chr(10) + "|---|---|---|" + chr(10) + faults if faults else ""}
Of the choices of prior, posterior, objective, KL and estimator {found["allowed"]:,} are allowed. The others are refused when the
model is made, never later, for these reasons:

| reason | choices |
|---|---|
{refused}"""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--whole", action="store_true", help="every pair from every seed")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each")
    typed = parser.parse_args()
    choices, reasons = allowed()
    found = summary(run(plan(choices, typed.whole), typed.processes), typed.whole, len(choices), reasons)
    RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{len(found['faults'])} faults in {found['trainings']:,} trainings: {RESULT}")


if __name__ == "__main__":
    main()
