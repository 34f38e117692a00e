"""The shape that several have together, as torch finds it, and in a graph with an axis of any length."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lowerbound.distributions.shapes import broadcast_shapes


@pytest.mark.parametrize("shapes", [((), ()), ((2, 1), (3,)), ((4, 1, 2), (3, 1), ()), ((0, 2), (1,))])
def test_it_is_torchs(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert broadcast_shapes(*shapes) == torch.broadcast_shapes(*shapes)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError, match="must match"):
        broadcast_shapes((2,), (3,))


class Expanded(nn.Module):
    def forward(self, one: Tensor, several: Tensor) -> Tensor:
        """The one as often as there are several."""
        return one.expand(broadcast_shapes(one.shape, several.shape))


def test_a_graph_has_an_axis_of_any_length() -> None:
    given = torch.ones(3), torch.zeros(5, 3)
    graph = torch.export.export(Expanded(), given, dynamic_shapes=(None, {0: torch.export.Dim("n", min=2)}))
    assert graph.module()(given[0], torch.zeros(7, 3)).shape == (7, 3)
