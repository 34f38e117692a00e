"""Networks, tensor → tensor, and what can be done to one: conditioning, missing inputs, corruption, lower precision, pruning.

Any ``torch.nn.Module`` of the same shapes can stand in place of those made here.
"""

from lowerbound.nn.conditioned import Conditioned, Guided, Joined, Planes
from lowerbound.nn.log_counts import LogCounts
from lowerbound.nn.networks import convolutional_decoder, convolutional_encoder, expect, gated, mlp, orthogonal, with_dropout
from lowerbound.nn.precision import Conv1d, Conv2d, Conv3d, Linear

__all__ = [
    "Conditioned",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Guided",
    "Joined",
    "Linear",
    "LogCounts",
    "Planes",
    "convolutional_decoder",
    "convolutional_encoder",
    "expect",
    "gated",
    "mlp",
    "orthogonal",
    "with_dropout",
]
