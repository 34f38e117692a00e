"""p(z): what is believed of the latent before any datum is seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal


class StandardNormal(nn.Module):
    """N(0, I) over ``size`` latent dimensions.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114.
    """

    zero: Tensor
    one: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(size), persistent=False)
        self.register_buffer("one", torch.ones(size), persistent=False)

    def forward(self) -> Distribution:
        """The law, with no batch axes and events ``(size,)``."""
        return Independent(Normal(self.zero, self.one, validate_args=False), 1, validate_args=False)
