"""The law of a column of classes in an order."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.column import Column
from lowerbound.distributions.mixed import Nominal
from lowerbound.distributions.ordinal import of_pieces

LOG_SCALE = 7.0  # of the scale, at most, in absolute value


class Ordinal(nn.Module):
    """p(class) of an ordinal column from the decoder's two numbers ``(*batch, 2)``, a location and the logarithm of a scale.

    P(class ≤ c) = S((cut_c − location)/scale), S the logistic function. The cuts are those at which location 0 and scale 1 have the shares
    of the training data, which is where an untrained decoder begins.
    """

    def __init__(self, column: Column):
        super().__init__()
        self.cuts: Tensor
        self.register_buffer("cuts", torch.tensor(column.cuts), persistent=False)

    def forward(self, output: Float[Tensor, "*batch 2"]) -> Nominal:
        """Laws over the one value."""
        loc, log_scale = output.unbind(-1)
        return Nominal(of_pieces(loc, log_scale.clamp(-LOG_SCALE, LOG_SCALE).exp(), self.cuts).unsqueeze(-2))
