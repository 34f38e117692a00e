"""A table with a column of each kind that compiled loops know, numbers under each map, with holes and spikes; and a model of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.data.column import Column
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.nn.marginal_map import MarginalMap, spikes_of

MARGINALS = {
    "plain": None,
    "linear": Marginal("linear", spikes=(-1.0, 2.0), loc=0.5, scale=2.0),
    "soft": Marginal("soft", least=0.0, low=0.0, width=0.25),
    "soft, two ends": Marginal("soft", least=-1.0, greatest=3.0, low=-1.0, high=3.0, width=0.5, loc=0.5),
    "log, a spike": Marginal("log", least=0.0, spikes=(0.0,), low=0.0, width=1e-9, loc=0.3, scale=0.5, bottom=-9.0, top=9.0),
    "log-below": Marginal("log-below", greatest=2.0, high=2.0, width=1e-9, scale=0.5, bottom=-9.0, top=9.0),
    "logit": Marginal("logit", least=0.0, greatest=4.0, low=0.0, high=4.0, bottom=-9.0, top=9.0),
    "asinh": Marginal("asinh", width=0.7, scale=0.8, bottom=-9.0, top=9.0),
}
OTHERS = (
    Column("no", "boolean", ("no", "yes")),
    Column("of three", "category", ("x", "y", "z")),
    Column("count", "count", loc=1.0, scale=0.7),
    Column("large", "count", loc=4.0, scale=0.7),
    Column("of two", "category", ("x", "y")),
    Column("yes", "boolean", ("no", "yes")),
)
#: kinds in turn, so that no group of columns lies together
COLUMNS = tuple(
    column
    for pair in zip([Column(name, "number", marginal=law) for name, law in MARGINALS.items()], (*OTHERS, None, None), strict=True)
    for column in pair
    if column is not None
)


def table(rows: int = 90, missing: float = 0.3) -> Tensor:
    """Values of all columns; a category that was never seen too."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(rows, len(COLUMNS), generator=draw)
    for place, column in enumerate(COLUMNS):
        if column.kind == "number":
            x[:, place] = MarginalMap([column]).back(x[:, place : place + 1])[:, 0]
            for spike in spikes_of(column):
                x[torch.rand(rows, generator=draw) < 0.2, place] = spike
        elif column.kind == "count":
            x[:, place] = torch.poisson(torch.full((rows,), 40.0 if column.name == "large" else 3.0), generator=draw)
        else:
            x[:, place] = torch.randint(max(2, column.classes), (rows,), generator=draw).float()
    x[0, COLUMNS.index(OTHERS[1])] = -1.0
    x[torch.rand(x.shape, generator=draw) < missing] = torch.nan
    return x


def parts(**words: Any) -> Any:
    """A model of it, its laws not all alike."""
    spec = DataSpec((len(COLUMNS),), holes=True, schema=Schema(COLUMNS))
    return lb.build(lb.Recipe(**{"likelihood": "columns", "objective": "iwae:5", "latent": 3, "network": "mlp:33-20", **words}), spec)
