"""Classes in an order: of one location and scale on a line that is cut into as many pieces.

Source: McCullagh, "Regression Models for Ordinal Data", 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def of_pieces(loc: Float[Tensor, "*batch"], scale: Float[Tensor, "*batch"], cuts: Float[Tensor, " cuts"]) -> Float[Tensor, "*batch cuts+1"]:
    """log p of each class, nats: P(class ≤ c) = S((cut_c − loc)/scale), S the logistic function, ``cuts`` in ascending order.

    With a = (cut_c − loc)/scale and b the same of the cut before, log(S(a) − S(b)) = log S(a) + log S(−b) + log(1 − e^(b − a)).
    """
    at = (cuts - loc[..., None]) / scale[..., None]
    below, above = logsigmoid(at), logsigmoid(-at)
    between = torch.log(-torch.expm1(-cuts.diff() / scale[..., None]))
    inner = below[..., 1:] + above[..., :-1] + between
    return torch.cat([below[..., :1], inner, above[..., -1:]], -1)
