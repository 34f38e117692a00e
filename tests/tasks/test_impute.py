"""Imputation of arrays: exact where the conditional law is known."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal
from toys import LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, UsageError
from lowerbound.tasks.impute import impute
from tasks.test_complete import conditional

TOY = LinearGaussian(2, 5, 0.7, orthogonal=True)
HOLES = torch.tensor([[0, 1, 0, 1, 0], [1, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).bool()


class Holed(nn.Module):
    """The exact encoder of whole data, with zeros in the holes: a proposal that is off."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = TOY.exact_encoder()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x.nan_to_num(0.0)) + torch.tensor([0.0, 0.0, 1.5, 1.5])


def toy() -> tuple[lb.VAE, torch.Tensor, torch.Tensor]:
    vae = TOY.vae(Holed())
    vae.likelihood.holes = True
    torch.manual_seed(3)
    whole = TOY.evidence.sample(torch.Size([len(HOLES)]))
    return vae, whole, whole.where(~HOLES, torch.nan)


def test_it_agrees_with_the_exact_conditional() -> None:
    vae, whole, x = toy()
    found = impute(vae, x, 2000, samples=60_000)
    for row in range(3):
        hole, law = HOLES[row], TOY.evidence
        truth = MultivariateNormal(law.loc, law.covariance_matrix) if hole.all() else conditional(law, whole[row], ~hole)
        draws = found.draws[:, row, hole]
        centred = draws - truth.loc
        assert z_score(draws, truth.loc) < 4
        assert z_score(centred[:, :, None] * centred[:, None], truth.covariance_matrix) < 4
        error = 5 * truth.stddev / float(found.ess[row]) ** 0.5
        assert ((found.mean[row, hole] - truth.loc).abs() < error).all()
        torch.testing.assert_close(found.error[row, hole], truth.stddev, rtol=0.04, atol=0)
    seen = ~HOLES
    assert torch.equal(found.mean[seen], whole[seen])
    assert all(torch.equal(draw[seen], whole[seen]) for draw in found.draws)
    assert not found.error[seen].any()
    assert found.ess[:3].min() > 1000
    assert found.ess[3].isnan()


def test_neither_memory_nor_the_number_of_draws_changes_a_mean() -> None:
    vae, _, x = toy()
    one, other = impute(vae, x, samples=500), impute(vae, x, 3, samples=500, memory=2_000_000)
    torch.testing.assert_close(one.mean, other.mean)
    assert torch.equal(impute(vae, x, 3, samples=500).draws, other.draws)
    assert not torch.equal(impute(vae, x, samples=500, seed=1).mean, one.mean)


def test_several_models_are_a_mixture_of_what_each_says() -> None:
    """Means average, variances are those within models and between them, draws come from all in turn."""
    vae, whole, x = toy()
    other = copy.deepcopy(vae)
    with torch.no_grad():
        last = [layer for layer in other.likelihood.network.modules() if isinstance(layer, nn.Linear)][-1]
        last.bias += 2.0
    one, two = (impute(model, x, 1000, samples=20_000) for model in (vae, other))
    both = impute([vae, other], x, 2000, samples=20_000)
    assert torch.equal(one.draws, both.draws[::2])
    torch.testing.assert_close(both.mean, (one.mean + two.mean) / 2, rtol=0, atol=0.05)
    within, between = (one.error.square() + two.error.square()) / 2, (one.mean - two.mean).square() / 4
    torch.testing.assert_close(both.error, (within + between).sqrt(), rtol=0.03, atol=1e-3)
    assert between[HOLES].max() > 0.1
    rows = HOLES.any(1)
    torch.testing.assert_close(both.draws.mean(0)[rows], both.mean[rows], rtol=0, atol=0.15)
    assert torch.equal(both.mean[~HOLES], whole[~HOLES])
    with pytest.raises(UsageError, match="one or more"):
        impute([], x)
    with pytest.raises(UsageError, match="other columns"):
        impute([vae, lb.build(lb.Recipe(likelihood="columns", latent=2), DataSpec((5,), holes=True)).vae], x)


def test_what_cannot_be_is_refused() -> None:
    vae, _, x = toy()
    with pytest.raises(DataError, match="no latent explains some of the examples"):  # their squares are infinite
        impute(vae, x.masked_fill(~x.isnan(), 1e30), samples=20)
    with pytest.raises(UsageError, match="draws must be a whole number of 0 or more, not -1"):
        impute(vae, x, -1)
    with pytest.raises(UsageError, match="9 draws need as many samples"):
        impute(vae, x, 9, samples=8)
    with pytest.raises(DataError, match="trained on whole data"):
        impute(TOY.vae(TOY.exact_encoder()), x)
