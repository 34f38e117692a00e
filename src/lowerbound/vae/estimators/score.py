"""Gradients with a score term, ∇ log q: the score function, by dimension, and what a path leaves to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.distributions.drawing import sample
from lowerbound.distributions.operations import Transport, standardized, transported
from lowerbound.errors import RecipeError
from lowerbound.vae.estimators.base import NodeEstimator
from lowerbound.vae.estimators.baselines import NoBaseline
from lowerbound.vae.objectives.base import Objective, by_draw
from lowerbound.vae.objectives.batchwise import factors
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import SampledKL
from lowerbound.vae.terms import Node, Terms


class Baselined(NodeEstimator):
    """An estimator whose score is weighted by what a draw adds to the value, less what a ``baseline`` expects of it; none by default."""

    def __init__(self, baseline: nn.Module | None = None):
        super().__init__()
        self.baseline = baseline or NoBaseline()

    def advantage(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """The signal less its baseline, as a constant."""
        return signal - self.baseline(objective, terms, signal).detach()

    def scored(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> Float[Tensor, " B"]:
        """The weighted score of each draw. Errors: RecipeError for an objective that does not come apart into draws."""
        advantage = self.advantage(objective, terms, by_draw(objective).signal(terms).detach())
        scores = [node.score for node in nodes if node.score is not None]
        return sum(((advantage * score).sum(0) for score in scores[1:]), (advantage * scores[0]).sum(0))


class ScoreFunction(Baselined):
    """∇_φ E_q[f(z)] = E_q[(f(z) − b) ∇_φ log q(z)]: black-box variational inference, for any q and f.

    ``baseline`` gives b, which costs no bias and may save much variance.
    Source: Ranganath et al., "Black Box Variational Inference", 2014, https://arxiv.org/abs/1401.0118;
    Williams, "Simple Statistical Gradient-Following Algorithms", 1992, https://doi.org/10.1007/BF00992696.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> mean = torch.ones(1, 1, requires_grad=True)
    >>> q, p = Independent(Normal(mean, 1.0), 1), lb.priors.StandardNormal(1)()
    >>> estimator, objective = lb.estimators.ScoreFunction(), lb.objectives.Reconstruction(samples=1_000_000)
    >>> node = estimator.draw(q, p, objective.samples)
    >>> terms = lb.objectives.Terms(-node.z.square().sum(-1), [node])  # log p(x|z) = −z²
    >>> round(float(torch.autograd.grad(estimator.surrogate(objective, terms).sum(), mean)[0]), 1)  # that of E[−z²] is −2 μ
    -2.0
    """

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example, as constants."""
        return _constants(posterior, prior, samples)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> Float[Tensor, " B"]:
        """The weighted score of each draw, summed ``(B,)``."""
        return self.scored(objective, terms, nodes)


class RaoBlackwell(Baselined):
    """The score function where each dimension's score meets only what that dimension decides.

    For dimension i of a factorised q and p the terms log p(z_j) − log q(z_j|x), j ≠ i, are dropped
    from the signal of an ELBO: they are independent of z_i and only add variance. Of a KL in closed form none are there.
    Source: Ranganath et al., "Black Box Variational Inference", 2014, https://arxiv.org/abs/1401.0118 (section 3.1).
    Errors: RecipeError where q or p does not factorise, or the objective is not a mean over draws.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> mean = torch.ones(1, 2, requires_grad=True)
    >>> q, p = Independent(Normal(mean, 1.0), 1), lb.priors.StandardNormal(2)()
    >>> estimator, objective = lb.estimators.RaoBlackwell(), lb.objectives.ELBO(kl=lb.objectives.SampledKL(), samples=100_000)
    >>> terms = lb.objectives.Terms(torch.zeros(100_000, 1), [estimator.draw(q, p, objective.samples)])
    >>> gradient = torch.autograd.grad(estimator.surrogate(objective, terms).sum(), mean)[0]
    >>> gradient.round(decimals=1).tolist()  # that of −KL = −½ Σ μᵢ²
    [[-1.0, -1.0]]
    """

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example, as constants."""
        return _constants(posterior, prior, samples)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> Float[Tensor, " B"]:
        """Each dimension's weighted score, summed ``(B,)``."""
        (node, *more), last = nodes, terms.nodes[-1]
        if more or node is not last:
            raise RecipeError("the terms of one dimension alone are known of a model's last latent; choose the plain score estimator")
        if not objective.mean_over_draws:
            raise RecipeError(f"{type(objective).__name__} is no mean over draws; choose the plain score estimator")
        signal = by_draw(objective).signal(terms).detach()
        score = factors(node.posterior).log_prob(node.z)
        if isinstance(objective, ELBO) and objective.kl == SampledKL():
            with torch.no_grad():
                share = terms.shares(torch.full_like(terms.log_likelihood, objective.weight_of_kl))[..., None]
                own = share * (score - factors(node.prior).log_prob(node.z))
                signal = signal[..., None] + own.sum(-1, keepdim=True) - own
        else:
            signal = signal[..., None].expand_as(score)
        return (self.advantage(objective, terms, signal) * score).sum((0, -1))


class GREP(Baselined):
    """Generalized reparameterization: z = T(ε; φ) with ε standardised, its law still depending on φ a little.

    ∇_φ E[f] = E[∇_z f ∇_φ T] + E[(f − b) ∇_φ log q_ε(ε; φ)], the second term correcting what the
    path alone leaves out. For a Gamma ε = (log z − ψ(α) + log β)/√ψ₁(α), for a Beta the same of the logit; for a
    log-normal q_ε is free of φ, and this is the pathwise gradient. ``transport`` gives T; with ``distributions.rejection`` this is
    the rejection-sampling reparameterisation of Naesseth et al., 2017.
    Source: Ruiz et al., "The Generalized Reparameterization Gradient", 2016, https://arxiv.org/abs/1610.02287.
    Errors: RecipeError for a law that has no standardisation here.

    >>> import torch
    >>> from torch.distributions import Independent
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> shape = torch.ones(1, 1, requires_grad=True)
    >>> q = Independent(lb.distributions.Gamma(shape, torch.ones(1, 1)), 1)
    >>> estimator, objective = lb.estimators.GREP(), lb.objectives.Reconstruction(samples=100_000)
    >>> node = estimator.draw(q, lb.priors.Gamma(1)(), objective.samples)
    >>> terms = lb.objectives.Terms(node.z.square().sum(-1), [node])
    >>> round(float(torch.autograd.grad(estimator.surrogate(objective, terms).sum(), shape)[0]))  # E[z²] = α + α²: 1 + 2α at α = 1
    3
    """

    def __init__(self, baseline: nn.Module | None = None, transport: Transport = transported):
        super().__init__(baseline)
        self.transport = transport

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example along T, with log q_ε as the score."""
        z, law, score = standardized(posterior, samples, self.transport)
        return Node(z, prior, law, score)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> Float[Tensor, " B"]:
        """The weighted score of the noise, summed over draws ``(B,)``."""
        return self.scored(objective, terms, nodes)


def _constants(posterior: Distribution, prior: Distribution, samples: int) -> Node:
    z = sample(posterior, [samples])
    return Node(z, prior, posterior, posterior.log_prob(z))
