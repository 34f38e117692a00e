"""Hierarchies: prior and posterior of several levels, ``--latent 40-40`` from the top down, and the networks between them.

Each level of p is a network of the levels above it. Of q it is one as well, beside features of the example that all levels share; or, of
a ladder, it is the level of p times what features of its own say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes import priors
from lowerbound.recipes.networks import NetworkWord, must_have_space
from lowerbound.recipes.posteriors import OF_LEVELS

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.data.spec import DataSpec
    from lowerbound.vae.posteriors import Posterior
    from lowerbound.vae.priors import Chain, Prior

#: makes the encoder around a network of what it is shown, by the shape of that
Around = Callable[[Callable[[tuple[int, ...]], "nn.Module"]], "nn.Module"]
#: words of posteriors that a level may have: a network beside others, and the prior refined
CHAIN, (LADDER,) = "gaussian", OF_LEVELS
#: residual blocks at each resolution on the way up
BLOCKS = 2


def sizes(what: str, word: str) -> tuple[int, ...]:
    """``40-40`` → the numbers. Errors: RecipeError."""
    try:
        return tuple(int(size) for size in word.split("-"))
    except ValueError as error:
        raise RecipeError(f"{what} '{word}' is not understood; write a number, or several, from the top level down, as 40-40") from error


@dataclass(frozen=True)
class Hierarchy:
    """What vectors of several levels are made of: kind and widths of networks, each level's dimensions, a context's shape, the least σ."""

    network: NetworkWord
    widths: Sequence[int]
    levels: Sequence[int]
    context: tuple[int, ...] = ()
    floor: float = 0.0

    def parts(self, posterior: str, prior: str, around: Around, spec: DataSpec) -> tuple[Posterior, Prior]:
        """q(z|x) and p(z) of these words. Errors: RecipeError."""
        if posterior == CHAIN:
            q = self._chain(around)
            first = priors.prior(prior, self.levels[0], q, spec, self.context, self.floor)
            return q, self._prior(first, [self.widths] * len(self.levels))
        if posterior != LADDER:
            raise RecipeError(f"a level of a hierarchy is {CHAIN} or {LADDER}, and this posterior is {posterior}; choose another")
        if not self.widths:
            raise RecipeError("the stages of a ladder are hidden layers, and this network has none; choose --network mlp")
        if prior == "vamp":
            raise RecipeError(
                "a ladder refines its prior, and vamp is made of the posterior; choose --posterior gaussian, or another prior"
            )
        first = priors.prior(prior, self.levels[0], None, spec, self.context, self.floor)
        p = self._prior(first, [[width, width] for width in reversed(self.of_levels)])
        return self._ladder(around, p), p

    @property
    def of_levels(self) -> list[int]:
        """The width of each stage of a ladder, the last level's first: those written, the last of them as often as it is needed."""
        return [*self.widths, *[self.widths[-1]] * len(self.levels)][: len(self.levels)]

    def of_decoder(self, posterior: str) -> Sequence[int]:
        """The widths of p(x|z), in the order of an encoder's: of a ladder those of its first stage; those of levels above are narrow."""
        return [self.widths[0]] * 2 if posterior == LADDER else self.widths

    def _prior(self, first: Prior, widths: Sequence[Sequence[int]]) -> Chain:
        from lowerbound.vae.priors import Chain

        levels = list(zip(_above(self.levels), widths, strict=True))[1:]
        networks = [self.network.between(above, width[::-1], 2 * size) for (above, size), width in levels]
        return Chain(first, networks, self.levels, self.floor)

    def _chain(self, around: Around) -> Posterior:
        from lowerbound.vae.posteriors import Chain

        features: list[int] = []

        def of(seen: tuple[int, ...]) -> nn.Module:
            trunk, many = self.network.trunk(seen, self.widths, self.context)
            features.append(many)
            return trunk

        encoder = around(of)
        levels = [
            self.network.between(features[0] + above, self.widths[-1:] if above else (), 2 * size) for above, size in _above(self.levels)
        ]
        return Chain(encoder, levels, self.levels, self.floor)

    def _ladder(self, around: Around, prior: Chain) -> Posterior:
        from lowerbound.nn.stages import Stages
        from lowerbound.vae.posteriors import Ladder

        features: list[int] = []

        def of(seen: tuple[int, ...]) -> nn.Module:
            width, *others = self.of_levels
            first, many = self.network.trunk(seen, [width, width], self.context)
            features.extend([many, *others])
            return Stages([first, *(self.network.stage(before, [after, after]) for before, after in pairwise(features))])

        encoder = around(of)
        levels = [self.network.between(many, (), 2 * size) for many, size in zip(reversed(features), self.levels, strict=True)]
        return Ladder(encoder, levels, features[::-1], prior, self.floor)


def top_down(
    event: Sequence[int],
    widths: Sequence[int],
    channels: int,
    levels: Sequence[int],
    floor: float,
    around: Around,
    shape: Sequence[int],
    parameters: int,
) -> tuple[Posterior, Prior, nn.Module]:
    """q(z|x), p(z) and the decoder of latents that are images: ``levels`` of so many ``channels`` at each resolution, the coarsest first.

    No σ is below ``floor``. ``shape`` is the decoder's, ``event`` what the data are. Errors: RecipeError.
    """
    from lowerbound.nn.top_down import BottomUp, TopDown, places, resolutions
    from lowerbound.vae.top_down import TopDownDecoder, TopDownPosterior, TopDownPrior

    must_have_space(event)
    prior = TopDownPrior(TopDown(event, places(event, widths, channels, levels)), floor)
    posterior = TopDownPosterior(around(lambda seen: BottomUp(seen, widths, BLOCKS)), prior, resolutions(event, widths))
    return posterior, prior, TopDownDecoder(prior, shape, parameters, widths[0])


def _above(levels: Sequence[int]) -> list[tuple[int, int]]:
    """For each level, the dimensions of all above it, and its own."""
    return list(zip([0, *accumulate(levels)], levels, strict=False))
