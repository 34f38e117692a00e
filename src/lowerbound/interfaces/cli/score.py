"""``lowerbound score``: log p(x) of each example in a table; of a table's rows also a rank, and log p of each cell."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any

import torch

from lowerbound.data import Dataset, Schema, writing
from lowerbound.errors import DataError, UsageError
from lowerbound.evaluation.cells import log_p_of_values
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.log_likelihood import log_likelihood
from lowerbound.evaluation.regret import likelihood_regret
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, some_of
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.tasks import rank as ranking

ENOUGH = 20  # held-out rows that ranks can be among; with fewer they are among those of training


def score(args: Namespace) -> Answer:
    """A row for each example."""
    path = of_kind(args.output, *writing.WRITERS)
    run = runs.load(args.run, args.device)
    schema = run.spec.schema
    if args.cells and schema is None:
        raise UsageError("--cells is of the cells of a table, and this run's data are none; leave it out")
    data = some_of(asked_for(run, args), args)
    density = log_likelihood(run.vae, data, args.samples, memory=args.memory, seed=args.seed)
    columns = _columns(run, data, density, args)
    files = {path: columns}
    if args.cells and schema is not None:
        files[path.with_name(f"{path.stem}-cells{path.suffix}")] = _of_cells(run, schema, data, args)
    for file, content in files.items():
        writing.write(file, content)
    text = f"{len(data):,} examples, {run.vae.density} {density.mean:.2f} ± {density.se_data:.2f} nats on average: "
    values = {
        "run": args.run,
        "output": str(path),
        "n": len(data),
        "columns": list(columns),
        "density": run.vae.density,
        "mean": density.mean,
    }
    return Answer(text + ", ".join(map(str, files)), values)


def _columns(run: Run, data: Dataset, density: Density, args: Namespace) -> dict[str, list[Any]]:
    """What is said of each example, by name."""
    columns: dict[str, Any] = {"row": list(range(len(data)))}
    if data.names is not None:
        columns["label"] = data.names
    columns |= {"log_p": density.log_p, "log_p_se": density.se, "ess": density.ess, "elbo": density.elbo}
    if run.spec.schema is not None:
        columns |= _of_rows(run, data, density.log_p, args)
    if args.regret:
        columns["regret"] = likelihood_regret(run.vae, data, memory=args.memory, seed=args.seed)
    return {name: column if isinstance(column, list) else column.tolist() for name, column in columns.items()}


def _of_rows(run: Run, data: Dataset, log_p: torch.Tensor, args: Namespace) -> dict[str, Any]:
    """How many cells of each row are counted, log p for each of them, and the row's rank; None where a row has no cell."""
    cells = (~data[:].isnan()).sum(1)
    found: dict[str, Any] = {
        "cells": cells,
        "log_p_per_cell": [float(log_p[row]) / n if n else None for row, n in enumerate(cells.tolist())],
    }
    reference = _reference(run, args)
    if reference is None:
        return found
    ranks = ranking.rank(run.vae, data, reference, memory=args.memory, seed=args.seed)
    return found | {"rank": _or_none(ranks)}


def _reference(run: Run, args: Namespace) -> Dataset | None:
    """The rows that ranks are among: those that the training held out, or those of training where they are few; None without its table."""
    try:
        train, held_out = run.read(None, args.data_dir).validation(run.recipe.validation)
    except DataError:
        console.notes(args, ["no ranks: they are among the rows of the run's own table, which is not where it was"])
        return None
    if len(held_out) >= ENOUGH:
        return held_out
    console.notes(args, [f"ranks are among training rows, which the model knows: fewer than {ENOUGH} were held out"])
    return train


def _of_cells(run: Run, schema: Schema, data: Dataset, args: Namespace) -> dict[str, list[float | None]]:
    """log p of each cell given the others of its row, by column; None where there is none."""
    each = log_p_of_values(run.vae, data, memory=args.memory, seed=args.seed)
    return {column.name: _or_none(values) for column, values in zip(schema.modelled, each.unbind(1), strict=True)}


def _or_none(values: torch.Tensor) -> list[float | None]:
    """Numbers as a file has them: an empty cell where there is none."""
    return [None if math.isnan(value) else value for value in values.tolist()]
