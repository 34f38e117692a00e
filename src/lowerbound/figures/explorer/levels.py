"""Latents in levels, each given those before it, as words and arrays: a chain, and a ladder, which refines its prior.

``page/chains.js`` has the other half.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from lowerbound.distributions.chain import Levels
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.networks import NotComputed, Words, layer_words, words_of
from lowerbound.nn.stages import Stages
from lowerbound.vae import posteriors, priors
from lowerbound.vae.model import Model, given_zeros


def sizes_of(vae: Model) -> list[int] | None:
    """How many dimensions each level has; None of a model whose latents are one level."""
    law = given_zeros(vae).prior()
    return list(law.sizes) if isinstance(law, Levels) else None


def posterior_words(posterior: posteriors.Posterior, arrays: Arrays) -> Words:
    """What makes levels of the encoder's features; nothing of a posterior that has none. Errors: RecipeError."""
    if isinstance(posterior, posteriors.Chain):
        return {"levels": {"sizes": list(posterior.sizes), "networks": _networks(posterior.levels, arrays)}}
    if isinstance(posterior, posteriors.Ladder):
        return {"levels": {"features": list(posterior.split), "networks": _networks(posterior.levels, arrays)}}
    return {}


def prior_words(prior: priors.Chain, first: Words, arrays: Arrays) -> Words:
    """The levels after the ``first``. Errors: RecipeError."""
    return {"law": "chain", "first": first, "sizes": list(prior.sizes), "networks": _networks(prior.levels, arrays)}


def _networks(levels: Iterable[nn.Module], arrays: Arrays) -> list[Words]:
    """Those of each level. They are not written as ONNX: each is small, and asked for one latent at a time."""
    try:
        return [words_of(level.network, arrays) | {"floor": level.floor} for level in levels]  # type: ignore[arg-type]
    except NotComputed as error:
        raise RecipeError(f"of levels, {error}") from error


@layer_words.register
def _(module: Stages, arrays: Arrays) -> Words:
    return {"kind": "stages", "parts": [words_of(part, arrays) for part in module.stages]}
