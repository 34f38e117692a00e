"""Ranks: uniform for examples like the reference whatever the model, near 0 for unusual ones, among rows with the same holes."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest

from lowerbound.data.dataset import Dataset
from lowerbound.errors import DataError
from lowerbound.tasks.rank import rank
from tasks.test_impute import TOY, toy

WIDTH = TOY.evidence.event_shape[0]


def of_another_law(rows: int, seed: int) -> torch.Tensor:
    """Values of no linear-Gaussian law, some missing."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, WIDTH, generator=generator).exp() - 1
    return x.masked_fill(torch.rand(rows, WIDTH, generator=generator) < 0.2, torch.nan)


def test_ranks_are_uniform_though_the_model_is_wrong() -> None:
    vae, _, _ = toy()
    whole = of_another_law(2_000, 0).nan_to_num(0.5)
    found = rank(vae, whole[:1000], Dataset(whole[1000:]), samples=20, most=1000)
    assert kstest(found.numpy(), "uniform").pvalue > 0.01
    assert 0 < found.min() < 0.01
    assert found.max() <= 1


def test_what_is_unusual_has_a_low_rank_with_any_holes() -> None:
    vae, _, _ = toy()
    torch.manual_seed(0)
    reference = TOY.evidence.sample(torch.Size([300]))
    reference = reference.masked_fill(torch.rand(reference.shape) < 0.2, torch.nan)
    odd = TOY.evidence.loc + 6 * TOY.evidence.covariance_matrix.diagonal().sqrt() * torch.tensor([1.0, -1, 1, -1, 1])
    rows = torch.stack([odd, odd, TOY.evidence.loc, TOY.evidence.loc])
    rows[1, 3:] = rows[3, 1:] = torch.nan
    found = rank(vae, rows, Dataset(reference))
    assert (found[:2] < 0.02).all()
    assert (found[2:] > 0.5).all()
    assert float(rank(vae, TOY.evidence.loc, Dataset(reference))) > 0.5  # without a batch axis


def test_of_nothing_known_there_is_no_rank() -> None:
    vae, _, _ = toy()
    reference = Dataset(of_another_law(50, 1))
    x = torch.full((2, WIDTH), torch.nan)
    x[1, 0] = 0.0
    assert rank(vae, x, reference).isnan().tolist() == [True, False]
    with pytest.raises(DataError, match="no examples to compare with"):
        rank(vae, x, reference.view(torch.arange(0)))
