"""Arrays → a compressed file, and back: examples as whole numbers, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, labels_of
from lowerbound.errors import DataError
from lowerbound.nn.mode import in_evaluation
from lowerbound.tasks.lossless import blocks, laws, masks
from lowerbound.tasks.lossless.container import Header, Part, block_to_bytes, mask_to_bytes
from lowerbound.tasks.lossless.laws import Whole
from lowerbound.tasks.lossless.model import ArrayCode, ExactModel
from lowerbound.tasks.lossless.reading import must_be_of, rows_of
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model
from lowerbound.vae.observation import admit_rows, observe


def compressed(vae: Model, data: Source, block: int, seed: int, folder: str, particles: int) -> Iterator[Part]:
    """The parts of a file. Errors: as for ``compress``."""
    exact, rows = ExactModel.of(vae), vae.examples(data).rows
    if not len(rows):
        raise DataError("there are no examples to compress")
    top, greys, missing = _survey(vae, exact, rows, block)
    of_model = exact.event_shape, top, exact.digest, folder
    header = Header(len(rows), block, *of_model, seed if greys else None, particles=particles, missing=missing)
    code = ArrayCode(exact, top, bool(missing))
    yield Part(header, header.to_bytes(), 0)
    for number in range(header.blocks):
        values, numbers = _seen(vae, exact, rows, header.rows(number), seed, bool(missing))
        labels = _labels(vae, rows, header.rows(number))
        every = numbers if labels is None else np.concatenate([numbers, labels[:, None].numpy()], 1)
        mask = mask_to_bytes(header, number, masks.to_bytes(numbers)) if missing else b""
        content = block_to_bytes(header, number, blocks.encode(code, every, particles))
        yield Part(header, mask + content, len(values), values, numbers, labels)


def decompressed(vae: Model, header: Header, file: BufferedIOBase, rows: range, name: str) -> Iterator[Tensor]:
    """The values of these rows, part by part, of a file that is behind its header. Errors: as for ``decompress``."""
    exact = ExactModel.of(vae)
    must_be_of(exact.digest, header, name)
    for _, numbers in rows_of(ArrayCode(exact, header.top, bool(header.missing)), header, file, rows, name):
        yield _values(numbers[:, : exact.values], exact, vae.dtype, bool(header.missing))


def _survey(vae: Model, exact: ExactModel, rows: Rows, block: int) -> tuple[int, bool, int]:
    """The largest number, whether values have to be binarized, and how many are missing.

    Errors: DataError for counts beyond ``laws.LONGEST``.
    """
    greys, most, missing = False, 1, 0
    for some in torch.arange(len(rows)).split(block):
        admit_rows(vae, rows, some)
        values = rows[some]
        if bool(values.sum().isnan()):
            missing += int(values.isnan().sum())
            values = values.nan_to_num(nan=0.0)
        if exact.symbols.top is None:
            most = max(most, int((values * exact.symbols.steps).max().round()))
        elif exact.symbols.top == 1:
            greys = greys or not torch.equal(values, values.round())
    top = most if exact.symbols.top is None else exact.symbols.top
    if exact.symbols.top is None and top > laws.LONGEST:
        raise DataError(f"counts up to {laws.LONGEST:,} can be compressed, and these go to {top:,}; leave those out")
    return top, greys, missing


def _seen(vae: Model, exact: ExactModel, rows: Rows, some: range, seed: int, holes: bool) -> tuple[Tensor, Whole]:
    """The values of some rows as the likelihood sees them, and as whole numbers. Errors: DataError where that is not what they are."""
    x, steps = observe(in_evaluation(vae), rows, torch.arange(some.start, some.stop), seed).x.cpu(), exact.symbols.steps
    found = x.to(torch.promote_types(x.dtype, torch.float32)).mul(steps).round_()
    numbers: Whole = (found.nan_to_num_(nan=masks.MISSING) if holes else found).long().flatten(1).numpy()
    back = _values(numbers, exact, x.dtype, holes).reshape(x.shape)
    if torch.equal(back, x):
        return x, numbers
    wrong = ((back != x) & ~x.isnan()).flatten(1).any(1)
    if bool(wrong.any()):
        row = some.start + int(wrong.nonzero()[0])
        raise DataError(f"row {row}: some values are not whole numbers over {exact.symbols.steps} and would not come back; round them")
    return x, numbers


def _labels(vae: Model, rows: Rows, some: range) -> Int64[Tensor, " n"] | None:
    """The labels that the model is given of some rows; None where it is given none. Errors: DataError where there are none, or others."""
    if not isinstance(vae.context, Label):
        return None
    places = torch.arange(some.start, some.stop)
    labels = labels_of(rows, places)
    vae.context.of(rows[places], labels)  # which checks them
    return labels


def _values(numbers: Whole, exact: ExactModel, kind: torch.dtype, holes: bool) -> Tensor:
    """The values that numbers stand for, as data have them."""
    values = torch.from_numpy(numbers).to(kind)
    if holes:
        values.masked_fill_(values == masks.MISSING, torch.nan)
    if exact.symbols.steps != 1:
        values.div_(exact.symbols.steps)
    return values.reshape(-1, *exact.event_shape)
