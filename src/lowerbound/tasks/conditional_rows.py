"""New rows of a table of which some cells are given: draws of p(x_others | x_given)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data import Dataset, Schema
from lowerbound.data.column import UNSEEN
from lowerbound.errors import UsageError, nearest
from lowerbound.evaluation.log_likelihood import MEMORY
from lowerbound.tasks.impute import impute
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import VAE, Model

#: draws of z for each row that is asked for, and at least
EACH, LEAST = 10, 10_000


def conditions(text: str, schema: Schema) -> dict[str, str]:
    """What a text such as ``sex=female,pclass=1`` gives, by column; a comma ends a value where a column's name and = follow.

    Errors: UsageError for a text of another form, a column that there is not, and one that is given twice.
    """
    names = [column.name for column in schema.columns]
    ahead = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found: dict[str, str] = {}
    for part in re.split(rf",\s*(?=(?:{ahead})\s*=)", text):
        name, mark, value = (word.strip() for word in part.partition("="))
        if not (mark and name and value):
            raise UsageError(f"'{part}' gives no column a value; write such as --where 'sex=female,pclass=1'")
        if name not in names:
            raise UsageError(f"the table of this run has no column '{name}'{nearest(name, names)}")
        if name in found:
            raise UsageError(f"column '{name}' is given twice; give it one value")
        found[name] = value
    return found


def sample_where(
    vae: Model, schema: Schema, given: Mapping[str, str], n: int, *, label: int | None = None, memory: int = MEMORY, seed: int = 0
) -> tuple[Float[Tensor, "n D"], float]:
    """n draws of p(x_others | x_given), as the model's values with those given in place, and how many draws of z they are worth.

    ``given`` are texts of cells by column, ``label`` is the number of the class, of a model that is given it. Exact under the model as
    draws of z grow (``impute``). Errors: UsageError for a column that the model leaves out, or a category that it does not know; DataError
    for a cell that is not of its column's kind.
    """
    for column in schema.columns:
        value = given.get(column.name)
        if value is None or (column.kind == "constant" and value == column.levels[0]):
            continue
        if not column.is_modelled:
            raise UsageError(f"column '{column.name}' is not in the model, and cannot be given; leave it out")
        if column.classes and column.numbers([value])[0][0] == UNSEEN:
            raise UsageError(f"column '{column.name}' has no category '{value}'{nearest(value, column.levels)}")
    row, _ = schema.values({column.name: [given.get(column.name)] for column in schema.modelled})
    if np.isnan(row).all():
        raise UsageError("nothing is given that the model knows; leave the conditions out")
    if not np.isnan(row).any():
        raise UsageError("all cells are given, and none is left to be drawn; leave some out")
    data = Dataset(torch.from_numpy(row), None if label is None else torch.tensor([label]))
    found = impute(_of_rows(vae), data, n, samples=max(LEAST, EACH * n), memory=memory, seed=seed)
    return found.draws[:, 0], float(found.ess[0])


def _of_rows(vae: Model) -> Model:
    """The model of values alone: a cell that is not given is not known to be missing."""
    if not isinstance(vae.likelihood, Columns) or not vae.likelihood.scores_holes:
        return vae
    return VAE(vae.prior, vae.likelihood.of_rows(), vae.posterior, vae.context)
