"""Several processes that train one model: who they are, which rows are whose, and how they add up.

Each makes the gradient of its share of a batch, and the sum of all is what one process alone would have made but for rounding: a step's
random numbers are drawn for the whole batch, and each process keeps those of its rows. ``torchrun`` or ``accelerate launch`` starts them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.overrides import TorchFunctionMode

from lowerbound.errors import RunError
from lowerbound.seeding import key, seeded

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """``size`` processes, of which this is number ``rank``; one alone by default."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> slice:
        """The part of a batch that is its own: as many as the others, or one more."""
        least, more = divmod(len(rows), self.size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    @contextmanager
    def noise(self, rows: Tensor, draws: int, *words: int | str, device: torch.device) -> Iterator[None]:
        """Within the block random numbers follow from ``words``: for its rows those that one process would draw for all of the batch."""
        if self.size == 1:
            with seeded(*words, device=device):
                yield
            return
        generator = torch.Generator(device).manual_seed(key(*words))
        with seeded(*words, "process", self.rank, device=device), _OfBatch(generator, len(rows), self.share(rows), draws):
            yield

    def add(self, model: nn.Module, means: Tensor, weight: float) -> Tensor:
        """Replace gradients by the sum over processes of ``weight`` times each's; the same of the means.

        Errors: RunError where one is gone.
        """
        if self.size == 1:
            return means
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in weights]
        flat = torch.cat([gradient.flatten() for gradient in gradients] + [means]) * weight
        with _all_there():
            dist.all_reduce(flat)
        for parameter, part in zip(weights, flat[: -len(means)].split([one.numel() for one in weights]), strict=True):
            parameter.grad = part.view_as(parameter)
        return flat[-len(means) :]

    def told(self, find: Callable[[], T]) -> T:
        """What the first process finds, told to all. Errors: RunError where one is gone."""
        if self.size == 1:
            return find()
        found: list[Any] = [find() if self.is_first else None]
        with _all_there():
            dist.broadcast_object_list(found)
        answer: T = found[0]
        return answer

    def wait(self) -> None:
        """Until all are here. Errors: RunError where one is gone."""
        if self.size > 1:
            with _all_there():
                dist.barrier()


ALONE = World()


def join(device: str) -> tuple[World, str]:
    """The world that the environment tells of (that of ``torchrun``), and this process's device; alone where it tells of none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        return ALONE, device
    if torch.cuda.is_available() and device in ("auto", "cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if not dist.is_initialized():
        store, rank, size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
        ours = dist.PrefixStore(f"attempt {_restarts()}", store)  # type: ignore[attr-defined]  # else those started again look for the dead
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", store=ours, rank=rank, world_size=size)
    return World(dist.get_rank(), dist.get_world_size()), device


def was_restarted() -> bool:
    """Whether ``torchrun`` started this again after a process had died."""
    return _restarts() > 0


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RunError(f"another process of this training is gone; go on with resume, from the last state ({str(error)[:80]})") from error


class _OfBatch(TorchFunctionMode):
    """Draws of a share of a batch are the share of the batch's draws, all from one generator."""

    SIZED = (torch.rand, torch.randn)
    LIKE = (torch.rand_like, torch.randn_like)
    IN_PLACE = (Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.exponential_)
    OTHERS = (torch.randint,)

    def __init__(self, generator: torch.Generator, batch: int, share: slice, draws: int):
        super().__init__()
        self.generator, self.batch, self.share, self.draws = generator, batch, share, draws

    def __torch_function__(self, function: Any, types: Any, given: Any = (), options: Any = None) -> Any:
        """torch's hook."""
        options = options or {}
        if function in self.SIZED:
            shape = given[0] if len(given) == 1 and not isinstance(given[0], int) else given
            return self._mine(shape, lambda whole: function(whole, generator=self.generator, **options))
        if function in self.LIKE:
            like = given[0]
            draw = torch.rand if function is torch.rand_like else torch.randn
            kind = {"dtype": like.dtype, "device": like.device}
            return self._mine(like.shape, lambda whole: draw(whole, generator=self.generator, **kind))
        if function in self.IN_PLACE:
            kind = {"dtype": given[0].dtype, "device": given[0].device}
            rest = {**options, "generator": self.generator}
            drawn = self._mine(given[0].shape, lambda whole: function(torch.empty(whole, **kind), *given[1:], **rest))
            return given[0].copy_(drawn)
        if function in self.OTHERS:
            options = {**options, "generator": self.generator}
        return function(*given, **options)

    def _mine(self, shape: Any, draw: Callable[[list[int]], Tensor]) -> Tensor:
        """The own share of what is drawn, whole, in a shape whose axis of data is the second (of draws K, data) or else the first."""
        whole, mine = list(shape), self.share.stop - self.share.start
        axes = [axis for axis in (1, 0) if axis < len(whole) and whole[axis] == mine and (axis == 0 or whole[0] == self.draws)]
        if not axes:
            return draw(whole)
        whole[axes[0]] = self.batch
        return draw(whole).narrow(axes[0], self.share.start, mine)
