"""How the gradient of an expectation over q gets past the sampling.

An estimator draws z ``(K, B, *latent)`` from a posterior and says what to differentiate:

    surrogate = value + stop(signal − baseline) · score, summed over draws

The value's own gradient is the path through z; the score is that of the law from which the noise came.
A score function has no path (z is a constant), the pathwise gradient no score (the noise does not
depend on the parameters), and G-REP both. A new estimator is one class here and one row in a table of ``words``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from lowerbound.distributions.operations import Transport, detach, standardized, transported
from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.objectives.base import Objective, SampledKL, Terms
from lowerbound.vae.objectives.batchwise import factors


@dataclass(frozen=True)
class Draw:
    """z ``(K, B, *latent)``, the posterior as the terms are to see it, and the score, log q of the noise, of each law of its batch.

    ``weights`` are those of the draws in a mean over them, where they are not all alike.
    """

    z: Float[Tensor, "K B *latent"]
    posterior: Distribution
    score: Float[Tensor, "K B *factors"] | None = None
    weights: Float[Tensor, "K B"] | None = None


class Estimator(nn.Module, ABC):
    """The contract of this room; a module, because some keep a running mean."""

    #: whether log q has to be in the value, so that a KL in closed form will not do
    needs_log_posterior = False

    @abstractmethod
    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each datum. Errors: RecipeError where this posterior cannot be drawn so."""

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """What to differentiate, one for each datum; its gradient is the estimate, its value means nothing."""
        return objective.value(terms)


class Pathwise(Estimator):
    """Reparameterization: z = T(ε; φ) with ε free of φ, so ∇_φ E[f(z)] = E[∇_z f(z) ∇_φ T(ε; φ)].

    For a Gaussian z = μ + σ ε with ε ~ N(0, I); Gamma, Beta and von Mises–Fisher by implicit
    differentiation of their distribution function. Errors: RecipeError where the posterior has no such path.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (section 2.4); Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
    """

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each datum, differentiable in the parameters of q."""
        return Draw(_path(posterior, samples), posterior)


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
        """K draws of z for each datum, and q held."""
        return Draw(_path(posterior, samples), detach(posterior))

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value, with what flows back from z weighted."""
        weight = objective.path_weight(terms).detach()
        if draw.z.requires_grad:
            weight = weight.reshape(*weight.shape, *[1] * (draw.z.dim() - 2))
            draw.z.register_hook(lambda gradient: gradient * weight)
        return objective.value(terms)


def _path(posterior: Distribution, samples: int) -> Float[Tensor, "K B *latent"]:
    if not posterior.has_rsample:
        raise RecipeError(f"{law_name(posterior)} cannot be reparameterized; choose another posterior or the score estimator")
    return posterior.rsample(Size([samples]))


class Enumerated(Estimator):
    """All the values that a discrete z can have, each weighted by q(z|x): the expectation itself, without any noise.

    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298 (equation 7).
    Errors: RecipeError for a posterior that has no list of values, or an objective that is no mean over draws.
    """

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """Every value for each datum, whatever ``samples``."""
        if not posterior.has_enumerate_support:
            raise RecipeError(f"the values of {law_name(posterior)} cannot be listed; choose another estimator")
        z = posterior.enumerate_support()
        return Draw(z, posterior, weights=posterior.log_prob(z).exp())

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value, in which q(z|x) is the weight and so has its gradient."""
        if not objective.mean_over_draws:
            raise RecipeError(f"{type(objective).__name__} is no mean over draws; choose another estimator")
        return objective.value(terms)


# --- baselines: what is expected of a signal, whatever the draw --------------------------------------


class NoBaseline(nn.Module):
    """Nothing."""

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """Zeros."""
        return torch.zeros_like(signal)


class MovingAverage(nn.Module):
    """The mean signal of the batches before, forgotten at the rate 1 − ``decay``.

    Source: Mnih and Gregor, "Neural Variational Inference and Learning", 2014, https://arxiv.org/abs/1402.0030.
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, decay: float = 0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """The mean so far, the same for all; in training this batch is then added to it."""
        before = (self.mean / (1 - self.decay**self.batches).clamp(min=1e-12)).expand_as(signal)
        if self.training:
            with torch.no_grad():
                self.mean = self.decay * self.mean + (1 - self.decay) * signal.mean()
                self.batches = self.batches + 1
        return before


class LeaveOneOut(nn.Module):
    """The other draws of the same datum; for IWAE and Rényi this is VIMCO."""

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """For each draw what the others make expect. Errors: RecipeError for K = 1."""
        if signal.dim() > 2:
            raise RecipeError("leaving one out is not there for each dimension; choose the plain score estimator")
        return objective.leave_one_out(terms)


# --- estimators with a score term --------------------------------------------------------------------


class ScoreFunction(Estimator):
    """∇_φ E_q[f(z)] = E_q[(f(z) − b) ∇_φ log q(z)]: black-box variational inference, for any q and f.

    ``baseline`` gives b, which costs no bias and may save much variance.
    Source: Ranganath et al., "Black Box Variational Inference", 2014, https://arxiv.org/abs/1401.0118;
    Williams, "Simple Statistical Gradient-Following Algorithms", 1992, https://doi.org/10.1007/BF00992696.
    """

    def __init__(self, baseline: nn.Module | None = None):
        super().__init__()
        self.baseline = baseline or NoBaseline()

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each datum, as constants."""
        z = posterior.sample(Size([samples]))
        return Draw(z, posterior, posterior.log_prob(z))

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value and the weighted score."""
        assert draw.score is not None
        signal = objective.signal(terms).detach()
        advantage = signal - self.baseline(objective, terms, signal).detach()
        return objective.value(terms) + (advantage * draw.score).sum(0)


class RaoBlackwell(ScoreFunction):
    """The score function where each dimension's score meets only what that dimension decides.

    For dimension i of a factorised q and p the terms log p(z_j) − log q(z_j|x), j ≠ i, are dropped
    from the signal: they are independent of z_i and only add variance. Of a KL in closed form none are there.
    Source: Ranganath et al., "Black Box Variational Inference", 2014, https://arxiv.org/abs/1401.0118 (section 3.1).
    Errors: RecipeError where q or p does not factorise, or the objective is not a mean over draws.
    """

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value and each dimension's weighted score."""
        if not objective.mean_over_draws:
            raise RecipeError(f"{type(objective).__name__} is no mean over draws; choose the plain score estimator")
        signal = objective.signal(terms).detach()
        score = factors(terms.posterior).log_prob(terms.z)
        if objective.kl == SampledKL():
            with torch.no_grad():
                own = objective.weight_of_kl / objective.samples * (score - factors(terms.prior).log_prob(terms.z))
                signal = signal[..., None] + own.sum(-1, keepdim=True) - own
        else:
            signal = signal[..., None].expand_as(score)
        advantage = signal - self.baseline(objective, terms, signal).detach()
        return objective.value(terms) + (advantage * score).sum((0, -1))


class GREP(ScoreFunction):
    """Generalized reparameterization: z = T(ε; φ) with ε standardised, its law still depending on φ a little.

    ∇_φ E[f] = E[∇_z f ∇_φ T] + E[(f − b) ∇_φ log q_ε(ε; φ)], the second term correcting what the
    path alone leaves out. For a Gamma ε = (log z − ψ(α) + log β)/√ψ₁(α), for a Beta the same of the logit; for a
    log-normal q_ε is free of φ, and this is the pathwise gradient. ``transport`` gives T; with ``distributions.rejection`` this is
    the rejection-sampling reparameterisation of Naesseth et al., 2017.
    Source: Ruiz et al., "The Generalized Reparameterization Gradient", 2016, https://arxiv.org/abs/1610.02287.
    Errors: RecipeError for a law that has no standardisation here.
    """

    def __init__(self, baseline: nn.Module | None = None, transport: Transport = transported):
        super().__init__(baseline)
        self.transport = transport

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each datum along T, with log q_ε as the score."""
        return Draw(*standardized(posterior, samples, self.transport))
