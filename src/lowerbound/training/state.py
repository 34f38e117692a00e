"""What a training is besides its weights: its optimizer, its seed and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lowerbound.system.arguments import one_of, whole
from lowerbound.training.adam import Adam


@dataclass
class State:
    """The state of a training besides the weights; from both it continues with the same bits.

    The order of the examples and the noise of each step follow from ``seed`` and ``step`` alone.
    Errors: UsageError for what is none.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8"), (6,)).vae
    >>> state = lb.State(lb.Adam(vae.parameters(), learning_rate=1e-2), seed=1)
    >>> _ = list(lb.fit(vae, torch.rand(100, 6), epochs=1, batch=50, state=state))
    >>> _ = list(lb.fit(vae, torch.rand(100, 6), epochs=3, batch=50, state=state))  # two epochs more
    >>> state.step
    6
    """

    optimizer: torch.optim.Optimizer
    seed: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        self.seed, self.step = whole("seed", self.seed), whole("step", self.step, 0)
        one_of("optimizer", self.optimizer, torch.optim.Optimizer, "lb.Adam(vae.parameters())")

    @classmethod
    def new(cls, model: nn.Module, seed: int) -> State:
        """The state of a training of ``model`` that begins, with Adam at its usual learning rate, .001."""
        return cls(Adam(model.parameters()), seed)
