"""A VAE of arrays whose laws come out the same on every machine: its networks in fixed point, its values whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from lowerbound.errors import RecipeError
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.code import Code, digest_of, posterior_of, size_of_latent
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.tasks.lossless.values import Symbols, symbols_of
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class ExactModel:
    """p(z), q(z|x) and p(x|z) as laws of whole numbers: of latents the bins that they are in, of values those of ``symbols``."""

    encoder: ExactNetwork
    decoder: ExactNetwork
    latent: int
    event_shape: tuple[int, ...]
    symbols: Symbols

    @classmethod
    def of(cls, vae: Model) -> ExactModel:
        """That of a trained model. Errors: RecipeError for a part of it that no code is made of."""
        vae = in_evaluation(vae)
        symbols, latent = symbols_of(vae.likelihood), size_of_latent(vae)
        if vae.likelihood.holes:
            raise RecipeError("a model of values of which some are missing cannot compress yet; train one on whole data")
        shape = vae.event_shape
        if shape is None:
            raise RecipeError("the decoder gives no example for a latent of zeros, so that its shape is not known")
        return cls(exact(vae.posterior.network), exact(vae.likelihood.network), latent, shape, symbols)

    @cached_property
    def values(self) -> int:
        """How many an example has."""
        return math.prod(self.event_shape)

    @cached_property
    def digest(self) -> bytes:
        """Its hash."""
        words = self.latent, self.event_shape, self.symbols.words, self.symbols.steps
        return digest_of(words, (self.encoder, self.decoder))


@dataclass(frozen=True)
class ArrayCode(Code):
    """The code of values from 0 to ``top``."""

    model: ExactModel
    top: int

    @property
    def latent(self) -> int:
        """That of the model."""
        return self.model.latent

    @property
    def listed(self) -> int:
        """As many as the law of a value holds, of each."""
        return self.model.values * self.model.symbols.listed

    def posterior(self, numbers: Whole) -> Law:
        """By the encoder."""
        return posterior_of(self.model.encoder(numbers.reshape(-1, *self.model.event_shape) / self.model.symbols.steps))

    def push(self, stack: Stack, numbers: Whole, bins: Whole) -> None:
        """All values at once."""
        stack.push(self._likelihood(bins), numbers.reshape(-1))

    def pop(self, stack: Stack, bins: Whole) -> Whole:
        """All values at once."""
        return stack.pop(self._likelihood(bins), len(bins) * self.model.values).reshape(len(bins), -1)

    def costs(self, numbers: Whole, bins: Whole) -> Array:
        """Of all values."""
        return laws.costs(self._likelihood(bins), numbers.reshape(-1)).reshape(len(bins), -1).sum(1)

    def _likelihood(self, bins: Whole) -> Law:
        return self.model.symbols.of(self.model.decoder(laws.centres()[bins]), self.model.values, self.top)
