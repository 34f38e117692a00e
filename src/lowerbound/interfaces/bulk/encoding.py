"""Latents of data, in batches whose draws follow from the number of their first row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.dataset import Dataset
from lowerbound.data.rows import rows_at_once
from lowerbound.interfaces.bulk.columns import lists, numbered
from lowerbound.interfaces.bulk.task import ROWS, Asked, Begun, Tables, Task, weights
from lowerbound.system.seeding import seeded
from lowerbound.tasks import encode as encoding
from lowerbound.vae.model import Model


def latents(vae: Model, data: Dataset, draw: bool, seed: int) -> Float[Tensor, "N latent"]:
    """The mean of q(z|x) of each example, or with ``draw`` a draw, on the CPU: of a piece those of the whole."""
    found, at_once = [], rows_at_once(data)
    for start in range(0, max(1, len(data)), at_once):
        some = data.piece(start, min(start + at_once, len(data)))
        with seeded(seed, "encode", *([some.first_row] if some.first_row else []), device=vae.device):
            found.append(encoding.encode(vae, some, draw, seed))
    return torch.cat(found)


@dataclass(frozen=True)
class Encode(Task):
    """``lowerbound encode``."""

    of: Asked
    draw: bool
    seed: int

    @property
    def words(self) -> dict[str, Any]:
        """Its options."""
        return {"verb": "encode", "run": weights(self.of.run), "draw": self.draw, "seed": self.seed}

    def begin(self) -> Begun:
        """Errors: RunError, DataError."""
        run, data = self.of.open()

        def said(piece: Dataset) -> Tables:
            return {"": numbered(piece, {"latent": lists(latents(run.vae, piece, self.draw, self.seed).numpy())})}

        return self.of.begun(run, data, [rows_at_once(data.read(0, 1))], ROWS, said)
