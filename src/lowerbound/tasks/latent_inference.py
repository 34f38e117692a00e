"""Latents that stand for p(z | what is known of an example), whatever that is: a part of its values, or the means of blocks of them.

The encoder has seen whole data alone. What it says of a guess at the whole is a proposal here, and weights make good what it says wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.errors import UsageError
from lowerbound.evaluation import log_likelihood as density
from lowerbound.evaluation import proposals
from lowerbound.evaluation.importance import effective, normalized, resampled
from lowerbound.nn.memory import bytes_each, how_many
from lowerbound.vae.model import Model

#: draws of z for each example
SAMPLES = 2_000
#: guesses at the whole example, and for each a mode sought
GUESSES = 10
#: values of x whose mean and variance are found at once: those of a mixture of levels take a thousand numbers each
VALUES = 2**15


@dataclass(frozen=True)
class Latents:
    """M weighted latents whose weights, on the CPU, add up to 1, and n draws; how many independent draws the weighted ones are worth."""

    z: Float[Tensor, "M d"]
    weight: Float[Tensor, " M"]
    chosen: Float[Tensor, "n d"]
    ess: float = torch.nan
    acceptance: float = torch.nan


@runtime_checkable
class Known(Protocol):
    """An example of which something is known."""

    @property
    def vae(self) -> Model:
        """The model, given the example's context."""

    @property
    def decoded(self) -> int:
        """How many draws of z are decoded at once."""

    @property
    def chains(self) -> int:
        """How many guesses there is room for."""

    def guesses(self, n: int) -> Float[Tensor, "n *event"]:
        """n guesses at the whole example."""

    def log_likelihood(self, z: Float[Tensor, "K C d"]) -> Float[Tensor, "K C"]:
        """The log density of what is known, given z, in nats."""


def from_prior(vae: Model, n: int) -> Float[Tensor, "n d"]:
    """Draws of p(z), or of p(z|c) for one c."""
    return vae.prior().sample(Size([n])).reshape(n, -1)


def of_prior(vae: Model, n: int, samples: int) -> Latents:
    """Draws of p(z|c), where c is all that is known."""
    z = from_prior(vae, samples)
    return Latents(z, torch.full((samples,), 1 / samples, dtype=torch.double), z[:n], ess=float(samples))


def importance(known: Known, n: int, samples: int) -> Latents:
    """Draws of a mixture r weighted by p(known|z) p(z)/r(z), and n of them drawn anew by their weights.

    r is that of ``proposals`` around each of several guesses at the whole example, where p(z|known) may have a part of its own: q
    of the example so guessed, two normals at the mode that is uphill from there, and the prior. Exact as ``samples`` grows, whatever
    the encoder.

    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633 (q alone as proposal); Rubin, "Using the SIR algorithm to simulate posterior distributions", 1988.
    """
    prior = known.vae.prior()
    around = _around(known, prior, samples)
    z = torch.cat([law.sample(Size([each])).reshape(each * laws, -1) for law, laws, each in around])
    parts = [law.log_prob(z[:, None].expand(-1, laws, -1)) + math.log(each / len(z)) for law, laws, each in around]
    log_likelihood = torch.cat([known.log_likelihood(few[:, None])[:, 0] for few in z.split(known.decoded)])
    log_w = log_likelihood + prior.log_prob(z) - torch.cat(parts, 1).logsumexp(1)
    weight = normalized(log_w)
    return Latents(z, weight, z[resampled(weight, n).to(z.device)], ess=float(effective(weight)))


def _around(known: Known, prior: Distribution, samples: int) -> list[tuple[Distribution, int, int]]:
    """Laws of z in batches, how many are in each batch, and how many draws each law of it gives."""
    guesses = min(GUESSES, known.chains)
    posterior = known.vae.posterior(known.guesses(guesses))
    density.must_have_density(posterior)
    counts = proposals.shares(prior, samples)
    laws = {"posterior": (posterior, guesses), "prior": (prior, 1)}
    if "mode" in counts:
        mode = proposals.find_mode(lambda z, _: known.log_likelihood(z) + prior.log_prob(z), known.vae.posterior.centre(posterior))
        laws |= {"mode": (mode.law(), guesses), "wide": (mode.law(widening=2.0), guesses)}
    return [(law, size, max(1, counts[name] // size)) for name, (law, size) in laws.items() if name in counts]


def must_suffice(samples: int, n: int, what: str) -> None:
    """Raise UsageError for fewer draws of z than there are to be ``what``, or for none of these."""
    if not 1 <= n <= samples:
        raise UsageError(f"{n:,} {what} need as many samples or more, and at least one of each; there are {samples:,} samples")


# --- what they are on average ------------------------------------------------------------------------

#: z → mean and variance of x given it, and of what is known
Moments = Callable[[Float[Tensor, "k d"]], tuple[Float[Tensor, "k *event"], Float[Tensor, "k *event"]]]


def room(vae: Model, x: Float[Tensor, "1 *event"], memory: int) -> tuple[int, int]:
    """How many draws of z can be decoded at once, and how many guesses at an example be encoded and made better, in so many bytes."""
    z = torch.zeros(1, *vae.prior().event_shape, device=x.device)
    decoding = bytes_each(vae.likelihood.network, *vae.likelihood.inputs(z))
    encoding = bytes_each(vae.posterior.network, *vae.posterior.inputs(x))
    decoded = how_many(memory // 2, decoding, "decoding a draw", most=max(1, density.VALUES // x.numel()))
    # the search for modes keeps every layer's output for its gradients and theirs, and tries several lengths of a step at once
    return decoded, how_many(memory // 4, encoding + 8 * decoding, "a guess at an example")


def few_of(known: int, values: int) -> int:
    """How many draws of z go together where the mean and the variance of so many ``values`` are found."""
    return min(known, max(1, VALUES // values))


def moments(latents: Latents, each: Moments, few: int, draw: bool) -> tuple[Float[Tensor, " *event"], Float[Tensor, " *event"]]:
    """Mean and standard deviation of E[x|z], or of a ``draw`` of x, over the weighted latents, ``few`` at a time."""
    mean = square = torch.zeros((), dtype=torch.double)
    for weight, first, second in _weighted(latents, each, few):
        mean = mean + torch.tensordot(weight, first, 1)
        square = square + torch.tensordot(weight, first.square() + (second if draw else 0.0), 1)
    return mean.float(), (square - mean.square()).clamp(min=0).sqrt().float()


def _weighted(latents: Latents, each: Moments, few: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for z, weight in zip(latents.z.split(few), latents.weight.split(few), strict=True):
        first, second = each(z)
        yield weight, first.cpu().double(), second.cpu().double()
