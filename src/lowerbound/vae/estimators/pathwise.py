"""Gradients along the path of a reparameterised draw."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.distributions.drawing import rsample
from lowerbound.distributions.operations import detach
from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.estimators.base import NodeEstimator
from lowerbound.vae.objectives.base import Objective, by_weight
from lowerbound.vae.terms import Node, Terms


class Pathwise(NodeEstimator):
    """Reparameterization: z = T(ε; φ) with ε free of φ, so ∇_φ E[f(z)] = E[∇_z f(z) ∇_φ T(ε; φ)].

    For a Gaussian z = μ + σ ε with ε ~ N(0, I); Gamma, Beta and von Mises–Fisher by implicit differentiation of their distribution
    function.
    Errors: RecipeError where the posterior has no such path.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114 (section 2.4); Figurnov et al.,
    "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> mean = torch.ones(1, 1, requires_grad=True)
    >>> q = Independent(Normal(mean, 1.0), 1)
    >>> z = lb.estimators.Pathwise().draw(q, lb.priors.StandardNormal(1)(), 100_000).z
    >>> round(float(torch.autograd.grad(-z.square().mean(), mean)[0]), 1)  # E[−z²] = −μ² − 1, and its gradient is −2 μ
    -2.0
    """

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example, differentiable in the parameters of q."""
        return Node(_path(posterior, samples), prior, posterior)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> None:
        """None: the value has all of the gradient."""


class DoublyReparameterized(NodeEstimator):
    """The path alone, without log q's own score: sticking the landing for the ELBO, DReG for IWAE and Rényi.

    log q(z|x) is taken with its parameters held, and what flows back from z_k to the encoder is
    weighted by the objective's ``path_weight``; decoder and prior keep their gradient. Near the exact
    posterior the gradient of the ELBO then has no variance. Of a hierarchy what flows back from the terms is weighed level by level, and
    the paths from level to level are left as they are.
    Source: Roeder et al., "Sticking the Landing", 2017, https://arxiv.org/abs/1703.09194; Tucker et al.,
    "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", 2018, https://arxiv.org/abs/1810.04152; Bauer and Mnih,
    "Generalized Doubly Reparameterized Gradient Estimators", 2021, https://arxiv.org/abs/2101.11046.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> mean = torch.zeros(1, 1, requires_grad=True)
    >>> q, p = Independent(Normal(mean, 1.0), 1), lb.priors.StandardNormal(1)()
    >>> objective, estimator = lb.objectives.ELBO(kl=lb.objectives.SampledKL()), lb.estimators.DoublyReparameterized()
    >>> terms = lb.objectives.Terms(torch.zeros(1, 1), [estimator.draw(q, p, 1)])  # p(x|z) is constant, so that q is the exact posterior
    >>> abs(float(torch.autograd.grad(estimator.surrogate(objective, terms).sum(), mean)[0]))  # exactly, by a single draw
    0.0
    """

    needs_log_posterior = True

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example, and q held."""
        z = _path(posterior, samples)
        return Node(z, prior, detach(posterior), path=z)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> None:
        """None, after a word to autograd that what flows back from z is to be weighted."""
        weight = by_weight(objective).path_weight(terms).detach()
        if sum(node.z.requires_grad for node in terms.nodes) > 1 and any(node.path is None or node.path is node.z for node in terms.nodes):
            raise RecipeError(
                "the paths of several latents cannot be kept apart from what the terms see of them; choose the pathwise estimator"
            )
        for node in nodes:
            if node.z.requires_grad:
                scale = weight.reshape(*weight.shape, *[1] * (node.z.dim() - 2))
                node.z.register_hook(lambda gradient, scale=scale: gradient * scale)


def _path(posterior: Distribution, samples: int) -> Float[Tensor, "K B *latent"]:
    if not posterior.has_rsample:
        raise RecipeError(f"{law_name(posterior)} cannot be reparameterized; choose another posterior, or an estimator without a path")
    return rsample(posterior, [samples])
