"""Draws of z for a few examples, from each source of ``proposals``, and what is known of them: log p(x|z), and log p of each source.

Draws near x are decoded faster than any others: a ReLU network is linear there, but for some units (``nn.pruning``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.distributions.chain import Levels, densities, is_hierarchy, walked
from lowerbound.distributions.drawing import is_known, sample
from lowerbound.evaluation import proposals
from lowerbound.evaluation.proposals import MODE, POSTERIOR, PRIOR, WIDE, Mode
from lowerbound.nn.hooks import any_mode, are_of_libraries
from lowerbound.nn.pruning import near
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import key
from lowerbound.vae.density import log_density
from lowerbound.vae.model import Model

#: draws that a distribution of z scores at once
TOGETHER = 2**13
#: draws of an example from which on its decoder is made ready for them
SEVERAL = 200


class Drawn(NamedTuple):
    """Draws of z, and log p of them by each source."""

    z: Float[Tensor, "K B latent"]
    log_laws: Mapping[str, Float[Tensor, "K B"]]


@dataclass(frozen=True)
class Few:
    """A few examples, encoded, and the model given their contexts."""

    rows: list[int]
    vae: Model
    x: Float[Tensor, "B *event"]
    output: Float[Tensor, "B features"]
    mode: Mode | None

    def sources(self) -> dict[str, Distribution]:
        """The distributions of z that draws come from."""
        found = {POSTERIOR: self.vae.posterior.law(self.output, 1), PRIOR: self.vae.prior()}
        if self.mode is not None:
            found |= {MODE: self.mode.law(), WIDE: self.mode.law(widening=2.0)}
        return found

    def draw(self, name: str, n: int, seed: int, tile: int, decoded: int) -> Drawn:
        """n draws for each example of the source of that name; the noise of an example follows from these words and its row.

        Their densities are computed for so many as are ``decoded`` at once, or, of a hierarchy, as its levels are drawn.
        """
        rows, sources = torch.tensor(self.rows, device=self.x.device), self.sources()
        levels = _levels(sources)
        if levels and name in (POSTERIOR, PRIOR):
            with by_row(key(seed, name, tile), rows):
                z, *known = walked(*levels, lambda level, *laws: _of_level(laws[name == PRIOR], level, n, len(rows)))
        else:
            z = proposals.draw_each(sources[name], n, rows, seed, name, tile, alone=lambda place: self._one(place).sources()[name])
            known = list(map(torch.cat, zip(*(densities(*levels, few) for few in _in_parts(z, decoded)), strict=True))) if levels else []
        of_both = dict(zip((POSTERIOR, PRIOR), known, strict=False))
        return Drawn(z, of_both | {source: log_prob(law, z, decoded) for source, law in sources.items() if source not in of_both})

    def may_be_beside_others(self) -> bool:
        """Whether other threads may score other examples meanwhile: each draws its own noise, and no code that runs is somebody's own."""
        own_noise = all(is_known(law) and not isinstance(law, Levels) for law in self.sources().values())
        return self.x.is_cpu and own_noise and not any_mode() and are_of_libraries(self.vae.prior, self.vae.posterior, self.vae.likelihood)

    def _one(self, place: int) -> Few:
        part = slice(place, place + 1)
        return Few(self.rows[part], self.vae.some(part), self.x[part], self.output[part], self.mode and self.mode.some(part))


def log_likelihood_of(few: Few, drawn: Mapping[str, Float[Tensor, "K B latent"]], decoded: int) -> dict[str, Float[Tensor, "K B"]]:
    """log p(x|z) of the draws of each source, so many ``decoded`` at once. Those near x are made ready for together."""
    near_x, elsewhere = [name for name in drawn if name != PRIOR], [name for name in drawn if name == PRIOR]
    found = dict[str, Tensor]()
    for names in filter(None, (near_x, elsewhere)):
        together = _log_likelihood(few.vae, few.x, torch.cat([drawn[name] for name in names]), decoded)
        found |= zip(names, together.split([len(drawn[name]) for name in names]), strict=True)
    return found


def log_prob(law: Distribution, z: Float[Tensor, "K B latent"], decoded: int) -> Float[Tensor, "K B"]:
    """A few draws at a time: a mixture makes a number for each of its components, a flow hundreds."""
    return torch.cat([law.log_prob(few) for few in _in_parts(z, decoded)])


def _levels(sources: Mapping[str, Distribution]) -> tuple[Levels, Levels] | None:
    """q and p, if both are of the same levels and drawn by row."""
    q, p = sources[POSTERIOR], sources[PRIOR]
    return (q, p) if is_hierarchy(q, p) and isinstance(p, Levels) and is_known(q) and is_known(p) else None


def _of_level(law: Distribution, level: int, n: int, rows: int) -> Float[Tensor, "K B d"]:
    """n draws for each row of a first level, of a batch or of one law for all; of a law below, which is of those above, a draw of each."""
    return sample(law, () if level else [n] if law.batch_shape else [n, rows])


def _in_parts(z: Float[Tensor, "K B latent"], decoded: int) -> tuple[Float[Tensor, "k B latent"], ...]:
    return z.split(max(1, min(decoded, TOGETHER) // z.shape[1]))


def _log_likelihood(vae: Model, x: Float[Tensor, "B *event"], z: Float[Tensor, "K B latent"], decoded: int) -> Float[Tensor, "K B"]:
    if vae.likelihood.context is not None or len(z) <= SEVERAL:
        return torch.cat([vae.log_likelihood(x, few) for few in z.split(max(1, decoded // len(x)))])
    each = zip(x.split(1), z.split(1, 1), strict=True)
    return torch.cat([_log_likelihood_of_one(vae, one, draws, decoded) for one, draws in each], 1)


def _log_likelihood_of_one(vae: Model, x: Float[Tensor, "1 *event"], z: Float[Tensor, "K 1 latent"], decoded: int) -> Float[Tensor, "K 1"]:
    decode, counted = near(vae.likelihood.network, z[:, 0], decoded), vae.counted(x)
    return torch.cat([log_density(vae.likelihood.law(decode(few[:, 0])[:, None], 2), x, counted) for few in z.split(decoded)])
