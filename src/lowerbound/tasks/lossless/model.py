"""A VAE of arrays whose laws come out the same on every machine: its networks in fixed point, its values whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lowerbound.errors import RecipeError
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import laws, masks
from lowerbound.tasks.lossless.code import Code, digest_of
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.image_levels import ImageLevels
from lowerbound.tasks.lossless.latents import Latents, must_be_known
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import MASKED, ExactNetwork, exact
from lowerbound.tasks.lossless.values import Symbols, symbols_of
from lowerbound.tasks.lossless.vectors import Vectors
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model
from lowerbound.vae.top_down import TopDownPrior


@dataclass(frozen=True)
class ExactModel:
    """p(z), q(z|x) and p(x|z) as laws of whole numbers: of latents the bins that they are in, of values those of ``symbols``.

    A conditional VAE, q(z|x, y) and p(x|z, y), has a label y of so many ``classes``.
    """

    encoder: ExactNetwork
    decoder: ExactNetwork
    latents: Latents
    event_shape: tuple[int, ...]
    symbols: Symbols
    classes: int = 0

    @classmethod
    def of(cls, vae: Model) -> ExactModel:
        """That of a trained model. Errors: RecipeError for a part of it that no code is made of."""
        vae = in_evaluation(vae)
        must_be_known(vae)
        symbols, encoder, decoder = symbols_of(vae.likelihood), exact(vae.posterior.network), exact(vae.likelihood.network)
        latents = ImageLevels.of(vae) if isinstance(vae.prior, TopDownPrior) else Vectors.of(vae, encoder)
        if vae.likelihood.holes and MASKED not in encoder.shown:
            raise RecipeError("where values may be missing, compression needs an encoder that begins with MaskedInput; train such a one")
        shape = vae.event_shape
        if shape is None:
            raise RecipeError("the decoder gives no example for a latent of zeros, so that its shape is not known")
        classes = vae.context.classes if isinstance(vae.context, Label) else 0
        return cls(encoder, decoder, latents, shape, symbols, classes)

    @cached_property
    def values(self) -> int:
        """How many an example has."""
        return math.prod(self.event_shape)

    @cached_property
    def digest(self) -> bytes:
        """Its hash."""
        words = *self.latents.words, self.event_shape, self.symbols.words, self.symbols.steps
        return digest_of((*words, self.classes) if self.classes else words, (self.encoder, self.decoder, *self.latents.networks))


@dataclass(frozen=True)
class ArrayCode(Code):
    """The code of values from 0 to ``top``; of a conditional VAE the label of an example is its last number.

    Where there are ``holes``, which values are there is ``known`` before the others are decoded.
    """

    model: ExactModel
    top: int
    holes: bool

    @property
    def latents(self) -> Latents:
        """Those of the model."""
        return self.model.latents

    @property
    def listed(self) -> int:
        """As many as the law of a value holds, of each, that of a label, and those of latents."""
        return self.model.values * self.model.symbols.listed + self.model.classes + self.latents.listed

    def features(self, numbers: Whole) -> Array:
        """By the encoder."""
        values, labels = self._parted(numbers)
        x = values / self.model.symbols.steps
        if self.holes:
            x[values == masks.MISSING] = np.nan
        return self.model.encoder(x.reshape(-1, *self.model.event_shape), self._context(labels))

    def push(self, stack: Stack, numbers: Whole, z: Array) -> None:
        """All values that are there at once, then the labels that they are given."""
        values, labels = self._parted(numbers)
        there = values != masks.MISSING if self.holes else None
        stack.push(self._likelihood(z, labels, there), values.reshape(-1) if there is None else values[there])
        if self.model.classes:
            stack.push(laws.even(self.model.classes, len(labels)), labels[:, 0])

    def pop(self, stack: Stack, z: Array, known: Whole) -> Whole:
        """The labels, then all values at once that are there."""
        n, classes = len(z), self.model.classes
        labels = stack.pop(laws.even(classes, n), n)[:, None] if classes else np.zeros((n, 0), np.int64)
        there = known > 0 if self.holes else None
        found = stack.pop(self._likelihood(z, labels, there), n * self.model.values if there is None else int(there.sum()))
        values = _spread(found, there, n)
        return np.concatenate([values, labels], 1) if classes else values

    def costs(self, numbers: Whole, z: Array) -> Array:
        """Of all values that are there."""
        values, labels = self._parted(numbers)
        there = values != masks.MISSING if self.holes else None
        if there is None:
            return laws.costs(self._likelihood(z, labels, None), values.reshape(-1)).reshape(values.shape).sum(1)
        found = np.zeros(values.shape)
        found[there] = laws.costs(self._likelihood(z, labels, there), values[there])
        return found.sum(1)

    def _parted(self, numbers: Whole) -> tuple[Whole, Whole]:
        """The values, and the label ``(n, 1)`` where the model is given one, ``(n, 0)`` elsewhere."""
        return numbers[:, : self.model.values], numbers[:, self.model.values :]

    def _context(self, labels: Whole) -> Array | None:
        return (labels == np.arange(self.model.classes)).astype(np.float64) if self.model.classes else None

    def _likelihood(self, z: Array, labels: Whole, there: npt.NDArray[np.bool_] | None) -> Law:
        output = self.model.decoder(z, self._context(labels))
        return self.model.symbols.of(output.reshape(len(z), -1, self.model.values), there, self.top)


def _spread(found: Whole, there: npt.NDArray[np.bool_] | None, n: int) -> Whole:
    """The values of n examples, of which those were found that are there: all, or some."""
    if there is None:
        return found.reshape(n, -1)
    values = np.full(there.shape, masks.MISSING)
    values[there] = found
    return values
