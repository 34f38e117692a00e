"""``lowerbound compress`` and ``decompress``: data to a file and back, beside the bound and general compressors."""

from __future__ import annotations

import math
import re
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import Dataset, csv_files
from lowerbound.data.units import as_stored
from lowerbound.errors import DataError, OutputError, UsageError, reason
from lowerbound.evaluation.mean_bound import mean_bound
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, first
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import save_array, save_arrays, written
from lowerbound.tasks import lossless
from lowerbound.vae.objectives.elbo import ELBO

SUFFIX = ".lbz"
CPU = "cpu"  # where fixed point is computed
SILENT = 30.0  # seconds at most without a line, where there is no bar


def compress(args: Namespace) -> Answer:
    """Write the file; its size beside what the bound says and what others need."""
    path = of_kind(args.output, SUFFIX)
    run = runs.load(args.run, CPU)
    began = time.perf_counter()
    if run.spec.schema is not None:
        return _of_table(args, path, run)
    data = asked_for(run, args)
    data = data if args.rows is None else first(data, args.rows)
    header, sizes, bound = _written(path, run, lossless.compressed(run, data, block=args.block, seed=args.seed, particles=args.particles))
    seconds = time.perf_counter() - began
    if header.seed is not None:
        console.notes(args, [f"grey pixels were binarized (seed {header.seed}): the file holds those zeros and ones"])
    return _answer(args, path, header, seconds, sizes, bound)


def _of_table(args: Namespace, path: Path, run: Run) -> Answer:
    """A table's file; there is no bound beside it: a model has a density of numbers, and not a probability."""
    if args.rows is not None or args.split is not None:
        raise UsageError("a table's file is compressed whole, so that its bytes come back; leave out --rows and --split")
    source, began = Path(args.data or run.recipe.data), time.perf_counter()
    header, sizes, _ = _written(path, run, lossless.compressed(run, source, block=args.block, particles=args.particles))
    sizes = {**sizes, **lossless.general(csv_files.content_of(source))}
    rows = [{"by": name, "bytes": size} for name, size in sorted(sizes.items(), key=lambda item: item[1])]
    values = {"run": args.run, "output": str(path), "n": header.n, "seconds": time.perf_counter() - began, "bytes": sizes}
    return Answer(f"{console.table(rows)}\n{header.n:,} rows in {sizes['lowerbound']:,} bytes: {path}", values)


def _written(path: Path, run: Run, parts: Iterator[lossless.Part]) -> tuple[lossless.Header, dict[str, int], float]:
    """Write the parts; the header, how many bytes each compressor needs, and the mean bound, in nats, of what was written."""
    begin = next(parts)
    header, others = begin.header, lossless.General(begin.header.top + bool(begin.header.missing), begin.header.event)
    objective = ELBO(run.parts.objective.kl)
    with written(path) as file, _progress(header.n, "compressed") as done:
        size, bound = file.write(begin.content), 0.0
        for number, part in enumerate(parts):
            size += file.write(part.content)
            if part.values is not None and part.numbers is not None:
                others.add(part.numbers)
                found = mean_bound(run.vae, Dataset(part.values, part.labels), objective=objective, seed=number)
                bound += found.bound * part.n / header.n
            done(part.n)
    return header, {"lowerbound": size, **others.end()}, bound


def _answer(args: Namespace, path: Path, header: lossless.Header, seconds: float, sizes: dict[str, int], bound: float) -> Answer:
    values = max(1, header.n * math.prod(header.event) - header.missing)
    bits = {"−bound": -bound * header.n / math.log(2) / values} | {name: 8 * size / values for name, size in sizes.items()}
    shortest_first = sorted(bits.items(), key=lambda item: item[1])
    shown = [{"by": name, "bits/dim": bit, "bytes": sizes.get(name, round(bit * values / 8))} for name, bit in shortest_first]
    text = f"{header.n:,} examples in {sizes['lowerbound']:,} bytes: {path}"
    found: dict[str, Any] = {"run": args.run, "output": str(path), "n": header.n, "values": values, "seconds": seconds, "bytes": sizes}
    found |= {"bits_per_dim": {name.removeprefix("−"): bit for name, bit in bits.items()}, "binarized": header.seed is not None}
    return Answer(f"{console.table(shown)}\n{text}", found)


def decompress(args: Namespace) -> Answer:
    """Write the examples of a file."""
    path, source = of_kind(args.output, ".npy", ".npz", *csv_files.SUFFIXES), Path(args.file)
    wanted = _rows(args.rows)
    try:
        with source.open("rb") as file:
            header = lossless.Header.read(file, args.file)
            if (header.table is None) == (path.suffix in csv_files.SUFFIXES):
                raise OutputError(f"{source} holds {'examples' if header.table is None else 'a table'}; name the output {_kinds(header)}")
            run, rows, began = _run_of(header, source, args.run), range(header.n)[wanted], time.perf_counter()
            file.seek(0)
            with _progress(len(rows), "decompressed") as done:
                parts = list(_counting(lossless.decompressed(run, file, rows, args.file), done))
            seconds = time.perf_counter() - began
    except OSError as error:
        raise DataError(f"{source}: {reason(error)}") from error
    _write(path, run, parts)
    text = f"{len(rows):,} {'examples' if header.table is None else 'rows'}, as they were: {path}"
    return Answer(text, {"file": args.file, "run": str(run.folder), "output": str(path), "n": len(rows), "seconds": seconds})


def _kinds(header: lossless.Header) -> str:
    return " or ".join(f"FILE{kind}" for kind in ((".npy", ".npz") if header.table is None else csv_files.SUFFIXES))


def _write(path: Path, run: Run, parts: Sequence[torch.Tensor | bytes]) -> None:
    if path.suffix in csv_files.SUFFIXES:
        with written(path) as file:
            file.writelines(part for part in parts if isinstance(part, bytes))
        return
    array = as_stored(torch.cat([part for part in parts if isinstance(part, torch.Tensor)]), run.spec, run.recipe.invert)
    if path.suffix == ".npy":
        save_array(path, array)
    else:
        save_arrays(path, {"data": array})


def _rows(written: str | None) -> slice:
    """``0:1000`` → a slice. Errors: UsageError."""
    found = re.fullmatch("([0-9]*):([0-9]*)", written or ":")
    if found is None:
        raise UsageError(f"--rows '{written}' is not understood; write the first row and the one after the last, as 0:1000")
    first, end = (int(number) if number else None for number in found.groups())
    return slice(first, end)


def _run_of(header: lossless.Header, source: Path, said: str | None) -> Run:
    """The run of a file: where it is said to be, or was, seen from here or from the file. Errors: UsageError where it is in neither."""
    if said is not None:
        return runs.load(said, CPU)
    if not header.run:
        raise UsageError(f"{source} was written by a model that was no run; say which run has it with --run")
    for folder in (Path(header.run), source.parent / header.run):
        if folder.is_dir():
            return runs.load(folder, CPU)
    raise UsageError(f"{source} was written by the run {header.run}, which is not there; say where it is with --run")


def _counting(parts: Iterator[torch.Tensor | bytes], done: Any) -> Iterator[torch.Tensor | bytes]:
    for part in parts:
        done(len(part) if isinstance(part, torch.Tensor) else 0)
        yield part


@contextmanager
def _progress(total: int, verb: str) -> Iterator[Any]:
    """Something to call with how many more examples are done: a bar on a terminal, a line now and then elsewhere."""
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(verb, total=total)
            yield lambda n: bar.advance(task, n)
        return
    count, printed = 0, time.perf_counter()

    def show(n: int) -> None:
        nonlocal count, printed
        count += n
        if time.perf_counter() - printed > SILENT:
            printed = time.perf_counter()
            console.status(f"{count:,} of {total:,} {verb}")

    yield show
