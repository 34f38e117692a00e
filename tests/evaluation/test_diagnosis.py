"""The doctor finds each disease where it is, and nothing where it is not; the use of the latent space where it is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from toys import Constant, LinearGaussian, residual

import lowerbound as lb
from lowerbound.data.rows import spread
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation import diagnosis, regret
from lowerbound.evaluation.latent_space import Latents, latents
from lowerbound.evaluation.log_likelihood import Density
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.width import width
from lowerbound.recipes import build, posteriors, recipe
from lowerbound.vae.likelihoods.scales import FLOOR, Fixed, Learned


def toy_data(toy: LinearGaussian, n: int = 2000) -> torch.Tensor:
    torch.manual_seed(0)
    return toy.evidence.sample(torch.Size([n]))


# --- the latent space ----------------------------------------------------------------------------------


def test_an_exact_model_uses_its_latent_as_it_should() -> None:
    """Where q is exact the aggregate is the prior, and the information is that of the channel, ½ log det of its covariances."""
    toy = LinearGaussian(2, 5, 0.7, orthogonal=True)
    x = toy_data(toy)
    found = latents(toy.vae(toy.exact_encoder()), x)
    precision = torch.eye(2) + toy.weight.T @ toy.weight / toy.scale**2
    each = 0.5 * precision.diagonal().log()
    assert found.kl_per_dimension is not None
    torch.testing.assert_close(found.kl_per_dimension.float(), each, rtol=0.1, atol=0.02)
    assert found.mutual_information == pytest.approx(float(each.sum()), abs=0.1)
    assert found.gap == pytest.approx(0.0, abs=0.1)
    assert found.aggregated == 2000
    torch.testing.assert_close(found.variance.float(), 1 - 1 / precision.diagonal(), rtol=0.1, atol=0.02)
    assert found.active.all()


def test_information_is_at_most_the_logarithm_of_the_data() -> None:
    toy = LinearGaussian(5, 20, 0.01)
    found = latents(toy.vae(toy.exact_encoder()), toy_data(toy, 50))
    assert found.mutual_information == pytest.approx(math.log(50), abs=1e-3)
    few = [latents(toy.vae(toy.exact_encoder()), toy_data(toy, 50)[:2], seed).mutual_information for seed in range(3)]
    assert few == pytest.approx([math.log(2)] * 3, abs=1e-3)
    assert found.gap > 5


def test_a_law_that_does_not_come_apart_says_so() -> None:
    network = lb.nn.mlp(5, 8, lb.posteriors.FullGaussian.features(3))
    vae = lb.VAE(lb.priors.StandardNormal(3), lb.likelihoods.Gaussian(nn.Linear(3, 5)), lb.posteriors.FullGaussian(network))
    found = latents(vae, torch.randn(20, 5))
    assert found.kl_per_dimension is None
    assert found.mutual_information is not None


def test_sorted_data_are_looked_at_from_end_to_end() -> None:
    """A class of one example 2,000 times over, then the others: the first 2,000 alone would tell of no information."""
    toy = LinearGaussian(2, 5, 0.1, orthogonal=True)
    x = torch.cat([toy_data(toy, 1).expand(2000, -1), toy_data(toy, 2000)])
    found = latents(toy.vae(toy.exact_encoder()), x)
    assert found.aggregated == 2000
    assert found.mutual_information is not None
    assert found.mutual_information > 1
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
    assert spread(3, 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "name", [name for name in posteriors.POSTERIORS if name not in ("dirac", "gamma", "beta", "von-mises-fisher", "categorical")]
)
def test_every_posterior_over_all_of_space_meets_the_others(name: str) -> None:
    vae = build.build(recipe.Recipe(posterior=name, latent=2), (1, 4, 4)).vae
    torch.manual_seed(0)
    found = latents(vae, torch.rand(20, 1, 4, 4))
    assert found.mutual_information is not None
    assert found.mutual_information <= math.log(20) + 1e-4


# --- diseases --------------------------------------------------------------------------------------------


def use(active: int, size: int) -> Latents:
    used = torch.cat([torch.ones(active), torch.zeros(size - active)]).double()
    return Latents(used, used / 2, None, None, 0)


@pytest.mark.parametrize(
    ("active", "size", "rate", "sick"), [(0, 2, 0.01, True), (1, 20, 3.0, True), (2, 2, 5.0, False), (20, 50, 20.0, False)]
)
def test_collapse(active: int, size: int, rate: float, sick: bool) -> None:
    found = diagnosis.collapse(use(active, size), rate)
    assert [one.name for one in found] == (["posterior collapse"] if sick else [])
    assert all(f"{active} of {size}" in one.evidence and "free-bits" in one.advice for one in found)


def test_units_are_told_by_nats_whatever_the_scale_of_the_prior() -> None:
    """Latents of a narrow prior vary little and may tell much; where dimensions do not come apart the rate alone tells."""
    narrow = Latents(torch.full((2,), 0.002), torch.full((2,), 3.0), None, None, 50)
    assert not diagnosis.collapse(narrow, 6.0)
    joint = Latents(torch.full((2,), 0.002), None, None, None, 50)
    assert not diagnosis.collapse(joint, 6.0)
    assert diagnosis.collapse(joint, 0.01)[0].evidence == "rate 0.01 nats"


def test_data_out_of_range_are_named() -> None:
    toy = LinearGaussian()
    data = toy_data(toy, 50)
    data[7] = 1e25
    found = lb.evaluate(toy.vae(toy.exact_encoder()), data, samples=100)
    names = {one.name: one.evidence for one in found.findings}
    assert "rows 7;" in names["data out of range"]
    assert "a mis-weighted likelihood" not in names


def test_a_collapsed_model_is_told() -> None:
    toy = LinearGaussian()
    blind = lb.evaluate(toy.vae(Constant(torch.zeros(4))), toy_data(toy, 50), samples=100)
    assert "posterior collapse" in {one.name for one in blind.findings}
    exact = lb.evaluate(toy.vae(toy.exact_encoder()), toy_data(toy, 50), samples=100)
    assert exact.findings == ()


def test_one_example_is_no_sign_of_collapse() -> None:
    toy = LinearGaussian(2, 100)
    assert lb.evaluate(toy.vae(toy.exact_encoder()), toy_data(toy, 1), samples=100).findings == ()


def with_scale(toy: LinearGaussian, scale: object) -> lb.VAE:
    vae = toy.vae(toy.exact_encoder())
    vae.likelihood.scale = scale
    return vae


@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("latent", [2, 18])
def test_a_fixed_scale_far_from_the_residuals(factor: float, latent: int) -> None:
    """Of residuals at draws of the model's own p(z|x), even where so many latents explain nearly all of an example at its centre."""
    right, wrong = (LinearGaussian(latent, 20, scale, orthogonal=True) for scale in (0.5, 0.5 * factor))
    found = width(one_draw(wrong.vae(wrong.exact_encoder()), toy_data(right, 300)))
    assert [one.name for one in found] == ([] if factor == 1.0 else ["a mis-weighted likelihood"])
    if found:
        advised = float(found[0].advice.split()[1].rstrip(","))
        assert advised == pytest.approx(residual(wrong, right), rel=0.1), "the best σ of a Gaussian is the root mean square"
        assert abs(math.log(advised / 0.5)) < abs(math.log(factor)), "nearer to the right one"


def test_of_few_values_no_scale_is_told() -> None:
    """Of three values the root mean square is no better known than to a factor of two; beyond all that is tried, it says so."""
    toy = LinearGaussian(1, 3, 0.5, orthogonal=True)
    found = [bool(width(one_draw(with_scale(toy, Fixed(0.5)), toy_data(toy, 50)[i : i + 1]))) for i in range(50)]
    assert sum(found) < 0.15 * len(found)
    vast = width(one_draw(with_scale(toy, Fixed(0.5e-3)), toy_data(toy, 50)))
    assert "or more" in vast[0].evidence


def test_a_scale_at_its_floor() -> None:
    toy = LinearGaussian()
    low, fine = Learned(), Learned()
    nn.init.constant_(low.raw, -20.0)
    found = diagnosis.scale_at_floor(diagnosis.share_at_floor(with_scale(toy, low), toy_data(toy, 50)))
    assert [one.name for one in found] == ["a scale at its floor"]
    assert f"{FLOOR:g}" in found[0].evidence
    assert diagnosis.scale_at_floor(diagnosis.share_at_floor(with_scale(toy, fine), toy_data(toy, 50))) == []


def history(*bounds: tuple[float, float]) -> list[dict]:
    return [
        {"epoch": epoch, "train": {"bound": train}, "validation": {"bound": held_out, "bound_se": 0.5}}
        for epoch, (train, held_out) in enumerate(bounds, start=1)
    ]


def test_overfitting() -> None:
    sick = diagnosis.overfitting(history((-100, -100), (-90, -95), (-80, -97), (-70, -99)))
    assert [one.name for one in sick] == ["over-fitting"]
    assert "4.00 nats below its best of epoch 2" in sick[0].evidence
    assert "--epochs 2" in sick[0].advice
    assert diagnosis.overfitting(history((-100, -100), (-90, -95), (-89, -95.1))) == [], "noise"
    assert diagnosis.overfitting(history((-80, -95), (-90, -99))) == [], "all falls: no over-fitting"
    assert diagnosis.overfitting(history((-80, -95))) == []
    assert diagnosis.overfitting([{"epoch": 1, "train": {"bound": 0.0}, "validation": None}] * 3) == []


def test_few_draws() -> None:
    def density(ess: float) -> Density:
        some = torch.full((100,), ess, dtype=torch.double)
        return Density(some, some, some, some, some, some[None], (1000,), 1000)

    assert [one.name for one in diagnosis.few_draws(density(2.0))] == ["too few draws"]
    assert diagnosis.few_draws(density(200.0)) == []
    assert [one.name for one in diagnosis.few_draws(density(1.0))] == ["too few draws"], "as all are where one draw is asked for"


# --- all together --------------------------------------------------------------------------------------


def test_an_evaluation_adds_up() -> None:
    toy = LinearGaussian()
    x = toy_data(toy, 100)
    values = lb.evaluate(toy.vae(toy.exact_encoder()), x, samples=1000).to_json()
    found, truth = values["log_likelihood"], float(toy.evidence.log_prob(x).mean())
    assert abs(found["mean"] - truth) < 3 * found["se_samples"]
    assert found["se_data"] == pytest.approx(float(toy.evidence.log_prob(x).std()) / 10, rel=0.01)
    assert values["bound"] == pytest.approx(-(values["rate"] + values["distortion"]))
    assert values["bound"] < found["mean"]
    assert values["bits_per_dim"] == pytest.approx(-found["mean"] / (5 * math.log(2)))
    assert sum(values["histogram"]["counts"]) == 100
    assert values["ess"] > 500
    assert values["active_units"] == 2


def test_data_beyond_the_numbers_range_are_told_as_such() -> None:
    toy = LinearGaussian()
    x = toy_data(toy, 20)
    x[0] = 1e30
    values = lb.evaluate(toy.vae(toy.exact_encoder()), x, samples=100).to_json()
    assert values["log_likelihood"]["mean"] == -math.inf
    assert sum(values["histogram"]["counts"]) == 19


def test_a_point_posterior_is_evaluated_without_a_density() -> None:
    vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(nn.Linear(2, 5)), lb.posteriors.Dirac(nn.Linear(5, 2)))
    values = lb.evaluate(vae, torch.randn(20, 5)).to_json()
    assert values["log_likelihood"] is None
    with pytest.raises(RecipeError, match="no density"):
        lb.likelihood_regret(vae, torch.randn(20, 5))
    with pytest.raises(DataError, match="no data"):
        lb.likelihood_regret(vae, torch.randn(0, 5))
    assert values["mutual_information"] is None
    assert values["reconstruction_error"] > 0


# --- likelihood regret ------------------------------------------------------------------------------------


@pytest.mark.long
def test_regret_is_what_the_posterior_falls_short_of() -> None:
    toy = LinearGaussian(orthogonal=True)
    x = toy_data(toy, 30)
    exact = lb.likelihood_regret(toy.vae(toy.exact_encoder()), x)
    assert exact.abs().max() < 0.3, "nothing to gain, but for the noise of the steps"
    blind = toy.vae(Constant(torch.zeros(4)))
    torch.manual_seed(0)
    with torch.no_grad():
        terms = blind.terms(x, lb.estimators.ScoreFunction().sampler(5000))
        lost = toy.evidence.log_prob(x) - lb.objectives.ELBO().bound(terms)
        error = terms.log_likelihood.std(0) / (regret.SCORED * regret.LOOKS) ** 0.5  # of the bound before, much the larger
    off = lb.likelihood_regret(blind, x) - lost
    assert (off.abs() < 4 * error + 0.15).all(), "noisy steps end near the best posterior, not at it"
    assert abs(float((off / error).mean())) < 0.7
    assert all(parameter.requires_grad for parameter in blind.parameters())


@pytest.mark.long
def test_regret_is_the_same_at_each_call() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(Constant(torch.zeros(4))), toy_data(toy, 10)
    assert torch.equal(lb.likelihood_regret(vae, x, steps=20), lb.likelihood_regret(vae, x, steps=20))
    with pytest.raises(UsageError, match="regret of an example takes"):
        lb.likelihood_regret(vae, x, memory=100)
