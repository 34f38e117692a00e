"""Columns with a marginal law: maps and their slopes, densities that are ones, spikes, moments against closed forms."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import z_score

from lowerbound.data.column import Column
from lowerbound.data.maps import MAPS, Ends
from lowerbound.data.marginals import ENDS, Marginal
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.mixed import Mixed
from lowerbound.nn.marginal_map import MarginalMap
from lowerbound.nn.missing import TableInput
from lowerbound.vae.likelihoods import Columns

#: in the column's own units, which are the model's: loc 0 and scale 1
LAWS = {
    "linear": Marginal("linear", spikes=(-1.0, 2.0), loc=0.5, scale=2.0),
    "soft": Marginal("soft", least=0.0, low=0.0, width=0.25),
    "soft, two ends": Marginal("soft", least=-1.0, greatest=3.0, low=-1.0, high=3.0, width=0.5, loc=0.5),
    "log": Marginal("log", least=0.0, low=0.0, width=1e-9, loc=0.3, scale=0.5, bottom=-9.0, top=9.0),
    "log, a spike": Marginal("log", least=0.0, spikes=(0.0,), low=0.0, width=1e-9, loc=0.3, scale=0.5, bottom=-9.0, top=9.0),
    "log-below": Marginal("log-below", greatest=2.0, high=2.0, width=1e-9, scale=0.5, bottom=-9.0, top=9.0),
    "logit": Marginal("logit", least=0.0, greatest=4.0, low=0.0, high=4.0, bottom=-9.0, top=9.0),
    "asinh": Marginal("asinh", width=0.7, scale=0.8, bottom=-9.0, top=9.0),
}


def test_every_map_is_tried() -> None:
    assert {law.law for law in LAWS.values()} == set(MAPS)


@pytest.mark.parametrize("name", LAWS)
def test_a_map_goes_there_and_back_and_its_slope_is_its_derivative(name: str) -> None:
    law = LAWS[name]
    low, high = (-8.0 if law.low is None else law.low), (8.0 if law.high is None else law.high)
    v = torch.linspace(low, high, 203, dtype=torch.double)[1:-1].requires_grad_()
    ends = Ends(*(torch.tensor(end, dtype=torch.double) for end in (_or(law.low, -math.inf), _or(law.high, math.inf), law.width)))
    w, log_slope = MAPS[law.law].bend(v, ends)
    (slope,) = torch.autograd.grad(w.sum(), v)
    torch.testing.assert_close(log_slope.exp(), slope)
    torch.testing.assert_close(MAPS[law.law].back(w, ends), v, rtol=1e-6, atol=1e-9)
    assert (w.diff() > 0).all()
    wild = MAPS[law.law].back(torch.linspace(-60, 60, 50), ends)
    assert bool((wild >= (-math.inf if law.low is None else law.low)).all() and (wild <= _or(law.high, math.inf)).all())


def _or(number: float | None, absent: float) -> float:
    return absent if number is None else number


@pytest.mark.parametrize("heavy", [True, False])
@pytest.mark.parametrize("name", LAWS)
def test_a_density_is_one_and_draws_agree_with_it(name: str, heavy: bool) -> None:
    """Point masses and a density add up to one; draws are within the bounds and have mean, variance and shares that are stated."""
    marginal = LAWS[name]
    columns = (Column("plain", "number"), Column("x", "number", marginal=marginal))
    likelihood = Columns(nn.Identity(), columns, heavy)
    (width,), _ = Columns.shape((2,), columns=columns, heavy=heavy)
    torch.manual_seed(1)
    output = 0.5 * torch.randn(3, width, dtype=torch.double)
    law = likelihood.double().law(output, 1).base_dist
    assert isinstance(law, Mixed)
    v = _grid(marginal)
    p = law.log_prob(torch.stack([v, v], -1)[:, None].expand(-1, 3, -1))[..., 1].exp()
    spikes = torch.tensor(marginal.spikes, dtype=torch.double)
    shares = [law.log_prob(torch.full((3, 2), spike, dtype=torch.double))[..., 1].exp() for spike in marginal.spikes]
    whole = torch.trapezoid(p, v, dim=0)
    torch.testing.assert_close(whole + sum(shares), torch.ones(3, dtype=torch.double), atol=4e-3, rtol=0)
    draws = law.sample(torch.Size([40_000]))[..., 1]
    assert bool((draws >= _or(marginal.least, -math.inf)).all() and (draws <= _or(marginal.greatest, math.inf)).all())
    for spike, share in zip(spikes, shares, strict=True):
        assert z_score((draws == spike).double(), share) < 4
    truth = torch.trapezoid(p * v.sin()[:, None], v, dim=0) + sum(share * spike.sin() for share, spike in zip(shares, spikes, strict=True))
    assert z_score(draws.sin(), truth) < 4.5
    mean, variance = law.mean[:, 1], law.variance[:, 1]
    torch.testing.assert_close(draws.mean(0), mean, atol=0, rtol=0.03) if marginal.least == 0 else None
    assert z_score(draws, mean) < 4.5
    if not (heavy and marginal.law in ("linear", "soft")):
        torch.testing.assert_close(draws.var(0), variance, rtol=0.12, atol=0)


def _grid(marginal: Marginal) -> torch.Tensor:
    """Points, as many near an end as far from it, none of them at a spike."""
    if marginal.low is not None and marginal.high is not None:
        return marginal.low + (marginal.high - marginal.low) * torch.linspace(-30, 30, 20_001, dtype=torch.double).sigmoid()
    if marginal.low is not None:
        return marginal.low + torch.linspace(-60, 12, 20_001, dtype=torch.double).exp()
    if marginal.high is not None:
        return marginal.high - torch.linspace(12, -60, 20_001, dtype=torch.double).exp()
    return torch.linspace(-12, 12, 20_002, dtype=torch.double).sinh() / 10


def test_moments_of_a_log_normal_are_those_of_the_books() -> None:
    column = Column("x", "number", marginal=replace(LAWS["log"], loc=0.0, scale=1.0))
    base = torch.distributions.Normal(torch.tensor([[0.0], [1.0], [-2.0]]).double(), torch.tensor([[1.5], [0.3], [0.05]]).double())
    law = Mapped(base, MarginalMap([column]).double())
    mean = (base.loc + base.scale.square() / 2).exp()
    torch.testing.assert_close(law.mean, mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(law.variance, base.scale.square().expm1() * mean.square(), rtol=1e-3, atol=0)


def test_an_encoder_is_shown_what_is_about_normal_and_where_a_spike_is() -> None:
    columns = (Column("x", "number", marginal=LAWS["log, a spike"]), Column("y", "number"))
    x = torch.tensor([[math.exp(0.8), 2.0], [0.0, 1.0], [torch.nan, torch.nan]])
    seen = TableInput(nn.Identity(), columns)(x)
    assert seen.shape == (3, *TableInput.shape(columns))
    torch.testing.assert_close(seen, torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))


def test_a_plain_column_beside_others_has_the_law_that_it_has_alone() -> None:
    both, alone = (Column("x", "number"), Column("y", "number", marginal=LAWS["log"])), (Column("x", "number"),)
    output = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).exp()
    one, other = Columns(nn.Identity(), both).law(output, 1), Columns(nn.Identity(), alone).law(output[:, ::2], 1)
    assert torch.equal(one.base_dist.log_prob(x)[:, 0], other.base_dist.log_prob(x[:, :1])[:, 0])
    assert torch.equal(one.base_dist.mean[:, 0], other.base_dist.mean[:, 0])
    assert torch.equal(one.base_dist.variance[:, 0], other.base_dist.variance[:, 0])


def test_a_wild_network_has_finite_draws_and_moments() -> None:
    columns = tuple(Column(name, "number", marginal=law) for name, law in LAWS.items())
    likelihood = Columns(nn.Identity(), columns)
    (width,), _ = Columns.shape((len(columns),), columns=columns)
    law = likelihood.law(30 * torch.randn(50, width, generator=torch.Generator().manual_seed(0)), 1).base_dist
    for found in (law.sample(), law.mean, law.variance, law.log_prob(law.sample())):
        assert found.isfinite().all()


@pytest.mark.parametrize("name", LAWS)
def test_a_description_comes_back_from_its_words(name: str) -> None:
    from dataclasses import asdict

    words = asdict(LAWS[name])
    assert Marginal.read(words) == LAWS[name]
    for key, value in {"law": "cubic", "width": 0.0, "scale": -1.0, "low": "a", "spikes": [1.0, 1.0], "loc": math.nan}.items():
        with pytest.raises((ValueError, TypeError, KeyError)):
            Marginal.read({**words, key: value})
    if ENDS.get(LAWS[name].law, (False, False)) != (False, False):
        with pytest.raises(ValueError, match="law"):
            Marginal.read({**words, "low": None, "high": None})


@pytest.mark.parametrize("name", MAPS)
def test_a_copied_model_has_the_same_maps(name: str) -> None:
    """By which its moments are found, as those of an average of weights, which is a copy."""
    assert copy.deepcopy(MAPS[name]) is MAPS[name]
    assert pickle.loads(pickle.dumps(MAPS[name])) is MAPS[name]
