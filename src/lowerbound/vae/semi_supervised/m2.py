"""M2: a VAE over the label y, whose log p(x|y) is bounded by a VAE over z that is given y.

    log p(x) ≥ E_q(y|x)[ELBO(x|y)] − KL(q(y|x) ‖ p(y))        where y is not known
    log p(x, y) ≥ ELBO(x|y) + log p(y)                         where it is

y is a latent like another: an estimator gets its gradient past the sampling, by listing all classes or by a score function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int64
from torch import Size, Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.data import UNKNOWN
from lowerbound.data.rows import Rows
from lowerbound.distributions import OneHotCategorical
from lowerbound.errors import RecipeError
from lowerbound.vae.contexts import Label
from lowerbound.vae.estimators.base import Draw, Estimator
from lowerbound.vae.estimators.enumerated import Enumerated
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.estimators.score import ScoreFunction
from lowerbound.vae.likelihoods import Likelihood
from lowerbound.vae.loss import Loss
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.posteriors import Categorical, Posterior
from lowerbound.vae.priors import Prior
from lowerbound.vae.semi_supervised.base import Batch, check_weight
from lowerbound.vae.terms import Terms


class SemiSupervised(Model):
    """p(y) uniform, p(z), p(x|z, y) and q(z|x, y), and a classifier q(y|x): the model M2.

    Where an example has no label it is read as the class that q(y|x) holds the most likely.
    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.
    """

    context: Label

    def __init__(self, prior: Prior, likelihood: Likelihood, posterior: Posterior, context: Label, classifier: Categorical):
        super().__init__(prior, likelihood, posterior, context)
        self.classifier = classifier

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B classes"]:
        """Their classes, or where they are not known the most likely ones: by q(y|x) of the values as they came."""
        predicted = self.log_classify(values).argmax(1)
        known = predicted if labels is None else torch.where(labels.to(self.device) == UNKNOWN, predicted, labels.to(self.device))
        return self.context.numbered(known)

    @property
    def density(self) -> str:
        """log p(x), the label being a latent."""
        return "log p(x)"

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """log q(y|x) of each class, in nats."""
        with self.evaluating():
            law = self.classifier(x)
            assert isinstance(law, OneHotCategorical)
            return law.logits

    def classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """q(y|x), the probability of each class."""
        return self.log_classify(x).exp()

    def of_each_class(self) -> list[VAE]:
        """p(z), p(x|z, y) and q(z|x, y) for each y: a VAE of the data of that class, its weights shared."""
        every = (self.given(one) for one in torch.eye(self.context.classes, device=self.device).split(1))
        return [VAE(one.prior, one.likelihood, one.posterior) for one in every]

    def labels(self) -> Distribution:
        """p(y), uniform."""
        return OneHotCategorical(torch.zeros(self.context.classes, device=self.device))


@dataclass(frozen=True)
class SemiSupervisedLoss:
    """Both bounds, and what teaches the classifier the labels that are known.

    Of N data of which L have a label a step maximises the mean over a batch of the bound without labels, + L/N the mean over a batch of
    labelled ones of the bound with them, + ``weight`` the mean of log q(y|x) over those, − ``balance`` KL(q̄(y) ‖ p(y)), q̄ the mean of
    q(y|x) over the batch. That is a part of the bound's mean KL(q(y|x) ‖ p(y)), weighted more: that classes are as frequent as p(y) has
    them. ``labelled`` is how many data with labels there are at most in a batch, ``estimator`` that of y, which draws ``samples`` of it.
    What is reported is the bound without labels, whose batch is of all rows, those that have a label among them. Errors: RecipeError for
    weights that are none.
    """

    weight: float
    balance: float = 0.0
    labelled: int = 100
    estimator: Estimator = field(default_factory=Enumerated)
    samples: int = 1

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_weight(self.balance, "balanced classes")

    def __call__(self, vae: SemiSupervised, data: Rows, rows: Tensor, objective: Objective, estimator: Estimator) -> Loss:
        """The loss of some rows of ``data``, whose labels it does not look at, and of as many as there may be that have one."""
        return self.of_batch(vae, Batch.of(data, rows, self.labelled, vae.device), objective, estimator)

    def of_batch(self, vae: SemiSupervised, batch: Batch, objective: Objective, estimator: Estimator) -> Loss:
        """The loss of a batch."""
        without = self.unlabelled(vae, batch.values, objective, estimator)
        with_labels, log_q = self.of_known(vae, batch.labelled, batch.labels, objective, estimator)
        return replace(without, value=without.value - batch.known * with_labels.mean() - self.weight * log_q.mean())

    def of_head(self, head: SemiSupervised, batch: Batch) -> Float[Tensor, ""]:
        """What is descended as the head of another model, for a batch of its latents: by the ELBO and its usual gradient."""
        return self.of_batch(head, batch, ELBO(), Pathwise()).value

    def unlabelled(self, vae: SemiSupervised, values: Float[Tensor, "B *event"], objective: Objective, estimator: Estimator) -> Loss:
        """The bound where y is not known: that of a VAE over y."""
        x = vae.likelihood.observe(values)
        over_labels = ELBO(samples=self.samples)
        law = vae.classifier(x)
        draw = self.estimator.draw(law, over_labels.samples)
        value, inner = _given(vae, x, draw.z, objective, estimator)
        followed, reported = (Terms(part, draw.z, vae.labels(), draw.posterior, weights=draw.weights) for part in (value, inner.bound))
        surrogate = self.estimator.surrogate(over_labels, followed, draw).mean()
        if self.balance:
            surrogate = surrogate - self.balance * kl_divergence(_aggregate(law), vae.labels())
        kl = followed.mean(inner.kl) + over_labels.kl(followed)
        return Loss(-surrogate, over_labels.bound(reported), followed.mean(inner.log_likelihood), kl)

    def of_known(
        self,
        vae: SemiSupervised,
        values: Float[Tensor, "B *event"],
        labels: Int64[Tensor, " B"],
        objective: Objective,
        estimator: Estimator,
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """What bounds log p(x, y) where y is known, and log q(y|x)."""
        x, y = vae.likelihood.observe(values), vae.context.numbered(labels).to(values.device)
        value, _ = _given(vae, x, y[None], objective, estimator)
        return value[0] - math.log(vae.context.classes), vae.classifier(x).log_prob(y)


def _aggregate(law: Distribution) -> OneHotCategorical:
    """q̄(y), the mean of q(y|x) over a batch."""
    assert isinstance(law, OneHotCategorical)
    return OneHotCategorical(law.logits.logsumexp(0) - math.log(len(law.logits)))


def reported(vae: SemiSupervised, values: Float[Tensor, "B *event"], objective: Objective) -> Float[Tensor, "3 B"]:
    """Bound, reconstruction term and KL without labels, all of them listed: what ``unlabelled`` reports, with nothing to descend."""
    x, over_labels = vae.likelihood.observe(values), ELBO()
    draw = Enumerated().draw(vae.classifier(x), 1)
    inner = _reported(_terms(vae, x, draw.z, objective, ScoreFunction())[0], objective, draw.z.shape[:2])
    outer = Terms(inner.bound, draw.z, vae.labels(), draw.posterior, weights=draw.weights)
    return torch.stack([over_labels.bound(outer), outer.mean(inner.log_likelihood), outer.mean(inner.kl) + over_labels.kl(outer)])


@dataclass(frozen=True)
class _Inner:
    """What is reported of log p(x|y), for K labels of each of B data: each ``(K, B)``."""

    bound: Tensor
    log_likelihood: Tensor
    kl: Tensor


def _terms(vae: SemiSupervised, x: Tensor, y: Tensor, objective: Objective, estimator: Estimator) -> tuple[Terms, Draw]:
    """Those of K·B data, all with their first label, then all with their next."""
    given = vae.given(y.flatten(0, 1))
    draw = estimator.draw(given.posterior(x), objective.samples)
    return given.terms(x.repeat(len(y), *[1] * (x.dim() - 1)), draw.posterior, draw.z, draw.weights), draw


def _reported(terms: Terms, objective: Objective, lead: Size) -> _Inner:
    parts = (objective.bound(terms), terms.mean(terms.log_likelihood), objective.kl(terms))
    return _Inner(*(part.reshape(lead) for part in parts))


def _given(
    vae: SemiSupervised, x: Tensor, y: Float[Tensor, "K B classes"], objective: Objective, estimator: Estimator
) -> tuple[Float[Tensor, "K B"], _Inner]:
    """What is maximised for K labels of each of B data, and what is reported.

    The number of the first is the objective's, its gradient the estimator's: y's estimator weighs by the one and follows the other.
    Errors: RecipeError for an objective that looks at a batch as a whole, where every class would count alike, whatever q(y|x) holds of it.
    """
    if objective.over_batch:
        raise RecipeError(
            f"{type(objective).__name__} looks at a batch as a whole, and a label that is not known weighs each example by itself; "
            "choose another objective, or m1m2"
        )
    terms, draw = _terms(vae, x, y, objective, estimator)
    surrogate = estimator.surrogate(objective, terms, draw)
    value = surrogate - surrogate.detach() + objective.value(terms).detach()
    return value.reshape(y.shape[:2]), _reported(terms, objective, y.shape[:2])
