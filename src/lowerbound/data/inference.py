"""From a table's cells to the kinds of its columns: inferred, or specified by the user."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lowerbound.data import cells as kinds
from lowerbound.data.column_words import TableWords
from lowerbound.data.schema import MOST_LEVELS, Column, Schema
from lowerbound.errors import DataError, nearest

#: most categories of a column that is inferred as one: with more it is text
LEVELS = 256
#: up to this many categories need not repeat
FEW = 20
#: largest whole number that is inferred as a count: for larger ones log p has too few digits in single precision
LARGEST = 10_000
#: counts have a variance of at least this share of their mean and a least value of at most this; years, ages and sizes are numbers
DISPERSED, BEGINS = 0.5, 1

Cells = Mapping[str, Sequence[str | None]]


def infer(cells: Cells, words: TableWords, types: Mapping[str, str]) -> tuple[Schema, tuple[str, ...]]:
    """The schema of a table, and notes on what was left out; ``words`` override inference, ``types`` are those of the file.

    Errors: DataError for a specified column that does not exist or cannot be of that type; where no column is left.
    """
    for name in words.columns:
        if name not in cells:
            raise DataError(f"the table has no column '{name}', which the types specify{nearest(name, cells)}")
    found = [_column(name, texts, words.of(name).kind, types.get(name, "")) for name, texts in cells.items()]
    schema, notes = Schema(tuple(column for column, _ in found)), tuple(note for _, note in found if note)
    if not schema.modelled:
        raise DataError(f"no column is left to learn from: {'; '.join(notes) or 'all are ignored'}")
    return schema, notes


def _column(name: str, texts: Sequence[str | None], specified: str | None, of_file: str) -> tuple[Column, str]:
    there = [text for text in texts if text is not None]
    if specified is not None and specified != "ignore" and not there:
        raise DataError(f"column '{name}' is specified as {specified}, but is empty; leave it out of the types")
    if specified == "ignore":
        return Column(name, "ignore"), ""
    if not there or of_file == "other":
        why = "has a type that is not supported" if there else "is empty"
        return Column(name, "ignore"), f"column '{name}' {why} and is left out"
    if len(distinct := set(there)) == 1:
        only = there[0]
        return Column(name, "constant", (only,)), f"column '{name}' is always '{only[:40]}' and is left out of the model"
    if specified is not None:
        return _specified(name, there, distinct, specified), ""
    return _inferred(name, there, distinct, of_file)


def _specified(name: str, there: list[str], distinct: set[str], specified: str) -> Column:
    kind, _, form = specified.partition(":")
    match kind:
        case "category":
            return _category(name, distinct)
        case "boolean":
            spelled = kinds.truths(distinct)
            if spelled is None:
                pairs = ", ".join("/".join(pair) for pair in kinds.TRUTHS)
                raise DataError(f"column '{name}' is specified as boolean, but its values are not a pair among {pairs}; specify category")
            return Column(name, kind, spelled)
        case "date":
            form = form or kinds.date_format(there) or kinds.FORMATS[0]
            if kinds.moment(kinds.as_date(0.0, form), form) is None:
                raise DataError(f"column '{name}': '{form}' is not a date format; write one such as date:%d/%m/%Y")
            column = Column(name, kind, format=form)
        case _:
            column = Column(name, kind, decimals=kinds.decimals(there))
    column.numbers(there)
    return column


def _inferred(name: str, there: list[str], distinct: set[str], of_file: str) -> tuple[Column, str]:
    of_text = of_file == "text"
    spelled = None if of_text else kinds.truths(distinct)
    if spelled is not None:
        return Column(name, "boolean", spelled), ""
    if not of_text and all(map(kinds.is_number, distinct)):
        return _numeric(name, there, distinct)
    form = None if of_text else kinds.date_format(there)
    if form is not None:
        return Column(name, "date", format=form), ""
    how = f"""to keep it, write {_key(name)} = "category" in a file for --types"""
    if len(distinct) == len(there):
        return Column(
            name, "ignore"
        ), f"column '{name}': no two of its {len(there):,} texts are equal; treated as identifiers and left out ({how})"
    if len(distinct) > LEVELS or len(distinct) > max(FEW, len(there) // 2):
        return Column(name, "ignore"), f"column '{name}' has {len(distinct):,} different texts and is left out ({how})"
    return _category(name, distinct), ""


def _numeric(name: str, there: list[str], distinct: set[str]) -> tuple[Column, str]:
    whole = all(map(kinds.is_whole, distinct))
    number = Column(name, "number", decimals=kinds.decimals(there))
    values, _ = number.numbers(there)
    if whole and len(distinct) == len(there):
        how = f"""to keep it, write {_key(name)} = "number" in a file for --types"""
        return (
            Column(name, "ignore"),
            f"column '{name}': no two of its {len(there):,} whole numbers are equal; treated as identifiers and left out ({how})",
        )
    counted = whole and 0 <= values.min() <= BEGINS and values.max() <= LARGEST and values.var() >= DISPERSED * values.mean()
    return (replace(number, kind="count") if counted else number), ""


def _key(name: str) -> str:
    """A name as a TOML key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _category(name: str, distinct: set[str]) -> Column:
    if len(distinct) > MOST_LEVELS:
        raise DataError(f"column '{name}' has {len(distinct):,} categories, and at most {MOST_LEVELS:,} are allowed; specify ignore")
    numeric = all(map(kinds.is_number, distinct))
    return Column(name, "category", tuple(sorted(distinct, key=(lambda text: (float(text), text)) if numeric else str)))


def standardized(schema: Schema, cells: Cells, rows: Sequence[int]) -> Schema:
    """The schema with location and scale of numbers, dates and counts: from the training ``rows``, or from all where those are equal.

    Errors: DataError where values are too far apart for double precision.
    """
    columns = [_standardized(column, column.numbers(cells[column.name])[0], rows) for column in schema.modelled]
    new = {column.name: column for column in columns}
    return Schema(tuple(new.get(column.name, column) for column in schema.columns))


def _standardized(column: Column, values: npt.NDArray[np.float64], rows: Sequence[int]) -> Column:
    if column.kind not in ("number", "date", "count"):
        return column
    if column.kind == "count":
        values = np.log1p(values)
    for some in (values[list(rows)], values):
        there = some[~np.isnan(some)]
        if len(there) and there.min() < there.max():
            with np.errstate(over="ignore", invalid="ignore"):
                loc, scale = float(there.mean()), float(there.std())
            if not (np.isfinite(loc) and 0 < scale < np.inf):
                raise DataError(f"column '{column.name}' goes from {there.min():g} to {there.max():g}, too far for double precision")
            return replace(column, loc=loc, scale=scale)
    return replace(column, loc=float(values[~np.isnan(values)][0]))
