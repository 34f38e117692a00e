"""Data → a compressed file, and back."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.errors import RecipeError, UsageError
from lowerbound.system.arguments import one_of, whole
from lowerbound.tasks.lossless import arrays, tables
from lowerbound.tasks.lossless.coder import constriction
from lowerbound.tasks.lossless.container import NAME, Header, Part
from lowerbound.tasks.lossless.reading import of_another
from lowerbound.tasks.lossless.tables import LabelColumn
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import Model
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


def compress(run: HasModel | Model, data: Source, *, block: int = BLOCK, seed: int = 0, particles: int = 1) -> bytes:
    """The examples of ``data`` as a file's content, of about −bound/log 2 bits each, from which ``decompress`` gets them back exactly.

    ``run`` is a run (``lb.load``) or its model, ``data`` what ``lb.fit`` takes; grey pixels of a Bernoulli are binarized by ``seed`` first,
    and it is the zeros and ones that come back. Of a model of a table it is the path of a .csv or .tsv file, all of whose bytes come back.
    Blocks of so many examples can be read alone. With K ``particles`` a file is as short as the importance-weighted bound of K draws, for K
    times the work.
    Errors: RecipeError for a model that no code is made of; DataError for values that it has no probability of; UsageError where
    constriction is not installed.
    Source: Townsend, Bird and Barber, "Practical lossless compression with latent variables using bits back coding", 2019,
    https://arxiv.org/abs/1901.04866.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> content = lb.tasks.lossless.compress(vae, digits.test[:20])
    >>> back = lb.tasks.lossless.decompress(vae, content)
    >>> back.shape, back.unique().tolist()  # the greys of a Bernoulli were binarized
    (torch.Size([20, 1, 8, 8]), [0.0, 1.0])
    """
    return b"".join(part.content for part in compressed(run, data, block=block, seed=seed, particles=particles))


def compressed(run: HasModel | Model, data: Source, *, block: int = BLOCK, seed: int = 0, particles: int = 1) -> Iterator[Part]:
    """The file of ``compress`` part by part: the header, then the blocks. Memory does not grow with the number of examples, but for a
    table's.

    Arguments and errors: as for ``compress``.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> whole = lb.tasks.lossless.compress(vae, digits.test[:20], block=8)
    >>> whole == b"".join(part.content for part in lb.tasks.lossless.compressed(vae, digits.test[:20], block=8))
    True
    """
    constriction()
    vae, block, particles = _model(run), whole("block", block, 1), whole("particles", particles, 1)
    folder = "" if isinstance(run, Model) else str(run.folder)
    if isinstance(vae.likelihood, Columns):
        return tables.compressed(vae, data, block, folder, particles, _label_column(run))
    return arrays.compressed(vae, data, block, seed, folder, particles)


def decompress(run: HasModel | Model, content: bytes, rows: range | None = None) -> Float[Tensor, "n *event"] | bytes:
    """The examples ``(n, *event)`` of a file's content, or those of some ``rows``, of which only the blocks are read; of a table its bytes.

    Errors: DataError for a file that is damaged there, of a later version or none; RunError for one of another run; UsageError for
    rows that it does not have.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> content = lb.tasks.lossless.compress(vae, digits.test[:20], block=8)
    >>> some = lb.tasks.lossless.decompress(vae, content, range(10, 15))
    >>> some.equal(lb.tasks.lossless.decompress(vae, content)[10:15])
    True
    """
    parts = list(decompressed(run, io.BytesIO(one_of("content", content, bytes, "those of compress")), rows))
    values = [part for part in parts if isinstance(part, Tensor)]
    return torch.cat(values) if values else b"".join(part for part in parts if isinstance(part, bytes))


def decompressed(
    run: HasModel | Model,
    file: BufferedIOBase,
    rows: range | None = None,
    name: str = NAME,
) -> Iterator[Tensor | bytes]:
    """The examples of a ``file`` that is open, block by block ``(n, *event)``; ``name`` is what errors call it.

    Arguments and errors: as for ``decompress``.

    >>> import io
    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> file = io.BytesIO(lb.tasks.lossless.compress(vae, digits.test[:20], block=8))
    >>> [len(block) for block in lb.tasks.lossless.decompressed(vae, file)]
    [8, 8, 4]
    """
    constriction()
    vae, header = _model(run), Header.read(file, name)
    wanted = range(header.n) if rows is None else range(header.n)[rows.start : rows.stop]
    if not wanted:
        raise UsageError(f"{name} has {header.n:,} examples, and none of these rows; ask for some from 0 to {header.n - 1}")
    try:
        yield from (arrays if header.table is None else tables).decompressed(vae, header, file, wanted, name)
    except RecipeError as error:  # a model that nothing can be compressed by
        raise of_another(header, name) from error


def _model(run: Any) -> Model:
    """Its model. Errors: UsageError for what is none and has none."""
    vae: Model = run if isinstance(run, Model) else getattr(run, "vae", run)
    must_be_model(vae, Model)
    return vae


def _label_column(run: Any) -> LabelColumn | None:
    """The one that a run took its labels from."""
    name = getattr(getattr(run, "recipe", None), "label_column", None)
    return None if name is None else LabelColumn(name, run.spec.classes)
