"""Several processes that train one model: their ranks, their shares of a batch, and what they say to one another besides gradients.

Each computes the gradient of its share of a batch, and the sum is what a single process would compute but for rounding: a step's
random numbers belong to its examples, whichever process has them. ``torchrun`` starts them, or ``lowerbound launch``, or Ray.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from lowerbound.errors import LowerboundError, RunError, UsageError
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import key, seeded
from lowerbound.vae.objectives.base import Objective

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """A part of a batch that is computed at once: its ``rows``, how many examples it counts for, and which part it is."""

    rows: Tensor
    weight: int
    number: int = 0


@dataclass(frozen=True)
class ProcessGroup:
    """``size`` processes, of which this is number ``rank``; a single one by default.

    With ``microbatches`` a batch is always computed in so many parts, whichever process has them, and gradients are added in double
    precision: any number of processes then gives the same bits. Flags are sent with the gradients: a flag raised by one is seen by all
    after the next step, so that all act after the same step.
    """

    rank: int = 0
    size: int = 1
    microbatches: int | None = None
    _raised: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def takes_all(self) -> bool:
        """Whether a batch is computed as a whole: in one process, at once."""
        return self.size == 1 and self.microbatches is None

    def in_parts(self, microbatches: int | None) -> ProcessGroup:
        """The same processes, with so many microbatches. Errors: UsageError where some process would have none."""
        if microbatches is not None and microbatches < self.size:
            raise UsageError(f"of {microbatches} microbatches {self.size} processes cannot each have one; start fewer processes")
        return replace(self, microbatches=microbatches)

    # --- shares of a batch -----------------------------------------------------------------------------

    def shares(self, rows: Tensor) -> list[Share]:
        """The parts of a batch for this process; of a batch too small for all the first example, with the weight 0."""
        parts = self.microbatches or self.size
        mine = range(parts)[_part(parts, self.size, self.rank)]
        found = [Share(some := rows[_part(len(rows), parts, number)], len(some), number) for number in mine]
        return [share for share in found if share.weight] or [Share(rows[:1], 0, mine[0])]

    @contextmanager
    def noise(self, share: Share, *words: int | str, device: torch.device, all_by_row: bool = False) -> Iterator[None]:
        """Within the block, random numbers follow from ``words`` and the row: those of a share are as the whole batch would draw them.

        torch's own numbers follow from the words, and differ between shares; where ``all_by_row`` nobody draws them.
        """
        own = key(*words)
        if all_by_row:
            with by_row(own, share.rows, alone=self.takes_all):
                yield
            return
        of_share = () if self.takes_all else ("share", share.number)
        with seeded(*words, *of_share, device=device), by_row(own, share.rows, alone=self.takes_all):
            yield

    def of_share(self, objective: Objective, weight: float) -> Objective:
        """The objective for this process's part of a batch, which has this ``weight``: with averages over the whole batch."""
        if self.size == 1:
            return objective

        def average(means: Tensor) -> Tensor:
            whole = means.detach() * weight
            with all_there():
                dist.all_reduce(whole)
            return means + (whole - means.detach())

        return objective.of_share(average)

    # --- what all are to know --------------------------------------------------------------------------

    def raise_flag(self, flag: str) -> None:
        """Let all processes see one of ``FLAGS``, after the next step if there are several; a raised flag stays raised."""
        if flag not in self._seen:
            (self._seen if self.size == 1 else self._raised).add(flag)

    def flagged(self, flag: str) -> bool:
        """Whether any process raised it; the call lowers it."""
        seen = flag in self._seen
        self._seen.discard(flag)
        return seen

    def raised(self) -> list[float]:
        """The flags that others are to see, as numbers to be added to theirs; they are lowered."""
        found = [float(flag in self._raised) for flag in FLAGS]
        self._raised.clear()
        return found

    def see(self, sums: Sequence[float]) -> None:
        """Take in the sums of all processes' flags."""
        self._seen.update(flag for flag, value in zip(FLAGS, sums, strict=True) if value)

    def broadcast(self, find: Callable[[], T]) -> T:
        """What ``find`` returns on the first process, sent to all. Errors: those of ``find``, by all; RunError if one is gone."""
        if self.size == 1:
            return find()
        found: list[Any] = [_answered(find) if self.is_rank_zero else None]
        with all_there():
            dist.broadcast_object_list(found)
        error, answer = found[0]
        if error is not None:
            raise error
        return answer

    def on_rank_zero(self, act: Callable[[], None]) -> None:
        """Call ``act`` on the first process; an error there is raised by all. Errors: those of ``act``; RunError if a process is gone."""
        self.broadcast(act)

    def barrier(self) -> None:
        """Wait for all processes. Errors: RunError if a process is gone."""
        if self.size > 1:
            with all_there():
                dist.barrier()

    def wait_for_the_end(self) -> None:
        """Wait for all processes, however long the first scores data. Errors: RunError if a process is gone.

        None may leave earlier: ``torchrun`` lets nobody in after a node that is done, and could then not replace one that dies meanwhile.
        """
        if self.size > 1:
            with all_there():
                dist.barrier(group=dist.new_group(timeout=AT_THE_END, backend="gloo"))


#: how long a process waits at the beginning for one that may have died before it came, and at the end for the first
AT_THE_BEGINNING, AT_THE_END = timedelta(minutes=5), timedelta(days=30)
SAVE, STOP = FLAGS = ("save", "stop")


@contextmanager
def joined(device: str) -> Iterator[tuple[ProcessGroup, str]]:
    """The group given by the environment (set by ``torchrun``), and this process's device; a group of one if none is given.

    A group that torch has already, as Ray makes it, is taken as it is. Any other is destroyed at the end of the block: threads still
    holding a tensor when Python exits would abort the process.
    Errors: UsageError for an environment that is incomplete or wrong; RunError if a process is gone before all have met.
    """
    if dist.is_initialized():
        yield ProcessGroup(dist.get_rank(), dist.get_world_size()), _own(device)
        return
    size, rank = _number("WORLD_SIZE", 1), _number("RANK", 0)
    if size == 1 or "RANK" not in os.environ:
        yield ProcessGroup(), device
        return
    if not 0 <= rank < size:
        raise UsageError(f"RANK is {rank} but WORLD_SIZE is {size}; use torchrun")
    device = _own(device)
    _meet(rank, size, "nccl" if device.startswith("cuda") else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()


def _own(device: str) -> str:
    """The device of this process's number on its machine, where it is one of several alike."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() and device in ("auto", "cuda") else device


def _meet(rank: int, size: int, backend: str) -> None:
    try:
        store, rank, size = next(dist.rendezvous("env://", timeout=AT_THE_BEGINNING))  # type: ignore[attr-defined]
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"RANK and WORLD_SIZE are set, but the other processes are not found ({str(error)[:60]}); use torchrun") from error
    # torchrun's own store still has the words of processes that died; one of this start alone has not, and is the same for nodes that
    # count other numbers of restarts
    attempt = _number("TORCHELASTIC_RESTART_COUNT", 0) if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" else 0
    with all_there():
        dist.init_process_group(backend, store=dist.PrefixStore(f"attempt {attempt}", store), rank=rank, world_size=size)  # type: ignore[attr-defined]


def is_elastic() -> bool:
    """Whether ``torchrun`` starts processes again when one has died, or when nodes come: nobody can tell a first start from another."""
    return _number("TORCHELASTIC_MAX_RESTARTS", 0) > 0


def is_one_of_several() -> bool:
    """Whether ``torchrun`` started this process beside others, or will start it again."""
    return is_elastic() or ("RANK" in os.environ and _number("WORLD_SIZE", 1) > 1)


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{name} is '{text}', but must be a whole number; use torchrun") from error


@contextmanager
def all_there() -> Iterator[None]:
    """Raise RunError where a process is gone with which those within the block have to do."""
    try:
        yield
    except RuntimeError as error:
        raise RunError("another process of this training is gone; resume the run from its last checkpoint") from error


def _answered(find: Callable[[], T]) -> tuple[LowerboundError | None, T | None]:
    """What it returns, or why it does not."""
    try:
        return None, find()
    except LowerboundError as error:
        return error, None


def _part(n: int, parts: int, number: int) -> slice:
    """The places of a part of n; sizes of parts differ by at most one."""
    least, more = divmod(n, parts)
    start = number * least + min(number, more)
    return slice(start, start + least + (number < more))
