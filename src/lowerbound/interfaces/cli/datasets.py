"""``lowerbound data``: the named data sets; of a source what its numbers mean, its parts and classes, with a sheet of its images."""

from __future__ import annotations

import math
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lowerbound import data
from lowerbound.data import NAMED, DataSpec, Splits
from lowerbound.data.formats import FORMATS, format_of, refuse_others
from lowerbound.data.rows import in_turn, some_of
from lowerbound.data.tables import by_schema, inferred
from lowerbound.errors import UsageError
from lowerbound.figures.pictures import images
from lowerbound.figures.sheets import sheet_png
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.recipes.recipe import READING
from lowerbound.system.files import written

SHOWN = 64  # images of a sheet
MOST = 12  # classes that are counted in text


def datasets(args: Namespace) -> Answer:
    """The named data sets, or what is read of a source."""
    if args.source is None:
        return _named(args)
    if args.source not in NAMED and format_of(Path(args.source), data.reading_of(**_reading(args))) is FORMATS["a table"]:
        return _table(args)
    return _source(args)


def shard(args: Namespace) -> Answer:
    """Write shards of a source."""
    found = data.shard(args.source, args.output, data_dir=args.data_dir, counts=args.counts, **_reading(args))
    console.notes(args, found.notes)
    files = sum(map(len, found.parts.values()))
    parts = ", ".join(f"{name} {n:,}" for name, n in found.rows.items())
    text = f"{parts} examples, {found.bytes / 1e6:,.0f} MB in {files:,} shard{'s' * (files > 1)}: {args.output}"
    return Answer(text, {"source": args.source, "output": args.output, "examples": found.rows, "bytes": found.bytes, "shards": files})


def _reading(args: Namespace) -> dict[str, Any]:
    """What was typed of how to read, as ``data.load`` takes it."""
    return {keyword: getattr(args, word) for word, keyword in READING.items() if word in args}


def _named(args: Namespace) -> Answer:
    if _reading(args) or args.output is not None:
        raise UsageError("how to read, and a sheet, are of a source; name it too: lowerbound data SOURCE")
    folder = None if args.data_dir is None else Path(args.data_dir)
    rows = [
        {"name": name, "what": source.description, "place": source.place(name, folder), "missing": source.missing(name, folder)}
        for name, source in NAMED.items()
    ]
    return console.listed(rows)


def _table(args: Namespace) -> Answer:
    if args.output is not None:
        raise UsageError("a sheet is for images and arrays, and this is a table; leave it out")
    how = data.reading_of(**_reading(args))
    refuse_others(args.source, how, FORMATS["a table"].options)
    table, schema, notes = inferred(Path(args.source), how)
    console.notes(args, notes)
    return console.columns(args.source, schema, by_schema(table, schema)[0], how.label_column)


def _source(args: Namespace) -> Answer:
    path = None if args.output is None else of_kind(args.output, ".png")
    splits = data.load(args.source, data_dir=args.data_dir, holes=True, **_reading(args))
    console.notes(args, splits.notes)
    found = described(splits)
    if path is not None:
        some = splits.train[some_of(splits.train, SHOWN)]
        content = sheet_png(images(some, DataSpec.of(splits.train, splits.test)), columns=8)
        with written(path) as file:
            file.write(content)
        found["output"] = str(path)
    return Answer(_text(found), {"source": args.source, **found})


def described(splits: Splits) -> dict[str, Any]:
    """What is read of a source: parts, shape, kind and extremes of its numbers, classes and how many examples each has."""
    spec = DataSpec.of(splits.train, splits.test)
    train, validation = splits.validation()
    parts = [part for part in (train, validation, splits.test) if len(part)]
    seen = [_seen(part[rows]) for part in parts for rows in in_turn(part)]
    total, there = sum(one.total for one in seen), sum(one.there for one in seen)
    names = Counter(name for part in (train, validation, splits.test) for name in part.names or [] if name is not None)
    return {
        "parts": {"train": len(train), "validation": len(validation), "test": len(splits.test)},
        "shape": list(spec.event_shape),
        "values": kind_of(spec, all(one.of_bits for one in seen)),
        "least": min(one.least for one in seen),
        "greatest": max(one.greatest for one in seen),
        "mean": total / there,
        "missing": sum(map(len, parts)) * spec.dimensions - there,
        "classes": {name: names[name] for name in spec.classes},
    }


@dataclass(frozen=True)
class Seen:
    """Of some values, missing ones aside: their extremes, their sum, how many there are, and whether all are 0 or 1."""

    least: float
    greatest: float
    total: float
    there: int
    of_bits: bool


def _seen(values: torch.Tensor) -> Seen:
    there = values[~values.isnan()]
    if not len(there):
        return Seen(math.inf, -math.inf, 0.0, 0, True)
    of_bits = bool(((there == 0) | (there == 1)).all())
    return Seen(float(there.min()), float(there.max()), float(there.double().sum()), len(there), of_bits)


def kind_of(spec: DataSpec, of_bits: bool) -> str:
    """bits, counts, greys (in [0, 1]) or reals; ``of_bits`` says whether all values are 0 or 1."""
    if of_bits:
        return "bits"
    if spec.unit == 1:
        return "counts"
    return "greys" if spec.unit_interval else "reals"


def _text(found: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {n:,}" for name, n in found["parts"].items())
    lines = [
        f"examples  {parts}",
        f"shape     {' × '.join(map(str, found['shape']))}",
        f"values    {found['values']} from {found['least']:.4g} to {found['greatest']:.4g}, mean {found['mean']:.4g}",
    ]
    if found["missing"]:
        lines.append(f"missing   {found['missing']:,}")
    if found["classes"]:
        shown = [f"{name} {n:,}" for name, n in list(found["classes"].items())[:MOST]]
        more = f", … ({len(found['classes']):,})" if len(found["classes"]) > MOST else ""
        lines.append(f"classes   {', '.join(shown)}{more}")
    return "\n".join(lines + ([f"sheet     {found['output']}"] if "output" in found else []))
