"""The step by hand (fused.py), captured once and replayed: between its loops and products there is no Python.

Products are those of BLAS, of numbers in single precision or bfloat16; what they find is in single precision. It draws the same numbers
in the same order as the step by hand, and gives the same gradient but for rounding (tests/training/test_captured.py).
"""

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
from lowerbound.nn.missing import TableInput, perceptron
from lowerbound.nn.precision import LARGE
from lowerbound.system import noise
from lowerbound.system.devices import loops
from lowerbound.training.steps.captured_batch import Batch
from lowerbound.training.steps.captured_gradient import Gradient, Sizes
from lowerbound.training.steps.fused import ByHand, OfPerceptrons, are_perceptrons, event_of
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.training.steps.plan import Plan, Ready, Step, nobody
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

#: a gradient's calls for batches of some sizes, by what its first layer takes, the examples, and the noise of each latent
Capture = Callable[[Sizes, Any, Tensor, Sequence[Tensor]], Callable[[Objective], Float[Tensor, " 3"]]]

MOST = 2  # sizes of batches, and places of weights, for which calls are kept: of an epoch the last batch has another size


class Batches:
    """Captured calls for batches of the last sizes, where weights are, and what is done where there are none.

    ``first`` is the layer that takes the examples, ``event`` their shape, ``latents`` how many dimensions each latent has; ``make``
    captures the gradient of batches of some sizes, and ``otherwise`` computes that of data that loops cannot read.
    """

    def __init__(self, step: Step, first: nn.Linear, event: Sequence[int], latents: Sequence[int], make: Capture, otherwise: Step):
        self.step, self.first, self.latents, self.make, self.otherwise = step, first, latents, make, otherwise
        self.size, self.weights = math.prod(event), list(step.plan.vae.parameters())
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
        sizes, likelihood = Sizes(len(rows), objective.samples, not isinstance(objective, ELBO)), self.step.plan.vae.likelihood
        assert isinstance(likelihood, Bernoulli)
        key = (*sizes, unit, torch.get_num_threads(), *self._places())
        if key not in self.kept:
            if len(self.kept) == MOST:
                self.kept.clear()
            make = partial(self.make, sizes)
            self.kept[key] = Batch(self.first.weight, self.latents, sizes, unit, likelihood.binarize, make)
        return self.kept[key](array, rows, objective)

    def _places(self) -> list[int]:
        """Where weights are, and their gradients, which are looked at where they are not those of the last step."""
        contiguous = all(one.is_contiguous() for one in self.gradients)
        if not self.gradients or not contiguous or any(map(is_not, self.gradients, [one.grad for one in self.weights])):
            self.gradients = [single_gradient(one) for one in self.weights]
        return [one.data_ptr() for one in (*self.weights, *self.gradients)]


class ByCapture(OfPerceptrons):
    """The gradient of that model's loss."""

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """What the step by hand takes of bits in one process, if torch's BLAS can be called for its products."""
        if not are_perceptrons(plan) or type(plan.vae.likelihood) is not Bernoulli or not plan.group.takes_all:
            return False
        compiled, small = loops(), all(weight.numel() < LARGE for weight in plan.vae.parameters())
        kinds = {torch.float32} if small else {torch.float32, plan.products}
        able = compiled is not None and compiled.products_are_to_be_had(*kinds)
        return able and type(plan.vae.posterior.network) is not TableInput and _are_of_one_size(plan.vae)

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        first, latent = self.encoder.layers[0], self.decoder.layers[0].weight.shape[1]
        self.batches = Batches(self, first, self.event, [latent], self._captured, ByHand(plan, ready))

    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        return self.batches.gradient(data, rows, objective)

    def _captured(self, sizes: Sizes, given: Any, x: Tensor, noise: Sequence[Tensor]) -> Gradient:
        return Gradient(loops(), (self.encoder, self.decoder), sizes, given, x, *noise)


def _are_of_one_size(vae: Model) -> bool:
    """Whether the encoder takes as many numbers as the decoder gives, and an example has: else others say so."""
    encoder, decoder = perceptron(vae.posterior.network), perceptron(vae.likelihood.network)
    size = math.prod(event_of(vae.likelihood))
    return encoder[0].weight.shape[1] == size == decoder[-1].weight.shape[0]


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
