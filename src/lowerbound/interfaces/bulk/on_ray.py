"""Parts made by Ray: a pool of actors, each of which reads the run once, reads its pieces where they lie, and writes their parts.

What Ray moves are numbers of parts. A part is a file that gets its name when it is complete, so that an actor that is killed loses what it
had not written, and Ray has another one make that.

Source: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", 2018, https://arxiv.org/abs/1712.05889.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from lowerbound.errors import LowerboundError, UsageError
from lowerbound.interfaces.bulk.job import Engine, Job
from lowerbound.interfaces.bulk.task import Begun

#: bytes of Ray's memory for what it moves, on a machine where it is begun here: numbers alone
STORE = 200 * 2**20
#: where a cluster is, for ``ray.init`` and for us
ADDRESS = "RAY_ADDRESS"
#: what Ray reads when it is imported: nothing is sent to its makers, and nothing printed that an error does not say
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
#: part → the column of Ray's rows
PART = "part"


class Maker:
    """An actor: what it is called with are the numbers of parts, which are then there."""

    def __init__(self, job: Job) -> None:
        self.job, self.begun = job, job.task.begin()

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Ray's arrays may not be written to."""
        for number in batch[PART].tolist():
            self.job.write(self.begun, number)
        return {PART: np.array(batch[PART])}


def engine(workers: int) -> Engine:
    """So many actors. Errors: UsageError where Ray is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray.data
    except ImportError as error:
        raise UsageError("--engine ray needs Ray Data, which is not installed: pip install 'lowerbound[ray]'") from error
    return partial(_made, ray, workers)


def _made(ray: Any, workers: int, job: Job, begun: Begun, numbers: Sequence[int], done: Callable[[int], None]) -> None:
    """Errors: those of the pieces."""
    if not numbers:
        return
    with _connected(ray, workers):
        parts = ray.data.from_items([{PART: number} for number in numbers], override_num_blocks=len(numbers))
        pool = ray.data.ActorPoolStrategy(size=min(workers, len(numbers)), max_tasks_in_flight_per_actor=2)
        gpus = 1 if begun.device.startswith("cuda") else None
        made = parts.map_batches(Maker, fn_constructor_args=(job,), batch_size=1, compute=pool, num_cpus=1, num_gpus=gpus)
        try:
            for row in made.iter_rows():
                done(int(row[PART]))
        except Exception as error:
            raise _ours(error) from None


@contextmanager
def _connected(ray: Any, workers: int) -> Iterator[None]:
    """Within the block, a cluster that is there, or one of this machine alone."""
    if ray.is_initialized():
        yield
        return
    here = {} if ADDRESS in os.environ else {"num_cpus": workers, "include_dashboard": False, "object_store_memory": STORE}
    ray.init(logging_level=logging.ERROR, log_to_driver=False, **here)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _ours(error: BaseException) -> BaseException:
    """The error of ours that Ray brings back within its own, or that itself."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, LowerboundError):
        found = getattr(found, "cause", None) or found.__cause__
    return error if found is None else type(found)(*found.args)
