"""Each fault that the doctor prices, in a model made to have it: found, with its cost in closed form; in a healthy model none is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from toys import Constant, LinearGaussian

import lowerbound as lb
from lowerbound.data.schema import Column, Schema
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.widths import widened
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.levels import idle
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.ranges import ranges
from lowerbound.evaluation.signs import one_sign
from lowerbound.evaluation.width import best_factor, coverage, width
from lowerbound.recipes import build, likelihoods, recipe
from lowerbound.vae.likelihoods import Likelihood, Poisson
from lowerbound.vae.likelihoods.scales import FLOOR, Decoded, Fixed, Learned, Optimal, Scale

N = 400


class Always(nn.Module):
    """A decoder that gives the same numbers whatever z."""

    def __init__(self, numbers: Tensor):
        super().__init__()
        self.numbers = nn.Parameter(numbers)

    def forward(self, z: Tensor) -> Tensor:
        return self.numbers.expand(len(z), *self.numbers.shape)


def around(likelihood: Likelihood) -> lb.VAE:
    """A model whose q(z|x) is its prior: of a decoder that does not look at z, the exact posterior."""
    return lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(Constant(torch.zeros(2))))


def looked_at(vae: lb.VAE, x: Tensor) -> list[Finding]:
    drawn = one_draw(vae, x)
    return [*(one_sign(drawn) or width(drawn)), *ranges(vae, x), *idle(vae, x)]


def the_one(found: list[Finding], name: str, nats: float, share: float = 0.03) -> Finding:
    """The only finding, which has that name and within 3 standard errors, or that share, that cost."""
    (one,) = found
    assert one.name == name
    assert one.nats is not None
    assert one.nats_se is not None
    assert abs(one.nats - nats) < max(3 * one.nats_se, share * nats), (one, nats)
    return one


# --- a σ ------------------------------------------------------------------------------------------------


def cost_of_scale(factor: float, size: int) -> float:
    """Of a σ that is ``factor`` times that of the residuals, nats per example: D (log f + (1/f² − 1)/2)."""
    return size * (math.log(factor) + (factor**-2 - 1) / 2)


def scaled(kind: type[Scale], value: float) -> Scale:
    scale = kind()
    if isinstance(scale, Fixed):
        return Fixed(value)
    if isinstance(scale, Optimal):
        scale.settle(value**2)
    if isinstance(scale, Learned):
        nn.init.constant_(scale.raw, math.log(math.expm1(value - FLOOR)))
    return scale


@pytest.mark.parametrize(
    ("kind", "name"), [(Fixed, "a mis-weighted likelihood"), (Optimal, "a σ that lags"), (Learned, "a σ that lags")], ids=lambda row: str(row)
)
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_wrong_scale_costs_what_it_costs(kind: type[Scale], name: str, factor: float) -> None:
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.5, orthogonal=True)
    vae, x = toy.vae(toy.exact_encoder()), toy.evidence.sample(torch.Size([N]))
    # the exact posterior of the right σ: residuals at its draws are those of the model
    vae.likelihood.scale = scaled(kind, 0.5 * factor)
    found = width(one_draw(vae, x))
    if factor == 1.0:
        assert found == []
        return
    one = the_one(found, name, cost_of_scale(factor, 20))
    assert float(one.evidence.rpartition("ask for ")[2]) == pytest.approx(0.5, rel=0.03)


def test_stated_errors_that_do_not_cover() -> None:
    """σ from the decoder, half of what it should be: ±1.96 σ of a normal twice as wide hold 67.3%."""
    torch.manual_seed(0)
    half = Always(torch.tensor([[0.0] * 20, [math.log(math.expm1(0.25 - FLOOR)) + 2] * 20]))
    vae = around(lb.likelihoods.Gaussian(half, Decoded()))
    one = the_one(looked_at(vae, 0.5 * torch.randn(N, 20)), "stated errors that do not cover", cost_of_scale(0.5, 20))
    assert any(f"hold {percent}%" in one.evidence for percent in (66, 67, 68, 69))
    right = 0.25 * torch.randn(N, 20)
    assert looked_at(vae, right) == []
    drawn = one_draw(vae, right)
    assert coverage(drawn) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / (20 * N)))


# --- every likelihood -------------------------------------------------------------------------------------

IMAGES, COUNTS = DataSpec((1, 4, 4)), DataSpec((16,), 0.0, 100.0, unit=1)
TABLE = DataSpec(
    (4,),
    -3.0,
    9.0,
    holes=True,
    schema=Schema((Column("a", "number"), Column("b", "boolean"), Column("c", "count"), Column("d", "category", levels=("x", "y", "z")))),
)


def of_family(word: str) -> lb.VAE:
    """A model of that likelihood whose decoder does not look at z, its parameters at random: what it makes is what it describes."""
    torch.manual_seed(1)
    spec = TABLE if word.startswith("columns") else COUNTS if word in likelihoods.OF_COUNTS else IMAGES
    own = {"scale": "learned"} if "scale" in likelihoods.LIKELIHOODS[word].own else {}
    vae = build.build(recipe.Recipe(likelihood=word, latent=2, network="linear", **own), spec).vae
    output = next(layer for layer in reversed(list(vae.likelihood.network.modules())) if isinstance(layer, nn.Linear))
    nn.init.zeros_(output.weight)
    nn.init.normal_(output.bias)
    return vae


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
@torch.no_grad()
def test_no_likelihood_that_is_right_has_a_finding(word: str) -> None:
    vae = of_family(word)
    assert looked_at(vae, vae.sample(N, draw=True)) == []


#: those whose values are not draws of p(x|z) as it is: moved off the ends, or with the sum of their own example
OTHERWISE = ("beta", "nb", "zinb")


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
@torch.no_grad()
def test_values_wider_or_narrower_than_their_law_are_seen_and_priced(word: str, factor: float) -> None:
    """The cost is KL(the law of that width ‖ the model's), here by its values, and the best factor gains no less than the true one."""
    vae = of_family(word)
    law = widened(vae.likelihood(torch.zeros(N, 2)), factor)
    assert law is not None
    drawn = one_draw(vae, law.sample())
    wide = widened(drawn.law, factor)
    assert wide is not None
    truth = float((drawn.log_p(wide) - drawn.log_p(drawn.law)).mean())
    if vae.likelihood.__class__ is Poisson and factor < 1:
        assert width(drawn) == [], "no Poisson is narrower than itself"
        return
    (one,) = width(drawn)
    gain = best_factor(drawn, drawn.law)
    assert gain is not None
    assert one.nats == gain.nats > truth - 0.01
    assert (one.name == "stated errors that do not cover") == (factor > 1) or one.name == "a σ that lags"
    if word not in OTHERWISE:
        assert 2**gain.at == pytest.approx(factor, rel=0.1)
        assert one.nats == pytest.approx(truth, rel=0.1, abs=0.02)
