"""Dropout whose masks belong to examples, so that those of a share of a batch are that share of the batch's."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.system import noise
from lowerbound.system.arguments import is_number, shown


class Dropout(nn.Module):
    """In training each value is 0 with probability ``share``, and the others grow by 1/(1 − share); else values pass as they are.

    Errors: RecipeError for a share outside [0, 1).
    Source: Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(self, share: float):
        super().__init__()
        if not (is_number(share) and 0 <= share < 1):
            raise RecipeError(f"the share of units that dropout takes must be at least 0 and below 1, not {shown(share)}")
        self.share = share

    def forward(self, x: Float[Tensor, "N *units"]) -> Float[Tensor, "N *units"]:
        """The values, some of them gone afresh at each call while training."""
        if not self.training or not self.share:
            return x
        gone = noise.uniform(x.shape, 0, device=x.device) < self.share
        return x.masked_fill(gone, 0.0) / (1 - self.share)
