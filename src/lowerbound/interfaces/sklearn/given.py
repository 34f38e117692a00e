"""New rows of which some values are given, of tables and of arrays of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import UsageError
from lowerbound.interfaces.sklearn.cells import text_of
from lowerbound.interfaces.sklearn.tables import Table
from lowerbound.tasks.complete import complete
from lowerbound.tasks.conditional_rows import EACH, LEAST, sample_where
from lowerbound.tasks.impute import impute
from lowerbound.vae.model import Model


def drawn_where(estimator: Any, model: Model, where: Mapping[Any, Any], n: int, seed: int) -> Float[Tensor, "n *event"]:
    """n draws of p(x_others | x_given), as the model's values with those given in place.

    Errors: UsageError where nothing is given, or a column that the model leaves out; DataError for a feature that there is not.
    """
    reader = estimator.reader_
    if not where:
        raise UsageError("nothing is given; leave where out")
    if isinstance(reader, Table):
        assert reader.schema is not None
        texts = {reader.name_of(name): text_of(value) for name, value in where.items()}
        return sample_where(model, reader.schema, texts, n, seed=seed)[0]
    row = reader.given(estimator, where).float()
    if model.likelihood.holes:
        return impute(model, row, n, samples=max(LEAST, EACH * n), seed=seed).draws[:, 0]
    there = ~row.isnan()
    return complete(model, torch.where(there, row, 0.0), there, n, samples=max(LEAST, EACH * n), draw=True, seed=seed).values[:, 0]
