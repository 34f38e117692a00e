"""New data, in batches whose draws follow from the number of their first row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.units import as_stored
from lowerbound.interfaces.bulk import columns
from lowerbound.interfaces.bulk.task import ROWS, Begun, Tables, Task, weights, whole_batches
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import Model

#: data drawn at once; part of what a seed means
BATCH = 1_000
#: the model given the contexts of rows from one to before another
Given = Callable[[int, int], Model]


def samples(given: Given, first: int, end: int, draw: bool, seed: int) -> Float[Tensor, "n *event"]:
    """Data of some rows: means of p(x|z), or with ``draw`` draws, on the CPU. Each batch begins at a multiple of ``BATCH``."""
    found = []
    for start in range(first, max(first + 1, end), BATCH):
        stop = min(start + BATCH, end)
        vae = given(start, stop)
        with seeded(seed, "sample", *([start] if start else []), device=vae.device):
            found.append(vae.sample(stop - start, draw).cpu())
    return torch.cat(found)


@dataclass(frozen=True)
class Sample(Task):
    """``lowerbound sample``; ``given`` makes of the run what gives its model contexts."""

    run: str
    device: str
    n: int
    draw: bool
    seed: int
    label: str | None
    given: Callable[[Run], Given]

    @property
    def words(self) -> dict[str, Any]:
        """Its options."""
        return {"verb": "sample", "run": weights(self.run), "draw": self.draw, "seed": self.seed, "label": self.label}

    def begin(self) -> Begun:
        """Errors: RunError; UsageError for a label that the run does not know."""
        run = runs.load(self.run, self.device)
        given, draw = self.given(run), self.draw or run.spec.schema is not None

        def said(first: int, end: int) -> Tables:
            return {"": columns.with_numbers(written(run, samples(given, first, end, draw, self.seed), draw), first)}

        return Begun(self.n, whole_batches([BATCH], ROWS, 4 * run.spec.dimensions), said, self.n, str(run.vae.device))


def written(run: Run, values: Tensor, draw: bool) -> Any:
    """Data as a table of pyarrow's: the columns of a table, or a list of numbers an example, as their files have them."""
    schema = run.spec.schema
    if schema is None:
        return columns.table({"values": columns.lists(_of_one_type(run, as_stored(values, run.spec, run.recipe.invert), draw))})
    texts = schema.texts(values.numpy())
    return columns.typed(schema, texts, columns.types(schema, {name: [] for name in texts}))


def _of_one_type(run: Run, values: np.ndarray, draw: bool) -> np.ndarray:
    """In one type whatever the values: drawn bits and counts may be beyond that of their files, and means are no whole ones."""
    if run.spec.unit != 1 or not run.spec.stored:
        return values
    return values.astype(np.int64 if draw and np.dtype(run.spec.stored).kind in "biu" else np.float32)
