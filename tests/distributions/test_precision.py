"""Laws in single precision: the cases that once were wrong, and a sample of ``make precision`` over the whole range of each."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import mpmath
import pytest
import torch
from rows import long_if
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal, kl_divergence
from vae.test_laws import LAWS as OFFERED

from lowerbound import distributions
from lowerbound.distributions.continuous_bernoulli import ContinuousBernoulli
from lowerbound.distributions.discrete import BetaBinomial, PixelLevels
from lowerbound.distributions.double import NegativeBinomial, Poisson, StudentT, in_double
from lowerbound.distributions.mixed import Mixed
from lowerbound.distributions.mixture import Mixture
from lowerbound.vae.likelihoods.library import SharedCounts

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import laws_precision
from laws_table import LAWS, Law

#: laws that no closed form holds: a flow's is made of networks, the others' log p is a constant
ELSEWHERE = {"NormalizingFlow", "Delta", "UniformSphere"}


def one(value: float) -> torch.Tensor:
    return torch.tensor(value, requires_grad=True)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("points", long_if(lambda number: number > 25, [25, 1000]))
def test_log_p_and_its_gradient_are_right_over_the_whole_range(law: Law, points: int) -> None:
    found = laws_precision.measure(law, laws_precision.some(law, points, seed=points))
    for part in ("value", "gradient"):
        assert found[part]["counted"] < laws_precision.LIMIT, f"{part}: {found[part]}"


def test_an_error_is_found() -> None:
    """Torch's own laws, where they are not ours, are beyond the limit somewhere."""
    beyond = {law.name for law in LAWS if law.torchs is not None}
    wrong = [each["law"] for each in committed() if each["torch"] and each["torch"]["value"]["counted"] > laws_precision.LIMIT]
    assert set(wrong) == beyond


def committed() -> list[laws_precision.Found]:
    found: list[laws_precision.Found] = json.loads(laws_precision.RESULT.read_text(encoding="utf-8"))
    return found


def test_the_page_is_made_of_the_results_and_these_of_the_table() -> None:
    assert laws_precision.PAGE.read_text(encoding="utf-8") == laws_precision.page(committed())
    assert [each["law"] for each in committed()] == [law.name for law in LAWS]
    assert [each["points"] for each in committed()] == [len(list(law.points())) for law in LAWS]
    assert all(each[part]["counted"] < laws_precision.LIMIT for each in committed() for part in ("value", "gradient"))


def leaves(law: Distribution) -> Iterator[Distribution]:
    """The laws of single values that a law is made of."""
    match law:
        case Independent():
            yield from leaves(law.base_dist)
        case MixtureSameFamily():
            yield from leaves(law.mixture_distribution)
            yield from leaves(law.component_distribution)
        case Mixed():
            for part in law.parts:
                yield from leaves(part)
        case PixelLevels() | SharedCounts():
            yield from leaves(law.counts)
        case _:
            yield law


def test_no_law_that_is_offered_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the words of recipes make is of a type that some row of the table scores."""
    held, made = set(), Distribution.__init__

    def noted(self: Distribution, *given: object, **named: object) -> None:
        held.add(type(self))
        made(self, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Distribution, "__init__", noted)
        for law in LAWS:
            if law.data is not None:
                laws_precision.in_single(law.found, laws_precision.some(law, 1, 0), law.by)
    offered = {type(leaf) for make in OFFERED.values() for leaf in leaves(make())}
    assert {kind for kind in offered - held if kind.__name__ not in ELSEWHERE} == set(), "add a row to benchmarks/laws_table.py"


# --- what was wrong ------------------------------------------------------------------------------------


def test_a_continuous_bernoulli_just_off_the_middle() -> None:
    """By series: mean ½ + l/12, variance 1/12 − l²/240, log p(½) = −l²/24, each but for l⁴."""
    logit = one(0.0041)
    law = ContinuousBernoulli(logit)
    assert law.mean.item() == pytest.approx(0.5 + 0.0041 / 12, abs=1e-7)
    assert law.variance.item() == pytest.approx(1 / 12, abs=1e-6)
    assert law.log_prob(torch.tensor(0.5)).item() == pytest.approx(-(0.0041**2) / 24, abs=1e-7)


@pytest.mark.parametrize("logit", [-1e4, -30.0, -0.6, -0.5, -0.49, -1e-3, 0.0, 1e-3, 0.49, 0.5, 0.6, 30.0, 1e4])
def test_a_continuous_bernoulli_s_mean_and_variance(logit: float) -> None:
    """And the gradient of log p, x − mean, and that of the mean, the variance."""
    u = mpmath.mpf(logit) / 2
    mean = 0.5 + (mpmath.coth(u) - 1 / u) / 2 if logit else 0.5
    variance = (1 / u**2 - 1 / mpmath.sinh(u) ** 2) / 4 if logit else 1 / 12
    l = one(logit)  # noqa: E741 - its name
    law = ContinuousBernoulli(l)
    assert law.mean.item() == pytest.approx(float(mean), abs=3e-7)
    assert law.variance.item() == pytest.approx(float(variance), rel=1e-5)
    (slope,) = torch.autograd.grad(law.log_prob(torch.tensor(0.3)), l, create_graph=True)
    assert slope.item() == pytest.approx(0.3 - float(mean), abs=1e-6)
    assert torch.autograd.grad(slope, l)[0].item() == pytest.approx(-float(variance), abs=1e-5)
    assert torch.autograd.grad(law.mean, l)[0].item() == pytest.approx(float(variance), abs=1e-5)


@pytest.mark.parametrize("logit", [-1e4, -20.0, -1.0, 0.0, 1e-5, 1.0, 20.0, 1e4])
def test_a_continuous_bernoulli_s_draws_are_inside_and_of_its_mean(logit: float) -> None:
    law = ContinuousBernoulli(torch.tensor(logit))
    draws = law.sample(torch.Size([40_000]))
    assert bool(((draws >= 0) & (draws <= 1)).all())
    assert abs(float(draws.mean() - law.mean)) < 4.5 * float((law.variance / len(draws)).sqrt()) + 1e-7


@pytest.mark.parametrize("r", [1e6, 1e7, 1e9])
@pytest.mark.parametrize("k", [0, 3, 17])
def test_a_negative_binomial_of_a_large_r_is_a_poisson(r: float, k: int) -> None:
    """log p differs from the Poisson's by ((k − μ)² − k)/2r, but for 1/r², so that no likelihood is to be had by a larger r."""
    mean = 5.0
    log_r = one(math.log(r))
    count = torch.tensor(float(k))
    found = NegativeBinomial(log_r.exp(), logits=math.log(mean) - log_r).log_prob(count)
    more = ((k - mean) ** 2 - k) / (2 * r)
    assert found.item() == pytest.approx(Poisson(torch.tensor(mean)).log_prob(count).item() + more, abs=3e-5)  # logits are rounded
    assert abs(torch.autograd.grad(found, log_r)[0].item()) < 2e-4


@pytest.mark.parametrize("freedom", [1e6, 1e8, 1e10])
@pytest.mark.parametrize("x", [0.0, 0.5, 3.0])
def test_a_student_of_many_degrees_of_freedom_is_a_normal(freedom: float, x: float) -> None:
    found = StudentT(torch.tensor(freedom), torch.tensor(0.0), torch.tensor(1.0)).log_prob(torch.tensor(x))
    assert found.item() == pytest.approx(-(x**2) / 2 - math.log(2 * math.pi) / 2, abs=3e-5)


@pytest.mark.parametrize("shape", [1e4, 1e5])
def test_the_kl_of_gammas_of_large_shapes(shape: float) -> None:
    """Of Gamma(α, 1) from Gamma(α + 1, 1): log α − ψ(α), near 1/2α; and 0 of the same."""
    a, b = one(shape), one(shape + 1)
    found = kl_divergence(distributions.Gamma(a, torch.ones(())), distributions.Gamma(b, torch.ones(())))
    assert found.item() == pytest.approx(1 / (2 * shape), rel=1e-4)
    assert torch.autograd.grad(found, b)[0].item() == pytest.approx(1 / shape, rel=1e-3)
    assert kl_divergence(distributions.Gamma(a, b), distributions.Gamma(a, b)).item() == pytest.approx(0, abs=1e-9)


def test_a_beta_binomial_of_large_concentrations_is_a_binomial() -> None:
    k = torch.tensor([0.0, 60.0, 128.0, 255.0])
    found = BetaBinomial(torch.full((4,), 1e9), torch.full((4,), 3e9)).log_prob(k)
    binomial = torch.distributions.Binomial(255, probs=torch.tensor(0.25, dtype=torch.float64)).log_prob(k.double())
    torch.testing.assert_close(found, binomial.float(), rtol=1e-6, atol=2e-5)


def test_a_mixture_s_narrow_component_is_where_it_is() -> None:
    """At .001 from a component of σ = .001, far from the middle of all values."""
    normal = Independent(Normal(torch.tensor([[3.0], [-3.0]]), torch.full((2, 1), 1e-3)), 1)
    law = Mixture(Categorical(logits=torch.zeros(2)), normal)
    x = torch.tensor([[3.001], [-3.0]])
    y = (float(x[0, 0]) - 3) / float(torch.tensor(1e-3))
    truth = -(y**2) / 2 - math.log(1e-3) - math.log(2 * math.pi) / 2 - math.log(2)
    assert law.log_prob(x)[0].item() == pytest.approx(truth, abs=1e-5)


def test_what_is_computed_in_double_precision_is_of_the_widest_type_that_came() -> None:
    kinds = [torch.bfloat16, torch.float32, torch.float64]
    for first in kinds:
        for second in kinds:
            made = in_double(torch.add, torch.ones(2, dtype=first), torch.ones(2, dtype=second))
            assert made.dtype == max(first, second, key=kinds.index)
