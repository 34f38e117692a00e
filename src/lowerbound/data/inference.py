"""From a table's cells to the kinds of its columns: inferred, or specified by the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lowerbound.data import cells as kinds
from lowerbound.data import count_choice, dates, marginal_choice, missing_marks, spellings, whole_numbers
from lowerbound.data.column import MOST_LEVELS, UNSEEN, Column
from lowerbound.data.column_words import ColumnWords, TableWords
from lowerbound.data.missing_marks import toml_key
from lowerbound.data.schema import Schema
from lowerbound.data.texts import OTHER, TEXT, Texts
from lowerbound.errors import DataError, nearest

#: most categories of a column that is inferred as one: with more it is text
LEVELS = 256
#: up to this many categories need not repeat
FEW = 20

Cells = Mapping[str, Sequence[str | None]]
#: a column, and notes on how it was taken
Found = tuple[Column, tuple[str, ...]]


def infer(cells: Cells, words: TableWords, types: Mapping[str, str]) -> tuple[Schema, tuple[str, ...]]:
    """The schema of a table, and notes on what was left out; ``words`` override inference, ``types`` are those of the file.

    Errors: DataError for a specified column that does not exist or cannot be of that type; where no column is left.
    """
    for name in words.columns:
        if name not in cells:
            raise DataError(f"the table has no column '{name}', which the types specify{nearest(name, cells)}")
    found = [_column(name, Texts.of(texts), words.of(name), types.get(name, "")) for name, texts in cells.items()]
    schema, notes = Schema(tuple(column for column, _ in found)), [note for _, several in found for note in several]
    elsewhere = [mark for column in schema.columns for mark in column.missing]
    notes += [note for column in schema.columns for note in missing_marks.levels(column, elsewhere)]
    if not schema.modelled:
        raise DataError(f"no column is left to learn from: {'; '.join(notes) or 'all are ignored'}")
    return schema, tuple(notes)


def _column(name: str, texts: Texts, words: ColumnWords, of_file: str) -> Found:
    """The column, with the marks of missing cells that it was read by."""
    marks = missing_marks.known(texts, words, of_file == TEXT)
    column, notes = _kept(name, texts.without(marks), words, of_file)
    missing = (*words.missing, *sorted(marks))
    return replace(column, missing=missing, keep=words.keep), (*missing_marks.taken(name, texts, marks), *notes)


def _kept(name: str, texts: Texts, words: ColumnWords, of_file: str) -> Found:
    specified, distinct = words.kind, texts.distinct
    if specified is not None and specified != "ignore" and not distinct:
        raise DataError(f"column '{name}' is specified as {specified}, but is empty; leave it out of the types")
    if specified == "ignore":
        return Column(name, "ignore"), ()
    if not distinct or of_file == OTHER:
        return _left_out(name, "has a type that is not supported" if distinct else "is empty")
    if len(distinct) == 1:
        only = distinct[0]
        return Column(name, "constant", (only,)), (f"column '{name}' is always '{only[:40]}' and is left out of the model",)
    if specified is not None:
        return _specified(name, texts, words), ()
    return _inferred(name, texts, words, of_file)


def _left_out(name: str, why: str, how: str = "") -> Found:
    return Column(name, "ignore"), (f"column '{name}' {why} and is left out{how}",)


def _specified(name: str, texts: Texts, words: ColumnWords) -> Column:
    kind, _, form = str(words.kind).partition(":")
    match kind:
        case "category":
            return _category(name, texts.distinct)
        case "ordinal":
            return _ordinal(name, texts, words.ordinal)
        case "boolean":
            spelled = kinds.truths(texts.distinct)
            if spelled is None:
                pairs = ", ".join("/".join(pair) for pair in kinds.TRUTHS)
                raise DataError(f"column '{name}' is specified as boolean, but its values are not a pair among {pairs}; specify category")
            return Column(name, kind, spelled)
        case "date":
            form = form or _form(name, texts.distinct)
            if dates.moment(dates.as_date(0.0, form), form) is None:
                raise DataError(f"column '{name}': '{form}' is not a date format; write one such as date:%d/%m/%Y")
            column = Column(name, kind, format=form, spelling=dates.zone_of(texts.distinct, form))
        case _:
            spelling = "" if texts.typed else words.spelling or _spelling(name, texts.distinct)
            column = _spelled(name, kind, texts, spelling)
    column.numbers(texts)
    return column


def _form(name: str, texts: Sequence[str]) -> str:
    """The format of dates that are specified without one. Errors: DataError where the day or the month may be first."""
    form, either = dates.date_format(texts, *dates.MIDNIGHTS), dates.either_first(texts)
    if form is None and len(either) > 1:
        raise DataError(f"column '{name}': {dates.ambiguity(either)}; specify {' or '.join(f'date:{each}' for each in either)}")
    return form or "".join(either) or dates.FORMATS[0]


def _spelling(name: str, texts: Sequence[str]) -> str:
    """How numbers are written that are specified as such. Errors: DataError where they may be written in two ways."""
    if not np.isnan(kinds.numbers(texts)).any():
        return ""
    found = spellings.recognised(texts)
    if len(found) > 1:
        raise DataError(f"column '{name}': {spellings.ambiguity(found)}; say spelling = \"{found[0].example}\", or the other")
    return found[0].example if found else ""


def _spelled(name: str, kind: str, texts: Texts, spelling: str) -> Column:
    """A column of numbers in a spelling, with the decimals that they are written with."""
    decimals, zeros = kinds.places(spellings.reader(spelling).plain_texts(texts.distinct))
    return Column(name, kind, decimals=decimals, zeros=zeros, spelling=spelling)


def _inferred(name: str, texts: Texts, words: ColumnWords, of_file: str) -> Found:
    distinct = texts.distinct
    if words.spelling:
        return _numeric(name, texts, "" if texts.typed else words.spelling)
    if of_file == TEXT:
        return _of_texts(name, texts)
    spelled = kinds.truths(distinct)
    if spelled is not None:
        return Column(name, "boolean", spelled), ()
    if kinds.are_numbers(distinct):
        return _numeric(name, texts, "")
    form = dates.date_format(distinct, *dates.MIDNIGHTS)
    if form is None:
        return _as_people_write(name, texts) or _of_texts(name, texts, missing_marks.others(name, texts))
    several = "%z" in form and len(dates.zones(distinct)) > 1
    note = (f"column '{name}': its dates are of several time zones; new ones are written in UTC",) if several else ()
    return Column(name, "date", format=form, spelling=dates.zone_of(distinct, form)), note


def _as_people_write(name: str, texts: Texts) -> Found | None:
    """Numbers and dates of which there are several ways to write them: left out where no value says which; None for all else."""
    found, either, key = spellings.recognised(texts.distinct), dates.either_first(texts.distinct), toml_key(name)
    if len(found) > 1:
        how = f'; write {key} = {{spelling = "{found[0].example}"}}, or the other, in a file for --types'
        return _left_out(name, f"is ambiguous ({spellings.ambiguity(found)})", how)
    if found:
        column, notes = _numeric(name, texts, found[0].example)
        return column, (f"column '{name}' is read as numbers that are written like {found[0].example}", *notes)
    if len(either) > 1:
        how = f'; write {key} = "date:{either[0]}", or date:{either[1]}, in a file for --types'
        return _left_out(name, f"is ambiguous ({dates.ambiguity(either)})", how)
    if either:
        return Column(name, "date", format=either[0]), (f"column '{name}' is read as dates {either[0]}: some could not be otherwise",)
    return None


def _of_texts(name: str, texts: Texts, notes: tuple[str, ...] = ()) -> Found:
    distinct, there = texts.distinct, texts.there
    how = f"""to keep it, write {toml_key(name)} = "category" in a file for --types"""
    if len(distinct) == there:
        why = f"column '{name}': no two of its {there:,} texts are equal; treated as identifiers and left out ({how})"
        return Column(name, "ignore"), (*notes, why)
    if len(distinct) > LEVELS or len(distinct) > max(FEW, there // 2):
        why = f"column '{name}' has {len(distinct):,} different texts and is left out ({how})"
        return Column(name, "ignore"), (*notes, why)
    return _category(name, distinct), notes


def _numeric(name: str, texts: Texts, spelling: str) -> Found:
    column = _spelled(name, "number", texts, spelling)
    values, _ = column.numbers(texts)
    read = spellings.reader(spelling)
    whole = all(map(kinds.is_whole, read.plain_texts(texts.distinct)))
    if whole and len(texts.distinct) == texts.there:
        how = f"""to keep it, write {toml_key(name)} = "number" in a file for --types"""
        why = f"no two of its {texts.there:,} whole numbers are equal; treated as identifiers and left out ({how})"
        return Column(name, "ignore"), (f"column '{name}': {why}",)
    values = values[~np.isnan(values)]
    kind = "count" if whole and whole_numbers.are_counts(values) else "number"
    notes = whole_numbers.codes(name, values) if whole else ()
    return replace(column, kind=kind), (*missing_marks.far(name, texts, read(texts.distinct)), *notes)


def _category(name: str, distinct: Sequence[str]) -> Column:
    if len(distinct) > MOST_LEVELS:
        raise DataError(f"column '{name}' has {len(distinct):,} categories, and at most {MOST_LEVELS:,} are allowed; specify ignore")
    plain = spellings.PLAIN.plain_texts(distinct)
    order = [*map(float, plain)] if all(map(kinds.is_number, plain)) else [0.0] * len(plain)
    return Column(name, "category", tuple(text for _, text in sorted(zip(order, distinct, strict=True))))


def _ordinal(name: str, texts: Texts, levels: tuple[str, ...]) -> Column:
    """A column of levels in their order, that of numbers where none is specified. Errors: DataError for a text that is no level."""
    if not levels and not all(map(kinds.is_number, spellings.PLAIN.plain_texts(texts.distinct))):
        raise DataError(f"column '{name}': its texts are no numbers; write ordinal = [...] with all levels, the least first")
    column = Column(name, "ordinal", levels or _category(name, texts.distinct).levels)
    row = texts.first(column.numbers(texts)[0] == UNSEEN)
    if row is not None:
        raise DataError(f"{texts.where(name, row)}: '{str(texts[row])[:40]}' is none of its levels; add it to ordinal, or to missing")
    return column


def standardized(schema: Schema, cells: Cells, rows: Sequence[int], words: TableWords) -> Schema:
    """The schema with location and scale of numbers, dates and counts: from the training ``rows``, or from all where those are equal.

    Numbers have a marginal law besides, by the ``words`` or their values; dates and counts have one by these.

    Errors: DataError where values are too far apart for double
    precision, or beyond bounds that are specified.
    """
    train = np.array(rows)
    columns = []
    for column in schema.modelled:
        values, _ = column.numbers(cells[column.name])
        made = _standardized(column, values, train)
        columns.append(_with_law(made, values, train, words.of(column.name)))
    new = {column.name: column for column in columns}
    return Schema(tuple(new.get(column.name, column) for column in schema.columns))


def _with_law(column: Column, values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], words: ColumnWords) -> Column:
    """The column with the law of its values: by those of the training ``rows``."""
    match column.kind:
        case "number":
            return marginal_choice.chosen(column, values, rows, words)
        case "date":
            return marginal_choice.chosen_of_dates(column, values, rows)
        case "count":
            return replace(column, law=count_choice.chosen(values[rows][~np.isnan(values[rows])]))
        case _:
            return column


def _standardized(column: Column, values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]) -> Column:
    if column.kind == "ordinal":
        found = np.bincount(values[rows][~np.isnan(values[rows])].astype(int), minlength=column.classes) + 0.5  # none is impossible
        return replace(column, shares=tuple((found / found.sum()).tolist()))
    if column.kind not in ("number", "date", "count"):
        return column
    if column.kind == "count":
        values = np.log1p(values)
    for some in (values[rows], values):
        there = some[~np.isnan(some)]
        if len(there) and there.min() < there.max():
            with np.errstate(over="ignore", invalid="ignore"):
                loc, scale = float(there.mean()), float(there.std())
            if not (np.isfinite(loc) and 0 < scale < np.inf):
                raise DataError(f"column '{column.name}' goes from {there.min():g} to {there.max():g}, too far for double precision")
            return replace(column, loc=loc, scale=scale)
    return replace(column, loc=float(values[~np.isnan(values)][0]))
