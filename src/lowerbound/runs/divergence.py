"""Numbers that stop being finite: where it began, in which words to say so, and what is done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.errors import Diverged
from lowerbound.training.loop import Record
from lowerbound.vae.model import Model

MOST = 3  # times that a training steps back and goes on
SLOWING = 0.5  # of the learning rate, each time
TERMS = ("the reconstruction term log p(x|z)", "the KL", "the bound")
NOT_AGAIN = "no step to there, taken again, gave a loss or a gradient that is not"


class NotFinite(Diverged):
    """Found after a step, in ``what``. A trainer steps back from it."""

    def __init__(self, step: int, what: str = "something"):
        super().__init__(f"{what} was not finite after step {step:,}; what was saved before is kept, go on with resume")
        self.step, self.what = step, what


def refuse(records: Sequence[Record]) -> None:
    """Raise NotFinite for the first whose means are not."""
    for record in records:
        if _bad(record):
            raise NotFinite(record.step)


def _bad(record: Record) -> list[str]:
    """The terms that are not finite. Those of a posterior that is a point may be infinite, but for the reconstruction term."""
    bound, log_likelihood, kl = record.means.tolist()
    found = [math.isfinite(log_likelihood), not math.isnan(kl), not math.isnan(bound)]
    return [term for term, good in zip(TERMS, found, strict=True) if not good]


def first(vae: Model, records: Iterable[Record], data: Rows, batches: Iterable[Tensor]) -> str | None:
    """The first thing that is not finite as the steps are taken again, of which ``batches`` are the rows; None where all is."""
    for rows, record in zip(batches, records, strict=False):  # in this order no step is taken beyond the last batch
        where = f"step {record.step:,} (epoch {record.epoch}, rows {', '.join(str(int(row)) for row in rows[:3])} … of the training data)"
        if bad := _bad(record):
            return f"{where}: {bad[0]} is not finite{_because_of(data[rows], rows, vae.likelihood.holes)}"
        for name, weight in vae.named_parameters():
            if weight.grad is not None and not torch.isfinite(weight.grad).all():
                return f"{where}: the gradient of {name} is not finite"
    return None


def _because_of(values: Tensor, rows: Tensor, holes: bool) -> str:
    wrong = values.isinf() if holes else ~values.isfinite()
    found = rows[wrong.flatten(1).any(1).cpu()]
    return f", and row {int(found[0])} has a value that is not" if len(found) else ""
