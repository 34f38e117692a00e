"""Hierarchies: the prior and the posterior of several levels, ``--latent 40-40`` from the top down, and the networks between them.

The encoder's features are shared by all levels of q; each level of p and of q is a network of the levels above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes import priors
from lowerbound.recipes.networks import NetworkWord

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.data.spec import DataSpec
    from lowerbound.vae import posteriors
    from lowerbound.vae.priors import Prior

#: the posterior's word of which each level is
LEVEL = "gaussian"


def sizes(word: str) -> tuple[int, ...]:
    """``40-40`` → the dimensions of each level, from the top down. Errors: RecipeError."""
    try:
        return tuple(int(size) for size in word.split("-"))
    except ValueError as error:
        raise RecipeError(f"latent '{word}' is not understood; write a number of dimensions, or of each level, as 40-40") from error


def posterior(
    word: str, network: NetworkWord, widths: Sequence[int], trunk: Callable[[], tuple[nn.Module, int]], levels: Sequence[int]
) -> posteriors.Chain:
    """q(z₁|x) q(z₂|z₁, x) … of the features that ``trunk`` makes, a network, and of how many. Errors: RecipeError for another word."""
    from lowerbound.vae import posteriors

    if word != LEVEL:
        raise RecipeError(f"each level of a hierarchy is {LEVEL}, and this posterior is {word}; choose --latent with one number")
    encoder, features = trunk()
    first, *then = (network.between(features + above, widths[-1:] if above else (), 2 * size) for above, size in _above(levels))
    return posteriors.Chain(encoder, [first, *then], levels)


def prior(
    word: str, network: NetworkWord, widths: Sequence[int], beside: posteriors.Chain, spec: DataSpec, context: tuple[int, ...]
) -> Prior:
    """p(z₁) p(z₂|z₁) …, the first of that word. Errors: RecipeError."""
    from lowerbound.vae.priors import Chain

    levels = beside.sizes
    first = priors.prior(word, levels[0], beside, spec, context)
    return Chain(first, [network.between(above, tuple(reversed(widths)), 2 * size) for above, size in _above(levels)[1:]], levels)


def _above(levels: Sequence[int]) -> list[tuple[int, int]]:
    """For each level, the dimensions of all above it, and its own."""
    return list(zip([0, *accumulate(levels)], levels, strict=False))
