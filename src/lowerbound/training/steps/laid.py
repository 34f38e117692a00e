"""The step by hand (fused.py) as calls that are laid down once and made again: between them there is no Python.

Products are in single precision, those of BLAS that torch calls too. It draws the same numbers in the same order as the step by hand, and
gives the same gradient but for rounding (tests/training/test_laid.py).
"""

from __future__ import annotations

import math
from operator import is_not
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.dataset import Dataset
from lowerbound.data.rows import Rows
from lowerbound.nn.precision import LARGE
from lowerbound.system import noise
from lowerbound.system.devices import loops
from lowerbound.training.steps.fused import ByHand, OfPerceptrons, are_perceptrons
from lowerbound.training.steps.laid_batch import Batch
from lowerbound.training.steps.laid_gradient import Sizes
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.training.steps.plan import Plan, Ready, nobody
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

MOST = 8  # sizes of batches, and places of weights, for which calls are kept


class LaidDown(OfPerceptrons):
    """The gradient of that model's loss."""

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """What the step by hand takes of bits in one process, if all products are in single precision and torch's BLAS can be called."""
        if not are_perceptrons(plan) or type(plan.vae.likelihood) is not Bernoulli or not plan.group.takes_all:
            return False
        compiled, small = loops(), all(weight.numel() < LARGE for weight in plan.vae.parameters())
        return (small or plan.products == torch.float32) and compiled is not None and compiled.products_are_to_be_had()

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        self.by_hand, self.checked = ByHand(plan, ready), Checked(math.prod(self.event))
        self.weights = [one for layer in self.encoder.layers + self.decoder.layers for one in (layer.weight, layer.bias)]
        self.gradients: list[Tensor] = []
        self.kept: dict[tuple[int | None, ...], Batch] = {}

    @torch.no_grad()
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        if not self.checked.takes(data) or not noise.is_of_rows(len(rows)):
            return self.by_hand.gradient(data, rows, objective)
        likelihood = self.plan.vae.likelihood
        assert isinstance(data, Dataset)
        assert isinstance(data.array, Tensor)
        assert isinstance(likelihood, Bernoulli)
        sizes = Sizes(len(rows), objective.samples, not isinstance(objective, ELBO))
        places = self._places()
        unit = data.unit if data.array.dtype == torch.uint8 else None
        key = (*sizes, unit, torch.get_num_threads(), *places)
        if key not in self.kept:
            if len(self.kept) == MOST:
                self.kept.clear()
            self.kept[key] = Batch(self, sizes, unit, likelihood.binarize)
        return self.kept[key](data, rows, objective)

    def _places(self) -> list[int]:
        """Where weights are, and their gradients, which are looked at where they are not those of the last step."""
        if not self.gradients or any(map(is_not, self.gradients, [one.grad for one in self.weights])):
            self.gradients = [single_gradient(one) for one in self.weights]
        return [one.data_ptr() for one in (*self.weights, *self.gradients)]


class Checked:
    """Whether loops can read some data; they are looked at once."""

    def __init__(self, size: int):
        self.size = size
        self.last: tuple[Any, bool] = (None, False)

    def takes(self, data: Rows) -> bool:
        """Whether they are bytes or numbers in single precision in one piece, so many for each example, and all rows are there."""
        if self.last[0] is not data:
            self.last = data, self._reads(data)
        return self.last[1]

    def _reads(self, data: Rows) -> bool:
        if type(data) is not Dataset or type(data.array) is not Tensor or not len(data):
            return False
        array, rows = data.array, data.rows
        if not (array.is_cpu and array.is_contiguous() and array.dtype in (torch.uint8, torch.float32)):
            return False
        there = rows is None or (int(rows.min()) >= 0 and int(rows.max()) < len(array))
        return there and array[:1].numel() == self.size
