"""What an encoder is shown of data of which some are missing: values with a 0 where none is, and beside them which are there.

No missing value is guessed before: the encoder sees the hole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.columns import Column


class Shown(nn.Module):
    """A network of twice the values: ``(N, D)`` with NaN → values and mask ``(N, 2D)``; of images both as channels ``(N, 2C, H, W)``.

    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633 (the zeros).
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    @staticmethod
    def shape(event: Sequence[int]) -> tuple[int, ...]:
        """The shape of what the network sees of a datum."""
        return (2 * event[0], *event[1:])

    def forward(self, x: Float[Tensor, "N *event"], *context: Tensor) -> Tensor:
        """The network's output for values, NaN where one is missing."""
        output: Tensor = self.network(torch.cat([x.nan_to_num(nan=0.0), (~x.isnan()).to(x.dtype)], 1), *context)
        return output


class ShownColumns(nn.Module):
    """A network of a table's columns as numbers: categories one-hot, counts as standardized log(1 + k), and a mask a column."""

    def __init__(self, network: nn.Module, columns: Sequence[Column]):
        super().__init__()
        self.network = network
        self.plain = [place for place, column in enumerate(columns) if column.kind != "category"]
        self.counts = [index for index, place in enumerate(self.plain) if columns[place].kind == "count"]
        self.categories = [(place, len(column.levels)) for place, column in enumerate(columns) if column.kind == "category"]
        counts = [column for column in columns if column.kind == "count"]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.tensor([column.loc for column in counts]), persistent=False)
        self.register_buffer("scale", torch.tensor([column.scale for column in counts]), persistent=False)

    @staticmethod
    def shape(columns: Sequence[Column]) -> tuple[int]:
        """The shape of what the network sees of a datum: a mask a column, and a number, or one for each class."""
        return (len(columns) + sum(len(column.levels) if column.kind == "category" else 1 for column in columns),)

    def forward(self, x: Float[Tensor, "N D"], *context: Tensor) -> Tensor:
        """The network's output for values, NaN where one is missing."""
        plain = x[:, self.plain]
        if self.counts:
            scaled = (plain[:, self.counts].log1p() - self.loc) / self.scale
            plain = plain.index_copy(1, torch.tensor(self.counts, device=x.device), scaled)
        numbers = [x[:, place, None] == torch.arange(classes, device=x.device) for place, classes in self.categories]
        parts = [plain.nan_to_num(nan=0.0), *(each.to(x.dtype) for each in numbers), (~x.isnan()).to(x.dtype)]
        output: Tensor = self.network(torch.cat(parts, 1), *context)
        return output
