"""Files of a run as they are read: what is in them is looked at, and damage said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lowerbound.errors import RunError
from lowerbound.runs import layout
from lowerbound.system.files import content


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics; a last line that a crash cut short is left out. Errors: RunError for other damage."""
    path = folder / layout.METRICS
    try:
        texts = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error})") from error
    lines: list[dict[str, Any]] = []
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            for score in (line["train"], line["validation"] or line["train"]):
                must_be_figures(score, "bound", "log_likelihood_term", "kl")
            if type(line["epoch"]) is not int:
                raise ValueError(f"epoch {line['epoch']!r}")
            lines.append({"epoch": line["epoch"], **line})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if number < len(texts):
                raise RunError(f"{path} is damaged in line {number} ({str(error)[:80]}); copy it anew from where it came") from error
    return lines


def read_json(path: Path, *required: str) -> dict[str, Any]:
    """The object of a file, which has at least these keys. Errors: RunError."""
    try:
        value: dict[str, Any] = json.loads(content(path).decode())
        for key in required:
            value[key]
        return value
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(path, error) from error


def must_be_figures(score: dict[str, Any], *names: str) -> None:
    """Raise KeyError or ValueError unless each is there, a number or null."""
    for name in names:
        if not (score[name] is None or type(score[name]) in (int, float)):
            raise ValueError(f"{name} is {score[name]!r}")


def damaged(path: Path, error: Exception) -> RunError:
    """The error of a damaged file."""
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)[:80]
    return RunError(f"{path} is damaged ({what}); train again, or copy it anew from where it came")
