"""How the gradient of an expectation over q gets past the sampling: a draw that can be differentiated.

An estimator maps q(z|x) and K to draws ``(K, B, *latent)``. A new one is one class here and one row
in the table of ``recipes``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.errors import RecipeError, law_name


@runtime_checkable
class Estimator(Protocol):
    """The contract of this room."""

    def draw(self, posterior: Distribution, samples: int) -> Float[Tensor, "K B *latent"]:
        """K draws of z for each datum."""


class Pathwise:
    """Reparameterization: z = T(ε; φ) with ε free of φ, so ∇_φ E[f(z)] = E[∇_z f(z) ∇_φ T(ε; φ)].

    For a Gaussian z = μ + σ ε with ε ~ N(0, I). Errors: RecipeError where the posterior has no such path.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (section 2.4).
    """

    def draw(self, posterior: Distribution, samples: int) -> Float[Tensor, "K B *latent"]:
        """K draws of z for each datum, differentiable in the parameters of q."""
        if not posterior.has_rsample:
            raise RecipeError(f"{law_name(posterior)} cannot be reparameterized; choose another posterior")
        return posterior.rsample(Size([samples]))
