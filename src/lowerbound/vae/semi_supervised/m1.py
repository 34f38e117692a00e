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
    """q(y|z), the head of M1: a categorical distribution whose logits ``network`` ``(N, latent) → (N, classes)`` gives.

    >>> import torch
    >>> import lowerbound as lb
    >>> head = lb.semi.Head(lb.nn.mlp(2, 16, 10))
    >>> head.log_classify(torch.zeros(5, 2)).exp().sum(1).round(decimals=3).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, z: Float[Tensor, "B latent"]) -> OneHotCategorical:
        """A batch ``(B,)`` of distributions over ``(classes,)``."""
        return OneHotCategorical(self.network(z))

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B latent"]) -> Float[Tensor, "B classes"]:
        """log q(y|z) of each class ``(B, classes)``, in nats."""
        return self(x).logits


class Classified(Model):
    """A VAE of x with a head that classifies z: the model M1 with ``Head``, M1+M2 with a ``SemiSupervised`` one.

    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Bernoulli(lb.nn.mlp(2, 16, 64))
    >>> posterior = lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 16, 4))
    >>> vae = lb.semi.Classified(lb.priors.StandardNormal(2), likelihood, posterior, lb.semi.Head(lb.nn.mlp(2, 16, 10)))
    >>> vae.classify(torch.rand(5, 64)).shape, vae.sample(3).shape
    (torch.Size([5, 10]), torch.Size([3, 64]))
    """

    def __init__(self, prior: Prior, likelihood: Likelihood, posterior: Posterior, head: Head | SemiSupervised):
        super().__init__(prior, likelihood, posterior)
        self.head = head

    @property
    def density(self) -> str:
        """What it is a density of, in words: log p(x), of the VAE below the head."""
        return "log p(x)"

    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """The terms of the bound of the VAE below the head, ``(K, B)`` each, in nats."""
        return terms_of(self, x, sampler)

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> None:
        """None: labels are the head's alone."""

    @property
    def reader(self) -> Posterior:
        """The first that reads x on its way to a class: the encoder below the head."""
        return self.posterior

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """The head's log q(y|z) of each class ``(B, classes)`` at the centre of q(z|x), in nats."""
        return in_evaluation(self.head).log_classify(self.encoded(x))

    def classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """The head's q(y|z), the probability of each class ``(B, classes)``, at the centre of q(z|x)."""
        return self.log_classify(x).exp()


@runtime_checkable
class HeadLoss(Protocol):
    """What a head descends."""

    def of_head(self, head: Any, batch: Batch, /) -> Float[Tensor, ""]:
        """What is descended for a batch of latents."""


@dataclass(frozen=True)
class OnLabels:
    """−log q(y|z) of the data that have labels, their mean ``weight`` times, in nats: what M1's head descends.

    Errors: RecipeError for a weight that is no number of 0 or more.

    >>> import lowerbound as lb
    >>> lb.semi.OnLabels(-1.0)
    Traceback (most recent call last):
        ...
    lowerbound.errors.RecipeError: the weight of known labels must be 0 or a positive number, not -1
    """

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
    """The loss of the VAE, and the ``head``'s on draws of z, for ``lb.fit(…, loss=…)``. What is reported is the VAE's bound.

    ``labelled`` is how many examples with a label there are at most in a batch; which of all is drawn anew for each.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> spec = lb.data.DataSpec.of(digits.train, digits.test)
    >>> vae = lb.build(lb.Recipe(semi_supervised="m1", labels=100, network="mlp:16", latent=2), spec).vae
    >>> loss = lb.semi.ClassifiedLoss(lb.semi.OnLabels(weight=1.0), labelled=100)
    >>> len(list(lb.fit(vae, digits.train, epochs=1, loss=loss)))
    13
    """

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
