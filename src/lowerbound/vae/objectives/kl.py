"""KL(q(z|x) ‖ p(z)), in closed form or by Monte Carlo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.vae.terms import Terms


class KL(ABC):
    """KL(q(z|x) ‖ p(z)) = E_q[log q(z|x) − log p(z)] in two parts: what depends on the draws ``(K, B)``, and what does not ``(B,)``.

    Called, it is the divergence of each example ``(B,)``, in nats: the mean of the first over draws, and the second.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(1), 1.0), 1), Independent(Normal(torch.ones(1, 1), 1.0), 1)
    >>> z = torch.tensor([[[0.0]], [[2.0]]])  # two draws
    >>> terms = lb.objectives.Terms(torch.zeros(2, 1), [lb.estimators.Node(z, p, q)])
    >>> for kl in (lb.objectives.ClosedKL(), lb.objectives.SampledKL()):
    ...     print(kl.drawn(terms).round(decimals=3).tolist(), kl.fixed(terms).tolist(), round(float(kl(terms)), 3))
    [[0.0], [0.0]] [0.5] 0.5
    [[-0.5], [1.5]] [0.0] 0.5
    """

    @abstractmethod
    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The part that is a mean over draws, for each of them."""

    @abstractmethod
    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """The part that is the same whatever was drawn."""

    def __call__(self, terms: Terms) -> Float[Tensor, " B"]:
        """The divergence of each example, in nats."""
        return terms.mean(self.drawn(terms)) + self.fixed(terms)


@dataclass(frozen=True)
class ClosedKL(KL):
    """The divergence exactly; for two Gaussians ½ Σ (μ² + σ² − log σ² − 1), its ½ included.

    Of several latents the exact divergence of each given those before it, its mean over their draws.

    Errors: NoClosedForm, naming the pair.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.tensor([[1.0, 3.0]]), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.zeros(1, 1), [lb.estimators.Node(q.sample((1,)), p, q)])
    >>> float(lb.objectives.ClosedKL()(terms))  # ½ (1² + 3²), whatever was drawn
    5.0
    """

    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The divergences of latents that come after others, on whose draws they depend ``(K, B)``; zeros where there are none."""
        return sum((each for each in terms.divergences if each.dim() > 1), torch.zeros_like(terms.log_likelihood))

    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """The divergences of latents that depend on no other, summed ``(B,)``."""
        first, *more = [each for each in terms.divergences if each.dim() == 1]
        return sum(more, first)


@dataclass(frozen=True)
class SampledKL(KL):
    """The divergence without bias, in nats: the mean of log q(z|x) − log p(z) over the draws, for pairs that have no closed form.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.tensor([[1.0, 3.0]]), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.zeros(100_000, 1), [lb.estimators.Node(q.sample((100_000,)), p, q)])
    >>> round(float(lb.objectives.SampledKL()(terms)), 1)  # exactly it is 5
    5.0
    """

    def drawn(self, terms: Terms) -> Float[Tensor, "K B"]:
        """The whole of it, log q(z|x) − log p(z) ``(K, B)``."""
        return terms.log_posterior - terms.log_prior

    def fixed(self, terms: Terms) -> Float[Tensor, " B"]:
        """Zeros ``(B,)``: all of it depends on the draws."""
        return torch.zeros_like(terms.log_likelihood[0])


def kl_of(posterior: Distribution, prior: Distribution) -> KL:
    """How the KL of these two laws is best had: in closed form (``ClosedKL``) where it has one, else from draws (``SampledKL``).

    >>> import lowerbound as lb
    >>> normal, mixture = lb.priors.StandardNormal(2)(), lb.priors.GaussianMixture(2)()
    >>> lb.objectives.kl_of(normal, normal), lb.objectives.kl_of(normal, mixture)
    (ClosedKL(), SampledKL())
    """
    try:
        kl_divergence(posterior, prior)
    except NotImplementedError:
        return SampledKL()
    return ClosedKL()
