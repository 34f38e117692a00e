"""Rows of data as a model sees them: their values, the model given their contexts, and which values it has a density of.

``observe`` takes values as the likelihood sees them (a Bernoulli draws zeros and ones of greys), ``read`` as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.parameter import is_lazy

from lowerbound.data.rows import Rows, first_look, labels_of, numbers_of
from lowerbound.errors import DataError
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import key, seeded
from lowerbound.vae.model import Model
from lowerbound.vae.trial import try_out


@dataclass(frozen=True)
class Observation:
    """Some examples ``x`` ``(B, *event)`` on the model's device, and the ``vae`` given their contexts, where it is given any."""

    vae: Model
    x: Float[Tensor, "B *event"]

    @property
    def counted(self) -> Bool[Tensor, "B *event"] | None:
        """Which values the model has a density of: those that are there and that no context says already; None for all."""
        return self.vae.counted(self.x)

    @property
    def compared(self) -> Bool[Tensor, "B *event"]:
        """Which values can be compared with others: those of the ``counted`` that are there."""
        counted, there = self.counted, ~self.x.isnan()
        return there if counted is None else counted & there

    @property
    def sizes(self) -> Float[Tensor, " B"]:
        """How many values of each example are ``counted``."""
        counted = self.counted
        if counted is None:
            return torch.full((len(self.x),), float(self.x[0].numel()), device=self.x.device)
        return counted.flatten(1).float().sum(1)


def observe(vae: Model, data: Rows, rows: Int64[Tensor, " B"], seed: int | None = None) -> Observation:
    """Some rows as the likelihood sees them, and contexts that are made of what it sees.

    What is drawn for it, zeros and ones of greys or a context, follows with a ``seed`` from that and the row, whichever others are with
    it; without one from those of the caller (``system.noise``). Errors: DataError where data have no context for the model.
    """
    return _taken(vae, data, rows, seed, vae.likelihood.observe)


def read(vae: Model, data: Rows, rows: Int64[Tensor, " B"], seed: int | None = None) -> Observation:
    """Some rows as they are. With a ``seed`` a context that is drawn follows from that and the row. Errors: as for ``observe``."""
    return _taken(vae, data, rows, seed, None)


def _taken(vae: Model, data: Rows, rows: Int64[Tensor, " B"], seed: int | None, see: Callable[[Tensor], Tensor] | None) -> Observation:
    values, labels = data[rows].to(vae.device), labels_of(data, rows)
    with nullcontext() if seed is None else by_row(key(seed, "observed"), numbers_of(data, rows)):
        x = values if see is None else see(values)
        context = vae.contexts(x, labels)
    return Observation(vae if context is None else vae.given(context), x)


def must_fit(vae: Model, data: Rows) -> None:
    """Raise an error of one line where the model's parts do not fit one another or the first example, as ``trial.try_out`` has it.

    Lazy layers are made by it; nothing else of the model changes, nor do the caller's random numbers.
    """
    if not len(data):
        return
    first = torch.tensor([0])
    with seeded("trial", device=vae.device):
        if any(map(is_lazy, vae.parameters())):
            _make(read(vae, data, first, 0))
        seen = read(in_evaluation(vae), data, first, 0)
        try_out(seen.vae.prior, seen.vae.likelihood, seen.vae.posterior, seen.x)


def must_admit(vae: Model, data: Rows) -> None:
    """Raise DataError for values that the likelihood cannot be a distribution of, with the first row that has some."""
    for rows in first_look(data):
        admit_rows(vae, data, rows)


def admit_rows(vae: Model, data: Rows, rows: Int64[Tensor, " B"]) -> None:
    """The same of some rows."""
    try:
        vae.likelihood.admit(data[rows])
    except DataError as error:
        if len(rows) == 1:
            raise DataError(f"row {int(numbers_of(data, rows))}: {error}") from error
        for row in rows.split(1):
            admit_rows(vae, data, row)
        raise


@torch.no_grad()
def _make(seen: Observation) -> None:
    """Call encoder and decoder once, by which lazy layers come to their weights."""
    vae = seen.vae
    vae.posterior.output(seen.x)
    vae.likelihood.output(torch.zeros(1, *vae.prior().event_shape, device=seen.x.device, dtype=seen.x.dtype))
