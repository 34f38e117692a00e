"""Every objective × estimator × posterior against the exact gradient, or refused with a reason."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, LogNormal, Normal, Poisson, constraints
from toys import Constant, LinearGaussian, z_score

from lowerbound.data.spec import DataSpec
from lowerbound.distributions.operations import transported, within
from lowerbound.errors import NoClosedForm, RecipeError
from lowerbound.recipes import estimators, objectives, posteriors, priors
from lowerbound.recipes.grammar import make
from lowerbound.vae.estimators.baselines import LeaveOneOut, MovingAverage
from lowerbound.vae.estimators.local import LocalSignals
from lowerbound.vae.estimators.pathwise import DoublyReparameterized, Pathwise
from lowerbound.vae.estimators.score import GREP, RaoBlackwell, ScoreFunction
from lowerbound.vae.loss import loss
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL
from lowerbound.vae.objectives.renyi import IWAE
from lowerbound.vae.terms import Node, Terms

# --- one latent dimension: any objective, by quadrature ----------------------------------------------

ROWS = 20_000  # independent gradients, one a row
PARAMETERS = {"gaussian": [0.4, -0.7], "full-gaussian": [0.4, -0.35], "gamma": [0.6, 0.2], "beta": [0.3, 0.9]}
PRIORS = ["normal", "gamma:1.5:1", "beta:1.5:2"]
OBJECTIVES = {"elbo": "elbo:2", "beta": "beta:3:2", "free-bits": "free-bits:0.01", "iwae": "iwae:2", "renyi": "renyi:0.5:2"}
KNOWN = {*PARAMETERS, *OBJECTIVES.values(), "reconstruction", *objectives.KLS, "pathwise", "doubly-reparameterized", "g-rep", "rejection"}
KNOWN |= {"score", "score-moving-average", "score-leave-one-out", "score-rao-blackwell"}
#: over classes, in test_nodes; not over a line; by a network of its own; a β that only changes with the epoch;
#: the same for a batch of equal data; of an encoder
LEFT_OUT = {
    "categorical",
    "von-mises-fisher",
    "dirac",
    "flow",
    "beta-linear",
    "beta-cyclical",
    "beta-sigmoid",
    "total-correlation",
    "mmd",
    "contractive",
}

# A row that is new in the tables is crossed too: with parameters of no meaning, and the numbers that are its defaults.
for word in set(posteriors.POSTERIORS) - LEFT_OUT:
    PARAMETERS.setdefault(word, torch.linspace(0.2, 0.7, posteriors.POSTERIORS[word].find().features(1)).tolist())
for word in set(objectives.OBJECTIVES) - LEFT_OUT:
    OBJECTIVES.setdefault(word, word)


def law(posterior: str, parameters: Tensor) -> Distribution:
    return posteriors.posterior(posterior)(torch.nn.Identity(), 1)(parameters)


@cache
def prior(posterior: str) -> Distribution:
    """The first that is over the same space."""
    z = law(posterior, torch.tensor([PARAMETERS[posterior]])).sample(torch.Size([100]))
    made = (priors.prior(word, 1, None, DataSpec((1,)))() for word in reversed(PRIORS))
    return next(p for p in made if within(p, z))


def log_likelihood(z: Tensor) -> Tensor:
    """log N(1; 2z − 1/2, .8²), up to its constant."""
    return -((1.0 - (2 * z[..., 0] - 0.5)) ** 2) / (2 * 0.8**2)


def grid(posterior: str) -> tuple[Tensor, Tensor]:
    """Points on the support of z and the length that each stands for."""
    u = torch.linspace(-8, 8, 401, dtype=torch.float64)
    step = float(u[1] - u[0])
    match prior(posterior).support.base_constraint:
        case constraints.unit_interval:
            return u.sigmoid(), u.sigmoid() * (-u).sigmoid() * step
        case constraints.real:
            return u, torch.full_like(u, step)
        case _:
            return u.exp(), u.exp() * step


@cache
def exact_gradient(objective: Objective, posterior: str) -> Tensor:
    """∇ ∫∫ q(z₁) q(z₂) value(z₁, z₂) dz₁ dz₂, differentiated after the sum is taken."""
    parameters = torch.tensor([PARAMETERS[posterior]], dtype=torch.float64, requires_grad=True)
    q = law(posterior, parameters)
    points, length = grid(posterior)
    if objective.samples == 1:
        z, volume = points[None, :, None], length
    else:
        z, volume = torch.cartesian_prod(points, points).T[..., None], torch.cartesian_prod(length, length).prod(-1)
    terms = Terms(log_likelihood(z), (Node(z, prior(posterior), q),))
    weight = terms.log_posterior.sum(0).exp() * volume
    return torch.autograd.grad((weight * objective.value(terms)).sum(), parameters)[0][0].float()


def estimates(objective: Objective, estimator: torch.nn.Module, posterior: str) -> Tensor:
    """The gradient of each of ROWS equal data ``(ROWS, parameters)``."""
    parameters = torch.tensor(PARAMETERS[posterior]).repeat(ROWS, 1).requires_grad_()
    for _ in range(2):  # the second time a running baseline has something to say
        node = estimator.draw(law(posterior, parameters), prior(posterior), objective.samples)
        terms = Terms(log_likelihood(node.z), (node,))
        surrogate = estimator.surrogate(objective, terms)
    return torch.autograd.grad(surrogate.sum(), parameters)[0]


CROSSINGS = list(itertools.product(sorted(OBJECTIVES.values()), objectives.KLS, estimators.ESTIMATORS, sorted(PARAMETERS)))


@pytest.mark.parametrize(("objective", "kl", "estimator", "posterior"), CROSSINGS, ids=[" ".join(c) for c in CROSSINGS])
def test_a_crossing_matches_the_exact_gradient_or_says_why_not(objective: str, kl: str, estimator: str, posterior: str) -> None:
    made = make("objective", objective, objectives.OBJECTIVES, kl=objectives.KLS[kl].make())
    torch.manual_seed(0)
    try:
        found = estimates(made, make("estimator", estimator, estimators.ESTIMATORS), posterior)
    except (RecipeError, NoClosedForm):
        assert (objective, kl, estimator, posterior) in REFUSED or not KNOWN.issuperset((objective, estimator, posterior))
        return
    assert (objective, kl, estimator, posterior) not in REFUSED
    truth = exact_gradient(made, posterior)
    spread = found.std(0) / ROWS**0.5
    assert ((found.mean(0) - truth).abs() < 4.5 * spread + 2e-4 * truth.abs() + 1e-5).all(), (found.mean(0), truth, spread)


def refused(objective: str, kl: str, estimator: str, posterior: str) -> bool:
    """What makes no sense, in words of its own; whatever else is refused, or allowed, is a fault."""
    name = objective.partition(":")[0]
    of_weights = name in ("iwae", "renyi") or (name in ("elbo", "beta") and kl == "sampled")
    one_draw = name in ("free-bits", "reconstruction")
    score = estimator not in ("pathwise", "doubly-reparameterized")
    return (
        (estimator == "doubly-reparameterized" and not of_weights)
        or (estimator == "score-leave-one-out" and one_draw)
        or (score and name == "free-bits")
        or (estimator == "score-rao-blackwell" and (name in ("iwae", "renyi") or posterior == "full-gaussian"))
        or (estimator == "g-rep" and posterior == "full-gaussian")
        or (estimator == "rejection" and posterior != "gamma")
        or (name == "free-bits" and posterior == "full-gaussian")
    )


REFUSED = {crossing for crossing in CROSSINGS if KNOWN.issuperset(crossing) and refused(*crossing)}


# --- several dimensions: the gradient of the decoder too ---------------------------------------------


def exact_gradients(toy: LinearGaussian, x: Tensor, parameters: Tensor) -> dict[str, Tensor]:
    """Gradients of the ELBO as a formula: E_q‖x − Wz − b‖² is known for a Gaussian q."""
    weight, bias = toy.weight.clone().requires_grad_(), toy.bias.clone().requires_grad_()
    values = parameters.clone().requires_grad_()
    mean, log_variance = values.chunk(2)
    error = (x - weight @ mean - bias).square().sum() + (weight.square() * log_variance.exp()).sum()
    kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
    (kl + error / (2 * toy.scale**2)).backward()
    return {
        "posterior.network.values": values.grad,
        "likelihood.network.weight": weight.grad,
        "likelihood.network.bias": bias.grad,
    }


@pytest.mark.parametrize("kl", [pytest.param(ClosedKL(), marks=pytest.mark.long), SampledKL()], ids=["closed", "sampled"])
@pytest.mark.parametrize("estimator", [e for e in estimators.ESTIMATORS if e not in ("rejection", *estimators.OF_CLASSES)])
def test_encoder_and_decoder_get_the_gradient_of_the_elbo(kl: object, estimator: str) -> None:
    if estimator == "doubly-reparameterized" and kl == ClosedKL():
        pytest.skip("refused, as the test above holds")
    toy, parameters = LinearGaussian(), torch.tensor([0.4, -0.8, -0.5, 0.3])
    x = torch.tensor([0.5, -1.0, 0.2, 0.9, 0.0])
    vae, made = toy.vae(Constant(parameters)), make("estimator", estimator, estimators.ESTIMATORS)
    torch.manual_seed(0)
    found: dict[str, list[Tensor]] = {name: [] for name, _ in vae.named_parameters()}
    for _ in range(100):
        vae.zero_grad()
        loss(vae, x.expand(768, -1), ELBO(kl, samples=2), made).value.backward()
        for name, parameter in vae.named_parameters():
            found[name].append(parameter.grad.clone())
    truth = exact_gradients(toy, x, parameters)
    assert found.keys() == truth.keys()
    for name, gradient in truth.items():
        assert z_score(torch.stack(found[name]), gradient) < 4.5, name


# --- what each is for --------------------------------------------------------------------------------


def variance(objective: Objective, estimator: torch.nn.Module, vae, x: Tensor, repeats: int = 300) -> float:
    """Of the gradient of the encoder's parameters, summed over them: all repeats in one batch, taken apart at the encoder's output."""
    torch.manual_seed(1)
    outputs: list[Tensor] = []
    encoder = vae.posterior.network
    watched = encoder.register_forward_hook(lambda module, given, output: outputs.append(output))
    for _ in range(2):  # the second time a running baseline has something to say
        value = loss(vae, x.repeat(repeats, 1), objective, estimator).value
    watched.remove()
    (each,) = torch.autograd.grad(repeats * value, outputs[-1])
    one = torch.ones(len(x), 1)
    inputs = torch.cat([x, one], 1) if isinstance(encoder, torch.nn.Linear) else one  # weights and bias, or the output itself
    return float(torch.einsum("rbp,bi->rpi", each.unflatten(0, (repeats, -1)), inputs).var(0).sum())


def test_sticking_the_landing_has_no_variance_at_the_exact_posterior() -> None:
    toy = LinearGaussian(orthogonal=True)
    vae, x = toy.vae(toy.exact_encoder()), torch.randn(8, 5)
    elbo = ELBO(SampledKL())
    assert variance(elbo, DoublyReparameterized(), vae, x) < 1e-6 * variance(elbo, Pathwise(), vae, x)


def test_doubly_reparameterized_iwae_has_less_variance() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(toy.exact_encoder()), torch.randn(8, 5)
    assert variance(IWAE(10), DoublyReparameterized(), vae, x) < 0.5 * variance(IWAE(10), Pathwise(), vae, x)


def test_baselines_and_rao_blackwellisation_save_variance() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(Constant(torch.tensor([0.4, -0.8, -0.5, 0.3]))), torch.randn(8, 5)
    elbo = ELBO(SampledKL(), samples=4)
    plain = variance(elbo, ScoreFunction(), vae, x)
    assert variance(elbo, ScoreFunction(LeaveOneOut()), vae, x) < 0.5 * plain
    assert variance(elbo, ScoreFunction(MovingAverage()), vae, x) < 0.8 * plain
    assert variance(elbo, RaoBlackwell(), vae, x) < plain
    assert variance(elbo, Pathwise(), vae, x) < 0.1 * plain


def test_g_rep_of_a_log_normal_is_the_pathwise_gradient() -> None:
    """Its standardised noise does not depend on the parameters: the score of the noise is 0."""
    parameters = torch.tensor([[0.3, 0.7]]).requires_grad_()
    q = Independent(LogNormal(parameters[:, :1], parameters[:, 1:]), 1)
    draw = GREP().draw(q, q, 50)
    assert torch.autograd.grad(draw.score.sum(), parameters, retain_graph=True)[0].abs().max() < 1e-3
    torch.manual_seed(0)
    z = q.sample(torch.Size([50]))
    again = transported(q.base_dist, z)[0]
    noise = (z.log() - 0.3) / 0.7
    path = torch.stack([(z).sum(), (z * noise).sum()])
    assert torch.allclose(torch.autograd.grad(again.sum(), parameters)[0][0], path, rtol=1e-4)


def test_a_moving_average_forgets_and_rests_in_evaluation() -> None:
    zeros = torch.zeros(1, 3)
    terms = Terms(zeros, (Node(zeros[..., None], prior("gaussian"), law("gaussian", torch.zeros(3, 2))),))
    baseline = MovingAverage(0.5)
    for value in (2.0, 4.0):
        baseline(ELBO(), terms, torch.full((1, 3), value))
    assert baseline(ELBO(), terms, zeros).unique().item() == pytest.approx((0.25 * 2 + 0.5 * 4) / 0.75)
    baseline.eval()
    before = baseline.mean.clone()
    baseline(ELBO(), terms, torch.full((1, 3), 9.0))
    assert torch.equal(baseline.mean, before)


def test_a_law_without_a_path_is_refused() -> None:
    with pytest.raises(RecipeError, match="Poisson cannot be reparameterized"):
        Pathwise().draw(Independent(Poisson(torch.ones(1, 2)), 1), prior("gaussian"), 1)
    with pytest.raises(RecipeError, match="parameters of Poisson cannot be held"):
        DoublyReparameterized().draw(Independent(_Reparameterized(torch.ones(1, 2)), 1), prior("gaussian"), 1)


class _Reparameterized(Poisson):
    has_rsample = True

    def rsample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:  # noqa: B008 - torch's own signature
        return Normal(self.rate, 1.0).rsample(sample_shape)

    __name__ = "Poisson"


_Reparameterized.__name__ = "Poisson"


def test_a_signal_of_ones_own_costs_no_bias_and_less_variance() -> None:
    """Two latents z ~ N(m, 1), v ~ N(n, 1) with terms −(z − 1)² and −10 (v + 2)²: E's gradients are −2 (m − 1) and −20 (n + 2)."""
    means = {"z": torch.tensor([0.3, -0.5], requires_grad=True), "v": torch.tensor([1.0], requires_grad=True)}
    unit = Normal(0.0, 1.0)
    found: dict[bool, list[Tensor]] = {True: [], False: []}
    for own, drawn in found.items():
        local = LocalSignals()
        torch.manual_seed(0)
        for _ in range(400):
            laws = {name: Normal(mean, 1.0) for name, mean in means.items()}
            nodes = [ScoreFunction().draw(law, unit, 50) for law in laws.values()]
            nodes = [replace(node, name=name) for name, node in zip(laws, nodes, strict=True)]
            terms = {"z": -((nodes[0].z - 1) ** 2), "v": -10 * (nodes[1].z + 2) ** 2}
            together = terms["z"].sum(1, keepdim=True) + terms["v"].sum(1, keepdim=True)
            signals = terms if own else dict.fromkeys(terms, together)
            surrogate = local(together.mean(), nodes, signals)
            drawn.append(torch.cat(torch.autograd.grad(surrogate, list(means.values()))))
    truth = torch.tensor([-2 * (0.3 - 1), -2 * (-0.5 - 1), -20 * (1.0 + 2)])
    spread = {}
    for own, drawn in found.items():
        later = torch.stack(drawn[100:])  # the first has its own signal as its baseline
        assert z_score(later, truth) < 4.5, own
        spread[own] = later.var(0)
    assert (spread[True][:2] < 0.1 * spread[False][:2]).all()
    assert spread[True][2] < spread[False][2]
