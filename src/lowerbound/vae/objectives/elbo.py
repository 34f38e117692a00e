"""The evidence lower bound, with β, and its reconstruction term alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import RecipeError
from lowerbound.system.arguments import is_number, shown
from lowerbound.vae.objectives.base import Objective, Scheduled, mean_of_others
from lowerbound.vae.objectives.kl import KL, ClosedKL, SampledKL
from lowerbound.vae.schedules import Constant, Schedule
from lowerbound.vae.terms import Terms


@dataclass(frozen=True)
class ELBO(Scheduled):
    """The evidence lower bound, E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), ≤ log p(x) for β = 1.

    The expectation is the mean over ``samples`` draws. β may follow a schedule; −value is then the
    free energy at temperature β. The bound that is reported has β = 1.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (equation 3); Higgins et al., "beta-VAE", 2017, https://openreview.net/forum?id=Sy2fzU9gl.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p = Independent(Normal(torch.zeros(2), 1.0), 1)
    >>> q = Independent(Normal(torch.ones(1, 2), 1.0), 1)  # KL(q ‖ p) = ½ (1² + 1²) = 1
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [lb.estimators.Node(torch.ones(2, 1, 2), p, q)])
    >>> weighted = lb.objectives.ELBO(samples=2, beta=lb.schedules.Constant(4.0))
    >>> float(lb.objectives.ELBO(samples=2).value(terms)), float(weighted.value(terms)), float(weighted.bound(terms))
    (-5.0, -8.0, -5.0)
    """

    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1
    beta: Schedule = field(default_factory=Constant)
    epoch: float = math.inf

    def _each(self, terms: Terms) -> Float[Tensor, "K B"]:
        return terms.log_likelihood - self.weight_of_kl * self.kl.drawn(terms)

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The weighted bound ``(B,)``, in nats."""
        return terms.mean(self._each(terms)) - self.weight_of_kl * self.kl.fixed(terms)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The draw's own part, a K-th; the others do not depend on it."""
        return terms.shares(self._each(terms))

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The mean of the other draws' parts."""
        return terms.shares(mean_of_others(self._each(terms)))

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """1: v_k is 1/K whatever the weights. Errors: RecipeError where the KL is in closed form."""
        if self.kl != SampledKL():
            raise RecipeError("without log q in the value there is no score to drop; choose the sampled KL, or the pathwise estimator")
        return torch.ones_like(terms.log_likelihood)


@dataclass(frozen=True)
class Reconstruction(Objective):
    """E_q[log p(x|z)] alone: what a plain autoencoder maximises. It bounds nothing; the ELBO is reported beside it.

    The expectation is the mean over ``samples`` draws, in nats.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.ones(1, 2), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [lb.estimators.Node(torch.ones(2, 1, 2), p, q)])
    >>> objective = lb.objectives.Reconstruction(samples=2)
    >>> float(objective.value(terms)), float(objective.bound(terms))  # the KL is 1
    (-4.0, -5.0)
    """

    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The reconstruction term ``(B,)``, in nats."""
        return terms.mean(terms.log_likelihood)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The draw's own part, a K-th."""
        return terms.shares(terms.log_likelihood)

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The mean of the other draws' parts."""
        return terms.shares(mean_of_others(terms.log_likelihood))


@dataclass(frozen=True)
class Contractive(Objective):
    """E_q[log p(x|z)] − λ ‖∂h/∂x‖²_F, h the encoder's output and λ the ``weight``: inputs near one another stay so.

    The charge is in none of the figures that are reported.
    Source: Rifai et al., "Contractive Auto-Encoders: Explicit Invariance During Feature Extraction", 2011,
    https://icml.cc/2011/papers/455_icmlpaper.pdf.
    Errors: RecipeError for a λ that is no positive number.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)
    >>> node = lb.estimators.Node(torch.zeros(2, 1, 2), q, q)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [node], jacobian=lambda: torch.tensor([20.0]))
    >>> float(lb.objectives.Contractive(samples=2, weight=0.1).value(terms))  # −4 − 0.1 · 20
    -6.0
    """

    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1
    weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.weight) and 0 < self.weight < math.inf):
            raise RecipeError(f"the weight of the contraction must be a positive number, not {shown(self.weight)}")

    def _parts(self, terms: Terms) -> tuple[Float[Tensor, "K B"], Float[Tensor, " B"]]:
        """What depends on draws, and what does not: the charge, unless the encoder is given a latent that was drawn before."""
        charge = self.weight * terms.contraction
        if charge.dim() > 1:
            return terms.log_likelihood - charge, torch.zeros_like(charge[0])
        return terms.log_likelihood, charge

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The reconstruction term less the charge ``(B,)``."""
        drawn, charge = self._parts(terms)
        return terms.mean(drawn) - charge

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The draw's own part, a K-th."""
        return terms.shares(self._parts(terms)[0])

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The mean of the other draws' parts."""
        return terms.shares(mean_of_others(self._parts(terms)[0]))
