"""Verbs whose output is a folder: the answer in parts, made here or by Ray; asked again, they make the parts that are not there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lowerbound.data.streams.row_ranges import is_address
from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.bulk import job as jobs
from lowerbound.interfaces.bulk import on_ray
from lowerbound.interfaces.bulk.job import Engine, Job
from lowerbound.interfaces.bulk.task import Asked, Task
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.progress import stages
from lowerbound.interfaces.cli.source import part_of

WORKERS = 2
#: who makes the parts, given how many workers were asked for
ENGINES: dict[str, Callable[[int | None], Engine]] = {
    "here": lambda workers: jobs.here,
    "ray": lambda workers: on_ray.engine(workers or WORKERS),
}
ALONE = "here"  # the engine that has no workers


def is_folder(output: str) -> bool:
    """Whether the answer is to be in parts: of a path that ends in a slash or has no suffix, and of an address."""
    return output.endswith("/") or is_address(output) or not Path(output).suffix


def must_suit(args: Namespace, *others: str) -> None:
    """Raise UsageError for an engine without a folder, workers of none, and for ``others``, options whose answer is not in parts."""
    if args.engine not in ENGINES:
        raise UsageError(f"unknown engine '{args.engine}'{nearest(args.engine, ENGINES)}")
    if args.workers is not None and args.engine == ALONE:
        raise UsageError("--workers is of --engine ray; say that too, or leave it out")
    if not is_folder(args.output):
        if args.engine != ALONE:
            raise UsageError(f"--engine {args.engine} writes a folder of parts, and {args.output} is a file; give a folder: -o parts/")
        return
    given = next((option for option in others if getattr(args, option) is not None), None)
    if given is not None:
        raise UsageError(f"--{given} is of rows that belong together, and they are not written in parts; name a file")


def asked(args: Namespace, rows: int | None = None) -> Asked:
    """The examples that are asked for."""
    return Asked(args.run, args.device, partial(part_of, split=args.split), args.data, args.data_dir, rows)


def in_parts(args: Namespace, task: Task, what: str) -> Answer:
    """Make the parts of a task that are not there. Errors: OutputError for a folder of something else; those of the task."""
    make = ENGINES[args.engine](args.workers)
    begun = task.begin()
    console.notes(args, begun.notes)
    folder = args.output.rstrip("/")
    job = Job(task, folder, begun.rows, begun.size)
    lacking = job.begin(begun)
    made = 0
    with stages() as stage:

        def done(number: int) -> None:
            nonlocal made
            made += 1
            stage(f"{job.parts - len(lacking) + made:,} of {job.parts:,} parts")

        make(job, begun, lacking, done)
    there = job.parts - len(lacking)
    text = f"{begun.rows:,} {what} in {job.parts:,} part{'s' * (job.parts != 1)}: {folder}" + (f"; {there:,} were there" if there else "")
    return Answer(text, {"run": args.run, "output": folder, "n": begun.rows, "parts": job.parts, "made": len(lacking)})
