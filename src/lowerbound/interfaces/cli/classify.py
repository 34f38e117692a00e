"""``lowerbound classify``: the predicted class of each example and its probability, as a table."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from lowerbound.data import writing
from lowerbound.data.labels import COLUMN
from lowerbound.evaluation import calibration
from lowerbound.evaluation.calibration import Calibration, Classification
from lowerbound.evaluation.words import of_calibration
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import part_of
from lowerbound.runs import run as runs
from lowerbound.system.numbers import percent
from lowerbound.vae.semi_supervised import classifier_of


def classify(args: Namespace) -> Answer:
    """Write a row per example."""
    path = of_kind(args.output, *writing.WRITERS)
    run = runs.load(args.run, args.device)
    classifier_of(run.vae)
    found, splits = run.calibration(), run.read(args.data, args.data_dir)
    console.notes(args, splits.notes)
    data = part_of(splits, args.split)
    log_q = calibration.log_probabilities(run.vae, data)
    probabilities, predicted = calibration.scaled(log_q, found.temperature).exp(), log_q.argmax(1)
    columns: dict[str, Any] = {
        "row": list(range(len(data))),
        COLUMN: [run.spec.classes[number] for number in predicted.tolist()],
        "probability": probabilities.gather(1, predicted[:, None])[:, 0].tolist(),
        **{f"p_{name}": column.tolist() for name, column in zip(run.spec.classes, probabilities.T, strict=True)},
    }
    if data.names is not None:
        columns["true"] = data.names
    writing.write(path, columns)
    known = calibration.classification(log_q, data.labels, found)
    seen = run.is_own(args.data) and data is not splits.test
    values = {"run": args.run, "output": str(path), "n": len(data), "columns": list(columns), **_values(found, known)}
    return Answer(f"{len(data):,} examples{_accuracy(known, seen)}; {of_calibration(found)}: {path}", values)


def _values(found: Calibration, known: Classification | None) -> dict[str, Any]:
    return {
        "temperature": found.temperature,
        "calibrated_on": found.calibrated_on,
        "labels": 0 if known is None else known.labels,
        "accuracy": None if known is None else known.accuracy,
        "accuracy_se": None if known is None else known.accuracy_se,
    }


def _accuracy(known: Classification | None, seen: bool) -> str:
    if known is None:
        return ""
    trained = " (some of these examples were trained on)" if seen else ""
    return f", accuracy {known.accuracy:.1%} ± {percent(known.accuracy_se, 1)} on {known.labels:,} known labels{trained}"
