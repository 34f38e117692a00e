"""Random numbers as a function of words: the same words give the same numbers, wherever a run was interrupted.

Every training step seeds its own noise from (seed, purpose, step), so a resumed run needs no saved
random state to reproduce the same bits, and the caller's global random state is not changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Int64
from torch import Tensor

from lowerbound.system.arguments import whole
from lowerbound.system.noise import by_row


def key(*words: int | str) -> int:
    """A 63-bit seed from any words; the same on every machine, and for whole numbers of every type.

    Errors: UsageError for words that are neither text nor whole numbers.

    >>> import lowerbound as lb
    >>> lb.seeding.key(0, "noise", 17) % 1000, lb.seeding.key(0, "noise", 18) % 1000
    (899, 781)
    """
    plain = tuple(word if type(word) is int or type(word) is str else whole("seed", word) for word in words)
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def seeded(*words: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Within the block, torch's default random numbers on the CPU and on ``device`` follow from ``words``; after it they go on as before.

    Errors: as for ``key``.

    >>> import torch
    >>> import lowerbound as lb
    >>> draws = []
    >>> for _ in range(2):
    ...     with lb.seeding.seeded(0, "weights"):
    ...         draws.append(torch.randn(3))
    >>> bool((draws[0] == draws[1]).all())
    True
    """
    with reseeding(device) as seed_by:
        seed_by(*words)
        yield


@contextmanager
def seeded_by_row(rows: Int64[Tensor, " B"], *words: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Within the block, the numbers of each row follow from ``words`` and the row, whichever are with it.

    That holds for all that this package draws for an example: latents, binarized pixels, corruptions. ``rows`` ``(B,)`` are the numbers of
    a batch's examples. torch's own random numbers, of what is not drawn by row, follow from the words.

    >>> import torch
    >>> import lowerbound as lb
    >>> damage = lb.corruptions.Gaussian(1.0)
    >>> with lb.seeding.seeded_by_row(torch.tensor([3, 5]), 0):
    ...     both = damage.corrupt(torch.zeros(2, 4))
    >>> with lb.seeding.seeded_by_row(torch.tensor([5]), 0):
    ...     alone = damage.corrupt(torch.zeros(1, 4))
    >>> bool((both[1] == alone[0]).all())
    True
    """
    with seeded(*words, device=device), by_row(key(*words), rows):
        yield


@contextmanager
def reseeding(device: torch.device | None = None) -> Iterator[Callable[..., None]]:
    """Gives a function of words, from which torch's default random numbers then follow, as in ``seeded``: for many words in one block.

    After the block torch's random numbers go on as before it. ``device`` is an accelerator whose numbers are to follow too.

    >>> import torch
    >>> import lowerbound as lb
    >>> with lb.seeding.reseeding() as seed_by:
    ...     first = [(seed_by(0, step), float(torch.rand(())))[1] for step in range(3)]
    ...     again = [(seed_by(0, step), float(torch.rand(())))[1] for step in range(3)]
    >>> first == again
    True
    """
    generators = [torch.default_generator, *_accelerator_generators(device)]
    before = [generator.get_state() for generator in generators]

    def seed_by(*words: int | str) -> None:
        seed = key(*words)
        for generator in generators:
            generator.manual_seed(seed)

    try:
        yield seed_by
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def _accelerator_generators(device: torch.device | None) -> list[torch.Generator]:
    if device is None or device.type == "cpu":
        return []
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return [torch.cuda.default_generators[index]]
    if device.type == "mps":
        return [torch.mps._get_default_mps_generator()]
    raise NotImplementedError(f"no seeding for the device type '{device.type}'")


def drawn_again(n: int, *words: int | str) -> Tensor:
    """n of the numbers 0 … n−1 with replacement ``(n,)``, in order, seeded from ``words``: a bootstrap's rows.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979, https://doi.org/10.1214/aos/1176344552.

    >>> import lowerbound as lb
    >>> rows = lb.seeding.drawn_again(1000, "bootstrap", 0)
    >>> len(rows), round(len(set(rows.tolist())) / 1000, 1)  # about 1 − 1/e of the examples are there
    (1000, 0.6)
    """
    return torch.randint(n, (n,), generator=torch.Generator().manual_seed(key(*words))).sort().values


def permutation(n: int, *words: int | str) -> Tensor:
    """A random permutation of 0 … n−1 ``(n,)`` that follows from ``words``: the order of an epoch's examples, say.

    >>> import lowerbound as lb
    >>> rows = lb.seeding.permutation(5, "test")
    >>> sorted(rows.tolist()), rows.equal(lb.seeding.permutation(5, "test"))
    ([0, 1, 2, 3, 4], True)
    """
    return torch.randperm(n, generator=torch.Generator().manual_seed(key(*words)))
