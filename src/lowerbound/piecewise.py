"""A ReLU network over inputs that are close to one another: linear there, but for the few units that switch.

Draws of one datum's q(z|x) are such inputs. What comes out is what the network gives, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import dropwhile

import torch
from jaxtyping import Float
from torch import Tensor, nn

WORTH = 0.6  # share of units that switch up to which leaving the others out is worth its preparation


def near(network: nn.Module, inputs: Float[Tensor, "N in"]) -> Callable[[Float[Tensor, "M in"]], Tensor]:
    """A function that gives what ``network`` gives for any of ``inputs``.

    Of a network that begins linear, ReLU, linear, those units of the hidden layer that are off for all inputs add
    nothing, and those that are on for all are together one linear map of the input, W_on A_on.
    """
    match list(dropwhile(lambda layer: isinstance(layer, nn.Flatten), network)) if type(network) is nn.Sequential else []:
        case [nn.Linear(bias=Tensor()) as first, nn.ReLU(), nn.Linear(bias=Tensor()) as second, *rest]:
            return _restricted(first, second, nn.Sequential(*rest), inputs) or network
        case _:
            return network


def _restricted(first: nn.Linear, second: nn.Linear, rest: nn.Module, inputs: Tensor) -> Callable[[Tensor], Tensor] | None:
    """The two layers without the units that do not switch; None where too many do."""
    before = first(inputs)
    low, high = before.amin(0), before.amax(0)
    switching = ((low < 0) & (high > 0)).nonzero()[:, 0]
    if len(switching) > WORTH * len(low):
        return None
    on = (low >= 0).to(low.dtype)
    joint = torch.cat([second.weight.index_select(1, switching), second.weight @ (on[:, None] * first.weight)], 1).T
    bias = torch.addmv(second.bias, second.weight, on * first.bias)
    hidden_weight, hidden_bias = first.weight[switching].T, first.bias[switching]

    def restricted(some: Float[Tensor, "M in"]) -> Tensor:
        hidden = torch.addmm(hidden_bias, some, hidden_weight).relu_()
        return rest(torch.addmm(bias, torch.cat([hidden, some], 1), joint))

    return restricted
