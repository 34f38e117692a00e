"""log p(x) of examples, with errors: what ``log_likelihood`` returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lowerbound.system import markup
from lowerbound.system.numbers import fixed


@dataclass(frozen=True, repr=False)
class Density:
    """log p(x) of N examples, each ``(N,)`` in nats, as doubles on the CPU; of one that came without a batch axis, ``()``.

    ``log_p`` is log 1/K Σ w and ``se`` its standard error over draws; ``ess`` is (Σ w)²/Σ w², how many draws of
    p(z|x) itself they are worth. ``log_likelihood_term`` is E_q[log p(x|z)] and ``kl`` KL(q(z|x) ‖ p(z)); the ELBO is
    their difference. ``curve`` ``(C, N)`` are the estimates by the first ``draws`` draws of q(z|x) alone. It is what ``lb.log_likelihood``
    returns. Printed it is the means, that of log p(x) with its errors.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (6,)).vae
    >>> density = lb.log_likelihood(vae, torch.ones(3, 6), samples=200)
    >>> density.log_p.shape, density.samples, bool((density.elbo < density.log_p).all())
    (torch.Size([3]), 200, True)
    """

    log_p: Float[Tensor, "*N"]
    se: Float[Tensor, "*N"]
    ess: Float[Tensor, "*N"]
    log_likelihood_term: Float[Tensor, "*N"]
    kl: Float[Tensor, "*N"]
    curve: Float[Tensor, "C *N"]
    draws: tuple[int, ...]
    samples: int

    def of_one(self) -> Density:
        """The figures of the first example alone, without the axis of examples."""
        each: dict[str, Any] = {name: value[..., 0] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **each)

    def __repr__(self) -> str:
        errors = f"± {fixed(self.se_data, 3)} over examples, ± {fixed(self.se_samples, 3)} over draws"
        size = f"of {self.log_p.numel():,}, {float(self.ess.mean()):,.0f} of {self.samples:,} draws effective"
        errors = f"{errors}, too low by about {fixed(-self.bias, 3)}"
        return f"log p(x) {self.mean:.3f} {errors}; ELBO {float(self.elbo.mean()):.3f}; nats per example {size}"

    def _repr_html_(self) -> str:
        errors = {"± over examples": self.se_data, "± over draws": self.se_samples, "too low by about": -self.bias}
        rows = {"log p(x)": self.mean, **errors, "ELBO": float(self.elbo.mean()), "effective draws": float(self.ess.mean())}
        return markup.table(f"log p(x) of {self.log_p.numel():,} examples by {self.samples:,} draws; nats per example", rows)

    @property
    def elbo(self) -> Float[Tensor, "*N"]:
        """E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), by the same draws of q."""
        return self.log_likelihood_term - self.kl

    @property
    def mean(self) -> float:
        """Mean log p(x), nats per example."""
        return float(self.log_p.mean())

    @property
    def se_data(self) -> float:
        """Standard error of the mean as an estimate for other examples of the same kind: sd over examples / √N; NaN for one."""
        return float(self.log_p.std()) / math.sqrt(self.log_p.numel()) if self.log_p.numel() > 1 else math.nan

    @property
    def se_samples(self) -> float:
        """Standard error of the mean over draws of z, these examples given: √(Σ se²)/N. It shrinks with N, unlike ``bias``."""
        return float(self.se.square().sum().sqrt()) / self.se.numel()

    @property
    def bias(self) -> float:
        """By about how much the mean is too low, since E log is below log E: −½ mean se², below 0; more examples do not mend it."""
        return -0.5 * float(self.se.square().mean())
