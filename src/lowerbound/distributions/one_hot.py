"""The law of a label: zeros and a one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor
from torch import distributions as td

from lowerbound.system import noise


class OneHotCategorical(td.OneHotCategorical):
    """A class as zeros and a one: torch's law of ``logits`` ``(*batch, classes)``, but that nothing in it looks at its arguments.

    Of logits that are not finite any more the log-density is not either, which shows in the bound, as with other distributions.

    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.distributions.OneHotCategorical(torch.zeros(4))
    >>> round(float(law.log_prob(torch.tensor([0.0, 0.0, 1.0, 0.0]))), 3), float(law.sample().sum())  # −log 4, and a single one
    (-1.386, 1.0)
    """

    def __init__(self, logits: Tensor):
        super().__init__(logits=torch.zeros_like(logits), validate_args=False)  # its inner law is checked whatever is said
        self._categorical = td.Categorical(logits=logits, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OneHotCategorical:
        """The law over a larger batch, ``batch_shape``."""
        return type(self)(self.logits.expand(*batch_shape, *self.event_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch, classes)``: where the logits, each with Gumbel noise, are the greatest.

        Source: Yellott, "The Relationship between Luce's Choice Axiom, Thurstone's Theory of Comparative Judgment, and the Double
        Exponential Distribution", 1977, https://doi.org/10.1016/0022-2496(77)90026-8.
        """
        shape = self._extended_shape(sample_shape)
        return self.drawn(shape, noise.last(len(shape) - 1))

    @torch.no_grad()
    def drawn(self, shape: Size, axis: int | None) -> Tensor:
        """Draws of this whole shape, of which ``axis`` counts rows."""
        times = noise.exponential(shape, axis, self.logits.dtype, self.logits.device)
        return torch.nn.functional.one_hot((self.logits - times.log()).argmax(-1), shape[-1]).to(self.logits)
