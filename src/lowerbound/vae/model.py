"""The VAE: a prior p(z), a likelihood p(x|z) and a posterior q(z|x), and what can be asked of the three.

``Model`` is what all models share; ``VAE`` is the one whose labels, if any, are contexts. M1 and M2 are in semi_supervised/.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Size, Tensor, nn
from torch.distributions import Distribution, Independent

from lowerbound.distributions.chain import Chain, paired
from lowerbound.errors import DataError, RecipeError, law_name
from lowerbound.nn.jacobian import contraction
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae.conditional import WithContext
from lowerbound.vae.contexts import Context
from lowerbound.vae.likelihoods.base import Likelihood, at_hand
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior
from lowerbound.vae.terms import Node, Sampler, Terms

BLANK = 0.5  # stands where there is no value: every law has a finite density here, and a finite gradient of it


def log_density(
    likelihood: Distribution, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None
) -> Float[Tensor, "K B"]:
    """log p(x|z) under a batch ``(K, B)`` of laws, in nats; of the ``observed`` values alone, where it is said which they are.

    The network may give its law in another layout of the same values (``(784,)`` for images
    ``(1, 28, 28)``). Errors: DataError where the numbers of values differ; RecipeError where a part of the values has no density to be had.
    """
    try:
        x = x.reshape(x.shape[0], *likelihood.event_shape)
    except RuntimeError as error:
        raise other_numbers(likelihood.event_shape, x.shape[1:]) from error
    observed = None if observed is None else observed.reshape(x.shape)
    likelihood = at_hand(likelihood, x, observed)
    if observed is None:
        return likelihood.log_prob(x)
    if not isinstance(likelihood, Independent) or likelihood.base_dist.event_shape:
        raise RecipeError(
            f"the values of {law_name(likelihood)} are not independent given z, so that a part of them has no density at hand"
        )
    each = likelihood.base_dist.log_prob(x.where(observed, BLANK))
    return each.where(observed, 0.0).flatten(len(likelihood.batch_shape)).sum(-1)


def other_numbers(decoded: Sequence[int], event: Sequence[int]) -> DataError:
    """What is said where a decoder gives an example of another number of values than the data have."""
    return DataError(f"the decoder gives {tuple(decoded)}, the data are {tuple(event)}: the numbers of values differ")


class Model(nn.Module, ABC):
    """Three distributions that share z, and what can be asked of them, whatever a label is to them.

    ``prior() -> p(z)``, ``likelihood(z) -> p(x|z)``, ``posterior(x) -> q(z|x)``. With a ``context`` it is a family of such three,
    p(z|c), p(x|z, c) and q(z|x, c).
    """

    def __init__(self, prior: Prior, likelihood: Likelihood, posterior: Posterior, context: Context | None = None):
        super().__init__()
        self.prior = prior
        self.likelihood = likelihood
        self.posterior = posterior
        self.context = context

    @property
    @abstractmethod
    def density(self) -> str:
        """What it has a density of, in words: log p(x), or that of some context."""

    @abstractmethod
    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"] | None:
        """What the three are given besides for these examples, on the model's device; None for a model that is given nothing.

        Errors: DataError where these examples have none.
        """

    def given(self, context: Float[Tensor, "B *context"]) -> VAE:
        """The model for contexts c, one for each example, or one for all: its three distributions are given it, its weights shared."""
        prior = self.prior.given(context) if isinstance(self.prior, WithContext) else self.prior
        bound = VAE(prior, self.likelihood.given(context), self.posterior.given(context), self.context)
        bound.training = self.training
        return bound

    def some(self, rows: slice | Tensor) -> Model:
        """The model given the contexts of some of the examples whose contexts it was given; one for all stays."""
        context = self.posterior.context
        return self if context is None or len(context) == 1 else self.given(context[rows])

    @property
    def device(self) -> torch.device:
        """Where the weights are, and so where data must be."""
        return next(self.parameters()).device

    @abstractmethod
    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """The parts of the bound in nats, each latent drawn by ``sampler``, one after the other. Errors: as for ``log_density``."""

    def log_likelihood(
        self, x: Float[Tensor, "B *event"], z: Float[Tensor, "K B *latent"], observed: Bool[Tensor, "B *event"] | None = None
    ) -> Float[Tensor, "K B"]:
        """log p(x|z) of K latents for each example, or of its ``observed`` values, in nats; of those alone that are ``counted``.

        Errors: as for ``log_density``.
        """
        counted = self.counted(x)
        both = counted if observed is None or counted is None else counted & observed
        return log_density(self.likelihood(z), x, observed if both is None else both)

    def counted(self, x: Float[Tensor, "B *event"]) -> Bool[Tensor, "B *event"] | None:
        """Which values p(x|z, c) is a density of: those that are there, and that c does not tell already; None for all."""
        there = self.there(x)
        context = self.posterior.context
        known = None if self.context is None or context is None else self.context.tells(context)
        if known is None:
            return there
        return ~known.expand(x.shape) if there is None else there & ~known

    def there(self, x: Float[Tensor, "B *event"]) -> Bool[Tensor, "B *event"] | None:
        """Which values there are, where some may be missing (NaN); None for all."""
        return ~x.isnan() if self.likelihood.holes else None

    @torch.no_grad()
    def sample(self, n: int, draw: bool = False) -> Float[Tensor, "n *event"]:
        """n new data: z ~ p(z), then the mean of p(x|z), or with ``draw`` a draw from it.

        A model that was given contexts makes an example of each of them; n is then their number, or any where it was given one for all.
        """
        vae = in_evaluation(self)
        prior = vae.prior()
        return vae.decode(prior.sample(Size([n] if not prior.batch_shape else [])), draw)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "B *event"], draw: bool = False) -> Float[Tensor, "B latent"]:
        """The centre of q(z|x) (its mean, where it has one), the same at each call, or with ``draw`` a draw from it.

        Grey values are given to the encoder as they are; in training it saw them binarized where the likelihood does that.
        """
        q = in_evaluation(self.posterior)
        posterior = q(x)
        return posterior.sample() if draw else q.centre(posterior)

    @torch.no_grad()
    def decode(
        self,
        z: Float[Tensor, "*batch latent"],
        draw: bool = False,
        x: Float[Tensor, "B *event"] | None = None,
        observed: Bool[Tensor, "B *event"] | None = None,
    ) -> Float[Tensor, "*batch *event"]:
        """The mean of p(x|z), or with ``draw`` a draw from it; values that the context tells are what it tells.

        Where z are latents of examples x, a likelihood that takes something of those, as their total, does so, or of what is ``observed``.
        """
        likelihood = in_evaluation(self.likelihood)(z)
        likelihood = likelihood if x is None else at_hand(likelihood, x, observed)
        x = likelihood.sample() if draw else likelihood.mean
        context = self.posterior.context
        return x if self.context is None or context is None else self.context.put(context, x)

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "B *event"], draw: bool = False) -> Float[Tensor, "B *event"]:
        """``decode(encode(x))``: the mean of p(x|z) at the mean of q(z|x), or with ``draw`` a draw through both."""
        return self.decode(self.encode(x, draw), draw, x, self.there(x)).reshape(x.shape)


def terms_of(vae: Model, x: Float[Tensor, "B *event"], sampler: Sampler, posterior: Distribution | None = None) -> Terms:
    """The terms of a model whose latents are z alone, a node each for the levels where prior and posterior are chains of the same.

    ``posterior`` is by default the model's q(z|x).
    """
    encoder = vae.posterior.network if vae.posterior.context is None else vae.posterior.output  # given its context
    nodes = drawn(sampler, vae.posterior(x) if posterior is None else posterior, vae.prior())
    z = nodes[0].z if len(nodes) == 1 else torch.cat([node.z for node in nodes], -1)
    return Terms(vae.log_likelihood(x, z), nodes, partial(contraction, encoder, x))


def drawn(sampler: Sampler, posterior: Distribution, prior: Distribution) -> tuple[Node, ...]:
    """Draws of q(z|x), level by level of a chain, where the prior is one of the same levels: z1 the first, z2 the next, …"""
    if not paired(posterior, prior):
        return (sampler(posterior, prior, "z"),)
    assert isinstance(posterior, Chain)
    assert isinstance(prior, Chain)
    nodes: tuple[Node, ...] = (sampler(posterior.first, prior.first, "z1"),)
    for level, (q, p) in enumerate(zip(posterior.then, prior.then, strict=True), start=2):
        before = torch.cat([node.z for node in nodes], -1)
        nodes += (sampler(q(before), p(before), f"z{level}"),)
    return nodes


class VAE(Model):
    """Three distributions that share z.

    ``prior() -> p(z)``, ``likelihood(z) -> p(x|z)``, ``posterior(x) -> q(z|x)``. A model with a ``context`` is a family of such
    three, p(z|c), p(x|z, c) and q(z|x, c): ``given(c)`` is the one for some c, an ordinary VAE that shares its weights.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114.
    """

    @property
    def density(self) -> str:
        """log p(x), or that of some context."""
        return "log p(x)" if self.context is None else self.context.density

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"] | None:
        """Those that the context makes of values and labels."""
        return None if self.context is None else self.context.of(values, labels).to(self.device)

    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """Those of z."""
        return terms_of(self, x, sampler)
