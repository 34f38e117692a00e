"""The VAE: a prior p(z), a likelihood p(x|z) and a posterior q(z|x), and what can be asked of the three.

``Model`` is what all models share; ``VAE`` is the one whose labels, if any, are contexts. M1 and M2 are in semi_supervised/.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, NoReturn

import torch
from jaxtyping import Bool, Float, Int64
from torch import Size, Tensor, nn
from torch.distributions import Distribution
from torch.nn.parameter import is_lazy

from lowerbound.data.array_likes import Array
from lowerbound.data.python import Examples, Source, examples_of
from lowerbound.data.rows import all_of
from lowerbound.errors import UsageError, law_name
from lowerbound.nn.jacobian import contraction
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.system.seeding import seeded
from lowerbound.vae.conditional import WithContext
from lowerbound.vae.contexts import Context
from lowerbound.vae.density import log_density
from lowerbound.vae.drawing import drawn
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.base import Likelihood, at_hand
from lowerbound.vae.parts import latents_of, must_be_part, not_called
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior
from lowerbound.vae.terms import Sampler, Terms


class Model(nn.Module, ABC):
    """Three distributions that share z, and what can be asked of them, whatever a label is to them.

    ``prior() -> p(z)``, ``likelihood(z) -> p(x|z)``, ``posterior(x) -> q(z|x)``. With a ``context`` it is a family of such three, p(z|c),
    p(x|z, c) and q(z|x, c).
    Errors: RecipeError for a part that is none.
    """

    #: the decoder whose examples were looked at, and their shape
    _looked: tuple[nn.Module, tuple[int, ...] | None] | None = None

    def __init__(self, prior: Prior, likelihood: Likelihood, posterior: Posterior, context: Context | None = None):
        super().__init__()
        for name, part, kind in (("prior", prior, nn.Module), ("likelihood", likelihood, Likelihood), ("posterior", posterior, Posterior)):
            must_be_part(name, part, kind)
        self.prior = prior
        self.likelihood = likelihood
        self.posterior = posterior
        self.context = context

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        """It is not called as a network is. Errors: UsageError, with what to call."""
        raise not_called()

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

    @property
    def dtype(self) -> torch.dtype:
        """The type of the encoder's weights, and so that of data; single precision where there are none."""
        return next((weight.dtype for weight in self.posterior.parameters() if weight.is_floating_point()), torch.float32)

    @property
    def latent(self) -> int:
        """d, the dimensions of z, of all its levels together."""
        return given_zeros(self).prior().event_shape.numel()

    @property
    def event_shape(self) -> tuple[int, ...] | None:
        """The shape of one example as the decoder gives it, which is looked at once; None where it gives none for a latent of zeros."""
        network = self.likelihood.network
        if self._looked is None or self._looked[0] is not network:
            self._looked = network, _shape_of_example(self)
        return self._looked[1]

    def examples(self, source: Source) -> Examples:
        """What people have as data (``data.python``) as rows for this model. Errors: DataError for what it cannot be."""
        schema = self.likelihood.schema if isinstance(self.likelihood, Columns) else None
        counts = self.likelihood.steps == 1 or isinstance(self.likelihood, Columns)
        return examples_of(source, lambda: self.event_shape, counts, self.dtype, schema)

    @abstractmethod
    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """The parts of the bound in nats, ``(K, B)`` each, each latent drawn by ``sampler``, one after the other.

        ``x`` ``(B, *event)`` is data as the likelihood sees them (``likelihood.observe``).
        Errors: as for ``log_density``.
        """

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
        """Which values p(x|z, c) is a density of: those that are there, and that c does not tell already; None for all.

        Where the likelihood scores holes, they are counted too.
        """
        there = None if self.likelihood.scores_holes else self.there(x)
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
        """n new data ``(n, *event)``: z ~ p(z), then the mean of p(x|z), or with ``draw`` a draw from it.

        A model that was given contexts makes an example of each of them; n is then their number, or any where it was given one for all.
        Errors: UsageError for an n that is no number of examples.
        """
        n, vae = whole("n", n, 0), in_evaluation(self)
        prior = vae.prior()
        return vae.decode(prior.sample(Size([n] if not prior.batch_shape else [])), draw)

    def encode(self, x: Source, draw: bool = False, grad: bool = False) -> Float[Tensor, "*B latent"]:
        """The centre of q(z|x) ``(B, latent)`` (its mean, where it has one), the same at each call, or with ``draw`` a draw from it.

        ``x`` is data ``(B, *event)`` or any other source (``lb.data.dataset_of``), all of it at once; of one example, which has no batch
        axis, it is ``(latent,)``. Grey values are given to the encoder as they are; in training it saw them binarized where the likelihood
        does that. The answer has a gradient where ``x`` asks for one (``requires_grad``), or where ``grad`` does, as for the weights' own;
        a draw has that of its path. Within ``torch.no_grad()`` it has none.
        Errors: DataError for data that the encoder cannot take; UsageError for the gradient of a draw without a path.
        """
        found = self.examples(x)
        values = all_of(found.rows)
        z = self.encoded(values.to(next(self.parameters(), values).device), draw, grad)
        return z[0] if found.alone else z

    def encoded(self, x: Float[Tensor, "B *event"], draw: bool = False, grad: bool = False) -> Float[Tensor, "B latent"]:
        """``encode`` of floats on the model's device."""
        q = in_evaluation(self.posterior)
        with torch.set_grad_enabled(_asked(x, grad)):
            posterior = q(x)
            return _draw(posterior) if draw else q.centre(posterior)

    def decode(
        self,
        z: Array,
        draw: bool = False,
        grad: bool = False,
        x: Float[Tensor, "B *event"] | None = None,
        observed: Bool[Tensor, "B *event"] | None = None,
    ) -> Float[Tensor, "*batch_event"]:
        """The mean of p(x|z) ``(*batch, *event)``, or with ``draw`` a draw from it; values that the context tells are what it tells.

        ``z`` is an array of latents ``(*batch, latent)``, one alone ``(latent,)`` too. Where they are latents of examples ``x``, a
        likelihood that takes something of those, as their total, does so, or of what is ``observed``. Gradients and errors: see ``encode``.
        """
        latents = latents_of(z)
        weight = next(self.likelihood.parameters(), latents)
        latents = latents.to(weight.device, weight.dtype)
        with torch.set_grad_enabled(_asked(latents, grad)):
            likelihood = in_evaluation(self.likelihood)(latents)
            likelihood = likelihood if x is None else at_hand(likelihood, x, observed)
            made = _draw(likelihood) if draw else likelihood.mean
            context = self.posterior.context
            return made if self.context is None or context is None else self.context.put(context, made)

    def reconstruct(self, x: Source, draw: bool = False, grad: bool = False) -> Float[Tensor, "*B_event"]:
        """``decode(encode(x))``: the mean of p(x|z) at the mean of q(z|x), or with ``draw`` a draw through both, of the data's shape."""
        found = self.examples(x)
        values = all_of(found.rows)
        values = values.to(next(self.parameters(), values).device)
        back = self.decode(self.encoded(values, draw, grad), draw, grad, values, self.there(values)).reshape(values.shape)
        return back[0] if found.alone else back


def _asked(given: Tensor, grad: bool) -> bool:
    """Whether a gradient is asked for."""
    return torch.is_grad_enabled() and (grad or given.requires_grad)


def _draw(law: Distribution) -> Tensor:
    """A draw, by its path where gradients are recorded. Errors: UsageError where there is none."""
    if not torch.is_grad_enabled():
        return law.sample()
    if not law.has_rsample:
        raise UsageError(f"a draw of {law_name(law)} has no gradient in its parameters; ask for the mean, or for no gradient")
    return law.rsample()


def given_zeros(vae: Model) -> Model:
    """The model, given a context of zeros where it is to be given one: for what is the same whatever it is given, as shapes are."""
    if vae.context is None or vae.posterior.context is not None:
        return vae
    return vae.given(torch.zeros(1, *vae.context.shape, device=vae.device))


@torch.no_grad()
def _shape_of_example(vae: Model) -> tuple[int, ...] | None:
    """By the decoder of a latent of zeros, and where the model is to be given a context, of one of zeros; None where there is no such."""
    if any(map(is_lazy, vae.parameters())):
        return None
    vae = in_evaluation(vae)
    try:
        with seeded("shape"):
            vae = given_zeros(vae)
            z = torch.zeros(1, *vae.prior().event_shape, device=vae.device, dtype=vae.dtype)
            return tuple(vae.likelihood(z).event_shape)
    except Exception:  # of whatever kind: whoever decodes in earnest will hear of it
        return None


def terms_of(vae: Model, x: Float[Tensor, "B *event"], sampler: Sampler, posterior: Distribution | None = None) -> Terms:
    """The terms of a model whose latents are z alone, a node each for the levels where prior and posterior are chains of the same.

    ``posterior`` is by default the model's q(z|x).
    """
    encoder = vae.posterior.network if vae.posterior.context is None else vae.posterior.output  # given its context
    nodes = drawn(sampler, vae.posterior(x) if posterior is None else posterior, vae.prior())
    z = nodes[0].z if len(nodes) == 1 else torch.cat([node.z for node in nodes], -1)
    return Terms(vae.log_likelihood(x, z), nodes, partial(contraction, encoder, x))


class VAE(Model):
    """Three distributions that share z: a prior p(z), a likelihood p(x|z), which has the decoder, and a posterior q(z|x), which has the
    encoder.

    ``prior() -> p(z)``, ``likelihood(z) -> p(x|z)``, ``posterior(x) -> q(z|x)``. A model with a ``context`` is a family of such
    three, p(z|c), p(x|z, c) and q(z|x, c): ``given(c)`` is the one for some c, an ordinary VAE that shares its weights.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114.
    Errors: RecipeError for a part that is none, or a network where a part is wanted.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.VAE(
    ...     prior=lb.priors.StandardNormal(2),
    ...     likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 32, (1, 8, 8))),
    ...     posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp((1, 8, 8), 32, 4)),
    ... )
    >>> x = torch.rand(5, 1, 8, 8)
    >>> vae.sample(16).shape, vae.encode(x).shape, vae.reconstruct(x).shape
    (torch.Size([16, 1, 8, 8]), torch.Size([5, 2]), torch.Size([5, 1, 8, 8]))
    """

    @property
    def density(self) -> str:
        """What it is a density of, in words: log p(x), or that of some context."""
        return "log p(x)" if self.context is None else self.context.density

    def contexts(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"] | None:
        """The contexts ``(B, *context)`` that the model's context makes of values and labels; None for a model that is given nothing."""
        return None if self.context is None else self.context.of(values, labels).to(self.device)

    def terms(self, x: Float[Tensor, "B *event"], sampler: Sampler) -> Terms:
        """The parts of the bound of z, ``(K, B)`` each, in nats; ``x`` ``(B, *event)`` is data as the likelihood sees them."""
        return terms_of(self, x, sampler)
