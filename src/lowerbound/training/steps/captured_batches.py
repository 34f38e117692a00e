"""Batches of captured steps: calls for each of the last sizes, the arrays that they read, and what is done where they cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import is_not
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lowerbound.data.dataset import Dataset
from lowerbound.data.rows import Rows
from lowerbound.system import noise
from lowerbound.training.steps.captured_batch import Batch
from lowerbound.training.steps.captured_gradient import Sizes
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.training.steps.plan import Step
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.renyi import Renyi

#: a gradient's calls for batches of some sizes, by what its first layer takes, the examples, and the noise of each latent
Capture = Callable[[Sizes, Any, Tensor, Sequence[Tensor]], Callable[[Objective], Float[Tensor, " 3"]]]

MOST = 2  # sizes of batches, and places of weights, for which calls are kept: of an epoch the last batch has another size


class Batches:
    """Captured calls for batches of the last sizes, where weights are, and what is done where there are none.

    ``first`` is the layer that takes the examples, if ``sums`` what in them is not zero, ``latents`` how many dimensions each latent has;
    ``make`` captures the gradient of batches of some sizes, and ``otherwise`` computes that of data that loops cannot read.
    """

    def __init__(self, step: Step, first: nn.Linear, latents: Sequence[int], make: Capture, otherwise: Step, sums: bool = True):
        self.step, self.first, self.latents, self.make, self.otherwise = step, first, latents, make, otherwise
        self.size, self.sums, self.weights = first.weight.shape[1], sums, list(step.plan.vae.parameters())
        self.gradients: list[Tensor] = []
        self.kept: dict[tuple[float | None, ...], Batch] = {}

    @torch.no_grad()
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """As that of a step."""
        if not noise.is_of_rows(len(rows)):
            return self.otherwise.gradient(data, rows, objective)
        read = _as_read(data, rows, self.size)
        if read is None:  # once: others may draw what they give
            data, rows = torch.as_tensor(data[rows]), torch.arange(len(rows))
            read = _as_read(data.to("cpu", torch.float32).contiguous(), rows, self.size)
        if read is None:
            return self.otherwise.gradient(data, rows, objective)
        array, rows, unit = read
        sizes, likelihood = Sizes(len(rows), objective.samples, isinstance(objective, Renyi)), self.step.plan.vae.likelihood
        assert isinstance(likelihood, Bernoulli)
        key = (*sizes, unit, torch.get_num_threads(), *self._places())
        if key not in self.kept:
            if len(self.kept) == MOST:
                self.kept.clear()
            make = partial(self.make, sizes)
            self.kept[key] = Batch(self.first.weight, self.latents, sizes, unit, likelihood.binarize, make, self.sums)
        return self.kept[key](array, rows, objective)

    def _places(self) -> list[int]:
        """Where weights are, and their gradients, which are looked at where they are not those of the last step."""
        contiguous = all(one.is_contiguous() for one in self.gradients)
        if not self.gradients or not contiguous or any(map(is_not, self.gradients, [one.grad for one in self.weights])):
            self.gradients = [single_gradient(one) for one in self.weights]
        return [one.data_ptr() for one in (*self.weights, *self.gradients)]


def _as_read(data: Rows, rows: Tensor, size: int) -> tuple[Tensor, Int64[Tensor, " B"], float | None] | None:
    """An array that loops can read, the rows of it, and the unit of its bytes; None for other data, and for rows that are not there.

    They are looked at before each step: addresses are all that loops are given.
    """
    array: Any = data.array if type(data) is Dataset else data
    of_bytes = type(data) is Dataset and array.dtype == torch.uint8
    if type(array) is not Tensor or not array.is_cpu or not array.is_contiguous() or array.dim() < 2:
        return None
    if not (of_bytes or array.dtype == torch.float32) or not len(array) or math.prod(array.shape[1:]) != size:
        return None
    if type(data) is Dataset and data.rows is not None:
        rows = data.rows[rows]
    if rows.dtype != torch.int64 or not rows.is_cpu or not len(rows):
        return None
    numbers = rows.numpy()  # whose least and greatest take a third of torch's time
    there = numbers.min() >= 0 and numbers.max() < len(array)
    return (array, rows.contiguous(), float(data.unit) if type(data) is Dataset and of_bytes else None) if there else None
