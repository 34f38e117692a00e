"""Several latents: two levels against an exact gradient, chains as laws, listed and relaxed classes, an estimator for each."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from toys import z_score

import lowerbound as lb
from lowerbound.distributions import Chain, OneHotCategorical
from lowerbound.distributions.chain import given_all
from lowerbound.errors import NoClosedForm, RecipeError
from lowerbound.recipes import estimators, objectives
from lowerbound.recipes.grammar import make
from lowerbound.vae.drawing import drawn
from lowerbound.vae.estimators import Enumerated, Estimator, Pathwise, PerNode, Relaxed
from lowerbound.vae.loss import of_terms
from lowerbound.vae.objectives import ELBO, ClosedKL, Objective, SampledKL
from lowerbound.vae.terms import Terms

# --- two levels: p(z1) = N(0, 1), p(z2|z1) = N(a z1, 1), p(x|z2) = N(b z2, 1); q(z1) = N(m1, s1), q(z2|z1) = N(m2 + c z1, s2) ----------

A, B, X = 0.7, 1.3, 0.9
START = [0.3, -0.2, -0.4, -0.5, 0.25]  # m1, log s1, m2, log s2, c
ROWS = 50_000


def normal(mean: Tensor, scale: Tensor) -> Independent:
    return Independent(Normal(*torch.broadcast_tensors(mean[..., None], scale[..., None]), validate_args=False), 1)


def chains(parameters: Tensor) -> tuple[Chain, Chain]:
    """q of each row of parameters, and p."""
    m1, l1, m2, l2, c = parameters.unbind(-1)
    q = Chain(normal(m1, l1.exp()), [given_all(lambda z: normal(m2 + c * z[..., 0], l2.exp()))], (1, 1))
    p = Chain(normal(torch.zeros(()), torch.ones(())), [given_all(lambda z: normal(A * z[..., 0], torch.ones(())))], (1, 1))
    return q, p


def exact(parameters: Tensor, beta: float = 1.0) -> Tensor:
    """The ELBO with its KL β times, in closed form."""
    m1, l1, m2, l2, c = parameters
    s1, s2 = l1.exp(), l2.exp()
    mean, variance = m2 + c * m1, s2**2 + c**2 * s1**2
    log_likelihood = -0.5 * ((X - B * mean) ** 2 + B * B * variance) - 0.5 * math.log(2 * math.pi)
    kl1 = 0.5 * (m1**2 + s1**2 - 1) - l1
    off = m2 + (c - A) * m1
    kl2 = 0.5 * (s2**2 + off**2 + (c - A) ** 2 * s1**2 - 1) - l2
    return log_likelihood - beta * (kl1 + kl2)


def estimates(estimator: Estimator, objective: Objective) -> tuple[Tensor, Tensor]:
    """Bounds ``(ROWS,)`` and gradients ``(ROWS, 5)``, one a row, each of its own draws."""
    parameters = torch.tensor(START).expand(ROWS, 5).clone().requires_grad_()
    q, p = chains(parameters)
    nodes = drawn(estimator.sampler(objective.samples), q, p)
    terms = Terms(Normal(B * nodes[1].z[..., 0], 1.0).log_prob(torch.tensor(X)), nodes)
    found = estimator.surrogate(objective, terms)
    return objective.bound(terms).detach(), torch.autograd.grad(found.sum(), parameters)[0]


#: objectives whose gradient is known here, with their β
KNOWN = {"elbo:2": 1.0, "beta:3:2": 3.0}
CROSSINGS = list(itertools.product(KNOWN, objectives.KLS, sorted(set(estimators.ESTIMATORS) - {"rejection"})))


@pytest.mark.parametrize(("objective", "kl", "estimator"), CROSSINGS, ids=[" ".join(crossing) for crossing in CROSSINGS])
def test_of_two_levels_every_estimator_has_the_exact_gradient_or_refuses(objective: str, kl: str, estimator: str) -> None:
    made = make("objective", objective, objectives.OBJECTIVES, kl=objectives.KLS[kl].make())
    torch.manual_seed(0)
    if estimator in ("doubly-reparameterized", "enumerated", "relaxed", "score-rao-blackwell"):
        with pytest.raises(RecipeError, match="choose"):
            estimates(make("estimator", estimator, estimators.ESTIMATORS), made)
        return
    bounds, gradients = estimates(make("estimator", estimator, estimators.ESTIMATORS), made)
    parameters = torch.tensor(START).double().requires_grad_()
    (slope,) = torch.autograd.grad(exact(parameters, KNOWN[objective]), parameters)
    assert z_score(gradients.double(), slope) < 4.5
    assert z_score(bounds.double(), exact(parameters).detach()) < 4.5


def test_the_closed_kl_of_each_level_has_less_variance_than_the_sampled() -> None:
    torch.manual_seed(0)
    closed, sampled = (estimates(Pathwise(), ELBO(kl, 2))[1].var(0).sum() for kl in (ClosedKL(), SampledKL()))
    assert closed < 0.7 * sampled


def test_each_level_may_have_its_own_estimator() -> None:
    parameters = torch.tensor(START).double().requires_grad_()
    (slope,) = torch.autograd.grad(exact(parameters), parameters)
    torch.manual_seed(0)
    mixed = PerNode(z1=lb.estimators.ScoreFunction(lb.estimators.LeaveOneOut()), z2=Pathwise())
    assert z_score(estimates(mixed, ELBO(ClosedKL(), 4))[1].double(), slope) < 4.5
    with pytest.raises(RecipeError, match="has a latent z"):
        estimates(PerNode(z1=Pathwise()), ELBO())
    with pytest.raises(RecipeError, match="one that draws y"):
        PerNode(y=PerNode(z=Pathwise()))


# --- chains as laws -------------------------------------------------------------------------------------


def test_a_chain_of_gaussians_is_the_joint_gaussian() -> None:
    q, p = chains(torch.tensor([START, [0.1, 0.2, 0.3, -0.1, -0.8]]))
    torch.manual_seed(0)
    for law, (m1, s1, m2, s2, c) in ((q, (START[0], math.exp(START[1]), START[2], math.exp(START[3]), START[4])), (p, (0, 1, 0, 1, A))):
        z = law.sample(torch.Size([100_000]))
        z = z[:, 0] if law.batch_shape else z
        truth = torch.tensor([m1, m2 + c * m1]), torch.tensor([[s1**2, c * s1**2], [c * s1**2, s2**2 + c**2 * s1**2]])
        joint = torch.distributions.MultivariateNormal(*map(torch.Tensor.float, truth))
        assert z_score(z, truth[0]) < 4.5
        torch.testing.assert_close(torch.cov(z.T), truth[1].float(), atol=0.02, rtol=0.03)
        found = law.log_prob(z[:50, None] if law.batch_shape else z[:50])
        torch.testing.assert_close(found[:, 0] if law.batch_shape else found, joint.log_prob(z[:50]))
    assert q.mean.shape == (2, 2)
    assert q.expand(torch.Size([3, 2])).sample().shape == (3, 2, 2)


def hierarchy() -> lb.VAE:
    torch.manual_seed(0)
    return lb.VAE(
        prior=lb.priors.Chain(lb.priors.StandardNormal(2), [lb.nn.mlp(2, 16, 6)], sizes=(2, 3)),
        likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(5, 32, (1, 8, 8))),
        posterior=lb.posteriors.Chain(lb.nn.mlp((1, 8, 8), 32, 16), [lb.nn.mlp(16, 4), lb.nn.mlp(18, 16, 6)], sizes=(2, 3)),
    )


def test_a_hierarchy_trains_encodes_decodes_and_is_scored() -> None:
    data = lb.data.load("digits")
    vae = hierarchy()
    before = lb.mean_bound(vae, data.test).bound
    for _ in lb.fit(vae, data.train, epochs=6):
        pass
    score = lb.mean_bound(vae, data.test)
    assert score.bound > before + 5
    density = lb.log_likelihood(vae, data.test.view(torch.arange(40)), 500)
    assert ((density.log_p - density.elbo) > -4 * density.se).all()
    z = vae.encode(data.test[torch.arange(5)])
    assert z.shape == (5, 5)
    assert vae.decode(z).shape == vae.sample(5).shape == (5, 1, 8, 8)
    evaluation = lb.evaluate(vae, data.test.view(torch.arange(60)), samples=50)
    assert evaluation.log_p is not None
    assert math.isfinite(evaluation.log_p.mean)


def test_a_chain_beside_another_prior_is_one_latent() -> None:
    vae = hierarchy()
    flat = lb.VAE(lb.priors.StandardNormal(5), vae.likelihood, vae.posterior)
    x = flat.likelihood.observe(torch.rand(4, 1, 8, 8))
    (node,) = flat.terms(x, Pathwise().sampler(3)).nodes
    assert node.z.shape == (3, 4, 5)
    with pytest.raises(NoClosedForm):
        ELBO().value(flat.terms(x, Pathwise().sampler(3)))
    assert ELBO(SampledKL()).value(flat.terms(x, Pathwise().sampler(3))).shape == (4,)


# --- a categorical latent -------------------------------------------------------------------------------

CLASSES = 4
SCORES = torch.tensor([0.5, -1.0, 2.0, 0.3])  # log p(x|z) of each class


def of_class(estimator: Estimator, objective: Objective, rows: int, logits: Tensor) -> tuple[Tensor, Tensor]:
    given = logits.expand(rows, CLASSES).clone().requires_grad_()
    node = estimator.sampler(objective.samples)(OneHotCategorical(given), OneHotCategorical(torch.zeros(CLASSES)), "z")
    terms = Terms((node.z * SCORES).sum(-1), (node,))
    return objective.bound(terms).detach(), torch.autograd.grad(estimator.surrogate(objective, terms).sum(), given)[0]


LOGITS = torch.tensor([0.2, 0.9, -0.5, 0.0])


def truth(objective: Objective) -> tuple[Tensor, Tensor]:
    """Bound and gradient, each class weighted by q."""
    logits = LOGITS.double().requires_grad_()
    log_q = logits.log_softmax(0)
    each = SCORES.double() - math.log(CLASSES) - log_q
    bound = (log_q.exp() * each).sum() if objective.mean_over_draws else each.add(log_q).logsumexp(0)
    return bound.detach(), torch.autograd.grad(bound, logits)[0]


WORDS = sorted(set(estimators.ESTIMATORS) - {"relaxed", "rejection"})


@pytest.mark.parametrize("kl", objectives.KLS)
@pytest.mark.parametrize("estimator", WORDS)
def test_of_a_categorical_latent_every_estimator_has_the_exact_gradient_or_refuses(estimator: str, kl: str) -> None:
    objective = ELBO(objectives.KLS[kl].make(), 2)
    torch.manual_seed(0)
    made = make("estimator", estimator, estimators.ESTIMATORS)
    if estimator in ("pathwise", "g-rep", "doubly-reparameterized", "score-rao-blackwell"):
        with pytest.raises(RecipeError, match="choose"):
            of_class(made, objective, 2, LOGITS)
        return
    bounds, gradients = of_class(made, objective, 40_000, LOGITS)
    bound, slope = truth(objective)
    if estimator == "enumerated":
        assert torch.allclose(bounds.double(), bound, atol=1e-5)
        assert torch.allclose(gradients.double(), slope, atol=1e-5)
        return
    assert z_score(bounds.double(), bound) < 4.5
    assert z_score(gradients.double(), slope) < 4.5


def test_listed_classes_give_the_importance_weighted_bound_its_limit() -> None:
    objective = lb.objectives.IWAE(3)
    bounds, gradients = of_class(Enumerated(), objective, 2, LOGITS)
    bound, slope = truth(objective)
    assert torch.allclose(bounds.double(), bound, atol=1e-5)
    assert torch.allclose(gradients.double(), slope, atol=1e-5)
    assert slope.abs().max() < 1e-12, "log p(x) does not depend on q"


def test_a_relaxed_draw_is_a_draw_and_its_bias_falls_with_the_temperature() -> None:
    torch.manual_seed(0)
    objective = ELBO()
    bound, slope = truth(objective)
    off = []
    for temperature in (2.0, 0.5, 0.1):
        bounds, gradients = of_class(Relaxed(temperature), objective, 200_000, LOGITS)
        assert z_score(bounds.double(), bound) < 4.5, "values are those of hard draws"
        off.append(float((gradients.double().mean(0) - slope).norm()))
    node = Relaxed(0.5).draw(OneHotCategorical(LOGITS.expand(7, CLASSES)), OneHotCategorical(LOGITS), 3)
    assert set(node.z.unique().tolist()) == {0.0, 1.0}
    assert off[0] > 2 * off[1] > 4 * off[2], off
    with pytest.raises(RecipeError, match="no one-hot categorical"):
        Relaxed().draw(normal(torch.zeros(1), torch.ones(1)), normal(torch.zeros(1), torch.ones(1)), 1)
    with pytest.raises(RecipeError, match="temperature"):
        Relaxed(0.0)


@pytest.mark.parametrize("estimator", ["enumerated", "relaxed", "score-leave-one-out"])
def test_a_model_of_classes_trains(estimator: str) -> None:
    data = lb.data.load("digits")
    torch.manual_seed(0)
    vae = lb.VAE(lb.priors.Categorical(10), lb.likelihoods.Bernoulli(nn.Linear(10, 64)), lb.posteriors.Categorical(lb.nn.mlp(64, 32, 10)))
    before = lb.mean_bound(vae, data.test).bound
    made, state = make("estimator", estimator, estimators.ESTIMATORS), lb.State(torch.optim.Adam(vae.parameters(), 0.01))
    for _ in lb.fit(vae, data.train, epochs=8, objective=ELBO(samples=2), estimator=made, state=state):
        pass
    assert lb.mean_bound(vae, data.test).bound > before + 5


def test_a_loss_of_terms_is_that_of_their_estimator() -> None:
    vae = hierarchy()
    x = vae.likelihood.observe(torch.rand(4, 1, 8, 8))
    torch.manual_seed(1)
    terms = vae.terms(x, Pathwise().sampler(2))
    found = of_terms(terms, ELBO(samples=2), Pathwise())
    assert torch.allclose(found.bound, found.log_likelihood - found.kl)
    assert torch.allclose(found.value, -found.bound.mean())
