"""Every model known by name trains: what it maximises rises, its bound is one, and it comes back from its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rows import long_if
from trainings import resumed, train, weights

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import NoClosedForm, RecipeError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.system.seeding import seeded
from lowerbound.tasks import encode
from lowerbound.vae.observation import read


def value(parts: Parts, vae: lb.VAE, x: torch.Tensor) -> float:
    """What is maximised, after the training's schedules."""
    objective = parts.objective.at(float("inf"))
    with torch.no_grad(), seeded(0, "value"):
        terms = vae.terms(x, lb.estimators.ScoreFunction().sampler(objective.samples))
        return float(objective.value(terms).mean())


@pytest.mark.parametrize("name", long_if(lambda name: name not in [*ZOO][::3], ZOO))
def test_it_trains(name: str) -> None:
    splits = lb.data.load("digits")
    train, held_out = splits.validation()
    recipe = Recipe(**ZOO[name].words)
    parts = build(recipe, DataSpec.of(train, splits.test))
    with seeded(0, "look"):
        x = parts.vae.likelihood.observe(held_out[:])
    given = read(parts.vae, held_out, torch.arange(len(held_out))).vae
    before = value(parts, given, x)
    finite = slice(1, 2) if isinstance(parts.vae.posterior, lb.posteriors.Dirac) else slice(2)  # a point has no bound
    for record in lb.fit(parts.vae, train, epochs=2, objective=parts.objective, estimator=parts.estimator, loss=parts.loss):
        assert torch.isfinite(record.means[finite]).all()
    assert value(parts, given, x) > before + 1
    assert encode.encode(parts.vae, held_out.view(torch.arange(3))).shape == (3, parts.vae.latent)


#: laws with tables of their own in the file, a second network, a second model, data cut up or made small
KEPT = [
    *("svae", "flow-vae", "vampprior-vae", "sigma-vae", "bbvi-vae", "gamma-vae", "dae", "cae"),
    *("vaeac", "super-resolution-vae", "m1", "m2", "m2-latents", "m1m2"),
]


@pytest.mark.parametrize("name", long_if(lambda name: name not in ("vampprior-vae", "sigma-vae", "vaeac", "m1"), KEPT))
def test_it_comes_back_from_its_files(name: str, tmp_path: Path) -> None:
    run, words = tmp_path / "r", ZOO[name].words
    train(Recipe(**{**words, "epochs": 1}), run).finish()
    assert main(["sample", str(run), "--n", "4", "-o", str(tmp_path / "s.png")]) == 0
    assert main(["encode", str(run), "-o", str(tmp_path / "z.npz")]) == 0
    resumed(run, epochs=2)
    train(Recipe(**{**words, "epochs": 2}), tmp_path / "whole").finish()
    assert weights(run) == weights(tmp_path / "whole")


SENSELESS = [
    ({"prior": "gamma"}, "over the same space"),
    ({"prior": "mixture", "posterior": "gamma", "latent": 1, "kl": "sampled"}, "over the same space"),
    ({"posterior": "von-mises-fisher", "latent": 3}, "over the same space"),
    ({"posterior": "dirac"}, "choose the reconstruction objective"),
    ({"prior": "vamp", "kl": "closed"}, r"KL\(Normal ‖ Mixture\) has no closed form"),
    ({"posterior": "flow", "estimator": "doubly-reparameterized"}, "cannot be held"),
    ({"estimator": "g-rep", "posterior": "full-gaussian"}, "no standardisation"),
    ({"estimator": "score-leave-one-out"}, "2 samples or more"),
    ({"estimator": "score", "objective": "total-correlation"}, "does not come apart"),
    ({"estimator": "score", "objective": "mmd"}, "does not come apart"),
    ({"estimator": "doubly-reparameterized", "objective": "mmd"}, "no function of the importance weights"),
    ({"objective": "free-bits", "posterior": "full-gaussian"}, "does not factorise"),
    ({"objective": "total-correlation", "posterior": "flow"}, "does not factorise"),
    ({"objective": "contractive", "estimator": "doubly-reparameterized"}, "no function of the importance weights"),
    ({"objective": "contractive", "estimator": "score-leave-one-out"}, "2 samples or more"),
    ({"objective": "contractive:0"}, "weight of the contraction must be a positive number"),
    ({"corruption": "masking:1"}, "above 0 and below 1"),
    ({"objective": "iwae:0"}, "write iwae:5"),
    ({"objective": "renyi:1.5"}, "α must be at least 0"),
    ({"objective": "iwae:2:3"}, "too many numbers"),
    ({"likelihood": "laplace", "scale": "optimal"}, "for a gaussian alone"),
    ({"likelihood": "gaussian", "scale": "lerned"}, "did you mean 'learned'"),
]


@pytest.mark.parametrize(("words", "message"), SENSELESS, ids=str)
def test_what_makes_no_sense_is_refused_with_its_reason(words: dict[str, object], message: str) -> None:
    with pytest.raises((RecipeError, NoClosedForm), match=message):
        build(Recipe(**words), (1, 4, 4))
