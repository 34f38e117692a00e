"""``lowerbound score``: log p(x) of each example in a table; of a table's rows also a rank, and log p of each cell."""

from __future__ import annotations

from argparse import Namespace

import torch

from lowerbound.data import Dataset, writing
from lowerbound.errors import DataError, UsageError
from lowerbound.evaluation.log_likelihood import log_likelihood
from lowerbound.interfaces.bulk.scoring import CELLS, Score
from lowerbound.interfaces.cli import bulk, console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, some_of
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.tasks import rank as ranking

ENOUGH = 20  # held-out rows that ranks can be among; with fewer they are among those of training


def score(args: Namespace) -> Answer:
    """A row for each example: a file of them, or a folder of parts."""
    bulk.must_suit(args)
    path = None if bulk.is_folder(args.output) else of_kind(args.output, *writing.WRITERS)
    run = runs.load(args.run, args.device)
    schema = run.spec.schema
    if args.cells and schema is None:
        raise UsageError("--cells is of the cells of a table, and this run's data are none; leave it out")
    reference = None if schema is None else _reference(run, args)
    how = Score(bulk.asked(args, args.rows), args.samples, args.memory, args.seed, args.regret, args.cells, reference)
    if path is None:
        return bulk.in_parts(args, how, "examples")
    data = some_of(asked_for(run, args), args)
    density = log_likelihood(run.vae, data, args.samples, memory=args.memory, seed=args.seed)
    labels = {} if data.names is None else {"label": data.names}
    columns = {"row": [*range(len(data))], **labels, **how.columns(run, data, density)}
    files = {path: columns}
    if args.cells and schema is not None:
        files[path.with_name(f"{path.stem}{CELLS}{path.suffix}")] = how.of_cells(run, schema, data)
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


def _reference(run: Run, args: Namespace) -> Dataset | None:
    """The rows that ranks are among: those that the training held out, or those of training where they are few; None without its table."""
    try:
        splits = run.read(None, args.data_dir)
    except DataError:
        console.notes(args, ["no ranks: they are among the rows of the run's own table, which is not where it was"])
        return None
    train, validation = splits.validation(run.recipe.validation)
    held_out = torch.cat([validation.pictured[:], splits.test.pictured[:]])
    if len(held_out) >= ENOUGH:
        return _in_memory(Dataset(held_out))
    console.notes(args, [f"ranks are among training rows, which the model knows: fewer than {ENOUGH} were held out"])
    return _in_memory(train)


def _in_memory(reference: Dataset) -> Dataset:
    """The rows that others are compared with, and no others."""
    few = ranking.compared(reference)
    return Dataset(few[:], few.labels, few.classes)
