"""Data → a file, and back: examples as whole numbers, block by block."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows
from lowerbound.errors import DataError, RunError
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import one_of, whole
from lowerbound.tasks.lossless import blocks
from lowerbound.tasks.lossless.coder import constriction
from lowerbound.tasks.lossless.container import NAME, Header, block_to_bytes, must_end, read_block
from lowerbound.tasks.lossless.laws import Whole
from lowerbound.tasks.lossless.model import ArrayCode, ExactModel
from lowerbound.tasks.lossless.values import MOST
from lowerbound.vae.model import Model
from lowerbound.vae.observation import admit_rows, observe
from lowerbound.vae.parts import must_be_model

BLOCK = 1000


@runtime_checkable
class HasModel(Protocol):
    """A run: it has a model and a folder."""

    @property
    def vae(self) -> Model:
        """The model."""

    @property
    def folder(self) -> os.PathLike[str]:
        """Where it is."""


def compress(run: HasModel | Model, data: Source, *, block: int = BLOCK, seed: int = 0) -> bytes:
    """The examples of ``data`` as a file's content, of about −bound/log 2 bits each, from which ``decompress`` gets them back exactly.

    ``run`` is a run (``lb.load``) or its model, ``data`` what ``lb.fit`` takes; grey pixels of a Bernoulli are binarized by ``seed`` first,
    and it is the zeros and ones that come back. Blocks of so many examples can be read alone. Errors: RecipeError for a model that no code
    is made of; DataError for values that it has no probability of; UsageError where constriction is not installed.
    Source: Townsend, Bird and Barber, "Practical lossless compression with latent variables using bits back coding", 2019,
    https://arxiv.org/abs/1901.04866.
    """
    return b"".join(part.content for part in compressed(run, data, block=block, seed=seed))


@dataclass(frozen=True)
class Part:
    """What comes next in a file, and the ``values`` ``(n, *event)`` in it, as whole ``numbers`` ``(n, D)`` too: none in the header."""

    header: Header
    content: bytes
    values: Tensor
    numbers: Whole


def compressed(run: HasModel | Model, data: Source, *, block: int = BLOCK, seed: int = 0) -> Iterator[Part]:
    """The same part by part: the header, then the blocks. Memory does not grow with the number of examples."""
    constriction()
    vae, block = _model(run), whole("block", block, 1)
    exact, rows = ExactModel.of(vae), vae.examples(data).rows
    if not len(rows):
        raise DataError("there are no examples to compress")
    top, greys = _top(vae, exact, rows, block, seed)
    folder = "" if isinstance(run, Model) else str(run.folder)
    header = Header(len(rows), block, exact.event_shape, top, exact.digest, folder, seed if greys else None)
    code, nothing = ArrayCode(exact, top), np.empty((0, exact.values), np.int64)
    yield Part(header, header.to_bytes(), _values(nothing, exact, vae.dtype), nothing)
    for number in range(header.blocks):
        values, numbers = _seen(vae, exact, rows, header.rows(number), seed)
        yield Part(header, block_to_bytes(header, number, *blocks.encode(code, numbers)), values, numbers)


def decompress(run: HasModel | Model, content: bytes, rows: range | None = None) -> Float[Tensor, "n *event"]:
    """The examples of a file's content, or those of some ``rows``, of which only the blocks are read.

    Errors: DataError for a file that is damaged there, of a later version or none; RunError for one of another run.
    """
    return torch.cat(list(decompressed(run, io.BytesIO(one_of("content", content, bytes, "those of compress")), rows)))


def decompressed(
    run: HasModel | Model,
    file: BufferedIOBase,
    rows: range | None = None,
    name: str = NAME,
) -> Iterator[Float[Tensor, "n *event"]]:
    """The same from a file that is open, block by block."""
    constriction()
    vae, header = _model(run), Header.read(file, name)
    exact = ExactModel.of(vae)
    if exact.digest != header.digest:
        which = f"the run {header.run}" if header.run else "another model"
        raise RunError(f"{name} was written by {which} as it was then, and these weights are others; give that run")
    wanted = range(header.n) if rows is None else range(header.n)[rows.start : rows.stop]
    for number in range(header.blocks):
        own = header.rows(number)
        if own.start >= wanted.stop:
            return
        words, initial = read_block(header, number, file, name, skip=own.stop <= wanted.start)
        if own.stop > wanted.start:
            found = _decoded(exact, header, number, words, initial, name)
            yield _values(found, exact, vae.dtype)[max(0, wanted.start - own.start) : wanted.stop - own.start]
    must_end(file, name)


def _decoded(exact: ExactModel, header: Header, number: int, words: Any, initial: int, name: str) -> Whole:
    own = header.rows(number)
    try:
        return blocks.decode(ArrayCode(exact, header.top), words, initial, len(own))
    except DataError as error:
        raise DataError(f"{name}, block {number:,}: {error}") from error


def _model(run: Any) -> Model:
    """Its model. Errors: UsageError for what is none and has none."""
    vae: Model = run if isinstance(run, Model) else getattr(run, "vae", run)
    must_be_model(vae, Model)
    return vae


def _top(vae: Model, exact: ExactModel, rows: Rows, block: int, seed: int) -> tuple[int, bool]:
    """The largest number, and whether values had to be binarized. Errors: DataError for counts beyond ``MOST``."""
    greys, most = False, 1
    for some in torch.arange(len(rows)).split(block):
        admit_rows(vae, rows, some)
        values = rows[some] * exact.symbols.steps
        greys = greys or (exact.symbols.top == 1 and bool((values.round() != values).any()))
        most = max(most, int(values.max()))
    top = most if exact.symbols.top is None else exact.symbols.top
    if exact.symbols.top is None and top > MOST:
        raise DataError(f"counts up to {MOST:,} can be compressed, and these go to {top:,}; leave those out")
    return top, greys


def _seen(vae: Model, exact: ExactModel, rows: Rows, some: range, seed: int) -> tuple[Tensor, Whole]:
    """The values of some rows as the likelihood sees them, and as whole numbers. Errors: DataError where that is not what they are."""
    x = observe(in_evaluation(vae), rows, torch.arange(some.start, some.stop), seed).x.cpu()
    numbers: Whole = np.rint(x.double().numpy() * exact.symbols.steps).astype(np.int64).reshape(len(x), -1)
    wrong = (_values(numbers, exact, x.dtype).reshape(x.shape) != x).flatten(1).any(1)
    if bool(wrong.any()):
        row = some.start + int(wrong.nonzero()[0])
        raise DataError(f"row {row}: some values are not whole numbers over {exact.symbols.steps} and would not come back; round them")
    return x, numbers


def _values(numbers: Whole, exact: ExactModel, kind: torch.dtype) -> Tensor:
    """The values that numbers stand for, as data have them."""
    return torch.from_numpy(numbers).to(kind).div(exact.symbols.steps).reshape(-1, *exact.event_shape)
