"""M2: a VAE over the label y, whose log p(x|y) is bounded by a VAE over z that is given y.

    log p(x) ≥ E_q(y|x)[ELBO(x|y)] − KL(q(y|x) ‖ p(y))        where y is not known
    log p(x, y) ≥ ELBO(x|y) + log p(y)                         where it is

y is a latent like another, drawn before z: an estimator of its own gets its gradient past the sampling, by listing all classes, a score
function or a relaxed draw, and what is maximised may be any bound of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from lowerbound.data import UNKNOWN
from lowerbound.data.rows import Rows
from lowerbound.distributions import OneHotCategorical
from lowerbound.distributions.operations import unflattened
from lowerbound.errors import RecipeError
from lowerbound.nn.jacobian import contraction
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae.contexts import Label
from lowerbound.vae.drawing import drawn
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.enumerated import Enumerated
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.estimators.per_node import PerNode
from lowerbound.vae.likelihoods import Likelihood
from lowerbound.vae.loss import Loss, loss, of_terms
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.posteriors import Categorical, Posterior
from lowerbound.vae.priors import Prior
from lowerbound.vae.semi_supervised.base import Batch, check_weight
from lowerbound.vae.semi_supervised.smoothness import roughness
from lowerbound.vae.terms import Node, Sampler, Terms


class SemiSupervised(Model):
    """p(y) uniform, p(z), p(x|z, y) and q(z|x, y), and a classifier q(y|x): the model M2.

    The classifier reads x, or with ``below``, a VAE of x that sees no label, the centre of its q(z|x).
    Where an example has no label it is read as the class that q(y|x) holds the most likely.
    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.

    >>> import torch
    >>> import lowerbound as lb
    >>> label = lb.contexts.Label(10)
    >>> likelihood = lb.likelihoods.Bernoulli(lb.nn.Joined(lb.nn.mlp(2 + 10, 16, 64)))
    >>> posterior = lb.posteriors.DiagonalGaussian(lb.nn.Joined(lb.nn.mlp(64 + 10, 16, 4)))
    >>> classifier = lb.posteriors.Categorical(lb.nn.mlp(64, 16, 10))
    >>> vae = lb.semi.SemiSupervised(lb.priors.StandardNormal(2), likelihood, posterior, label, classifier)
    >>> vae.classify(torch.rand(5, 64)).shape, vae.given(label.numbered(torch.tensor([7]))).sample(3).shape  # three sevens
    (torch.Size([5, 10]), torch.Size([3, 64]))
    """

    context: Label

    def __init__(
        self,
        prior: Prior,
        likelihood: Likelihood,
        posterior: Posterior,
        context: Label,
        classifier: Categorical,
        below: VAE | None = None,
    ):
        super().__init__(prior, likelihood, posterior, context)
        self.classifier = classifier
        self.below = below
        if below is not None:
            self.learned_from: Tensor
            self.register_buffer("learned_from", torch.zeros((), dtype=torch.long))  # so many examples, each as often as it came

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B classes"]:
        """Their classes, or where they are not known the most likely ones: by q(y|x) of the values as they came."""
        predicted = self.log_classify(values).argmax(1)
        known = predicted if labels is None else torch.where(labels.to(self.device) == UNKNOWN, predicted, labels.to(self.device))
        return self.context.numbered(known)

    @property
    def density(self) -> str:
        """What it is a density of, in words: log p(x), the label being a latent."""
        return "log p(x)"

    @torch.no_grad()
    def log_classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """log q(y|x) of each class ``(B, classes)``, in nats."""
        law = in_evaluation(self.classifier)(self.read(x))
        assert isinstance(law, OneHotCategorical)
        return law.logits

    def classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """q(y|x), the probability of each class ``(B, classes)``."""
        return self.log_classify(x).exp()

    def undecided(self) -> SemiSupervised:
        """The model with p(y) in the place of q(y|x), as before its classifier knows anything."""
        return SemiSupervised(self.prior, self.likelihood, self.posterior, self.context, Categorical(Equal(self.context.classes)))

    @property
    def reader(self) -> Posterior:
        """The first that reads x on its way to a class: the classifier, or the encoder below it."""
        return self.classifier if self.below is None else self.below.posterior

    def read(self, x: Float[Tensor, "B *event"]) -> Tensor:
        """What the classifier reads of x: itself, or ``(B, latent)``, without a gradient."""
        if self.below is None:
            return x
        with torch.no_grad():
            return self.below.encoded(x)

    def of_each_class(self) -> list[VAE]:
        """p(z), p(x|z, y) and q(z|x, y) for each y: a VAE of the data of that class, its weights shared."""
        every = (self.given(one) for one in torch.eye(self.context.classes, device=self.device).split(1))
        return [VAE(one.prior, one.likelihood, one.posterior) for one in every]

    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """The terms of y and of z given y, of a hierarchy level by level, ``(K, B)`` each, in nats."""
        y = sampler(self.classifier(self.read(x)), self.labels(), "y")
        lead, given = y.z.shape[:2], self.given(y.z.flatten(0, 1))
        posterior = given.posterior.law(given.posterior.output(x).unflatten(0, lead), 2)
        nodes = drawn(sampler, posterior, unflattened(given.prior(), lead))
        z = torch.cat([node.z for node in nodes], -1)
        repeated = x.repeat(len(y.z), *[1] * (x.dim() - 1))
        log_likelihood = given.log_likelihood(repeated, z.flatten(0, 1)[None])[0].view(lead)
        return Terms(log_likelihood, (y, *nodes), partial(_contraction, self, x, y))

    def labels(self) -> Distribution:
        """p(y), each class as likely as the others."""
        return OneHotCategorical(torch.zeros(self.context.classes, device=self.device))


class Equal(nn.Module):
    """A classifier that knows nothing: logits of zero."""

    def __init__(self, classes: int):
        super().__init__()
        self.classes = classes

    def forward(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """As many for each example."""
        return x.new_zeros(len(x), self.classes)


@dataclass(frozen=True)
class SemiSupervisedLoss:
    """Both bounds of M2, and what teaches the classifier the labels that are known, for ``lb.fit(…, loss=…)``.

    Of N data of which L have a label a step maximises the mean over a batch of the bound without labels, + L/N the mean over a batch of
    labelled ones of the bound with them, + ``weight`` the mean of log q(y|x) over those, − ``balance`` KL(q̄(y) ‖ π), q̄ the mean of
    q(y|x) over the batch: that classes are as frequent as π has them, their ``shares``, by default p(y). With a ``radius`` it also
    maximises − ``weight`` the ``roughness`` of q(y|x): that classes part where there are few data. Where the classifier reads the latents
    of a VAE below, that one's ELBO is maximised besides; in the first ``alone`` passes over the data nothing teaches the classifier, and
    the bound is that with p(y) in the place of q(y|x). ``labelled`` is how many data with labels there are at most in a batch,
    ``estimator`` that of y, which draws ``samples`` of it. What is reported is the bound without labels, whose batch is of all rows,
    those that have a label among them.
    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.
    Errors: RecipeError for weights that are none.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> spec = lb.data.DataSpec.of(digits.train, digits.test)
    >>> vae = lb.build(lb.Recipe(semi_supervised="m2", labels=100, network="mlp:16", latent=2), spec).vae
    >>> loss = lb.semi.SemiSupervisedLoss(weight=30.0, balance=10.0)
    >>> len(list(lb.fit(vae, digits.train, epochs=1, loss=loss)))
    13
    """

    weight: float
    balance: float = 0.0
    labelled: int = 100
    estimator: Estimator = field(default_factory=Enumerated)
    samples: int = 1
    radius: float = 0.0
    shares: tuple[float, ...] | None = None
    alone: float = 0.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_weight(self.balance, "the weight of balanced classes")
        check_weight(self.radius, "the radius")
        check_weight(self.alone, "the number of passes before the classifier learns")

    def __call__(self, vae: SemiSupervised, data: Rows, rows: Tensor, objective: Objective, estimator: Estimator) -> Loss:
        """The loss of some rows of ``data``, whose labels it does not look at, and of as many as there may be that have one."""
        batch = Batch.of(data, rows, self.labelled, vae.device)
        if vae.below is None:
            return self.of_batch(vae, batch, objective, estimator)
        if int(vae.learned_from) < self.alone * len(data):
            above = self.unlabelled(vae.undecided(), batch.values, objective, estimator)
        else:
            above = self.of_batch(vae, batch, objective, estimator)
        if vae.training:
            vae.learned_from += len(rows)
        return replace(above, value=above.value + loss(vae.below, batch.values, ELBO(), Pathwise()).value)

    def of_batch(self, vae: SemiSupervised, batch: Batch, objective: Objective, estimator: Estimator) -> Loss:
        """The loss of a batch, its labelled part included, in nats per example."""
        without = self.unlabelled(vae, batch.values, objective, estimator)
        with_labels, log_q = self.of_known(vae, batch.labelled, batch.labels, objective, estimator)
        value = without.value - batch.known * with_labels.mean() - self.weight * log_q.mean()
        if self.radius:
            value = value + self.weight * roughness(vae.classifier, vae.read(vae.likelihood.observe(batch.values)), self.radius)
        return replace(without, value=value)

    def of_head(self, head: SemiSupervised, batch: Batch) -> Float[Tensor, ""]:
        """What is descended as the head of another model, for a batch of its latents: by the ELBO and its usual gradient."""
        return self.of_batch(head, batch, ELBO(), Pathwise()).value

    def unlabelled(self, vae: SemiSupervised, values: Float[Tensor, "B *event"], objective: Objective, estimator: Estimator) -> Loss:
        """The bound where y is not known: that of two latents, y and z."""
        _must_be_of_examples(objective)
        objective = replace(cast(Any, objective), samples=self.samples * objective.samples)
        of_each = PerNode(y=self.estimator, z=estimator)
        terms = vae.terms(vae.likelihood.observe(values), of_each.sampler(objective.samples))
        found = of_terms(terms, objective, of_each)
        if not self.balance:
            return found
        target = vae.labels() if self.shares is None else OneHotCategorical(torch.tensor(self.shares, device=vae.device).log())
        return replace(found, value=found.value + self.balance * kl_divergence(_aggregate(terms.nodes[0].posterior), target))

    def of_known(
        self,
        vae: SemiSupervised,
        values: Float[Tensor, "B *event"],
        labels: Int64[Tensor, " B"],
        objective: Objective,
        estimator: Estimator,
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """What bounds log p(x, y) where y is known, and log q(y|x)."""
        _must_be_of_examples(objective)
        x, y = vae.likelihood.observe(values), vae.context.numbered(labels).to(values.device)
        terms = vae.given(y).terms(x, estimator.sampler(objective.samples))
        return estimator.surrogate(objective, terms) - math.log(vae.context.classes), vae.classifier(vae.read(x)).log_prob(y)


def _must_be_of_examples(objective: Objective) -> None:
    """Raise RecipeError for an objective that looks at a batch as a whole: each class would count alike, whatever q(y|x) holds of it."""
    if objective.over_batch:
        raise RecipeError(
            f"{type(objective).__name__} looks at a batch as a whole, and a label that is not known weighs each example by itself; "
            "choose another objective, or m1m2"
        )


def _contraction(vae: SemiSupervised, x: Float[Tensor, "B *event"], y: Node) -> Float[Tensor, "K B"]:
    """That of q(z|x, y)'s output for each label that was drawn."""
    return torch.stack([contraction(vae.given(label).posterior.output, x) for label in y.z])


def _aggregate(law: Distribution) -> OneHotCategorical:
    """q̄(y), the mean of q(y|x) over a batch."""
    assert isinstance(law, OneHotCategorical)
    return OneHotCategorical(law.logits.logsumexp(0) - math.log(len(law.logits)))
