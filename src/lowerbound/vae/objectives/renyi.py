"""The Rényi bound; with α = 0 the importance-weighted one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import RecipeError
from lowerbound.system.arguments import is_number, shown
from lowerbound.vae.objectives.base import Objective, mean_of_others
from lowerbound.vae.objectives.kl import KL, SampledKL
from lowerbound.vae.terms import Terms


@dataclass(frozen=True)
class Renyi(Objective):
    """The Rényi bound, 1/(1 − α) log 1/K Σ_k w_k^(1 − α); with α = 0 the importance-weighted one, log 1/K Σ_k w_k.

    Where z are all the values that there are, each weighted, the mean is Σ_k q_k w_k^(1 − α), with α = 0 log p(x) itself.
    For 0 ≤ α < 1 its expectation is below log p(x) for every K, and the bound that is reported is it.
    Source: Li and Turner, "Rényi Divergence Variational Inference", 2016, https://arxiv.org/abs/1602.02311;
    Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519; leave-one-out:
    Mnih and Rezende, "Variational Inference for Monte Carlo Objectives", 2016, https://arxiv.org/abs/1602.06725.
    Errors: RecipeError for α outside [0, 1).

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)  # q = p, and so w = p(x|z)
    >>> node = lb.estimators.Node(torch.zeros(2, 1, 2), prior=q, posterior=q)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [node])
    >>> [round(float(lb.objectives.Renyi(alpha, 2).value(terms)), 2) for alpha in (0.0, 0.5, 0.99)]  # towards the ELBO, −4
    [-3.57, -3.76, -4.0]
    """

    mean_over_draws: ClassVar[bool] = False
    value_is_bound: ClassVar[bool] = True
    bound_formula: ClassVar[str] = "E[1/(1 − α) log 1/K Σ w^(1 − α)], w = p(x, z)/q(z|x), of K = {0.samples} draws of z, α = {0.alpha:g}"
    alpha: float = 0.0
    samples: int = 5
    kl: KL = field(default_factory=SampledKL)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.alpha) and 0 <= self.alpha < 1):
            raise RecipeError(f"α must be at least 0 and below 1, not {shown(self.alpha)}; towards 1 it is the ELBO")

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The bound, one for each example, in nats."""
        return self._of(terms.log_weight, terms.weights)

    def _of(self, log_weight: Float[Tensor, "K *B"], weights: Float[Tensor, "K *B"] | None = None) -> Float[Tensor, " *B"]:
        scaled = (1 - self.alpha) * log_weight
        total = scaled.logsumexp(0) - math.log(len(log_weight)) if weights is None else (scaled + weights.log()).logsumexp(0)
        return total / (1 - self.alpha)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """All of it: every draw decides how much the others weigh."""
        return self.value(terms).expand_as(terms.log_likelihood)

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The value with the draw's log w replaced by the mean of the others' (VIMCO)."""
        log_weight = terms.log_weight
        own = torch.eye(len(log_weight), dtype=torch.bool, device=log_weight.device)[:, :, None]
        return self._of(torch.where(own, mean_of_others(log_weight)[:, None], log_weight[:, None]))

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """α + (1 − α) w̃ with w̃ the normalised weights to the power 1 − α."""
        scaled = (1 - self.alpha) * terms.log_weight
        normalised = (scaled if terms.weights is None else scaled + terms.weights.log()).softmax(0)
        return self.alpha + (1 - self.alpha) * normalised


def IWAE(samples: int = 5) -> Renyi:
    """The importance-weighted bound log 1/K Σ w_k with K = ``samples``, w = p(x, z)/q(z|x): ``Renyi`` with α = 0.

    Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519.

    >>> import math
    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)  # q = p, and so w = p(x|z)
    >>> node = lb.estimators.Node(torch.zeros(2, 1, 2), prior=q, posterior=q)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [node])
    >>> round(float(lb.objectives.IWAE(2).value(terms)), 3), round(math.log((math.exp(-3) + math.exp(-5)) / 2), 3)
    (-3.566, -3.566)
    """
    return Renyi(0.0, samples)
