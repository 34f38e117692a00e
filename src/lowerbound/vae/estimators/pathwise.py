"""Gradients along the path of a reparameterised draw."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.distributions.drawing import rsample
from lowerbound.distributions.operations import detach
from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.estimators.base import Draw, Estimator
from lowerbound.vae.objectives.base import Objective, by_weight
from lowerbound.vae.terms import Terms


class Pathwise(Estimator):
    """Reparameterization: z = T(ε; φ) with ε free of φ, so ∇_φ E[f(z)] = E[∇_z f(z) ∇_φ T(ε; φ)].

    For a Gaussian z = μ + σ ε with ε ~ N(0, I); Gamma, Beta and von Mises–Fisher by implicit
    differentiation of their distribution function. Errors: RecipeError where the posterior has no such path.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (section 2.4); Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
    """

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each example, differentiable in the parameters of q."""
        return Draw(_path(posterior, samples), posterior)

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value itself: all of its gradient is in it."""
        return objective.value(terms)


class DoublyReparameterized(Estimator):
    """The path alone, without log q's own score: sticking the landing for the ELBO, DReG for IWAE and Rényi.

    log q(z|x) is taken with its parameters held, and what flows back from z_k to the encoder is
    weighted by the objective's ``path_weight``; decoder and prior keep their gradient. Near the exact
    posterior the gradient of the ELBO then has no variance.
    Source: Roeder et al., "Sticking the Landing", 2017, https://arxiv.org/abs/1703.09194; Tucker et al.,
    "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", 2018, https://arxiv.org/abs/1810.04152.
    """

    needs_log_posterior = True

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each example, and q held."""
        return Draw(_path(posterior, samples), detach(posterior))

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value, with what flows back from z weighted."""
        weight = by_weight(objective).path_weight(terms).detach()
        if draw.z.requires_grad:
            weight = weight.reshape(*weight.shape, *[1] * (draw.z.dim() - 2))
            draw.z.register_hook(lambda gradient: gradient * weight)
        return objective.value(terms)


def _path(posterior: Distribution, samples: int) -> Float[Tensor, "K B *latent"]:
    if not posterior.has_rsample:
        raise RecipeError(f"{law_name(posterior)} cannot be reparameterized; choose another posterior or the score estimator")
    return rsample(posterior, [samples])
