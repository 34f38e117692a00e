"""A VAE of a table's columns whose laws come out the same on every machine.

An example is a row of 2 D whole numbers: of each column how its cell is written (0: as usual), then the number that its usual cells have.
How often each way is taken is known with the file; numbers follow p(x|z). A model of a table has a density of numbers, and a cell that is
written with so many decimals has the mass between it and its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowerbound.data.column import Column
from lowerbound.errors import RecipeError
from lowerbound.nn.missing import TableInput
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.cells import Cells
from lowerbound.tasks.lossless.code import Code, digest_of, posterior_of, size_of_latent
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.column_laws import ColumnLaws, shown
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.layers import UNIT
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class TableModel:
    """Networks in fixed point, and the laws of columns of the decoder's numbers, to which those of ``start`` are added."""

    encoder: ExactNetwork
    decoder: ExactNetwork
    latent: int
    columns: tuple[Column, ...]
    laws: ColumnLaws
    start: tuple[float, ...] = ()

    @classmethod
    def of(cls, vae: Model) -> TableModel:
        """That of a trained model of a table. Errors: RecipeError for a part of it that no code is made of."""
        vae = in_evaluation(vae)
        likelihood, network = vae.likelihood, vae.posterior.network
        if not isinstance(likelihood, Columns) or likelihood.schema is None or not isinstance(network, TableInput):
            raise RecipeError("a model of columns that are no table's cannot compress; train one on a table, with --recipe miwae")
        if vae.context is not None:
            raise RecipeError("a model of a table that is given labels cannot compress yet; train one without --given label")
        encoder, decoder = exact(network.network), exact(likelihood.network)
        start = () if likelihood.start is None else tuple((likelihood.start.double().mul(UNIT).round() / UNIT).tolist())
        return cls(encoder, decoder, size_of_latent(vae), likelihood.columns, ColumnLaws.of(likelihood), start)

    @cached_property
    def digest(self) -> bytes:
        """Its hash."""
        words = self.latent, self.columns, self.laws.heavy
        return digest_of((*words, self.start) if self.start else words, (self.encoder, self.decoder))


@dataclass(frozen=True)
class TableCode(Code):
    """The code of rows whose ``cells`` are written so, None in columns that are not coded by the model."""

    model: TableModel
    cells: Sequence[Cells | None]

    @property
    def latent(self) -> int:
        """That of the model."""
        return self.model.latent

    @property
    def listed(self) -> int:
        """As many as the laws of counts and classes hold, and some for the others."""
        return sum(16 + (column.classes or cells.writing.top * (column.kind == "count")) for column, cells in self._coded)

    @property
    def _coded(self) -> list[tuple[Column, Cells]]:
        return [(column, cells) for column, cells in zip(self.model.columns, self.cells, strict=True) if cells is not None]

    def posterior(self, numbers: Whole) -> Law:
        """By the encoder, which is shown nothing where a cell is not as usual."""
        kinds, values = np.split(numbers, 2, 1)
        parts: list[Array] = []
        for place, (column, cells) in enumerate(zip(self.model.columns, self.cells, strict=True)):
            number = values[:, place].astype(np.float64)
            value = np.full(len(numbers), np.nan) if cells is None else cells.writing.values(number, column)
            parts.append(np.where(kinds[:, place] == 0, value, np.nan))
        return posterior_of(self.model.encoder(shown(np.stack(parts, 1), self.model.columns)))

    def push(self, stack: Stack, numbers: Whole, bins: Whole) -> None:
        """Column by column, the last first, so that the first is popped first."""
        output = self._output(bins)
        for place in reversed(range(len(self.cells))):
            cells = self.cells[place]
            if cells is not None:
                kinds, values = numbers[:, place], numbers[:, len(self.cells) + place]
                usual = np.flatnonzero(kinds == 0)
                if len(usual):
                    self.model.laws.push(stack, place, cells.writing, output[usual], values[usual])
                if cells.texts:
                    stack.push(_kinds(cells, len(bins)), kinds)

    def pop(self, stack: Stack, bins: Whole, known: Whole) -> Whole:
        """Column by column."""
        output, numbers = self._output(bins), np.zeros((len(bins), 2 * len(self.cells)), np.int64)
        for place, cells in enumerate(self.cells):
            if cells is not None:
                if cells.texts:
                    numbers[:, place] = stack.pop(_kinds(cells, len(bins)), len(bins))
                usual = np.flatnonzero(numbers[:, place] == 0)
                if len(usual):
                    numbers[usual, len(self.cells) + place] = self.model.laws.pop(stack, place, cells.writing, output[usual])
        return numbers

    def costs(self, numbers: Whole, bins: Whole) -> Array:
        """Of the usual cells."""
        output, found = self._output(bins), np.zeros(len(bins))
        for place, cells in enumerate(self.cells):
            usual = np.flatnonzero(numbers[:, place] == 0)
            if cells is not None and len(usual):
                values = numbers[usual, len(self.cells) + place]
                found[usual] += self.model.laws.costs(place, cells.writing, output[usual], values)
        return found

    def _output(self, bins: Whole) -> Array:
        output = self.model.decoder(laws.centres()[bins])
        return output + np.array(self.model.start) if self.model.start else output


def _kinds(cells: Cells, n: int) -> Law:
    """How cells are written, by how often each way is taken."""
    share = np.array(cells.counts) / max(cells.counts)
    return laws.Listed(lambda some: some, np.repeat(share[:, None], n, 1))
