"""Hierarchies of linear Gaussians, of which everything is known: bounds, log p(x), gradients, completions; of two levels and of three.

Joint laws are found by asking each level for its mean at points of space, which of affine means is enough.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from rows import long_if
from tasks.test_complete import conditional
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal
from torch.nn.utils import parameters_to_vector
from toys import z_score

import lowerbound as lb
from lowerbound.distributions.chain import Levels, densities, walked
from lowerbound.errors import RecipeError, UsageError
from lowerbound.evaluation.log_likelihood import MEMORY
from lowerbound.evaluation.one_draw import WEIGHED, one_draw
from lowerbound.evaluation.weighted_draws import most_draws, weighted_draws
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks.levels import encoded, sample_frozen
from lowerbound.vae.estimators import DoublyReparameterized, Estimator, Pathwise
from lowerbound.vae.loss import of_observed
from lowerbound.vae.objectives import ELBO, IWAE, ClosedKL, FreeBits, Objective, SampledKL

EVENT, SIGMA = 4, 0.6
LEVELS = {"two levels": (2, 3), "three levels": (1, 2, 2)}


class Affine(nn.Module):
    """A mean that is affine in its input, and log variances that do not depend on it."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.mean, self.log_variance = nn.Linear(inputs, outputs), nn.Parameter(torch.randn(outputs) * 0.3 - 0.7)

    def forward(self, given: Tensor) -> Tensor:
        mean = self.mean(given)
        return torch.cat([mean, self.log_variance.expand_as(mean)], -1)


def joint(law: Levels) -> MultivariateNormal:
    """The law of all levels together, of each of its batch; differentiable in their parameters."""
    size = law.event_shape.numel()
    batch = law.batch_shape
    points = torch.cat([torch.zeros(1, size), torch.eye(size)])[:, *[None] * len(batch)].expand(-1, *batch, -1)
    levels = law.levels(points)
    means = torch.cat([level.mean.expand(1 + size, *batch, -1) for level, _ in levels], -1)
    noise = torch.cat([level.variance.expand(1 + size, *batch, -1)[0] for level, _ in levels], -1)
    shift, slopes = means[0], (means[1:] - means[0]).movedim(0, -1)  # z = shift + slopes z + noise
    gain = torch.linalg.inv(torch.eye(size) - slopes)
    return MultivariateNormal((gain @ shift[..., None])[..., 0], gain @ torch.diag_embed(noise) @ gain.mT)


def evidence(vae: lb.VAE) -> tuple[MultivariateNormal, Callable[[Tensor], MultivariateNormal]]:
    """p(x), and p(z|x)."""
    prior, network = joint(vae.prior()), vae.likelihood.network
    weight, bias = network[1].weight, network[1].bias
    cross = prior.covariance_matrix @ weight.T
    p_x = MultivariateNormal(weight @ prior.loc + bias, weight @ cross + SIGMA**2 * torch.eye(EVENT))
    gain = cross @ torch.linalg.inv(p_x.covariance_matrix)

    def posterior(x: Tensor) -> MultivariateNormal:
        covariance = prior.covariance_matrix - gain @ cross.T
        return MultivariateNormal(prior.loc + (x - p_x.loc) @ gain.T, (covariance + covariance.T) / 2)

    return p_x, posterior


def chain(sizes: tuple[int, ...], posterior: str) -> lb.VAE:
    """A model of these levels, its posterior a chain of its own or a ladder, neither exact."""
    torch.manual_seed(1)
    above = [sum(sizes[:level]) for level in range(len(sizes))]
    prior = lb.priors.Chain(lb.priors.StandardNormal(sizes[0]), [Affine(n, d) for n, d in zip(above[1:], sizes[1:], strict=True)], sizes)
    likelihood = lb.likelihoods.Gaussian(nn.Sequential(nn.Flatten(), nn.Linear(sum(sizes), EVENT)), SIGMA)
    if posterior == "ladder":
        levels = [Affine(EVENT, d) for d in sizes]
        encoder = nn.Linear(EVENT, EVENT * len(sizes))
        return lb.VAE(prior, likelihood, lb.posteriors.Ladder(encoder, levels, [EVENT] * len(sizes), prior))
    levels = [Affine(EVENT + n, d) for n, d in zip(above, sizes, strict=True)]
    return lb.VAE(prior, likelihood, lb.posteriors.Chain(nn.Flatten(), levels, sizes))


def exact(sizes: tuple[int, ...]) -> lb.VAE:
    """The same with q(z|x) = p(z|x), level by level, each of one dimension: of several they would depend on one another."""
    vae = chain(sizes, "chain")
    with torch.no_grad():
        _, posterior = evidence(vae)
        mean, covariance = posterior(torch.zeros(EVENT)).loc, posterior(torch.zeros(EVENT)).covariance_matrix
        slope = torch.stack([posterior(row).loc - mean for row in torch.eye(EVENT)], -1)
        for place, level in enumerate(vae.posterior.levels):
            start, end = sum(sizes[:place]), sum(sizes[: place + 1])
            gain = covariance[start:end, :start] @ torch.linalg.inv(covariance[:start, :start])
            network = level.network
            network.mean.weight.copy_(torch.cat([slope[start:end] - gain @ slope[:start], gain], 1))
            network.mean.bias.copy_(mean[start:end] - gain @ mean[:start])
            left = covariance[start:end, start:end] - gain @ covariance[:start, start:end]
            network.log_variance.copy_(left.diagonal().log())
    return vae


MODELS = [(name, posterior) for name in LEVELS for posterior in ("chain", "ladder")]

#: the same, of which most take long
SOME = [pytest.param(*row, marks=pytest.mark.long if row[1] == "chain" and row[0] != next(iter(LEVELS)) else ()) for row in MODELS]


def data(vae: lb.VAE, n: int = 5) -> Tensor:
    torch.manual_seed(2)
    return evidence(vae)[0].sample(torch.Size([n])).detach()


def bound(vae: lb.VAE, x: Tensor) -> Tensor:
    """The ELBO of each example: log p(x) − KL(q(z|x) ‖ p(z|x))."""
    p_x, posterior = evidence(vae)
    q = joint(vae.posterior(x))
    return p_x.log_prob(x) - torch.distributions.kl_divergence(q, posterior(x))


@pytest.mark.parametrize(("levels", "posterior"), MODELS)
def test_bounds_and_log_p_are_those_that_are_known(levels: str, posterior: str) -> None:
    vae = chain(LEVELS[levels], posterior)
    x = data(vae)
    with torch.no_grad():
        truth, log_p = bound(vae, x), evidence(vae)[0].log_prob(x)
        for kl in (ClosedKL(), SampledKL()):
            torch.manual_seed(0)
            found = torch.stack([of_observed(vae, x, ELBO(kl, 200), Pathwise()).bound for _ in range(50)])
            assert z_score(found, truth) < 4.5
        assert (truth < log_p - 0.01).all(), "q is not exact"
    estimate = lb.log_likelihood(vae, x, 4000)
    assert ((estimate.log_p - log_p).abs() < 4.5 * estimate.se).all()
    assert (estimate.se < 0.05).all()


def gradients(vae: lb.VAE, x: Tensor, objective: Objective, estimator: Estimator, times: int) -> Tensor:
    """So many estimates of the gradient of the mean bound in all weights."""
    weights = list(vae.parameters())
    found = []
    for _ in range(times):
        loss = of_observed(vae, x.repeat(40, *[1] * (x.dim() - 1)), objective, estimator).value
        found.append(parameters_to_vector(torch.autograd.grad(-loss, weights)))
    return torch.stack(found)


ESTIMATORS = {"pathwise": Pathwise, "sticking the landing": DoublyReparameterized}


@pytest.mark.parametrize("name", long_if(lambda name: name == "pathwise", ESTIMATORS))
@pytest.mark.parametrize(("levels", "posterior"), SOME)
def test_gradients_of_the_elbo_are_exact(levels: str, posterior: str, name: str) -> None:
    vae = chain(LEVELS[levels], posterior)
    x = data(vae)
    slope = parameters_to_vector(torch.autograd.grad(bound(vae, x).mean(), list(vae.parameters())))
    torch.manual_seed(0)
    found = gradients(vae, x, ELBO(SampledKL(), 2), ESTIMATORS[name](), 150)
    assert z_score(found.double(), slope.double()) < 4.5


@pytest.mark.parametrize("objective", [IWAE(5), pytest.param(lb.objectives.Renyi(0.5, 5), marks=pytest.mark.long)], ids=["iwae", "renyi"])
@pytest.mark.parametrize(("levels", "posterior"), SOME)
def test_doubly_reparameterized_gradients_of_weighted_bounds_are_those_of_the_path(
    levels: str, posterior: str, objective: Objective
) -> None:
    vae = chain(LEVELS[levels], posterior)
    x = data(vae)
    torch.manual_seed(0)
    one, other = (gradients(vae, x, objective, estimator(), 150).double() for estimator in ESTIMATORS.values())
    error = (one.var(0) / len(one) + other.var(0) / len(other)).sqrt()
    away = (one.mean(0) - other.mean(0)).abs() / error.clamp(min=1e-12)
    assert float(away.max()) < 5
    of_encoder = torch.cat([torch.full((w.numel(),), any(w is p for p in vae.posterior.parameters())) for w in vae.parameters()])
    assert other[:, of_encoder].var(0).sum() < 0.9 * one[:, of_encoder].var(0).sum(), "the paths alone vary less"


@pytest.mark.parametrize("levels", [(1, 1), (1, 1, 1)])
def test_at_the_exact_posterior_the_landing_sticks(levels: tuple[int, ...]) -> None:
    vae = exact(levels).double()
    x = data(chain(levels, "chain")).double()
    weights = list(vae.posterior.parameters())
    spread = {}
    for name, estimator in ESTIMATORS.items():
        torch.manual_seed(0)
        each = []
        for _ in range(20):
            loss = of_observed(vae, x, ELBO(SampledKL(), 1), estimator()).value
            each.append(parameters_to_vector(torch.autograd.grad(loss, weights)))
        spread[name] = float(torch.stack(each).std(0).max())
    assert spread["sticking the landing"] < 1e-5 < 1e-2 < spread["pathwise"]


@pytest.mark.parametrize(("levels", "posterior"), MODELS)
def test_completions_are_those_of_the_exact_conditional(levels: str, posterior: str) -> None:
    vae = chain(LEVELS[levels], posterior)
    x = data(vae, 2)
    observed = torch.tensor([[True, False, True, False], [False, False, True, False]])
    p_x = evidence(vae)[0]
    law = MultivariateNormal(p_x.loc.detach(), p_x.covariance_matrix.detach())
    found = lb.tasks.complete.complete(vae, x, observed, 2000, samples=40_000, draw=True)
    for row in range(2):
        truth = conditional(law, x[row], observed[row])
        draws = found.values[:, row, ~observed[row]]
        assert z_score(draws, truth.loc) < 4.5
        centred = draws - truth.loc
        assert z_score(centred[:, :, None] * centred[:, None], truth.covariance_matrix) < 4.5


def test_a_chain_without_parameters_at_hand_cannot_be_held() -> None:
    vae = chain((2, 3), "chain")
    law = vae.posterior(torch.zeros(1, EVENT))
    bare: Distribution = lb.distributions.Chain(law.first, law.steps, law.sizes, law.state)
    with pytest.raises(lb.LowerboundError, match="cannot be held"):
        DoublyReparameterized().draw(bare, vae.prior(), 1)


def test_a_copy_of_a_ladder_refines_its_own_prior() -> None:
    vae = copy.deepcopy(chain((2, 3), "ladder"))
    with torch.no_grad():
        for weight in vae.prior.parameters():
            weight.add_(1.0)
    assert torch.equal(vae.posterior._prior[0].levels[0].network.mean.weight, vae.prior.levels[0].network.mean.weight)


# --- what each level decides ----------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 2])
def test_samples_share_the_levels_that_are_frozen(levels: int) -> None:
    """Between the groups all of p(x)'s covariance, within a group that of p(x) given the frozen levels."""
    vae, group = chain((1, 2, 2), "chain"), 8
    torch.manual_seed(0)
    made = sample_frozen(vae, 40_000, levels, group, draw=True)
    prior, p_x = joint(vae.prior()), evidence(vae)[0]
    size = sum((1, 2, 2)[:levels])
    covariance, weight = prior.covariance_matrix.detach(), vae.likelihood.network[1].weight.detach()
    given = covariance[:, :size] @ torch.linalg.inv(covariance[:size, :size]) @ covariance[:size]
    centred = made - p_x.loc.detach()
    of_all = (centred[:, :, None] * centred[:, None]).view(-1, group, EVENT, EVENT).mean(1)
    assert z_score(of_all, p_x.covariance_matrix.detach()) < 4.5
    first, second = centred[::group], centred[1::group]
    assert z_score(first[:, :, None] * second[:, None], weight @ given @ weight.T) < 4.5


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_first_levels_alone_are_decoded_with_what_is_expected_of_the_others(levels: int) -> None:
    vae, sizes = chain((1, 2, 2), "chain"), (1, 2, 2)
    z = torch.randn(6, sum(sizes[:levels]))
    whole = torch.cat([z, conditional_mean(joint(vae.prior()), z)], 1) if levels < 3 else z
    torch.testing.assert_close(lb.decode(vae, z), vae.decode(whole), atol=1e-5, rtol=1e-5)
    assert lb.decode(vae, z, grad=True).requires_grad
    assert lb.decode(vae, z.requires_grad_()).requires_grad
    assert not lb.decode(vae, z.detach()).requires_grad
    with pytest.raises(UsageError, match=r"\(N, 1\) or \(N, 3\) or \(N, 5\)"):
        lb.decode(vae, torch.zeros(6, 4))


def test_levels_of_an_example_lead_to_what_is_expected_of_the_others() -> None:
    vae = exact((1, 1, 1))
    x = data(chain((1, 1, 1), "chain"))
    with torch.no_grad():
        mean, prior = evidence(vae)[1](x).loc, joint(vae.prior())
        for levels in (1, 2, 3):
            rest = conditional_mean(prior, mean[:, :levels])
            torch.testing.assert_close(encoded(vae, x, levels), torch.cat([mean[:, :levels], rest], 1), atol=1e-4, rtol=1e-4)


def conditional_mean(law: MultivariateNormal, first: Tensor) -> Tensor:
    """What is expected of the others given the first."""
    n = first.shape[1]
    gain = law.covariance_matrix[n:, :n] @ torch.linalg.inv(law.covariance_matrix[:n, :n])
    return law.loc[n:] + (first - law.loc[:n]) @ gain.T


@pytest.mark.parametrize(("levels", "posterior"), MODELS)
def test_the_kl_of_each_level_is_told(levels: str, posterior: str) -> None:
    """The levels' KLs add up to that of the whole; that of the first is the marginals'."""
    vae = chain(LEVELS[levels], posterior)
    x = data(vae, 3).repeat(1000, 1)
    used = lb.evaluate(vae, x, samples=2).latents
    q, p = joint(vae.posterior(x[:3])), joint(vae.prior())
    total = torch.distributions.kl_divergence(q, p).mean().detach()
    assert [level.latent for level in used.levels] == list(LEVELS[levels])
    assert sum(level.kl for level in used.levels) == pytest.approx(float(total), rel=0.03)
    assert used.kl_per_dimension is not None
    assert float(used.kl_per_dimension.sum()) == pytest.approx(sum(level.kl for level in used.levels), rel=1e-4)
    size = LEVELS[levels][0]
    first = [MultivariateNormal(law.loc[..., :size], law.covariance_matrix[..., :size, :size]) for law in (q, p)]
    assert used.levels[0].kl == pytest.approx(float(torch.distributions.kl_divergence(*first).mean().detach()), rel=1e-3)


def test_free_bits_of_levels_are_a_floor_under_each_level() -> None:
    vae = chain((1, 2, 2), "chain")
    x = data(vae, 4)
    torch.manual_seed(0)
    with torch.no_grad():
        terms = vae.terms(x, Pathwise().sampler(3))
    each = [float(kl.mean()) for kl in terms.divergences]
    floor = sorted(each)[1]
    for nats, lifted in ((0.0, 0.0), (floor, floor - min(each)), (100.0, 300.0 - sum(each))):
        value = FreeBits(nats, of_levels=True).value(terms).mean()
        assert float(ELBO(ClosedKL(), 3).bound(terms).mean() - value) == pytest.approx(lifted, abs=1e-4)
    assert float(ELBO(ClosedKL(), 3).bound(terms).mean() - FreeBits(0.0).value(terms).mean()) == pytest.approx(0.0, abs=1e-4)


def test_free_bits_of_levels_may_come_with_a_beta_that_rises() -> None:
    vae = chain((1, 2, 2), "chain")
    with torch.no_grad():
        terms = vae.terms(data(vae, 4), Pathwise().sampler(3))
    objective = build(Recipe(latent="2-3", network="mlp:8", objective="free-bits-of-levels:100:10"), (6,)).objective
    values = [float(objective.at(epoch).value(terms).mean()) for epoch in (0.0, 2.5, 10.0, 20.0)]
    likelihood = float(terms.mean(terms.log_likelihood).mean())
    assert values == pytest.approx([likelihood, likelihood - 75.0, likelihood - 300.0, likelihood - 300.0])
    assert torch.equal(objective.bound(terms), ELBO(ClosedKL(), 3).bound(terms))


# --- latents that are images ----------------------------------------------------------------------------


def images() -> lb.VAE:
    """Of two resolutions, all weights away from where they begin, so that no part is the identity."""
    recipe = Recipe(latent=1, levels="2-1", network="conv:2-2", likelihood="gaussian", scale=0.5)
    vae = build(recipe, (1, 5, 4)).vae
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in vae.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return vae


def test_latents_that_are_images_are_scored_as_they_were_drawn() -> None:
    vae, x = images(), torch.rand(3, 1, 5, 4)
    assert [at.space for at in vae.prior.network.places] == [(2, 1), (2, 1), (3, 2)]
    assert vae.latent == 2 + 2 + 6
    torch.manual_seed(0)
    terms = vae.terms(x, Pathwise().sampler(4))
    z = torch.cat([node.z for node in terms.nodes], -1)
    torch.testing.assert_close(vae.posterior(x).log_prob(z), terms.log_posterior)
    torch.testing.assert_close(vae.prior().log_prob(z), terms.log_prior)
    for row in range(3):
        alone = vae.posterior(x[row : row + 1]).log_prob(z[:, row : row + 1])
        torch.testing.assert_close(alone, terms.log_posterior[:, row : row + 1])
        torch.testing.assert_close(vae.decode(z[0, row]), vae.decode(z)[0, row])


def test_a_prior_of_images_integrates_with_its_draws() -> None:
    """The mean over draws of p of another, narrower density over p's is 1."""
    vae = images()
    with torch.no_grad():
        z = vae.prior().sample(torch.Size([40_000]))
        law = MultivariateNormal(z.mean(0), torch.cov(z.T) * 0.25)
        back = (law.log_prob(z) - vae.prior().log_prob(z)).exp()
    assert z_score(back[:, None], 1.0) < 4.5


@pytest.mark.long  # of vectors it is quicker, above
def test_gradients_of_latents_that_are_images_are_those_of_the_path() -> None:
    vae, x = images(), torch.rand(3, 1, 5, 4)
    torch.manual_seed(0)
    one, other = (gradients(vae, x, IWAE(3), estimator(), 80).double() for estimator in ESTIMATORS.values())
    error = (one.var(0) / len(one) + other.var(0) / len(other)).sqrt()
    assert float(((one.mean(0) - other.mean(0)).abs() / error.clamp(min=1e-12)).max()) < 5


@pytest.mark.parametrize("network", ["mlp", "gated"])
def test_at_first_every_level_of_a_ladder_sees_the_example(network: str) -> None:
    """Features of the first level, behind ten layers, differ between examples as those of the last do."""
    recipe = Recipe(latent="4-4-4-4-4", posterior="ladder", network=f"{network}:200-150-100-80-60", seed=0)
    posterior = build(recipe, (1, 8, 8)).vae.posterior
    with torch.no_grad():
        features = posterior.network(torch.rand(300, 1, 8, 8)).split(posterior.split, -1)
    first, *_, last = (each.std(0).mean() for each in features)
    assert float(last) / 20 < float(first) < 20 * float(last)


def test_thousands_of_latents_are_scored_within_little_memory() -> None:
    """No search for modes is made of so many, nor room kept for one."""
    vae = build(Recipe(latent=8, levels="2-2", network="conv:8-8", seed=0), (1, 28, 28)).vae
    for samples, memory in ((40, 2**28), (400, 2**26)):
        found = lb.log_likelihood(vae, torch.rand(2, 1, 28, 28).round(), samples, memory=memory)
        assert (found.log_p > found.elbo - 1).all()
    assert vae.latent > 3_000


def test_of_thousands_of_latents_fewer_draws_are_weighed() -> None:
    """As many as find room; so ``evaluate`` needs no more memory than it has."""
    vae = build(Recipe(latent=8, levels="2-2", network="conv:8-8", seed=0), (1, 28, 28)).vae
    drawn = one_draw(vae, torch.rand(300, 1, 28, 28).round())
    assert len(drawn.seen.x) == 300
    assert drawn.output.isfinite().all()
    assert 1 <= most_draws(vae.posterior(drawn.seen.x), MEMORY) < WEIGHED


def test_of_each_draw_the_way_down_is_gone_twice() -> None:
    """Once as it is drawn, which gives log q and log p too, and once as it is decoded."""
    vae, passed = images(), []
    first = vae.prior.network.priors[-1]  # of the last level, which no law is asked for in between
    first.register_forward_hook(lambda _, given, __: passed.append(len(given[0])))
    lb.log_likelihood(vae, torch.rand(3, 1, 5, 4), 100)
    assert sum(passed) == pytest.approx(2 * 3 * 100, rel=0.1)


@pytest.mark.parametrize(
    "levels", [images, lambda: chain((2, 3), "ladder"), lambda: chain((2, 3), "chain")], ids=["images", "ladder", "chain"]
)
def test_a_walk_beside_the_prior_has_the_densities_of_both(levels: Callable[[], lb.VAE]) -> None:
    vae = levels()
    q, p = vae.posterior(torch.rand(3, *vae.event_shape)), vae.prior()
    z, of_q, of_p = walked(q, p, lambda level, q, p: p.sample(() if level else (4, 3)))
    for found in ((of_q, of_p), densities(q, p, z)):
        torch.testing.assert_close(found, (q.log_prob(z), p.log_prob(z)))


@pytest.mark.parametrize("own", [lambda: lb.priors.StandardNormal(5), lambda: chain((2, 3), "chain").prior], ids=["normal", "chain"])
def test_a_prior_that_is_not_the_one_refined_is_the_one_that_counts(own: Callable[[], nn.Module]) -> None:
    """Of the bound, of log p(x), and of weighted draws of the two."""
    ladder = chain((2, 3), "ladder")
    torch.manual_seed(5)
    prior = own()
    for weight in prior.parameters():
        nn.init.normal_(weight, std=0.5)
    vae = lb.VAE(prior, ladder.likelihood, ladder.posterior)
    x = data(ladder, 2)
    with torch.no_grad():
        p, q = vae.prior(), vae.posterior(x)
        z = q.sample((40_000,))
        rate = (q.log_prob(z) - p.log_prob(z)).mean(0)
        drawn = p.sample((200_000, 1))
        exact = torch.cat([vae.log_likelihood(x, some.expand(-1, 2, -1)) for some in drawn.split(20_000)]).logsumexp(0) - math.log(200_000)
    found = lb.log_likelihood(vae, x, 20_000)
    torch.testing.assert_close(found.kl.float(), rate, rtol=0.05, atol=0.05)
    torch.testing.assert_close(found.log_p.float(), exact, rtol=0.0, atol=0.15)
    assert lb.mean_bound(vae, x.repeat(2_000, 1)).kl == pytest.approx(float(rate.mean()), rel=0.05)
    weighed = weighted_draws(vae, x, 20_000, 2**30)
    log_p = weighed.log_weight(vae, x).logsumexp(0) - math.log(20_000)
    torch.testing.assert_close(log_p, exact, rtol=0.0, atol=0.15)


def test_epochs_of_a_beta_that_make_no_sense_are_refused() -> None:
    for epochs in ("-5", "nan"):
        with pytest.raises(RecipeError, match="0 epochs or more"):
            build(Recipe(latent="2-3", network="mlp:8", objective=f"free-bits-of-levels:1:{epochs}"), (6,))
