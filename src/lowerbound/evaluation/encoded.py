"""One pass over data: each example observed and encoded once, for all who want to know something of it.

A pass is given what is asked for, each an object that takes examples in (``add``) and says at the end what it found; so that neither the
values nor the posteriors of all the data have to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.data.rows import Rows, in_turn, numbers_of
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import Model
from lowerbound.vae.observation import Observation, admit_rows, observe, read


@dataclass(frozen=True)
class Encoded:
    """Some rows of ``data``, observed, and the parameters of their q(z|x), ``output`` ``(B, features)``."""

    data: Rows
    rows: Int64[Tensor, " B"]
    seed: int
    whole: Model
    seen: Observation
    output: Float[Tensor, "B features"]

    @property
    def vae(self) -> Model:
        """The model given the contexts of these examples."""
        return self.seen.vae

    @property
    def numbers(self) -> list[int]:
        """The numbers of the rows in the whole that the data are a piece of: their noise follows from these."""
        found: list[int] = numbers_of(self.data, self.rows).tolist()
        return found

    @property
    def x(self) -> Float[Tensor, "B *event"]:
        """Their values as the likelihood sees them."""
        return self.seen.x

    @cached_property
    def posterior(self) -> Distribution:
        """q(z|x), a batch ``(B,)``."""
        return self.vae.posterior.law(self.output, 1)

    @cached_property
    def centre(self) -> Float[Tensor, "B latent"]:
        """The point that stands for each q(z|x)."""
        return self.vae.posterior.centre(self.posterior)

    @cached_property
    def plain(self) -> Observation:
        """The same rows with their values as they are: greys that are not binarized."""
        return read(self.whole, self.data, self.rows, self.seed)


@runtime_checkable
class Asked(Protocol):
    """What a pass is asked for."""

    def add(self, some: Encoded, /) -> None:
        """Take in some examples."""


def each_encoded(vae: Model, data: Rows, seed: int, at_once: int) -> Iterator[Encoded]:
    """All rows of ``data`` in order, ``at_once`` at a time. Errors: DataError where the likelihood cannot be one of these data."""
    for rows in in_turn(data, at_once):
        admit_rows(vae, data, rows)
        seen = observe(vae, data, rows, seed)
        yield Encoded(data, rows, seed, vae, seen, seen.vae.posterior.output(seen.x))


@torch.no_grad()
def run_pass(vae: Model, data: Rows, asked: Sequence[Asked], seed: int, at_once: int) -> None:
    """Show each of those ``asked`` all the data, in evaluation mode; the caller's random numbers are left as they are."""
    vae = in_evaluation(vae)
    with seeded(seed, "pass", device=vae.device):
        for some in each_encoded(vae, data, seed, at_once):
            for one in asked:
                one.add(some)
