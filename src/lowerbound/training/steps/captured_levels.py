"""The training step of dense hierarchies of Gaussians, captured once and replayed, as that of perceptrons under N(0, I) (captured.py).

q(z₁|x) q(z₂|z₁, x) … and p(z₁) p(z₂|z₁) … are chains, of one level too, or q is a ladder; p(z₁) is N(0, I) or a VampPrior, p(x|z) is of
bits; between the linear layers of networks are ReLUs or gates. It draws the numbers of autograd's step and gives the same gradient but for
rounding (tests/training/test_captured_levels.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.system.devices import loops
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.captured_batches import Batches
from lowerbound.training.steps.captured_gradient import Sizes
from lowerbound.training.steps.captured_levels_gradient import GradientOfLevels
from lowerbound.training.steps.dense import networks_of
from lowerbound.training.steps.fused import are_all, is_elbo, is_usual
from lowerbound.training.steps.plan import Plan, Ready, Step, nobody
from lowerbound.vae.objectives.base import Objective, alone
from lowerbound.vae.objectives.batchwise import FreeBits
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL


def _is_free_of_levels(objective: Objective) -> bool:
    """Whether of each level's KL, in closed form, some nats are free."""
    return type(objective) is FreeBits and objective.of_levels and objective.kl == ClosedKL() and objective.average is alone


class LevelsByCapture(Step):
    """The gradient of a hierarchy's loss."""

    draws_by_row = True

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """Hierarchies in one process, one draw an example, if torch's BLAS can be called for their products."""
        compiled, vae = loops(), plan.vae
        if compiled is None or not is_usual(plan) or plan.objective.samples > 1 or not plan.group.takes_all:
            return False
        if (found := networks_of(vae, plan.products)) is None:
            return False
        layers = [layer for network in found.all for layer in network.layers]
        kinds = {torch.float32, *(kind for network in found.all for kind in network.kinds)}
        kl, others = (ClosedKL(), []) if found.vamp is None else (SampledKL(), [found.vamp.inputs])
        known = is_elbo(plan.objective, kl) or (found.vamp is None and _is_free_of_levels(plan.objective))
        usual = known and are_all(vae, layers, others)
        return usual and bool(compiled.products_are_to_be_had(*kinds))

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        found = networks_of(plan.vae, plan.products)
        assert found is not None
        self.networks, first = found, found.stages[0].layers[0]
        self.batches = Batches(self, first, found.sizes, self._captured, ByAutograd(plan, ready), sums=found.vamp is None)

    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        return self.batches.gradient(data, rows, objective)

    def _captured(self, _: Sizes, given: Any, x: Tensor, drawn: Sequence[Tensor]) -> GradientOfLevels:
        return GradientOfLevels(loops(), self.networks, given, x, [one[0] for one in drawn])
