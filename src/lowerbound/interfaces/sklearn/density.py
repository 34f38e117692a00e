"""log p(x) of examples whose noise follows from their values: the same for a row whichever others are with it, in whatever order."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Int64
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.data.rows import in_turn
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.encoded import Encoded
from lowerbound.evaluation.log_likelihood import MEMORY, asked_for
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.noise import NO_ROW, by_row
from lowerbound.system.seeding import key, seeded
from lowerbound.vae.model import Model
from lowerbound.vae.observation import must_admit, must_fit, observe


@torch.no_grad()
def log_density(vae: Model, data: Dataset, samples: int, seed: int) -> Density:
    """``lb.log_likelihood``, but that what is drawn for a row follows from its values in place of its number. Errors: the same."""
    must_fit(vae, data)
    must_admit(vae, data)
    asked, vae, numbers = asked_for(vae, data, samples, MEMORY, seed), in_evaluation(vae), _numbers(data)
    with seeded(seed, "pass", device=vae.device):
        for rows in in_turn(data, asked.at_once):
            with by_row(key(seed, "observed"), numbers[rows]):
                seen = observe(vae, data, rows)
            asked.add(Encoded(data, numbers[rows], seed, vae, seen, seen.vae.posterior.output(seen.x)))
    return asked.found()


def _numbers(data: Dataset) -> Int64[Tensor, " N"]:
    """A number below 2^32 − 1 for each example, by its values in single precision; two that share one share their noise as well."""
    values = data[torch.arange(len(data))].float().numpy()
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in values]
    return torch.tensor([int.from_bytes(digest, "little") % NO_ROW for digest in digests])
