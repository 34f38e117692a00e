"""Signs, ranges and levels that are wrong, in a model made to have them: found, with their cost in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from toys import LinearGaussian

import lowerbound as lb
from evaluation.models_with_faults import Always, N, around, looked_at, the_one
from lowerbound.data.spec import DataSpec
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.evaluation.levels import idle
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.ranges import ranges
from lowerbound.evaluation.signs import one_sign
from lowerbound.recipes import build, recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.likelihoods.scales import FLOOR, Fixed

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


def test_levels_of_which_few_units_speak_have_not_collapsed() -> None:
    """Two of twenty dimensions of z1 are enough; the level that says nothing is named all the same."""
    torch.manual_seed(0)
    toy = LinearGaussian(2, 20, 0.5, orthogonal=True)
    decoder, encoder = nn.Linear(21, 20), nn.Linear(20, 40)
    weight, (exact, bias) = torch.zeros(20, 21), toy.exact_encoder().parameters()
    weight[:, :2] = toy.weight
    decoder.load_state_dict({"weight": weight, "bias": toy.bias})
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.zero_()
        encoder.weight[[0, 1, 20, 21]], encoder.bias[[0, 1, 20, 21]] = exact, bias
    prior = lb.priors.Chain(lb.priors.StandardNormal(20), [Always(torch.zeros(2))], (20, 1))
    posterior = lb.posteriors.Chain(encoder, [nn.Identity(), Always(torch.zeros(2))], (20, 1))
    vae = lb.VAE(prior, lb.likelihoods.Gaussian(decoder, 0.5), posterior)
    (one,) = lb.evaluate(vae, toy.evidence.sample(torch.Size([N])), samples=100).findings
    assert one.evidence.startswith("z2, 1 of the dimensions, says nothing: KL 0.000")


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
