"""A VAE whose laws come out the same on every machine: its networks in fixed point, its latents in bins, its values whole numbers."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowerbound.errors import RecipeError
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.tasks.lossless.values import Symbols, symbols_of
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.priors import StandardNormal


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
        symbols = symbols_of(vae.likelihood)
        if not isinstance(vae, VAE) or vae.context is not None:
            raise RecipeError("a model with labels or another context cannot compress yet; train one without")
        if not isinstance(vae.prior, StandardNormal) or not isinstance(vae.posterior, DiagonalGaussian):
            raise RecipeError("compression needs a standard normal prior and a diagonal Gaussian posterior; train with --prior normal")
        if vae.likelihood.holes:
            raise RecipeError("a model of values of which some are missing cannot compress yet; train one on whole data")
        shape = vae.event_shape
        if shape is None:
            raise RecipeError("the decoder gives no example for a latent of zeros, so that its shape is not known")
        latent = int(vae.prior.zero.numel())
        return cls(exact(vae.posterior.network), exact(vae.likelihood.network), latent, shape, symbols)

    @cached_property
    def values(self) -> int:
        """How many an example has."""
        return math.prod(self.event_shape)

    def posterior(self, numbers: Whole) -> Law:
        """q(z|x) of the bins of examples ``(n, values)``, those of one after those of the other."""
        output = self.encoder(numbers.reshape(-1, *self.event_shape) / self.symbols.steps)
        mean, log_variance = np.split(output, 2, 1)
        return laws.bins(mean.reshape(-1), np.clip(log_variance, *LOG_VARIANCE).reshape(-1))

    def likelihood(self, bins: Whole, top: int) -> Law:
        """p(x|z) of the values of examples, those of one after those of the other, given bins ``(n, latent)``."""
        return self.symbols.of(self.decoder(self.centres(bins)), self.values, top)

    @staticmethod
    def centres(bins: Whole) -> Array:
        """The latents that stand for bins."""
        return laws.centres()[bins]

    @cached_property
    def digest(self) -> bytes:
        """A hash of all that decides a code: the rounded weights, the kinds of layers, the laws."""
        found = hashlib.sha256(repr((self.latent, self.event_shape, self.symbols.words, self.symbols.steps, laws.LATENT_BITS)).encode())
        for network in (self.encoder, self.decoder):
            for layer in network.layers:
                found.update(layer.words.encode() + b"\n")
                for numbers in layer.numbers:
                    found.update(np.ascontiguousarray(numbers + 0.0, "<f8").tobytes())
        return found.digest()[:16]
