"""What is maximised: a bound on log p(x), made of the three log densities of K draws.

An objective maps ``Terms`` to ``(B,)``, in nats. A new one is one class here and one row in the table
of ``recipes``. ``bound`` is what is reported and always a bound on log p(x); ``value`` is what is
maximised, and where the two differ (β ≠ 1, free bits, …) the bound is the ELBO.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.errors import NoClosedForm, RecipeError, law_name
from lowerbound.nn.jacobian import contraction
from lowerbound.vae.schedules import Constant, Schedule


@dataclass
class Terms:
    """The parts of the bound for K draws of each of B data, kept apart, in nats.

    ``log_likelihood`` is log p(x|z) ``(K, B)``; ``z`` is ``(K, B, *latent)``; the two laws are
    p(z) and q(z|x), and ``encoder`` and ``x`` are what the second was made of. ``weights`` are those of the draws in a mean over them
    where they are not all alike: q(z|x) itself, where z are all the values that there are. What an objective does not ask for is never
    computed.
    """

    log_likelihood: Float[Tensor, "K B"]
    z: Float[Tensor, "K B *latent"]
    prior: Distribution
    posterior: Distribution
    encoder: Callable[[Tensor], Tensor] | None = None
    x: Float[Tensor, "B *event"] | None = None
    weights: Float[Tensor, "K B"] | None = None

    def mean(self, values: Float[Tensor, "K B"]) -> Float[Tensor, " B"]:
        """E_q of what depends on z, by these draws."""
        return values.mean(0) if self.weights is None else (self.weights * values).sum(0)

    @cached_property
    def log_prior(self) -> Float[Tensor, "K B"]:
        """log p(z)."""
        return self.prior.log_prob(self.z)

    @cached_property
    def log_posterior(self) -> Float[Tensor, "K B"]:
        """log q(z|x)."""
        return self.posterior.log_prob(self.z)

    @cached_property
    def log_weight(self) -> Float[Tensor, "K B"]:
        """log w = log p(z) + log p(x|z) − log q(z|x); E_q[w] = p(x)."""
        return self.log_prior + self.log_likelihood - self.log_posterior

    @cached_property
    def divergence(self) -> Float[Tensor, " B"]:
        """KL(q(z|x) ‖ p(z)) in closed form. Errors: NoClosedForm, naming the pair."""
        try:
            return kl_divergence(self.posterior, self.prior)
        except NotImplementedError as error:
            pair = f"KL({law_name(self.posterior)} ‖ {law_name(self.prior)})"
            raise NoClosedForm(f"{pair} has no closed form here; choose the sampled one") from error

    @cached_property
    def contraction(self) -> Float[Tensor, " B"]:
        """‖∂h/∂x‖² of the encoder's output h. Errors: RecipeError where the terms came without their encoder."""
        if self.encoder is None or self.x is None:
            raise RecipeError("there is no encoder here whose contraction could be had; choose another objective")
        return contraction(self.encoder, self.x)


# --- the KL ----------------------------------------------------------------------------------------


class KL(ABC):
    """KL(q(z|x) ‖ p(z)) in two parts: what depends on the draws ``(K, B)``, and what does not ``(B,)``."""

    @abstractmethod
    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The part that is a mean over draws, for each of them."""

    @abstractmethod
    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """The part that is the same whatever was drawn."""

    def __call__(self, terms: Terms) -> Float[Tensor, " B"]:
        """The divergence of each datum, in nats."""
        return terms.mean(self.drawn(terms)) + self.fixed(terms)


@dataclass(frozen=True)
class ClosedKL(KL):
    """The divergence exactly; for two Gaussians ½ Σ (μ² + σ² − log σ² − 1), its ½ included.

    Errors: NoClosedForm, naming the pair.
    """

    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """Nothing."""
        return torch.zeros_like(terms.log_likelihood)

    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """All."""
        return terms.divergence


@dataclass(frozen=True)
class SampledKL(KL):
    """The divergence without bias, as the mean of log q(z|x) − log p(z) over the draws."""

    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """All."""
        return terms.log_posterior - terms.log_prior

    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """Nothing."""
        return torch.zeros_like(terms.log_likelihood[0])


def kl_of(posterior: Distribution, prior: Distribution) -> KL:
    """How the KL of these two laws is best had: in closed form where it has one."""
    try:
        kl_divergence(posterior, prior)
    except NotImplementedError:
        return SampledKL()
    return ClosedKL()


# --- objectives ------------------------------------------------------------------------------------


class Objective(ABC):
    """The contract of this room.

    Besides its value an objective says how its gradient may be estimated: ``signal`` and
    ``leave_one_out`` for estimators with a score term, ``path_weight`` for doubly reparameterised ones.
    """

    #: whether the value is a mean over draws, so that one draw's part does not depend on the others
    mean_over_draws: ClassVar[bool] = True
    #: whether a datum's value depends on the others of its batch, so that data cannot be weighted each by itself
    over_batch: ClassVar[bool] = False
    #: K, how many draws of z each datum gets
    samples: int
    #: how the KL is computed where the value has one, and for the report
    kl: KL

    @property
    def weight_of_kl(self) -> float:
        """What the value multiplies the KL with, where it is a weighted ELBO."""
        return 1.0

    def at(self, epoch: float) -> Objective:
        """The objective as it is after ``epoch`` passes over the data; the same by default."""
        return self

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is reported: a lower bound on log p(x), one for each datum; by default the ELBO."""
        return terms.mean(terms.log_likelihood) - self.kl(terms)

    @abstractmethod
    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is maximised, one for each datum."""

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What draw k adds to the value: the weight of its score ∇ log q(z_k). Errors: RecipeError where it has none."""
        raise RecipeError(f"{type(self).__name__} does not come apart into a part for each draw; choose a pathwise estimator")

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What is expected of draw k's signal, from the other draws alone."""
        return self.signal(terms)  # raises where there is none

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """1 − (∂v_k/∂log w_k)/v_k with v_k = ∂value/∂log w_k: what is left of draw k's path once log q's own score is dropped.

        Source: Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives",
        2018, https://arxiv.org/abs/1810.04152. Errors: RecipeError where the value is no function of the weights.
        """
        raise RecipeError(f"{type(self).__name__} is no function of the importance weights; choose the pathwise estimator")


@dataclass(frozen=True)
class ELBO(Objective):
    """The evidence lower bound, E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), ≤ log p(x) for β = 1.

    The expectation is the mean over ``samples`` draws. β may follow a schedule; −value is then the
    free energy at temperature β. The bound that is reported has β = 1.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (equation 3); Higgins et al., "beta-VAE", 2017, https://openreview.net/forum?id=Sy2fzU9gl.
    """

    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1
    beta: Schedule = field(default_factory=Constant)
    epoch: float = math.inf

    def at(self, epoch: float) -> ELBO:
        """With the schedule's β of that time."""
        return replace(self, epoch=epoch)

    @property
    def weight_of_kl(self) -> float:
        """The β of now."""
        return self.beta(self.epoch)

    def _each(self, terms: Terms) -> Float[Tensor, "K B"]:
        return terms.log_likelihood - self.weight_of_kl * self.kl.drawn(terms)

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The weighted bound."""
        return terms.mean(self._each(terms)) - self.weight_of_kl * self.kl.fixed(terms)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The draw's own part, a K-th; the others do not depend on it."""
        return self._each(terms) / self.samples

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The mean of the other draws' parts."""
        return _mean_of_others(self._each(terms)) / self.samples

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """1: v_k is 1/K whatever the weights. Errors: RecipeError where the KL is in closed form."""
        if self.kl != SampledKL():
            raise RecipeError("without log q in the value there is no score to drop; choose the sampled KL, or the pathwise estimator")
        return torch.ones_like(terms.log_likelihood)


@dataclass(frozen=True)
class Renyi(Objective):
    """The Rényi bound, 1/(1 − α) log 1/K Σ_k w_k^(1 − α); with α = 0 the importance-weighted one, log 1/K Σ_k w_k.

    For 0 ≤ α < 1 its expectation is below log p(x) for every K, and the bound that is reported is it.
    Source: Li and Turner, "Rényi Divergence Variational Inference", 2016, https://arxiv.org/abs/1602.02311;
    Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519; leave-one-out:
    Mnih and Rezende, "Variational Inference for Monte Carlo Objectives", 2016, https://arxiv.org/abs/1602.06725.
    Errors: RecipeError for α outside [0, 1).
    """

    mean_over_draws: ClassVar[bool] = False
    alpha: float = 0.0
    samples: int = 5
    kl: KL = field(default_factory=SampledKL)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise RecipeError(f"α must be at least 0 and below 1, not {self.alpha:g}; towards 1 it is the ELBO")

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """The value itself."""
        return self.value(terms)

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The bound, one for each datum, in nats."""
        return self._of(terms.log_weight)

    def _of(self, log_weight: Float[Tensor, "K *B"]) -> Float[Tensor, " *B"]:
        scaled = (1 - self.alpha) * log_weight
        return (scaled.logsumexp(0) - math.log(len(log_weight))) / (1 - self.alpha)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """All of it: every draw decides how much the others weigh."""
        return self.value(terms).expand_as(terms.log_likelihood)

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The value with the draw's log w replaced by the mean of the others' (VIMCO)."""
        log_weight = terms.log_weight
        own = torch.eye(len(log_weight), dtype=torch.bool, device=log_weight.device)[:, :, None]
        return self._of(torch.where(own, _mean_of_others(log_weight)[:, None], log_weight[:, None]))

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """α + (1 − α) w̃ with w̃ the normalised weights to the power 1 − α."""
        normalised = ((1 - self.alpha) * terms.log_weight).softmax(0)
        return self.alpha + (1 - self.alpha) * normalised


def IWAE(samples: int = 5) -> Renyi:
    """The importance-weighted bound with K = ``samples``: ``Renyi`` with α = 0."""
    return Renyi(0.0, samples)


@dataclass(frozen=True)
class Reconstruction(Objective):
    """E_q[log p(x|z)] alone: what a plain autoencoder maximises. It bounds nothing; the ELBO is reported beside it."""

    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The reconstruction term."""
        return terms.mean(terms.log_likelihood)

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The draw's own part, a K-th."""
        return terms.log_likelihood / self.samples

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The mean of the other draws' parts."""
        return _mean_of_others(terms.log_likelihood) / self.samples


@dataclass(frozen=True)
class Contractive(Reconstruction):
    """E_q[log p(x|z)] − λ ‖∂h/∂x‖²_F, h the encoder's output and λ the ``weight``: inputs near one another stay so.

    The charge is in none of the figures that are reported. Source: Rifai et al., "Contractive Auto-Encoders: Explicit Invariance
    During Feature Extraction", 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf. Errors: RecipeError for a λ that is no positive number.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise RecipeError(f"the weight of the contraction must be a positive number, not {self.weight:g}")

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The reconstruction term and the charge."""
        return super().value(terms) - self.weight * terms.contraction


def _mean_of_others(values: Float[Tensor, "K B"]) -> Float[Tensor, "K B"]:
    """For each draw the mean over the others. Errors: RecipeError for a single draw."""
    others = len(values) - 1
    if not others:
        raise RecipeError("leaving one out needs another draw; give the objective 2 samples or more")
    return (values.sum(0) - values) / others
