"""Imputing a table's rows in two loops: how well each latent explains what is there, and what is missing under those that do.

That is for decoders that are perceptrons, on the CPU. Networks are small there: most of the time went into handing numbers from one
operation to the next, and into cells that nobody asks for. All else is done by the laws themselves (impute.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lowerbound.data.maps import MAPS
from lowerbound.nn.missing import perceptron
from lowerbound.system.devices import loops
from lowerbound.system.threads import is_plain
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.numbers import Numbers
from lowerbound.vae.likelihoods.terms import Cells, Law, is_known
from lowerbound.vae.model import Model

LATENTS = 96  # decoded at a time, whose numbers stay in a core's own cache


@dataclass(frozen=True)
class Filling:
    """Some rows of a table and a decoder, as the loops read them."""

    likelihood: Columns
    layers: list[nn.Linear]
    law: Law
    cells: Cells

    @classmethod
    def of(cls, vae: Model, x: Float[Tensor, "B D"]) -> Filling | None:
        """None where the loops do not know the network or a law."""
        likelihood = vae.likelihood
        if type(likelihood) is not Columns or likelihood.context is not None or not is_known(likelihood) or loops() is None:
            return None
        layers = perceptron(likelihood.network)
        weights = [weight for layer in layers for weight in (layer.weight, layer.bias)]
        hooked = any(part._forward_hooks or part._forward_pre_hooks for part in likelihood.modules())
        if not layers or hooked or not all(map(is_plain, weights)) or not is_plain(x.contiguous()):
            return None
        law = Law.of(likelihood)
        return cls(likelihood, layers, law, law.read(x))

    def log_likelihood(self, z: Float[Tensor, "K B d"]) -> Float[Tensor, "K B"]:
        """log p(x|z) of what is there, in nats."""
        compiled: Any = loops()
        found: Tensor = compiled.weighed(self.layers, LATENTS, self.law, self.cells, z.contiguous())
        return found

    def expected(
        self, z: Float[Tensor, "K B d"], order: Int64[Tensor, "K B"], share: Float[Tensor, "K B"], counts: Int64[Tensor, " B"]
    ) -> dict[str | int, Tensor]:
        """Σ share E[x|z] and Σ share E[x²|z] of what is missing, by each row's first ``counts`` latents in ``order``; of classes p.

        What is there has 0.
        """
        compiled: Any = loops()
        maps, ends = _maps(self.law)
        given = self.law, maps, ends, self.cells, z.contiguous(), order.contiguous(), share.contiguous(), counts
        first, second, classes = compiled.expected(self.layers, LATENTS, *given)
        values = torch.zeros(2, len(first), len(self.law.order))
        values[:, :, self.law.order] = torch.stack([first, second])
        found: dict[str | int, Tensor] = {"first": values[0], "second": values[1]}
        sizes = [(places[0], size) for kind, places, size in self.likelihood.groups if kind == "category"]
        each = classes.split([size for _, size in sizes], 1) if sizes else ()
        return found | {place: chances for (place, _), chances in zip(sizes, each, strict=True)}

    @property
    def truths(self) -> list[int]:
        """The places of booleans."""
        return [place for kind, places, _ in self.likelihood.groups if kind == "boolean" for place in places]


def _maps(law: Law) -> tuple[Int64[Tensor, "n 2"], Float[Tensor, "n 7"]]:
    """Of each number the kind of its map, −1 for none, and whether its law has a normal's tails; its ends, range, location and scale."""
    numbers = law.of_numbers
    kinds, ends = torch.tensor([-1, 0]).repeat(law.numbers, 1), torch.zeros(law.numbers, 7)
    if isinstance(numbers, Numbers) and numbers.map is not None:
        names = list(MAPS.values())
        for part in numbers.map.kinds:
            kinds[part.places] = torch.tensor([names.index(part.map), int(part.light)])
            ends[part.places] = torch.cat([part.ends, part.range, part.loc[None], part.scale[None]]).T
    return kinds, ends
