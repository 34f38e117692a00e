"""The examples of CONTRIBUTING are all there is to do: each class in its file and row in its table keeps the laws of its family."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import torch
from vae import test_estimators, test_laws
from vae.objectives import test_objectives

from lowerbound.errors import RecipeError
from lowerbound.recipes import objectives
from lowerbound.recipes.build import build
from lowerbound.recipes.grammar import make
from lowerbound.recipes.recipe import Recipe
from lowerbound.vae.objectives.kl import SampledKL

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n# (\S+)\.py(?:, a row of (\w+))?\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    for file, table, code in BLOCKS:
        names = vars(importlib.import_module("lowerbound." + file.replace("/", ".")))
        classes, row = (*re.split(r'^(?=")', code, maxsplit=1, flags=re.MULTILINE), "")[:2]
        known = dict(names)
        exec("from __future__ import annotations\n" + classes, known)
        for name in known.keys() - names.keys():
            monkeypatch.setitem(names, name, known[name])
        for word, makes in eval("{" + row + "}", known).items():
            monkeypatch.setitem(names[table], word, makes)


@pytest.mark.parametrize(
    "holds",
    [
        test_laws.test_it_integrates_to_one,
        test_laws.test_its_draws_agree_with_its_density,
        test_laws.test_shapes_survive_batching_and_expand,
    ],
)
def test_the_law_keeps_those_of_laws(holds) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        holds(test_laws.posterior("weibull")(torch.linspace(-1, 1, 4)[None]))


def test_the_law_is_finite_from_a_wild_network() -> None:
    test_laws.test_a_wild_network_still_gives_a_law_of_finite_density_and_gradient("weibull")


def test_the_objective_is_a_bound() -> None:
    paired = make("objective", "paired", objectives.OBJECTIVES, kl=SampledKL())
    test_objectives.test_a_bound_stays_below_the_evidence(paired, 0)
    test_objectives.test_listed_values_give_the_mean_over_all_draws_or_are_refused(paired)


CROSSED = [
    ("paired", "pathwise", "gaussian"),
    ("elbo:2", "antithetic", "gaussian"),
    ("beta:3:2", "antithetic", "gaussian"),
    ("elbo:2", "pathwise", "weibull"),
    ("iwae:2", "score", "weibull"),
]


@pytest.mark.parametrize(("objective", "estimator", "posterior"), CROSSED)
def test_each_gets_the_exact_gradient(objective: str, estimator: str, posterior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_estimators.PARAMETERS, "weibull", [0.2, 0.7])
    monkeypatch.setattr(test_estimators, "KNOWN", {objective, estimator, posterior})  # so that a refusal is a fault
    test_estimators.test_a_crossing_matches_the_exact_gradient_or_says_why_not(objective, "sampled", estimator, posterior)


def test_what_they_cannot_do_is_refused() -> None:
    for crossed in [{"objective": "paired", "estimator": "score"}, {"objective": "iwae:2", "estimator": "antithetic"}]:
        with pytest.raises(RecipeError):
            build(Recipe(**crossed), (1, 8, 8))


def test_a_recipe_of_all_three_is_built_from_words() -> None:
    assert build(Recipe(prior="gamma", posterior="weibull", objective="paired"), (1, 8, 8)).objective.samples == 2
    assert build(Recipe(objective="elbo:2", estimator="antithetic"), (1, 8, 8)).estimator is not None
