"""The step by hand (fused.py), captured once and replayed: between its loops and products there is no Python.

Products are those of BLAS, of numbers in single precision or bfloat16; what they find is in single precision. It draws the same numbers
in the same order as the step by hand, and gives the same gradient but for rounding (tests/training/test_captured.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.nn.missing import TableInput, perceptron
from lowerbound.nn.precision import LARGE
from lowerbound.system.devices import loops
from lowerbound.training.steps.captured_batches import Batches
from lowerbound.training.steps.captured_gradient import Gradient, Sizes
from lowerbound.training.steps.fused import ByHand, OfPerceptrons, are_perceptrons, event_of
from lowerbound.training.steps.plan import Plan, Ready, nobody
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective


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
        self.batches = Batches(self, first, [latent], self._captured, ByHand(plan, ready))

    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        return self.batches.gradient(data, rows, objective)

    def _captured(self, sizes: Sizes, given: Any, x: Tensor, drawn: Sequence[Tensor]) -> Gradient:
        return Gradient(loops(), (self.encoder, self.decoder), sizes, given, x, *drawn)


def _are_of_one_size(vae: Model) -> bool:
    """Whether the encoder takes as many numbers as the decoder gives, and an example has: else others say so."""
    encoder, decoder = perceptron(vae.posterior.network), perceptron(vae.likelihood.network)
    size = math.prod(event_of(vae.likelihood))
    return encoder[0].weight.shape[1] == size == decoder[-1].weight.shape[0]
