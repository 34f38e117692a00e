"""What blocks are made by: the laws of a model's latents given examples, and of examples given latents, as whole numbers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.latents import Latents, Seen
from lowerbound.tasks.lossless.laws import Whole
from lowerbound.tasks.lossless.networks import ExactNetwork

LISTED = 2**22  # numbers that the laws of a group of examples may hold


class Code(ABC):
    """Examples are rows of whole numbers; latents are bins of equal mass of the prior, and z ``(n, size)`` the places of these."""

    @property
    @abstractmethod
    def latents(self) -> Latents:
        """What they are."""

    @property
    @abstractmethod
    def listed(self) -> int:
        """How many numbers the laws of one example hold."""

    @abstractmethod
    def features(self, numbers: Whole) -> Array:
        """The encoder's output for examples ``(n, values)``."""

    @abstractmethod
    def push(self, stack: Stack, numbers: Whole, z: Array) -> None:
        """Put examples on the stack by p(x|z)."""

    @abstractmethod
    def pop(self, stack: Stack, z: Array, known: Whole) -> Whole:
        """Take them from it; ``known`` ``(n, k)`` is what a file says of each besides, if anything."""

    @abstractmethod
    def costs(self, numbers: Whole, z: Array) -> Array:
        """−log p(x|z) of each example, in units of ``laws.COST``, but for what is the same for all z."""

    def posterior(self, numbers: Whole, bits: int) -> Seen:
        """q(z|x) of examples over 2^``bits`` bins of each latent."""
        return Seen(self.latents, self.features(numbers), bits)

    @property
    def together(self) -> int:
        """How many examples may be in a group."""
        return max(1, LISTED // max(1, self.listed))


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
