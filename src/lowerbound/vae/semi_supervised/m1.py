"""M1 and M1+M2: a VAE that learns without labels, and a head that learns to classify its latents.

    L(x) = ELBO(x) + what the head makes of z ~ q(z|x), which is a constant to it

The head is a classifier q(y|z) that sees the labelled data alone (M1), or a semi-supervised model of z (M1+M2). Both learn
side by side; as the head's gradient stops at z, the VAE is the one that it would be without labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lowerbound.data.rows import Rows
from lowerbound.distributions import OneHotCategorical
from lowerbound.distributions.drawing import sample
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.noise import of_no_row
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.likelihoods import Likelihood
from lowerbound.vae.loss import Loss, of_rows
from lowerbound.vae.model import Model, terms_of
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior
from lowerbound.vae.semi_supervised.base import Batch, check_weight
from lowerbound.vae.semi_supervised.m2 import SemiSupervised
from lowerbound.vae.terms import Sampler, Terms


class Head(nn.Module):
    """q(y|z), the head of M1: a categorical distribution whose logits ``network`` ``(N, latent) → (N, classes)`` gives."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, z: Float[Tensor, "B latent"]) -> OneHotCategorical:
        """A batch ``(B,)`` of distributions over ``(classes,)``."""
        return OneHotCategorical(self.network(z))

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B latent"]) -> Float[Tensor, "B classes"]:
        """log q(y|z) of each class, in nats."""
        return self(x).logits


class Classified(Model):
    """A VAE of x with a head that classifies z: the model M1 with ``Head``, M1+M2 with a ``SemiSupervised`` one.

    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.
    """

    def __init__(self, prior: Prior, likelihood: Likelihood, posterior: Posterior, head: Head | SemiSupervised):
        super().__init__(prior, likelihood, posterior)
        self.head = head

    @property
    def density(self) -> str:
        """log p(x), of the VAE below the head."""
        return "log p(x)"

    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """Those of z, of the VAE below the head."""
        return terms_of(self, x, sampler)

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> None:
        """None: labels are the head's alone."""

    @property
    def reader(self) -> Posterior:
        """The first that reads x on its way to a class: the encoder below the head."""
        return self.posterior

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """The head's log q(y|z) of each class at the centre of q(z|x), in nats."""
        return in_evaluation(self.head).log_classify(self.encoded(x))

    def classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """The head's q(y|z), the probability of each class, at the centre of q(z|x)."""
        return self.log_classify(x).exp()


@runtime_checkable
class HeadLoss(Protocol):
    """What a head descends."""

    def of_head(self, head: Any, batch: Batch, /) -> Float[Tensor, ""]:
        """What is descended for a batch of latents."""


@dataclass(frozen=True)
class OnLabels:
    """−log q(y|z) of the data that have labels, their mean ``weight`` times: what M1's head descends. Errors: as for ``check_weight``."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def of_head(self, head: Head, batch: Batch) -> Float[Tensor, ""]:
        """What is descended for a batch of latents."""
        law = head(batch.labelled)
        y = nn.functional.one_hot(batch.labels, law.event_shape[0]).to(batch.labelled.device)
        return -self.weight * law.log_prob(y).mean()


@dataclass(frozen=True)
class ClassifiedLoss:
    """The loss of the VAE, and the head's on draws of z. What is reported is the VAE's bound."""

    head: HeadLoss
    labelled: int = 100

    def __call__(self, vae: Classified, data: Rows, rows: Int64[Tensor, " B"], objective: Objective, estimator: Estimator) -> Loss:
        """The loss of some rows of ``data``, whose labels it does not look at, and of as many as there may be that have one."""
        below = of_rows(vae, data, rows, objective, estimator)
        batch = Batch.of(data, rows, self.labelled, vae.device)
        values = _drawn(vae, batch.values)
        with of_no_row():  # the labelled examples are the same in all shares of a batch
            labelled = _drawn(vae, batch.labelled)
        above = replace(batch, values=values, labelled=labelled)
        return replace(below, value=below.value + self.head.of_head(vae.head, above))


@torch.no_grad()
def _drawn(vae: Model, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B latent"]:
    return sample(vae.posterior(vae.likelihood.observe(values)))
