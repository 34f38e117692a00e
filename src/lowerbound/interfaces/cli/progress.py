"""The progress of a training, or of other long work, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lowerbound.interfaces.cli.console import notes, status
from lowerbound.runs.trainer import Trainer
from lowerbound.training.loop import Record

QUIET = 1.0  # seconds at least between two plain lines
SILENT = 30.0  # seconds at most without one
REFRESH = 0.2  # seconds between two looks at a device's numbers


@contextmanager
def progress(args: Namespace, trainer: Trainer) -> Iterator[Callable[[Record], None]]:
    """Something to call with each record: a bar on a terminal, plain lines elsewhere."""
    printed = 0

    def print_news() -> None:
        """What was noted since."""
        nonlocal printed
        notes(args, trainer.notes[printed:])
        printed = len(trainer.notes)

    if not trainer.setup.group.is_rank_zero:
        yield lambda record: None
        return
    print_news()
    with (_bar if sys.stderr is not None and sys.stderr.isatty() else _lines)(trainer) as show:

        def each(record: Record) -> None:
            """A record and what was noted before it."""
            print_news()
            show(record)

        try:
            yield each
        finally:
            print_news()


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Something to call with what is being done now: one line that changes on a terminal, a line each elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield status
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("") as line:
        yield lambda words: line.update(escape(words))


class Pace:
    """How fast a training goes, and how long it will."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.total = trainer.run.recipe.epochs * trainer.steps_an_epoch
        self.first = trainer.setup.state.step
        self.started = time.perf_counter()

    def rate(self, step: int) -> float:
        """Examples a second so far, scoring and saving included."""
        rows_a_step = len(self.trainer.setup.train) / self.trainer.steps_an_epoch
        return (step - self.first) * rows_a_step / max(time.perf_counter() - self.started, 1e-9)

    def left(self, step: int) -> float:
        """Seconds to the end, at this pace."""
        done = max(step - self.first, 1)
        return (time.perf_counter() - self.started) / done * (self.total - step)


@contextmanager
def _bar(trainer: Trainer) -> Iterator[Callable[[Record], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    pace = Pace(trainer)
    words = TextColumn("{task.fields[words]}")
    looked = 0.0
    with Progress(TextColumn("{task.description}"), BarColumn(), words, console=Console(stderr=True)) as bar:
        task = bar.add_task(_epoch(trainer, trainer.epochs_done), total=pace.total, completed=pace.first, words="")

        def show(record: Record) -> None:
            """Bring the bar up to date, at most every ``REFRESH`` seconds."""
            nonlocal looked
            last = record.step == pace.total or (record.ends_epoch and trainer.is_out_of_patience)
            if time.perf_counter() - looked > REFRESH or last:
                looked = time.perf_counter()
                text = f"{_bounds(trainer, record)}  {pace.rate(record.step):,.0f} examples/s  {_clock(pace.left(record.step))} left"
                bar.update(task, completed=record.step, description=_epoch(trainer, record.epoch), words=text)

        yield show


@contextmanager
def _lines(trainer: Trainer) -> Iterator[Callable[[Record], None]]:
    pace = Pace(trainer)
    printed = pace.started

    def show(record: Record) -> None:
        """A line at the end of an epoch, unless one was printed just now, and else every ``SILENT`` seconds."""
        nonlocal printed
        silent = time.perf_counter() - printed
        last = record.step == pace.total or (record.ends_epoch and trainer.is_out_of_patience)
        if (record.ends_epoch and silent > QUIET) or silent > SILENT or last:
            printed = time.perf_counter()
            where = _epoch(trainer, record.epoch)
            if not record.ends_epoch:
                where += f" step {record.step:,}"
            pacing = f"{pace.rate(record.step):,.0f} examples/s  {_clock(pace.left(record.step))} left"
            print(f"{where}  {_bounds(trainer, record)}  {pacing}", file=sys.stderr, flush=True)

    yield show


def _epoch(trainer: Trainer, epoch: int) -> str:
    total = str(trainer.run.recipe.epochs)
    return f"epoch {epoch:>{len(total)}}/{total}"


def _bounds(trainer: Trainer, record: Record) -> str:
    """Of the epoch that ended, or of a step amid one."""
    latest = trainer.latest
    if latest is None or not record.ends_epoch:
        return _in_words({"bound": record.bound, "log_likelihood_term": record.log_likelihood})
    held_out = f"  held out {_in_words(latest['validation'])}" if latest["validation"] else ""
    return _in_words(latest["train"]) + held_out


def _in_words(score: Mapping[str, float]) -> str:
    """The bound, or what there is of it: a point for a posterior has none."""
    bound, log_likelihood = score["bound"], score["log_likelihood_term"]
    return f"bound {bound:.2f}" if math.isfinite(bound) else f"E[log p(x|z)] {log_likelihood:.2f}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
