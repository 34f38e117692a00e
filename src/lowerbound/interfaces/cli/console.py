"""What is printed: notes on stderr, and answers as text and as JSON."""

from __future__ import annotations

import math
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from lowerbound.data import Schema, dates
from lowerbound.data.column import Column
from lowerbound.data.marginals import Marginal
from lowerbound.evaluation.diagnosis import FEW_DRAWS
from lowerbound.interfaces.cli.answer import Answer as Answer
from lowerbound.recipes.zoo import Named
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import Run
from lowerbound.system.numbers import UNKNOWN, fixed

LEVELS = 6  # levels of a category that are shown, at most
#: the laws of counts and of dates in words
COUNTS = {"poisson": "Poisson", "negative-binomial": "negative binomial", "zero-inflated": "negative binomial with more zeros"}
DATES = {"linear": "about one time", "asinh": "about one time, some far from it", "logit": "between"}


def notes(args: Namespace, lines: Sequence[str]) -> None:
    """Print notes on stderr, and keep them for the answer."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
    args.notes.extend(lines)


def begun(args: Namespace, answer: Answer) -> None:
    """Print the answer of a verb that goes on until it is ended."""
    print(answer.json(args.notes) if args.json else answer.text, flush=True)


def status(line: str) -> None:
    """Print on stderr how far a long computation is."""
    print(line, file=sys.stderr, flush=True)


# --- answers ---------------------------------------------------------------------------------------


def trained(args: Namespace, experiment: Experiment, result: dict[str, Any]) -> Answer:
    """The result of a training that has ended; those of its notes that are new go to stderr."""
    notes(args, [note for note in result["notes"] if note not in args.notes])
    pace = f"{result['epochs']} epochs in {result['seconds']:.1f} s of training, {result['images_per_second']:,.0f} examples/s"
    if (waiting := result.get("seconds_waiting")) is not None:
        pace += f", {waiting:.1f} s waiting for data"
    if experiment.is_out_of_patience:
        pace += f"; ended there, no better held-out bound within --patience {experiment.run.recipe.patience}"
    return Answer(f"{_score(result['test'])}\n{pace}\nreport: {experiment.run.folder / layout.REPORT}", result)


def interrupted(experiment: Experiment) -> Answer:
    """The state of a training that was asked to stop."""
    folder, step, epochs = experiment.run.folder, experiment.state.step, experiment.run.recipe.epochs
    done = experiment.epochs_done
    again = f"lowerbound resume {shlex.quote(str(folder))}"
    text = f"stopped after step {step:,}, {done} of {epochs} epochs done; all is saved. Go on with: {again}"
    return Answer(text, {"run": str(folder), "interrupted": True, "step": step, "epochs": done}, interrupted=True)


def _score(score: dict[str, Any]) -> str:
    bound, log_likelihood, kl = (fixed(score[name], 2) for name in ("bound", "log_likelihood_term", "kl"))
    error = fixed(score["bound_se"], 2)
    error = "" if error == UNKNOWN else f" ± {error}"
    bits = fixed(score["bits_per_dim"], 4)
    return f"test bound {bound}{error} nats per example (E[log p(x|z)] {log_likelihood}, KL {kl}); {bits} bits/dim"


def few_draws(args: Namespace, ess: Tensor, of: str) -> None:
    """Print a note where some of the effective numbers of draws ``(N,)`` are too low; ``of`` says of what."""
    few = int((ess < FEW_DRAWS).sum())
    if few:
        notes(args, [f"fewer than {FEW_DRAWS} effective draws for {few:,} of {len(ess):,} {of}; ask for more --samples"])


def shown(run: Run) -> Answer:
    """What a run is: its recipe, data, training, scores and size."""
    history, result, record, spec = run.history(), run.result(), run.record, run.spec
    weights = sum(parameter.numel() for parameter in run.vae.parameters())
    size = sum(file.stat().st_size for file in run.folder.rglob("*") if file.is_file())
    parts = f"{record.train:,} training, {record.validation:,} validation and {record.test:,} test examples"
    lines = [
        f"{run.folder}",
        "  recipe    " + "  ".join(f"{name}={value}" for name, value in run.recipe.words().items()),
        f"  data      {' × '.join(map(str, spec.event_shape))} values per example; {parts}",
        f"  training  {len(history)} of {run.recipe.epochs} epochs",
        f"  scores    {_score(result['test']) if result else 'none yet: the training has not ended'}",
        *(f"  note      {note}" for note in (result or {}).get("notes", [])),
        f"  size      {weights:,} weights, {size / 1e6:.1f} MB on disk",
    ]
    if spec.schema is not None:
        rows = [{"column": column.name, "kind": column.kind, "of": described(column)} for column in spec.schema.columns]
        lines += ["  columns", *(f"    {line}" for line in table(rows).splitlines())]
    values = {
        "run": str(run.folder),
        "recipe": run.recipe.words(),
        "data": {**record.words(), "schema": None if spec.schema is None else asdict(spec.schema)},
        "epochs": len(history),
        "result": result,
        "weights": weights,
        "bytes": size,
    }
    return Answer("\n".join(lines), values)


def named(zoo: Mapping[str, Named]) -> Answer:
    """The models known by name, and the options of each."""
    width, sources = max(map(len, zoo)), max(len(row.source) for row in zoo.values())
    lines = []
    for name, row in zoo.items():
        words = " ".join(f"--{word.replace('_', '-')} {value}" for word, value in row.words.items()) or "as it is"
        lines.append(f"{name:<{width}}  {row.source:<{sources}}  {words}")
    return Answer("\n".join(lines), {"recipes": {name: asdict(row) for name, row in zoo.items()}})


def listed(rows: Sequence[dict[str, Any]]) -> Answer:
    """The named data sets."""
    width = max(len(row["name"]) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{row['name']:<{width}}  {row['what']}")
        state = f"missing {', '.join(row['missing'])}: downloaded there at first use" if row["missing"] else "ready"
        lines.append(f"{'':<{width}}  {row['place']} ({state})")
    return Answer("\n".join(lines), {"data": list(rows)})


def columns(path: str, schema: Schema, cells: Mapping[str, Sequence[str | None]], label: str | None) -> Answer:
    """The kinds of the columns of a table, one of which may be labels, each with an example, and how many cells are missing."""
    rows = [
        {
            "column": column.name,
            "kind": "label" if column.name == label else column.kind,
            "missing": sum(text is None for text in cells[column.name]),
            "of": described(column),
            "example": next((text for text in cells[column.name] if text is not None), ""),
        }
        for column in schema.columns
    ]
    return Answer(table(rows), {"table": path, "rows": len(cells[schema.columns[0].name]), "columns": rows})


def described(column: Column) -> str:
    """The levels of a column, or its location and scale, or its middle and what its marginal law is, in words."""
    match column.kind:
        case "category" | "ordinal" | "boolean":
            between = " < " if column.kind == "ordinal" else ", "
            shown = between.join(column.levels[:LEVELS])
            return f"{shown}{between}… ({len(column.levels):,})" if column.levels[LEVELS:] else shown
        case "number" if column.marginal is not None:
            return f"about {column.middle:.4g}, {column.marginal.described}"
        case "number":
            return f"{column.loc:.4g} ± {column.scale:.4g}"
        case "date" if column.marginal is not None:
            return f"about {dates.as_date(column.middle, column.format, column.spelling)}, {_of_dates(column, column.marginal)}"
        case "date":
            return f"{dates.as_date(column.loc, column.format, column.spelling)} ± {column.unit:.4g} days"
        case "count":
            return ", ".join(filter(None, (f"about {math.expm1(column.loc):.4g}", COUNTS.get(column.law, ""))))
        case _:
            return ", ".join(column.levels)


def _of_dates(column: Column, marginal: Marginal) -> str:
    """Spikes and the law of the others, in words; the ends of one between two times."""
    spikes = ", ".join(dates.as_date(spike, column.format, column.spelling) for spike in marginal.spikes)
    ends = [dates.as_date(end, column.format, column.spelling) for end in (marginal.low, marginal.high) if end is not None]
    law = DATES[marginal.law] + (f" {' and '.join(ends)}" if ends else "")
    return f"often {spikes}, {law}" if spikes else law


def of_machine(found: dict[str, Any]) -> Answer:
    """A machine, and of each question what is chosen, and how long each way takes."""
    said = {name: value for name, value in found.items() if name != "chosen"}
    wide = max(map(len, said)) + 2
    lines = [f"{name.ljust(wide)}{_cell(value)}" for name, value in said.items()]
    for title, choice in found["chosen"].items():
        measured = ", ".join(f"{way} {each:.3g}" for way, each in choice["milliseconds"].items())
        lines.append(f"{title}: {_answered(choice['answer'])}")
        lines.append(f"  ms: {measured}" if measured else "  not measured: nothing can be kept here")
    return Answer("\n".join(lines), found)


def _answered(answer: str | float) -> str:
    return answer if isinstance(answer, str) else f"{answer:.3g}" if answer < 1 else f"{answer:,.0f}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of the same keys as aligned text: words to the left, numbers to the right."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [isinstance(value, str) for value in rows[0].values()]
    lines = [[cell.ljust(w) if to_left else cell.rjust(w) for cell, w, to_left in zip(line, widths, left, strict=True)] for line in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(value: str | float | int) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
