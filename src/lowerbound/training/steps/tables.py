"""The training step of a table's model in one loop: the ELBO or the importance-weighted bound, perceptrons, and laws of columns.

What the step by hand (fused.py) does in fifteen operations is one here, from rows and noise to all gradients, because a table's networks
are small: to hand numbers from one operation to the next takes as long as to find them. Both draw the same noise, and give the gradient of
autograd but for rounding (tests/training/test_fused.py).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lowerbound.data.dataset import Dataset
from lowerbound.data.rows import Rows
from lowerbound.nn.missing import TableInput, perceptron
from lowerbound.nn.precision import LARGE
from lowerbound.system import noise
from lowerbound.system.devices import loops
from lowerbound.training.steps.fused import OfPerceptrons, are_perceptrons
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.training.steps.plan import Plan, Ready, nobody
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.terms import Cells, Law, is_known
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

LATENTS = 96  # of some examples that go through the decoder together, so that their numbers stay in a core's own cache
MOST = 2**24  # numbers of a table of which all rows are kept as the loop reads them


class InOneLoop(OfPerceptrons):
    """The gradient of that model's loss."""

    is_one_loop = True

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """What the step by hand takes of tables, if the loop has all laws and no layer is to be rounded."""
        return are_perceptrons(plan) and _suits(plan)

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        likelihood = plan.vae.likelihood
        assert isinstance(likelihood, Columns)
        self.law, self.memory = Law.of(likelihood), _Memory(self.encoder.layers, self.decoder.layers)
        self.kept: tuple[Rows, int, Tensor, Cells] | None = None

    @torch.no_grad()
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        compiled, n, k = loops(), len(rows), objective.samples
        assert compiled is not None
        rows, shown, cells = self._read(data, rows)
        drawn = _noise(k, n, self.memory.latent)
        weighted = not isinstance(objective, ELBO)
        constants = (objective.weight_of_kl / n, 0.0) if isinstance(objective, ELBO) else (0.0, -1 / n)
        room = self.memory.room(n, k, self.law.numbers)
        found: Tensor = compiled.step_of_table(room, self.law, rows, shown, cells, drawn, k, weighted, *LOG_VARIANCE, *constants)
        return found

    def _read(self, data: Rows, rows: Tensor) -> tuple[Int64[Tensor, " B"], Float[Tensor, "N S"], Cells]:
        """The rows of what follows, what the encoder is shown, and cells: of all data, once, or of the batch where they may change."""
        if type(data) is not Dataset or not isinstance(data.array, Tensor) or len(data) * len(self.law.order) > MOST:
            return torch.arange(len(rows)), *self._as_read(data, rows)
        version = data.array._version
        if self.kept is None or self.kept[0] is not data or self.kept[1] != version:
            self.kept = data, version, *self._as_read(data, torch.arange(len(data)))
        return rows.contiguous(), *self.kept[2:]

    def _as_read(self, data: Rows, rows: Tensor) -> tuple[Float[Tensor, "N S"], Cells]:
        x, encoder = self._observed(data, rows), self.plan.vae.posterior.network
        assert isinstance(encoder, TableInput)
        return encoder.shown(x).contiguous(), self.law.read(x)


def _suits(plan: Plan) -> bool:
    """Whether the loop has the law of each column, and of values alone, the encoder sees a table, and products are in single precision."""
    likelihood, encoder = plan.vae.likelihood, plan.vae.posterior.network
    if type(likelihood) is not Columns or not is_known(likelihood) or type(encoder) is not TableInput:
        return False
    small = all(layer.weight.numel() < LARGE for layer in perceptron(encoder) + perceptron(likelihood.network))
    return small or plan.products == torch.float32


def _noise(k: int, n: int, d: int) -> Float[Tensor, "n size"]:
    """The numbers of ``noise.normal((k, n, d), 1)``, those of an example in a row."""
    draw = noise.call((k, n, d), 1)
    if draw is not None and len(draw.rows) == n:
        return draw.normals()
    drawn = torch.randn(k, n, d) if draw is None else draw.placed(draw.normals())
    return drawn.transpose(0, 1).flatten(1).contiguous()


class Room:
    """Layers as the loop reads them, and the memory of each of its parts: weights, numbers between layers, slopes, gradients."""

    def __init__(self, layers: list[nn.Linear], encoder: int, n: int, k: int, numbers: int):
        compiled = loops()
        assert compiled is not None
        self.encoder, self.decoder, self.some = encoder, len(layers) - encoder, max(1, LATENTS // k)
        self.parts = max(1, min(torch.get_num_threads(), n))
        self.layers, self.own = compiled.laid_out(layers, encoder, -(-n // self.parts), self.some * k)
        self.size = self.own + self.some * (layers[encoder].in_features + 2 * k + 1) + 4 * k * numbers
        self.numbers, self.means = torch.zeros(self.parts, self.size), torch.zeros(self.parts, 3)


class _Memory:
    """The room for batches of as many examples and draws as there were, and the weights that are there now."""

    def __init__(self, encoder: list[nn.Linear], decoder: list[nn.Linear]):
        self.layers, self.encoder, self.latent = [*encoder, *decoder], len(encoder), decoder[0].in_features
        self.made: tuple[tuple[int, int], int, Room] | None = None

    def room(self, n: int, k: int, numbers: int) -> Room:
        """That for n examples of k draws each, with the addresses of weights and gradients."""
        need = k, torch.get_num_threads()
        if self.made is None or self.made[0] != need or self.made[1] < n:
            self.made = need, n, Room(self.layers, self.encoder, n, k, numbers)
        room = self.made[2]
        parameters = [(layer.weight, layer.bias) for layer in self.layers]
        room.layers[:, :4] = np.array(
            [[w.data_ptr(), b.data_ptr(), single_gradient(w).data_ptr(), single_gradient(b).data_ptr()] for w, b in parameters]
        )
        return room
