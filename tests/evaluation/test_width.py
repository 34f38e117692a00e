"""A width that is wrong, of a σ or of any likelihood, is found, with its cost in closed form; one that is right is not."""

from __future__ import annotations

import math

import pytest
import torch
from rows import long_if
from torch import Tensor, nn
from toys import LinearGaussian, residual

import lowerbound as lb
from evaluation.models_with_faults import Always, N, around, looked_at, the_one
from lowerbound.data.column import Column
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.widths import widened
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.width import best_factor, coverage, width
from lowerbound.recipes import build, likelihoods, recipe
from lowerbound.vae.likelihoods import Poisson
from lowerbound.vae.likelihoods.scales import FLOOR, Decoded, Fixed, Learned, Optimal, Scale

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
    ("kind", "name"),
    [(Fixed, "a mis-weighted likelihood"), (Optimal, "a σ that lags"), (Learned, "a σ that lags")],
    ids=lambda row: str(row),
)
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_wrong_scale_costs_what_it_costs(kind: type[Scale], name: str, factor: float) -> None:
    """By residuals at draws of the model's own p(z|x), which is that of the wrong σ."""
    torch.manual_seed(0)
    right, wrong = (LinearGaussian(2, 20, scale, orthogonal=True) for scale in (0.5, 0.5 * factor))
    vae, x = wrong.vae(wrong.exact_encoder()), right.evidence.sample(torch.Size([N]))
    vae.likelihood.scale = scaled(kind, 0.5 * factor)
    found = width(one_draw(vae, x))
    if factor == 1.0:
        assert found == []
        return
    wanted = residual(wrong, right)
    one = the_one(found, name, cost_of_scale(0.5 * factor / wanted, 20))
    assert float(one.evidence.rpartition("ask for ")[2]) == pytest.approx(wanted, rel=0.03)
    gain = right.evidence.log_prob(x).mean() - wrong.evidence.log_prob(x).mean()
    assert one.nats is not None
    assert one.nats < gain  # what a better σ gains is at least that


def test_a_posterior_that_is_none_of_the_models_is_no_fault_of_a_scale() -> None:
    """As that of an importance-weighted bound, which is wider than p(z|x): residuals at its draws are too large."""
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.5, orthogonal=True)
    vae = toy.vae(toy.exact_encoder())
    vae.posterior = lb.posteriors.DiagonalGaussian(Wider(vae.posterior.network))
    assert width(one_draw(vae, toy.evidence.sample(torch.Size([N])))) == []


class Wider(nn.Module):
    """An encoder whose σ are three times another's."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return torch.cat([mean, log_variance + 2 * math.log(3)], 1)


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


def of_family(word: str, **words: str) -> lb.VAE:
    """A model of that likelihood whose decoder does not look at z, its parameters at random: what it makes is what it describes."""
    torch.manual_seed(1)
    spec = TABLE if word.startswith("columns") else COUNTS if word in likelihoods.OF_COUNTS else IMAGES
    own = {"scale": "learned"} if "scale" in likelihoods.LIKELIHOODS[word].own else {}
    vae = build.build(recipe.Recipe(likelihood=word, latent=2, network="linear", **own, **words), spec).vae
    output = next(layer for layer in reversed(list(vae.likelihood.network.modules())) if isinstance(layer, nn.Linear))
    nn.init.zeros_(output.weight)
    nn.init.normal_(output.bias)
    return vae


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
@torch.no_grad()
def test_no_likelihood_that_is_right_has_a_finding(word: str) -> None:
    vae = of_family(word)
    assert looked_at(vae, vae.sample(N, draw=True)) == []


@pytest.mark.parametrize("word", [word for word in likelihoods.LIKELIHOODS if word.startswith("columns")])
@torch.no_grad()
def test_cells_that_are_missing_are_not_looked_at(word: str) -> None:
    vae = of_family(word)
    x = vae.sample(N, draw=True)
    x[::3, 0] = math.nan
    assert looked_at(vae, x) == []
    x[::2, 2] = math.nan
    x[:, 0] *= 3  # a number
    assert {one.name for one in looked_at(vae, x)} >= {"stated errors that do not cover"}


@pytest.mark.parametrize("missingness", ["self", "probit"])
@torch.no_grad()
def test_a_law_of_holes_hides_no_width(missingness: str) -> None:
    """Where π does not depend on the value, the doctor sees what it sees without: cells that are there alone, each σ a third."""
    plain = of_family("columns")
    vae = of_family("columns", missingness=missingness)
    vae.load_state_dict(plain.state_dict(), strict=False)
    x = vae.sample(N, draw=True)
    x[::3, 0] = math.nan
    assert looked_at(vae, x) == []
    x[:, 0] *= 3
    (one,), (other,) = (width(one_draw(each, x)) for each in (vae, plain))
    assert (one.name, one.nats) == (other.name, pytest.approx(other.nats, rel=0.01))
    assert coverage(one_draw(vae, x)) == pytest.approx(coverage(one_draw(plain, x)), abs=0.01)


@torch.no_grad()
def test_holes_that_hide_large_values_are_no_fault_of_a_width() -> None:
    """Values that are there are then narrower than p(x|z), which the law of holes knows."""
    vae = of_family("columns", missingness="self")
    vae.likelihood.missingness.slope.copy_(torch.tensor([0.7, 0.3, 0.5, 0.0]))  # of the logit of π, over three
    x, law = vae.sample(N, draw=True), vae.likelihood(torch.zeros(N, 2)).base_dist
    for part, masking, places in zip(law.law.parts, law.masking, law.law.places, strict=True):
        values = x[:, list(places)]
        share = masking.link.log(masking.number(part, values)).exp()
        x[:, list(places)] = values.masked_fill(torch.rand_like(share) < share, math.nan)
    assert 0.2 < float(x[:, 0].isnan().float().mean()) < 0.8
    assert looked_at(vae, x) == []


def test_nothing_is_said_of_one_example_or_of_those_without_a_density() -> None:
    toy = LinearGaussian()
    far = toy.vae(toy.exact_encoder())
    far.likelihood.scale = Fixed(1e-3)
    assert width(one_draw(far, torch.zeros(1, 5))) == []
    assert width(one_draw(toy.vae(toy.exact_encoder()), torch.full((3, 5), 1e30))) == []


#: those whose values are not draws of p(x|z) as it is: moved off the ends, or with the sum of their own example
OTHERWISE = ("beta", "nb", "zinb")


@pytest.mark.parametrize("factor", long_if(lambda factor: factor < 1, [0.5, 2.0]))
@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
@torch.no_grad()
def test_values_wider_or_narrower_than_their_law_are_seen_and_priced(word: str, factor: float) -> None:
    """The cost is KL(the law of that width ‖ the model's), here by its values, and the best factor gains no less than the true one."""
    vae = of_family(word)
    law = widened(vae.likelihood(torch.zeros(N, 2)), factor)
    if law is None:
        pytest.skip("it has no width")
    drawn = one_draw(vae, law.sample())
    wide = widened(drawn.law, factor)
    assert wide is not None
    truth = float((drawn.log_p(wide) - drawn.log_p(drawn.law)).mean())
    if vae.likelihood.__class__ is Poisson and factor < 1:
        assert width(drawn) == [], "no Poisson is narrower than itself"
        return
    (one,) = width(drawn)
    gain = best_factor(drawn)
    assert gain is not None
    assert one.nats == gain.nats > truth - 0.01
    assert (one.name == "stated errors that do not cover") == (factor > 1) or one.name == "a σ that lags"
    if word not in OTHERWISE:
        assert 2**gain.at == pytest.approx(factor, rel=0.1)
        assert one.nats == pytest.approx(truth, rel=0.1, abs=0.02)
