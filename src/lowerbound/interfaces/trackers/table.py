"""The table of trackers. Nothing here imports one, nor torch, so that ``--help`` answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from lowerbound.errors import UsageError, nearest


@dataclass(frozen=True)
class Row:
    """A tracker: where its log is, what it is, and the modules that it needs, which the extra of the same name brings."""

    at: str
    help: str
    needs: tuple[str, ...] = ()


TRACKERS = {
    "csv": Row("csv_files:CsvFiles", "tables in the run's folder"),
    "tensorboard": Row("tensorboard:TensorBoard", "event files in the run's folder", ("tensorboardX",)),
    "mlflow": Row("mlflow_run:MLflow", "MLflow's store", ("mlflow", "sqlalchemy", "alembic")),
    "wandb": Row("wandb_run:WandB", "Weights & Biases, offline unless WANDB_MODE says otherwise", ("wandb",)),
    "trackio": Row("trackio_run:Trackio", "trackio's store", ("trackio",)),
}


def names(words: Sequence[str]) -> list[str]:
    """The trackers of some words, each one name or several with commas between, none twice. Errors: UsageError for an unknown one."""
    found = [name.strip() for word in words for name in word.split(",")]
    for name in found:
        if name not in TRACKERS:
            raise UsageError(f"unknown tracker '{name}'{nearest(name, TRACKERS)}")
    return list(dict.fromkeys(found))


def must_be_installed(name: str) -> None:
    """Raise UsageError where a module that the tracker needs is not there."""
    missing = [module for module in TRACKERS[name].needs if find_spec(module) is None]
    if missing:
        raise UsageError(f"the tracker {name} needs {' and '.join(missing)}, not installed here: pip install 'lowerbound[{name}]'")
