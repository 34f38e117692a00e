"""What an encoder is shown of data of which some are missing: no value is guessed before, it sees the hole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lowerbound.data.column import Column
from lowerbound.nn.marginal_map import MarginalInput, spikes_of
from lowerbound.nn.networks import dense_parts


class MaskedInput(nn.Module):
    """A network of twice the values: 0 in each hole, since a pixel can be 0 too, and beside the values a mask that says which are there.

    ``(N, D)`` with NaN → ``(N, 2D)``; of images the masks are further channels, ``(N, 2C, H, W)``.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    @staticmethod
    def shape(event: Sequence[int]) -> tuple[int, ...]:
        """The shape of what the network sees of an example."""
        return (2 * event[0], *event[1:])

    def forward(self, x: Float[Tensor, "N *event"], *context: Tensor) -> Tensor:
        """The network's output for values, NaN where one is missing."""
        output: Tensor = self.network(torch.cat([x.nan_to_num(nan=0.0), (~x.isnan()).to(x.dtype)], 1), *context)
        return output


class TableInput(nn.Module):
    """A network of a table's columns, 0 in each hole: the mean of a number, and of the others what no value is.

    Numbers and dates are standardized, by the map of their marginal law if they have one; beside them is 1 for each spike that one is at.
    Counts are standardized log(1 + k), booleans are −1 and 1, ordinals the standardized log odds of the middle of their class, categories
    one-hot. There are no masks beside them: of a table with few
    rows a mask is the name of its row, by which it is learned by heart (docs/log.md).
    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633.
    """

    def __init__(self, network: nn.Module, columns: Sequence[Column]):
        super().__init__()
        self.network = network
        self.plain = [place for place, column in enumerate(columns) if column.kind != "category"]
        self.counts = [index for index, place in enumerate(self.plain) if columns[place].kind == "count"]
        self.ordinals = [index for index, place in enumerate(self.plain) if columns[place].kind == "ordinal"]
        self.truths = [index for index, place in enumerate(self.plain) if columns[place].kind == "boolean"]
        self.marginals = MarginalInput(columns) if any(column.marginal is not None for column in columns) else None
        self.categories = [(place, column.classes) for place, column in enumerate(columns) if column.kind == "category"]
        counts = [column for column in columns if column.kind == "count"]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.tensor([column.loc for column in counts]), persistent=False)
        self.register_buffer("scale", torch.tensor([column.scale for column in counts]), persistent=False)
        self.scores: Tensor
        scores = [torch.tensor(columns[self.plain[index]].scores) for index in self.ordinals]
        self.register_buffer("scores", pad_sequence(scores, True) if scores else torch.zeros(0, 1), persistent=False)

    @staticmethod
    def shape(columns: Sequence[Column]) -> tuple[int]:
        """The shape of what the network sees of an example: one number per column and spike, of a category one for each class."""
        return (sum(column.classes if column.kind == "category" else 1 + len(spikes_of(column)) for column in columns),)

    def forward(self, x: Float[Tensor, "N D"], *context: Tensor) -> Tensor:
        """The network's output for values, NaN where one is missing."""
        output: Tensor = self.network(self.shown(x), *context)
        return output

    def shown(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N shown"]:
        """What the network sees of values, NaN where one is missing."""
        x, at_spikes = (x, x[:, :0]) if self.marginals is None else self.marginals(x)
        plain = x[:, self.plain]
        for places, shown in (
            (self.counts, (plain[:, self.counts].log1p() - self.loc) / self.scale),
            (self.truths, 2 * plain[:, self.truths] - 1),
            (self.ordinals, self._scored(plain[:, self.ordinals])),
        ):
            plain = plain.index_copy(1, torch.tensor(places, dtype=torch.long, device=x.device), shown)
        classes = [(x[:, place, None] == torch.arange(number, device=x.device)).to(x.dtype) for place, number in self.categories]
        return torch.cat([plain.nan_to_num(nan=0.0), at_spikes, *classes], 1)

    def _scored(self, classes: Float[Tensor, "N n"]) -> Float[Tensor, "N n"]:
        """The scores of ordinals, NaN where one is missing or of no known class."""
        known = classes >= 0
        each = torch.arange(len(self.scores), device=classes.device)
        return self.scores[each, classes.where(known, 0).long()].to(classes.dtype).where(known, torch.nan)


def perceptron(network: nn.Module) -> list[nn.Linear]:
    """The layers of a network of the form of ``mlp``, behind the input of a table's columns or not; none of any other."""
    found = dense_parts(network.network if type(network) is TableInput else network)
    if found is None or len(found.activations) == len(found.layers) or any(type(each) is not nn.ReLU for each in found.activations):
        return []
    return found.layers
