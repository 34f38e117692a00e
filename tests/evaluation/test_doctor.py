"""Each fault that the doctor prices, in a model made to have it: found, with its cost in closed form; in a healthy model none is."""

from __future__ import annotations

import math

import pytest
import torch
from rows import long_if
from torch import Tensor, nn
from toys import Constant, LinearGaussian, residual

import lowerbound as lb
from lowerbound.data.column import Column
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.widths import widened
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.evaluation.levels import idle
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.ranges import ranges
from lowerbound.evaluation.signs import one_sign
from lowerbound.evaluation.width import best_factor, coverage, width
from lowerbound.recipes import build, likelihoods, recipe
from lowerbound.recipes.zoo import ZOO
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
    vae = build.build(recipe.Recipe(likelihood="columns", latent=2, network="linear", missingness=missingness), TABLE).vae
    vae.load_state_dict(plain.state_dict(), strict=False)
    x = vae.sample(N, draw=True)
    x[::3, 0] = math.nan
    assert looked_at(vae, x) == []
    x[:, 0] *= 3
    (one,), (other,) = (width(one_draw(each, x)) for each in (vae, plain))
    assert (one.name, one.nats) == (other.name, pytest.approx(other.nats, rel=0.01))
    assert coverage(one_draw(vae, x)) == pytest.approx(coverage(one_draw(plain, x)), abs=0.01)


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


# --- numbers of one sign -----------------------------------------------------------------------------------


def cross_entropy(mean: float, p: float) -> float:
    return -mean * math.log(p) - (1 - mean) * math.log1p(-p)


def test_logits_of_one_sign_cost_what_a_constant_would_gain() -> None:
    """Logits of .6 for pixels of which a fifth are one: 64 (H(.2, S(.6)) − H(.2)) nats."""
    torch.manual_seed(0)
    vae, x = around(lb.likelihoods.Bernoulli(Always(torch.full((64,), 0.6)))), (torch.rand(N, 64) < 0.2).float()
    nats = 64 * (cross_entropy(0.2, 1 / (1 + math.exp(-0.6))) - cross_entropy(0.2, 0.2))
    one = the_one(looked_at(vae, x), "a decoder of one sign", nats)
    assert float(one.evidence.rpartition("; ")[2].partition(" ")[0]) == pytest.approx(math.log(0.25) - 0.6, abs=0.05)
    assert "none below 0" in one.evidence
    above = around(lb.likelihoods.Bernoulli(Always(torch.full((64,), -0.6))))
    assert "none above 0" in the_one(looked_at(above, 1 - x), "a decoder of one sign", nats).evidence


def test_a_poisson_of_one_sign() -> None:
    """Numbers of 0 are λ = log 2, for counts of mean .1: 64 (λ − .1 − .1 log(λ/.1)) nats."""
    torch.manual_seed(0)
    vae = around(lb.likelihoods.Poisson(Always(torch.zeros(64)), steps=1))
    rate = FLOOR + math.log(2)
    x = torch.poisson(torch.full((N, 64), 0.1))
    the_one(looked_at(vae, x), "a decoder of one sign", 64 * (rate - 0.1 - 0.1 * math.log(rate / 0.1)))


def test_one_sign_alone_is_no_fault() -> None:
    """Pixels of which none is as likely on as off, and a squashed mean that is right."""
    torch.manual_seed(0)
    logits = torch.linspace(-3, -0.5, 64)
    assert looked_at(around(lb.likelihoods.Bernoulli(Always(logits))), (torch.rand(N, 64) < logits.sigmoid()).float()) == []
    bright = lb.likelihoods.Gaussian(Always(torch.full((64,), 1.0)), 0.1, squash=True)
    x = torch.tensor(1.0).sigmoid() + 0.1 * torch.randn(N, 64)
    assert one_sign(one_draw(around(bright), x)) == []


@pytest.mark.long
def test_a_sigmoid_that_is_not_the_last_is_seen_after_training() -> None:
    """It is refused at the end of a decoder; behind a factor of one it is not, and the doctor says what it costs."""

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = lb.nn.mlp(2, 32, 64)

        def forward(self, z: Tensor) -> Tensor:
            return 1.0 * torch.sigmoid(self.network(z))

    torch.manual_seed(0)
    data = lb.data.load("digits")
    likelihood = lb.likelihoods.Bernoulli(Hidden())
    vae = lb.VAE(lb.priors.StandardNormal(2), likelihood, lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 32, 4)))
    for _ in lb.fit(vae, data.train, epochs=2):
        pass
    (one,) = one_sign(one_draw(vae, data.test))
    assert one.nats is not None
    assert one.nats > 5


# --- ranges --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1 / 20, 255.0])
def test_values_of_another_range_cost_the_density_of_the_same_values(factor: float) -> None:
    """log p(x) is that of x/c less D log c where the model sees c x: the cost is their difference, the toy's own evidence."""
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.5, orthogonal=True)
    vae, x = toy.vae(toy.exact_encoder()), toy.evidence.sample(torch.Size([N]))
    here = toy.evidence.log_prob(x) - 20 * math.log(factor)
    the_one(ranges(vae, factor * x), "another range than in training", float((here - toy.evidence.log_prob(factor * x)).mean()))
    assert ranges(vae, x) == []


def test_values_that_are_none_of_the_models_at_any_range_have_no_cost() -> None:
    """Scaled up they would be further from its two dimensions, by many of its σ, than they are."""
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.05, orthogonal=True)
    (one,) = ranges(toy.vae(toy.exact_encoder()), 0.01 * torch.randn(N, 20))
    assert (one.name, one.nats, one.nats_se) == ("another range than in training", None, None)


def test_pixels_divided_twice() -> None:
    torch.manual_seed(0)
    vae = around(lb.likelihoods.Bernoulli(Always(torch.zeros(64)), binarize=False))
    x = torch.rand(N, 64)
    assert ranges(vae, x) == []
    found = {one.name: one for one in ranges(vae, x / 255)}
    assert set(found) == {"a range hardly used", "another range than in training"}
    assert "to 0.00392, of the 0 to 1" in found["a range hardly used"].evidence
    assert [one.nats for one in found.values()] == [None, None], "the nats of other data are no cost"


# --- levels --------------------------------------------------------------------------------------------------


def test_a_level_that_says_nothing_is_named() -> None:
    """z1 of a chain is the toy's exact posterior, z2 its prior whatever x."""
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.5, orthogonal=True)
    decoder = nn.Linear(3, 20)
    decoder.load_state_dict({"weight": torch.cat([toy.weight, torch.zeros(20, 1)], 1), "bias": toy.bias})
    prior = lb.priors.Chain(lb.priors.StandardNormal(2), [Always(torch.zeros(2))], (2, 1))
    posterior = lb.posteriors.Chain(toy.exact_encoder(), [nn.Identity(), Always(torch.zeros(2))], (2, 1))
    vae = lb.VAE(prior, lb.likelihoods.Gaussian(decoder, 0.5), posterior)
    x = toy.evidence.sample(torch.Size([N]))
    (one,) = lb.evaluate(vae, x, samples=100).findings
    assert (one.name, one.nats) == ("an inactive level", 0.0)
    assert one.evidence.startswith("z2, 1 of the dimensions, says nothing: KL 0.000")
    assert idle(toy.vae(toy.exact_encoder()), x) == [], "of one latent it is the collapse that is looked at"


def test_a_label_that_says_nothing_is_named() -> None:
    torch.manual_seed(0)
    words = recipe.Recipe(**ZOO["m2"].words | {"network": "mlp:8"})
    vae = build.build(words, DataSpec((1, 4, 4), classes=("a", "b"))).vae
    for weight in vae.classifier.parameters():
        nn.init.zeros_(weight)
    assert "y" in {one.evidence.partition(",")[0] for one in idle(vae, torch.rand(20, 1, 4, 4))}


# --- in a file -------------------------------------------------------------------------------------------------


def test_a_cost_comes_back_from_a_file() -> None:
    """And a file of before there were costs is read."""
    toy = LinearGaussian()
    vae = toy.vae(toy.exact_encoder())
    vae.likelihood.scale = Fixed(7.0)
    torch.manual_seed(0)
    found = lb.evaluate(vae, toy.evidence.sample(torch.Size([50])), samples=20)
    words = found.to_json()
    assert Evaluation.from_json(words).findings == found.findings
    assert words["findings"][0]["nats"] > 0
    for one in words["findings"]:
        del one["nats"], one["nats_se"]
    assert all(one.nats is None for one in Evaluation.from_json(words).findings)
