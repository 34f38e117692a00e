"""Random numbers for a share of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lowerbound.errors import UsageError


class SharedNoise(TorchFunctionMode):
    """Draws for a share of a batch are that share of the draws for the whole batch, all from one generator."""

    SIZED = (torch.rand, torch.randn)
    LIKE = (torch.rand_like, torch.randn_like)
    IN_PLACE = (Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.exponential_)
    #: functions whose numbers depend on more than their position: a share of these cannot be drawn alone
    OTHERS = (
        torch.bernoulli,
        torch.multinomial,
        torch.poisson,
        torch.binomial,
        torch._standard_gamma,
        torch._sample_dirichlet,
        torch.randperm,
        nn.functional.dropout,
    )

    def __init__(self, generator: torch.Generator, batch: int, share: slice, draws: int):
        super().__init__()
        self.generator, self.batch, self.share, self.draws = generator, batch, share, draws

    def __torch_function__(self, function: Any, types: Any, given: Any = (), options: Any = None) -> Any:
        """Draw for the whole batch where a function draws for the share (torch's hook for every function). Errors: UsageError."""
        options = options or {}
        if function in self.SIZED:
            shape = given[0] if len(given) == 1 and not isinstance(given[0], int) else given
            return self._mine(shape, lambda whole: function(whole, generator=self.generator, **options))
        if function in self.LIKE:
            like = given[0]
            draw = torch.rand if function is torch.rand_like else torch.randn
            kind = {"dtype": like.dtype, "device": like.device}
            return self._mine(like.shape, lambda whole: draw(whole, generator=self.generator, **kind))
        if function in self.IN_PLACE:
            kind = {"dtype": given[0].dtype, "device": given[0].device}
            rest = {**options, "generator": self.generator}
            drawn = self._mine(given[0].shape, lambda whole: function(torch.empty(whole, **kind), *given[1:], **rest))
            return given[0].copy_(drawn)
        if function is torch.randint:
            return self._integers(given[:-1], given[-1], **options)
        if function is torch.randint_like:
            return self._integers(given[1:], given[0].shape, dtype=given[0].dtype, device=given[0].device)
        if function is torch.normal:
            return self._normal(*given, **options)
        if function in self.OTHERS:
            raise UsageError(f"{function.__name__} draws other numbers for a share of a batch than for the whole; train in one process")
        return function(*given, **options)

    def _integers(self, bounds: Any, shape: Any, **options: Any) -> Tensor:
        draw: Any = torch.randint
        return self._mine(shape, lambda whole: draw(*bounds, whole, generator=self.generator, **options))

    def _normal(self, mean: Tensor, std: Tensor | float = 1.0) -> Tensor:
        noise = self._mine(mean.shape, lambda whole: torch.randn(whole, generator=self.generator, dtype=mean.dtype, device=mean.device))
        return mean + std * noise

    def _mine(self, shape: Any, draw: Callable[[list[int]], Tensor]) -> Tensor:
        """The share of the draws for the whole batch; examples are the second axis of a shape (K, B, …), else the first."""
        whole, mine = list(shape), self.share.stop - self.share.start
        axes = [axis for axis in (1, 0) if axis < len(whole) and whole[axis] == mine and (axis == 0 or whole[0] == self.draws)]
        if not axes:
            return draw(whole)
        whole[axes[0]] = self.batch
        return draw(whole).narrow(axes[0], self.share.start, mine)
