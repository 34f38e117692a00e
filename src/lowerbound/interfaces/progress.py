"""The progress of a training from Python: a bar in a notebook or on a terminal, beside the records that it yields."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lowerbound.system.arguments import one_of, whole
from lowerbound.training.loop import Record

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH = 0.2  # seconds between two looks at a device's numbers


def progress(records: Iterable[Record], epochs: int | None = None) -> Iterator[Record]:
    """The same records, with a bar of the epoch, the step's bound in nats per example and steps a second; ``epochs`` says where it ends.

    In a notebook the bar is a display of rich's, which needs no widgets; on a terminal it is on stderr, and elsewhere its last line is.
    An interrupt leaves the bar where it was, and ``experiment.train()``, wrapped once more, goes on.
    Errors: UsageError for ``epochs`` or ``records`` that are none.

    >>> import torch
    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    >>> steps = list(lb.progress(lb.fit(parts.vae, torch.rand(100, 6), epochs=2), epochs=2))
    >>> [step.step for step in steps]
    [1, 2]
    """
    records = one_of("records", records, Iterable, "lb.fit(…) or experiment.train()")
    return _each(records, None if epochs is None else whole("epochs", epochs, 1))


def _each(records: Iterable[Record], epochs: int | None) -> Iterator[Record]:
    started, first, looked, steps = time.perf_counter(), None, 0.0, None
    with _shown() as show:
        for record in records:
            first = record.step - 1 if first is None else first
            steps = record.step / record.epoch if record.ends_epoch else steps
            total = None if None in (steps, epochs) else round(steps * epochs)  # type: ignore[operator]
            if time.perf_counter() - looked > REFRESH or record.step == total:
                looked = time.perf_counter()
                pace = (record.step - first) / max(looked - started, 1e-9)
                show(_epoch(record, epochs), record.step, total, f"{_bound(record)}  {pace:,.1f} steps/s")
            yield record


def _epoch(record: Record, epochs: int | None) -> str:
    return f"epoch {record.epoch:,}" + ("" if epochs is None else f"/{epochs:,}")


def _bound(record: Record) -> str:
    """The bound of the step, or what there is of it: a point for a posterior has none."""
    return f"bound {record.bound:.2f}" if math.isfinite(record.bound) else f"E[log p(x|z)] {record.log_likelihood:.2f}"


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int | None, str], None]]:
    """Something to call with what is said before the bar, the step, all steps where they are known, and what is said behind it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), console=console)
    task = bar.add_task("", total=None, words="")
    with _in_notebook(bar) if console.is_jupyter else _on_terminal(bar) as refresh:

        def show(epoch: str, step: int, total: int | None, words: str) -> None:
            bar.update(task, description=epoch, completed=step, total=total, words=words)
            refresh()

        yield show


@contextmanager
def _on_terminal(bar: Progress) -> Iterator[Callable[[], None]]:
    with bar:
        yield lambda: None  # rich looks by itself


@contextmanager
def _in_notebook(bar: Progress) -> Iterator[Callable[[], None]]:
    """By a display that is written anew: rich's own way needs ipywidgets, and says a warning in place of a bar where they are not."""
    from IPython.display import display

    handle = display(bar.make_tasks_table(bar.tasks), display_id=True)
    yield lambda: handle.update(bar.make_tasks_table(bar.tasks))
