"""What blocks are made by: the laws of a model's latents given examples, and of examples given latents, as whole numbers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from lowerbound.errors import RecipeError
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import ExactNetwork
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.priors import StandardNormal

LISTED = 2**22  # numbers that the laws of a group of examples may hold


class Code(ABC):
    """Examples are rows of whole numbers; latents are bins of equal mass of a standard normal."""

    @property
    @abstractmethod
    def latent(self) -> int:
        """The size of a latent."""

    @property
    @abstractmethod
    def listed(self) -> int:
        """How many numbers the laws of one example hold."""

    @abstractmethod
    def posterior(self, numbers: Whole) -> Law:
        """q(z|x) of the bins of examples ``(n, values)``, those of one after those of the other."""

    @abstractmethod
    def push(self, stack: Stack, numbers: Whole, bins: Whole) -> None:
        """Put examples on the stack by p(x|z), given bins ``(n, latent)``."""

    @abstractmethod
    def pop(self, stack: Stack, bins: Whole, known: Whole) -> Whole:
        """Take them from it; ``known`` ``(n, k)`` is what a file says of each besides, if anything."""

    @abstractmethod
    def costs(self, numbers: Whole, bins: Whole) -> Array:
        """−log p(x|z) of each example, in units of ``laws.COST``, but for what is the same for all z."""

    @property
    def together(self) -> int:
        """How many examples may be in a group."""
        return max(1, LISTED // max(1, self.listed))


def size_of_latent(vae: Model) -> int:
    """Of a model whose prior and posterior a code can be made by. Errors: RecipeError for others."""
    if not isinstance(vae, VAE):
        raise RecipeError("a semi-supervised model cannot compress yet; train one without, or with --given label")
    if not isinstance(vae.context, Label | None):
        raise RecipeError("a model that is given a part of its values cannot compress yet; train one without, or with --given label")
    if not isinstance(vae.prior, StandardNormal) or not isinstance(vae.posterior, DiagonalGaussian):
        raise RecipeError("compression needs a standard normal prior and a diagonal Gaussian posterior; train with --prior normal")
    return int(vae.prior.zero.numel())


def posterior_of(output: Array) -> Law:
    """q(z|x) of an encoder's output ``(n, 2 latent)``."""
    mean, log_variance = np.split(output, 2, 1)
    return laws.bins(mean.reshape(-1), np.clip(log_variance, *LOG_VARIANCE).reshape(-1))


def digest_of(words: object, networks: Iterable[ExactNetwork]) -> bytes:
    """A hash of all that decides a code: what the laws are, the kinds of layers, their rounded weights."""
    found = hashlib.sha256(repr((words, laws.LATENT_BITS)).encode())
    for network in networks:
        for shown in network.shown:
            found.update(shown.words.encode() + b"\n")
        for layer in network.layers:
            found.update(layer.words.encode() + b"\n")
            for numbers in layer.numbers:
                found.update(np.ascontiguousarray(numbers + 0.0, "<f8").tobytes())
    return found.digest()[:16]
