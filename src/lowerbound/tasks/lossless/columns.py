"""A VAE of a table's columns whose laws come out the same on every machine.

An example is a row of 2 D whole numbers: of each column how its cell is written (0: as usual), then the number that its usual cells have.
How often each way is taken is known with the file; numbers follow p(x|z). A model of a table has a density of numbers, and a cell that is
written with so many decimals has the mass between it and its neighbours. Of a conditional VAE, p(x|z, y), the way in which the cell of the
label is written comes last, and it says the class y.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowerbound.data.column import Column
from lowerbound.errors import RecipeError
from lowerbound.nn.missing import TableInput
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.cells import Cells, Writing
from lowerbound.tasks.lossless.code import Code, digest_of
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.column_laws import ColumnLaws, shown
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.latents import Latents, must_be_known
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.layers import UNIT
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.tasks.lossless.vectors import Vectors
from lowerbound.vae.contexts import Label
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class TableModel:
    """Networks in fixed point, and the laws of columns of the decoder's numbers, to which those of ``start`` are added."""

    encoder: ExactNetwork
    decoder: ExactNetwork
    latents: Latents
    columns: tuple[Column, ...]
    laws: ColumnLaws
    start: tuple[float, ...] = ()
    classes: int = 0

    @classmethod
    def of(cls, vae: Model) -> TableModel:
        """That of a trained model of a table. Errors: RecipeError for a part of it that no code is made of."""
        vae = in_evaluation(vae)
        likelihood, network = vae.likelihood, vae.posterior.network
        if not isinstance(likelihood, Columns) or likelihood.schema is None or not isinstance(network, TableInput):
            raise RecipeError("a model of columns that are no table's cannot compress; train one on a table, with --recipe miwae")
        must_be_known(vae)
        encoder, decoder = exact(network.network), exact(likelihood.network)
        latents = Vectors.of(vae, lambda inputs: encoder(shown(inputs, likelihood.columns)))
        classes = vae.context.classes if isinstance(vae.context, Label) else 0
        start = () if likelihood.start is None else tuple((likelihood.start.double().mul(UNIT).round() / UNIT).tolist())
        return cls(encoder, decoder, latents, likelihood.columns, ColumnLaws.of(likelihood), start, classes)

    @cached_property
    def digest(self) -> bytes:
        """Its hash."""
        words: tuple[object, ...] = *self.latents.words, self.columns, self.laws.heavy
        words = (*words, self.start) if self.start else words
        return digest_of((*words, self.classes) if self.classes else words, (self.encoder, self.decoder, *self.latents.networks))


@dataclass(frozen=True)
class Labels:
    """The cells of a column of labels, each written in a way of its own, and the class of each of these."""

    cells: Cells
    classes: tuple[int, ...]

    @classmethod
    def of(cls, raws: Sequence[str], classes: Mapping[str, int]) -> tuple[Labels, Whole]:
        """Those of a column as written, of which the classes are known; and how each cell is written."""
        often = Counter(raws)
        place = {raw: kind for kind, raw in enumerate(often, start=1)}
        labels = cls(Cells(Writing(), tuple(often), (0, *often.values())), tuple(classes[raw] for raw in often))
        return labels, np.array([place[raw] for raw in raws], np.int64)

    def context(self, kinds: Whole, classes: int) -> Array:
        """What a model is given of cells that are written so: a one where the class is."""
        return (np.array(self.classes)[kinds - 1, None] == np.arange(classes)).astype(np.float64)


@dataclass(frozen=True)
class TableCode(Code):
    """The code of rows whose ``cells`` are written so, None in columns that are not coded by the model, which may be given ``labels``."""

    model: TableModel
    cells: Sequence[Cells | None]
    labels: Labels | None = None

    @property
    def latents(self) -> Latents:
        """Those of the model."""
        return self.model.latents

    @property
    def listed(self) -> int:
        """As many as the laws of counts and classes hold, and some for the others."""
        of_cells = sum(16 + (column.classes or cells.writing.top * (column.kind == "count")) for column, cells in self._coded)
        return of_cells + self.latents.listed

    @property
    def _coded(self) -> list[tuple[Column, Cells]]:
        return [(column, cells) for column, cells in zip(self.model.columns, self.cells, strict=True) if cells is not None]

    def features(self, numbers: Whole) -> Array:
        """By the encoder, which is shown nothing where a cell is not as usual."""
        kinds, values = np.split(numbers[:, : 2 * len(self.cells)], 2, 1)
        parts: list[Array] = []
        for place, (column, cells) in enumerate(zip(self.model.columns, self.cells, strict=True)):
            number = values[:, place].astype(np.float64)
            value = np.full(len(numbers), np.nan) if cells is None else cells.writing.values(number, column)
            parts.append(np.where(kinds[:, place] == 0, value, np.nan))
        return self.model.encoder(shown(np.stack(parts, 1), self.model.columns), self._context(numbers))

    def push(self, stack: Stack, numbers: Whole, z: Array) -> None:
        """Column by column, the last first, so that the first is popped first; the labels last of all."""
        output = self._output(z, self._context(numbers))
        for place in reversed(range(len(self.cells))):
            cells = self.cells[place]
            if cells is not None:
                kinds, values = numbers[:, place], numbers[:, len(self.cells) + place]
                usual = np.flatnonzero(kinds == 0)
                if len(usual):
                    self.model.laws.push(stack, place, cells.writing, output[usual], values[usual])
                if cells.texts:
                    stack.push(_kinds(cells, len(z)), kinds)
        if self.labels is not None:
            stack.push(_kinds(self.labels.cells, len(z)), numbers[:, -1])

    def pop(self, stack: Stack, z: Array, known: Whole) -> Whole:
        """The labels, then column by column."""
        n = len(z)
        numbers = np.zeros((n, 2 * len(self.cells) + (self.labels is not None)), np.int64)
        if self.labels is not None:
            numbers[:, -1] = stack.pop(_kinds(self.labels.cells, n), n)
        output = self._output(z, self._context(numbers))
        for place, cells in enumerate(self.cells):
            if cells is not None:
                if cells.texts:
                    numbers[:, place] = stack.pop(_kinds(cells, n), n)
                usual = np.flatnonzero(numbers[:, place] == 0)
                if len(usual):
                    numbers[usual, len(self.cells) + place] = self.model.laws.pop(stack, place, cells.writing, output[usual])
        return numbers

    def costs(self, numbers: Whole, z: Array) -> Array:
        """Of the usual cells."""
        output, found = self._output(z, self._context(numbers)), np.zeros(len(z))
        for place, cells in enumerate(self.cells):
            usual = np.flatnonzero(numbers[:, place] == 0)
            if cells is not None and len(usual):
                values = numbers[usual, len(self.cells) + place]
                found[usual] += self.model.laws.costs(place, cells.writing, output[usual], values)
        return found

    def _context(self, numbers: Whole) -> Array | None:
        return None if self.labels is None else self.labels.context(numbers[:, -1], self.model.classes)

    def _output(self, z: Array, context: Array | None = None) -> Array:
        output = self.model.decoder(z, context)
        return output + np.array(self.model.start) if self.model.start else output


def _kinds(cells: Cells, n: int) -> Law:
    """How cells are written, by how often each way is taken."""
    share = np.array(cells.counts) / max(cells.counts)
    return laws.Listed(lambda some: some, np.repeat(share[:, None], n, 1))
