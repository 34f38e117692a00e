"""``lowerbound compare``: runs side by side, on one page and in one table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lowerbound.errors import UsageError
from lowerbound.figures import compare as comparing
from lowerbound.figures.compare import MEASURES, Side
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import written
from lowerbound.system.numbers import fixed


def compare(args: Namespace) -> Answer:
    """Write the page; the answer is the table of scores."""
    path = of_kind(args.output, ".html")
    folders, source = _runs_and_data(args.runs)
    found = {name: runs.load(folder, args.device) for name, folder in zip(_names(folders), folders, strict=True)}
    first = next(iter(found.values()))
    _must_be_of_one_shape(found)
    splits = first.read(source, args.data_dir)
    console.notes(args, [*splits.notes, *_trained_elsewhere(found, source)])
    sides = comparing.compare(found, splits, args.seed)
    content = comparing.page(sides, splits, source or first.recipe.data, args.n, args.seed)
    with written(path) as file:
        file.write(content)
    rows = [{"run": side.name, "words": side.run.recipe.words(), **side.values} for side in sides]
    values = {"output": str(path), "data": source or first.recipe.data, "rows": len(splits.test), "seed": args.seed, "runs": rows}
    return Answer(f"{_table(sides)}\n{len(splits.test):,} held-out examples: {path}", values)


def _runs_and_data(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The runs, and the data if the last word is not a run. Errors: UsageError for fewer than two runs, or one given twice."""
    *others, last = words
    is_run = (Path(last) / layout.RECIPE).is_file()
    folders, source = ([*others, last], None) if is_run else (others, last)
    if len(folders) < 2:
        raise UsageError("compare needs two runs or more: lowerbound compare RUN RUN … [DATA] -o FILE.html")
    places = [Path(folder).resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{folder} is given twice; name each run once")
    return folders, source


def _names(folders: Sequence[str]) -> list[str]:
    """The folders' names, or if two are the same the whole paths."""
    names = [Path(folder).resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else list(folders)


def _must_be_of_one_shape(found: dict[str, Run]) -> None:
    (first, one), *others = found.items()
    for name, run in others:
        if run.spec.event_shape != one.spec.event_shape:
            shapes = f"{first} is for data of shape {one.spec.event_shape}, {name} for {run.spec.event_shape}"
            raise UsageError(f"{shapes}; compare runs for data of one shape")


def _trained_elsewhere(found: dict[str, Run], source: str | None) -> list[str]:
    """A note for each run that was trained on other data than it is compared on."""
    data = source or next(iter(found.values())).recipe.data
    return [f"{name} was trained on {run.recipe.data}, and is compared on {data}" for name, run in found.items() if not run.is_own(data)]


def _table(sides: Sequence[Side]) -> str:
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        cells = {side.name: fixed(measure.value(side), measure.digits).rjust(len(side.name)) for side in sides}
        rows.append({"": measure.heading, **cells})
    return console.table(rows)
