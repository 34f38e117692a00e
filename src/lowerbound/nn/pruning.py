"""A ReLU network over inputs that are close to one another: linear there, but for the few units that switch.

Draws of one example's q(z|x) are such inputs. What comes out is what the network gives, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import dropwhile

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.nn.precision import Linear

WORTH = 0.6  # share of units that switch up to which leaving the others out is worth its preparation


def near(network: nn.Module, inputs: Float[Tensor, "N in"], at_once: int) -> Callable[[Float[Tensor, "M in"]], Tensor]:
    """A function that gives what ``network`` gives for any of ``inputs``, which are looked at ``at_once`` at a time.

    Of a network that begins linear, ReLU, linear, those units of the hidden layer that are off for all inputs add
    nothing, and those that are on for all are together one linear map of the input, W_on A_on.
    """
    match list(dropwhile(lambda layer: isinstance(layer, nn.Flatten), network)) if type(network) is nn.Sequential else []:
        case [nn.Linear(bias=Tensor()) as first, nn.ReLU(), nn.Linear(bias=Tensor()) as second, *rest] if _plain(first, second):
            return _restricted(first, second, nn.Sequential(*rest), inputs, at_once) or network
        case _:
            return network


def _plain(*layers: nn.Linear) -> bool:
    """Whether layers are what their name says: one that masks its weights, or is hooked into, gives something else than they alone."""
    return all(type(layer) in (nn.Linear, Linear) and not layer._forward_hooks and not layer._forward_pre_hooks for layer in layers)


def _restricted(first: nn.Linear, second: nn.Linear, rest: nn.Module, inputs: Tensor, at_once: int) -> Callable[[Tensor], Tensor] | None:
    """The two layers without the units that do not switch; None where too many do."""
    switching = _switching(first, inputs, at_once)
    if len(switching) > WORTH * len(first.weight):
        return None
    on = (first(inputs[:1])[0] > 0).to(inputs.dtype)[:, None].index_fill(0, switching, 0.0)
    linear = second.weight @ (on * torch.cat([first.weight, first.bias[:, None]], 1))
    joint = torch.cat([second.weight.index_select(1, switching), linear[:, :-1]], 1).T
    bias = second.bias + linear[:, -1]
    hidden_weight, hidden_bias = first.weight[switching].T, first.bias[switching]

    def restricted(some: Float[Tensor, "M in"]) -> Tensor:
        hidden = torch.addmm(hidden_bias, some, hidden_weight).relu_()
        return rest(torch.addmm(bias, torch.cat([hidden, some], 1), joint))

    return restricted


def _switching(first: nn.Linear, inputs: Tensor, at_once: int) -> Tensor:
    """The units that are on for some of ``inputs`` and off for others; only those are looked at that switch in the box around them."""
    low, high = inputs.aminmax(dim=0)
    middle, reach = first((low + high) / 2), first.weight.abs() @ ((high - low) / 2)
    perhaps = (middle.abs() <= 1.001 * reach + 1e-6).nonzero()[:, 0]
    bias, weight = first.bias[perhaps], first.weight[perhaps].T
    on = off = torch.zeros_like(perhaps, dtype=torch.bool)
    for some in inputs.split(at_once):
        before = torch.addmm(bias, some, weight)
        on, off = on | (before.amax(0) >= 0), off | (before.amin(0) <= 0)
    return perhaps[on & off]
