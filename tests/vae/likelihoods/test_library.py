"""Counts that share their sum: scored at their own library size, drawn at the usual one, and never by what is hidden."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import Constant

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.interfaces.cli import main
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe, read
from lowerbound.tasks.complete import complete

GENES = 6
SHARES = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
THETA = torch.tensor([0.5, 1.0, 2.0, 5.0, 10.0, 1e6])
X = torch.tensor([[9.0, 0.0, 3.0, 2.0, 0.0, 0.0], [40.0, 31.0, 0.0, 9.0, 11.0, 1.0]])
DROPOUT = torch.tensor([-2.0, 0.0, 1.0, -1.0, 0.5, -3.0])


def fixed(inflated: bool = False, holes: bool = False) -> lb.VAE:
    """One whose decoder says the same of every z."""
    numbers = torch.stack([SHARES.log() + 3, DROPOUT]) if inflated else SHARES.log() + 3
    decoder = nn.Sequential(Constant(numbers.flatten()), nn.Unflatten(1, numbers.shape))
    kind = lb.likelihoods.ZINB if inflated else lb.likelihoods.NB
    vae = lb.VAE(
        lb.priors.StandardNormal(2),
        kind(decoder, (GENES,), holes=holes),
        lb.posteriors.DiagonalGaussian(lb.nn.LogCounts(lb.nn.mlp(GENES, 8, 4))),
    )
    vae.likelihood.log_dispersion.data = THETA.log()
    return vae.eval()


def by_torch(x: Tensor, mean: Tensor, inflated: bool) -> Tensor:
    mean, theta = mean.double(), THETA.double()
    each = torch.distributions.NegativeBinomial(theta, logits=(mean / theta).log()).log_prob(x.double())
    if inflated:
        more = torch.sigmoid(DROPOUT.double())
        each = torch.where(x == 0, (more + (1 - more) * each.exp()).log(), (1 - more).log() + each)
    return each


@pytest.mark.parametrize("inflated", [False, True])
def test_an_example_is_scored_at_the_sum_of_its_counts(inflated: bool) -> None:
    wanted = by_torch(X, X.sum(1, keepdim=True) * SHARES, inflated).sum(1)
    found = fixed(inflated).log_likelihood(X, torch.randn(3, 2, 2))
    torch.testing.assert_close(found.double(), wanted.expand(3, 2), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 255])
def test_values_are_counts_over_the_steps(steps: int) -> None:
    likelihood = lb.likelihoods.NB(Constant(SHARES.log()), (GENES,), steps).eval()
    likelihood.log_dispersion.data = THETA.log()
    vae = lb.VAE(lb.priors.StandardNormal(2), likelihood, lb.posteriors.DiagonalGaussian(nn.Linear(GENES, 4)))
    wanted = by_torch(X, X.sum(1, keepdim=True) * SHARES, False).sum(1)
    torch.testing.assert_close(vae.log_likelihood(X / steps, torch.zeros(1, 2, 2))[0].double(), wanted, rtol=1e-5, atol=1e-4)
    likelihood.meet([X / steps])
    torch.testing.assert_close(vae.sample(3).sum(1) * steps, torch.full((3,), math.sqrt(14 * 92)))


def test_a_sample_is_of_the_geometric_mean_of_what_was_met() -> None:
    vae = fixed()
    assert vae.sample(1).sum().item() == pytest.approx(GENES)
    vae.likelihood.meet([X[:1], torch.zeros(3, GENES), X[1:]])
    torch.testing.assert_close(vae.sample(2), math.sqrt(14 * 92) * SHARES.expand(2, -1))
    torch.manual_seed(0)
    draws = vae.sample(20_000, draw=True)
    assert torch.equal(draws, draws.round())
    assert float(draws.sum(1).mean()) == pytest.approx(math.sqrt(14 * 92), rel=0.05)


def test_training_meets_its_data() -> None:
    vae = fixed()
    for _ in lb.fit(vae, lb.data.Dataset(X), epochs=1):
        pass
    assert vae.state_dict()["likelihood.library"].item() == pytest.approx(math.sqrt(14 * 92))


def test_a_reconstruction_has_the_sum_of_its_example() -> None:
    torch.testing.assert_close(fixed().reconstruct(X), X.sum(1, keepdim=True) * SHARES)
    more = fixed(inflated=True).reconstruct(X)
    torch.testing.assert_close(more, X.sum(1, keepdim=True) * SHARES * torch.sigmoid(-DROPOUT))


SEEN = torch.tensor([True, True, False, True, False, False])


def partial(x: Tensor, library: float) -> Tensor:
    """L by the values that are seen, one count's worth of the usual library for the share of the others."""
    there = SHARES[SEEN].sum()
    return (x[:, SEEN].sum(1, keepdim=True) + 1 - there) / (there + (1 - there) / library)


@pytest.mark.parametrize("inflated", [False, True])
def test_a_part_is_scored_by_that_part_alone(inflated: bool) -> None:
    vae = fixed(inflated)
    vae.likelihood.meet([X])
    wanted = by_torch(X, partial(X, math.sqrt(14 * 92)) * SHARES, inflated)[:, SEEN].sum(1)
    for hidden in (0.0, 3.0, torch.nan, 1e6):
        x = X.where(SEEN, hidden)
        found = vae.log_likelihood(x, torch.zeros(1, 2, 2), SEEN.expand(2, -1))[0]
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-4)


def test_all_is_a_part_too_and_so_is_nothing() -> None:
    vae, z = fixed(), torch.zeros(1, 2, 2)
    torch.testing.assert_close(vae.log_likelihood(X, z, torch.ones(2, GENES, dtype=torch.bool)), vae.log_likelihood(X, z))
    nothing = torch.zeros(2, GENES, dtype=torch.bool)
    torch.testing.assert_close(vae.decode(z[0], x=X, observed=nothing), vae.decode(z[0]))
    assert (vae.log_likelihood(X, z, nothing) == 0).all()


def test_what_is_missing_is_completed_at_the_size_of_what_is_there() -> None:
    vae = fixed()
    found = complete(vae, X.where(SEEN, 1e4), SEEN.expand(2, -1), 2, samples=20)
    wanted = (partial(X, GENES) * SHARES)[:, ~SEEN]
    torch.testing.assert_close(found.mean[:, ~SEEN], wanted)
    assert torch.equal(found.values[0][:, SEEN], X[:, SEEN])


def test_holes_are_a_part_that_is_missing() -> None:
    x, vae = X.where(SEEN, torch.nan), fixed(holes=True)
    wanted = by_torch(X, partial(X, GENES) * SHARES, False)[:, SEEN].sum(1)
    torch.testing.assert_close(vae.log_likelihood(x, torch.zeros(1, 2, 2))[0].double(), wanted, rtol=1e-5, atol=1e-4)
    vae.likelihood.meet([x])
    assert vae.likelihood.library.item() == pytest.approx(math.sqrt(11 * 80))


def test_an_empty_example_is_scored_and_descended() -> None:
    vae = fixed(inflated=True).train()
    value = vae.log_likelihood(torch.zeros(2, GENES), torch.zeros(1, 2, 2))
    torch.testing.assert_close(value, torch.zeros(1, 2))  # nothing to share out: the counts are 0 for certain
    value.sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in vae.parameters())


@pytest.mark.parametrize("word", ["nb", "zinb"])
@pytest.mark.parametrize("holes", [False, True])
def test_the_encoder_sees_logarithms(word: str, holes: bool) -> None:
    vae = build(Recipe(likelihood=word, latent=2, network="linear"), DataSpec((GENES,), 0.0, 100.0, holes=holes)).vae
    x = X.where(SEEN, torch.nan) if holes else X
    linear = next(layer for layer in vae.posterior.modules() if isinstance(layer, nn.Linear))
    shown = torch.cat([X.log1p() * SEEN, SEEN.expand(2, -1).float()], 1) if holes else X.log1p()
    torch.testing.assert_close(vae.encode(x), linear(shown)[:, :2])


def test_dispersions_are_learned() -> None:
    """By the likelihood alone, of counts drawn with known ones: to the 5% that 20,000 of them tell."""
    torch.manual_seed(0)
    mean, theta = torch.tensor([20.0, 30.0, 50.0]), torch.tensor([0.7, 2.0, 9.0])
    others = torch.full((20_000, 1), 1e5)  # so that each library size is as good as the same
    x = torch.cat([torch.poisson(mean * torch._standard_gamma(theta.expand(20_000, 3)) / theta), others], 1)
    shares = torch.cat([mean, torch.tensor([1e5])])
    likelihood = lb.likelihoods.NB(Constant(shares.log()), (4,))
    vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(nn.Linear(4, 2)))
    adam = torch.optim.Adam([likelihood.log_dispersion], 0.1)
    for _ in range(100):
        adam.zero_grad()
        (-vae.log_likelihood(x, torch.zeros(1, len(x), 1)).mean()).backward()
        adam.step()
    torch.testing.assert_close(likelihood.log_dispersion.exp()[:3].detach(), theta, rtol=0.05, atol=0)


def test_the_recipe_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.full(30, 0.3), 2)
    batch = random.integers(2, size=400)
    counts = random.poisson(200 * shares[batch]).astype(np.uint16)
    np.savez(tmp_path / "cells.npz", x=counts, y=batch)
    run = tmp_path / "r"
    for words in (
        ["train", tmp_path / "cells.npz", "--recipe", "scvi", "--given", "label", "--epochs", 3, "--out", run],
        ["evaluate", run, "--samples", 20],
        ["sample", run, "--n", 8, "-o", tmp_path / "s.npy"],
    ):
        assert main(list(map(str, words))) == 0, capsys.readouterr().err
    usual = np.exp(np.log(lb.load(run).vae.likelihood.library.item()))
    assert usual == pytest.approx(200, rel=0.02)
    assert np.load(tmp_path / "s.npy").sum(1) == pytest.approx(np.full(8, usual), rel=1e-3)


def test_the_recipe_is_the_models() -> None:
    words = read("scvi")
    assert (words["likelihood"], words["latent"], words["network"]) == ("nb", 10, "mlp:128")
