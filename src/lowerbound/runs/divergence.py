"""What a trainer does where numbers stop being finite: how often it steps back, and what the steps, taken again, say of it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from lowerbound.training.finite import NotFinite, where
from lowerbound.training.loop import Record
from lowerbound.vae.model import Model

MOST = 3  # times that a training steps back and goes on
SLOWING = 0.5  # of the learning rate, each time
NOT_AGAIN = "no step to there, taken again, gave a loss or a gradient that is not"


def found(step: int, what: str) -> NotFinite:
    """What is raised for a weight, say, that is not finite after a step."""
    return NotFinite(step, what, f"{what} was not finite after step {step:,}", "what was saved before is kept, go on with resume")


def first(vae: Model, records: Iterable[Record], batches: Iterable[Tensor]) -> str | None:
    """The first thing that is not finite as the steps are taken again, of which ``batches`` are the rows; None where all is."""
    try:
        for rows, record in zip(batches, records, strict=False):  # in this order no step is taken beyond the last batch
            for name, weight in vae.named_parameters():
                if weight.grad is not None and not torch.isfinite(weight.grad).all():
                    return f"{where(record.step, record.epoch, rows)}: the gradient of {name} is not finite"
    except NotFinite as fault:
        return fault.message
    return None
