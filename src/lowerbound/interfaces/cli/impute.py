"""``lowerbound impute``: a table with its missing cells filled in, as many draws of them as wanted, and their standard errors."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import Dataset, Schema, tables, writing
from lowerbound.data.csv_files import Csv
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.tables import Table
from lowerbound.errors import UsageError
from lowerbound.interfaces.bulk.imputing import Impute, errors_of, missing_of, others, schema_of, with_filled
from lowerbound.interfaces.cli import bulk, console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.runs import run as runs
from lowerbound.system.files import written
from lowerbound.tasks.impute import Imputations
from lowerbound.tasks.impute import impute as imputed


def impute(args: Namespace) -> Answer:
    """Write the table filled in, its draws and its standard errors, each to a file."""
    bulk.must_suit(args)
    if bulk.is_folder(args.output):
        words = args.run, args.device, args.data, tuple(args.together_with), args.draws, args.samples, args.memory, args.seed
        return bulk.in_parts(args, Impute(*words), "rows filled in")
    path = of_kind(args.output, *tables.SUFFIXES)
    run = runs.load(args.run, args.device)
    schema = schema_of(run)
    given = Path(args.data or run.recipe.data)
    table = _read(given, path)
    cells, marked = tables.by_schema(table, schema)
    values, notes = schema.values(cells)
    console.notes(args, (*marked, *notes))
    console.notes(args, _no_constants(schema, cells))
    schema = schema.like(cells)
    data = Dataset(torch.from_numpy(values))
    found = imputed(
        [run.vae, *others(run, args.together_with, args.device)], data, args.draws, samples=args.samples, memory=args.memory, seed=args.seed
    )
    several = [(path.with_name(f"{path.stem}-{number}{path.suffix}"), draw) for number, draw in enumerate(found.draws, start=1)]
    _must_be_kept([path, *(each for each, _ in several)], [given, Path(run.recipe.data)])
    errors = path.with_name(f"{path.stem}-errors{'.parquet' if path.suffix == '.parquet' else '.csv'}")
    missing = missing_of(schema, cells)
    fillings = [(each, schema.texts_at(missing, values.numpy())) for each, values in [(path, found.mean), *several]]
    contents = {each: _content(path, table, schema, cells, filled) for each, filled in fillings}
    contents[errors] = writing.WRITERS[errors.suffix](errors_of(schema, cells, found.error))
    for each, content in contents.items():  # none is written if one cannot be made
        with written(each) as file:
            file.write(content)
    return _answer(args, path, [each for each, _ in several], errors, found, schema, cells)


def _must_be_kept(outputs: Sequence[Path], tables: Sequence[Path]) -> None:
    """Raise UsageError where an output would take the place of the table with holes: which cells they were is known from it alone."""
    read = {table.resolve() for table in tables}
    lost = next((path for path in outputs if path.resolve() in read), None)
    if lost is not None:
        raise UsageError(f"{lost} is the table with the missing cells, and would be lost; give another -o")


def _read(given: Path, path: Path) -> Table:
    """The table, with the separator of the output. Errors: DataError if the output cannot hold its cells."""
    table = tables.read(given)
    if isinstance(table, Parquet) and path.suffix != ".parquet":
        table.must_be_told(table.cells)
    if isinstance(table, Csv) and path.suffix != given.suffix:
        return table.separated("\t" if path.suffix == ".tsv" else ",")
    return table


def _no_constants(schema: Schema, cells: Mapping[str, Sequence[str | None]]) -> list[str]:
    """A note for each column with missing cells that was constant in training and is not here."""
    return [
        f"column '{old.name}' was always '{old.levels[0][:40]}' in training and is not here; its empty cells stay empty"
        for old, new in zip(schema.columns, schema.like(cells).columns, strict=True)
        if old.kind == "constant" != new.kind and None in cells[old.name]
    ]


def _content(
    path: Path, table: Table, schema: Schema, cells: Mapping[str, Sequence[str | None]], filled: Mapping[str, Mapping[int, str]]
) -> bytes:
    """The file's bytes: the table as it was read, or in the other file type with types that suit the columns."""
    if (path.suffix == ".parquet") == isinstance(table, Parquet):
        return table.filled(filled)
    texts = with_filled(cells, filled)
    return writing.WRITERS[path.suffix](schema.typed(texts) if path.suffix == ".parquet" else texts)


def _answer(
    args: Namespace,
    path: Path,
    several: Sequence[Path],
    errors: Path,
    found: Imputations,
    schema: Schema,
    cells: Mapping[str, Sequence[str | None]],
) -> Answer:
    rows = len(found.mean)
    of_model = [column.name for column in schema.columns if column.kind != "ignore"]
    missing = sum(text is None for name in of_model for text in cells.get(name, ()))
    left = sum(text is None for name, column in cells.items() if name not in of_model for text in column)
    if left:
        console.notes(args, [f"{left:,} cells stay missing, in columns that are not in the model"])
    ess = found.ess[~found.ess.isnan()]
    console.few_draws(args, ess, "rows")
    values: dict[str, Any] = {
        "run": args.run,
        "output": str(path),
        "imputations": [str(each) for each in several],
        "errors": str(errors),
        "rows": rows,
        "filled": missing,
        "left": left,
        "samples": args.samples,
        "ess": float(ess.mean()) if len(ess) else None,
        "ess_least": float(ess.min()) if len(ess) else None,
    }
    summary = f"{missing:,} missing cells of {rows:,} rows filled in: {path}"
    if several:
        summary += f"\n{len(several)} imputations: {several[0]}" + (f" … {several[-1].name}" if several[1:] else "")
    return Answer(f"{summary}\nstandard errors: {errors}", values)
