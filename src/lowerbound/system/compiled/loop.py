"""``@loop(n=int, x=Singles, …)``: a loop over numbers, compiled, kept on disk, and run by torch's threads.

The function is given where a part of its first number begins and ends, and what is named: ``(begin, end, n, x, …)``. Whoever calls the
loop gives integers, floats and tensors in that order. An ``Either`` is a tensor in single precision or bfloat16: each is compiled.
"""

from __future__ import annotations

import inspect
import itertools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import cfunc, njit, types

from lowerbound.system import philox_numbers, threads
from lowerbound.system.compiled.arithmetic import FAST, bare, doubles, halves, larges, longs, number, own, singles, wholes, words

SIGNATURE = types.void(types.CPointer(types.int64))
#: of what all loops are made; numba itself would look at one file alone to tell whether its cache is outdated
MADE_OF = zlib.crc32(b"".join(path.read_bytes() for path in [*sorted(Path(__file__).parent.glob("*.py")), Path(philox_numbers.__file__)]))
#: ``threads.run`` gives a loop two addresses and the number of parts, and what is named comes after
FIRST = 3


@dataclass(frozen=True)
class Kind:
    """An argument's way into a loop: what its caller makes of it, integers by commas, and how the loop reads them at their place.

    Of several ways the second integer says which; or they follow what was chosen for the argument of several ways before it.
    """

    packed: str
    read: tuple[str, ...]
    follows: bool = False

    @property
    def choices(self) -> range:
        """The ways that it adds to a loop's."""
        return range(1 if self.follows else len(self.read))


EITHER = ("singles(a[{}])", "halves(a[{}])")
Singles, Wholes, Longs, Larges = (Kind("{}.data_ptr()", (f"{name}(a[{{}}])",)) for name in ("singles", "wholes", "longs", "larges"))
Either, Alike = Kind("{0}.data_ptr(), {0}.dtype is bfloat16", EITHER), Kind("{}.data_ptr()", EITHER, follows=True)
#: arrays of NumPy's, contiguous
Doubles, Symbols, Words, States = (Kind("{}.ctypes.data", (f"{name}(a[{{}}])",)) for name in ("doubles", "longs", "words", "larges"))
#: 64 bits without a sign
Word = Kind("{}", ("large(a[{}])",))
KINDS = {int: Kind("{}", ("a[{}]",)), float: Kind("*whole(single({}))", ("number(a[{}])",))}

#: a body is called by compiled code alone
BARE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: the names in the functions made of a loop's kinds
PACKING = {"bfloat16": torch.bfloat16, "single": struct.Struct("f").pack, "whole": struct.Struct("i").unpack}
UNPACKING = {"own": own, "number": number, "singles": singles, "halves": halves, "wholes": wholes, "larges": larges, "large": np.uint64}
UNPACKING |= {"doubles": doubles, "longs": longs, "words": words}


class Loop:
    """A compiled loop; called with how many numbers it handles, which settles how many threads it is worth, and its arguments."""

    def __init__(self, function: Any, kinds: tuple[Kind, ...], how: dict[str, Any]):
        unpacking = {**UNPACKING, "body": njit(**{**BARE, **how})(function), "__name__": function.__module__}
        name, file = function.__name__, inspect.getfile(function)
        self.pack: Callable[..., tuple[int, ...]] = _made("pack", _packs(kinds), file, PACKING)
        self.compiled = kept(_made(name, _unpacks(name, kinds), file, unpacking), how)
        self.address = self.compiled.address

    def __call__(self, numbers: int, *given: Any) -> None:
        """Run it over so many numbers."""
        threads.run(self, numbers, *self.pack(*given))


def _made(name: str, source: str, file: str, known: dict[str, Any]) -> Any:
    """The function of that name and source, of these names alone; of ``file``, beside which numba caches it."""
    found = dict(known)
    exec(compile(source, file, "exec"), found)  # noqa: S102 - the source is made below
    return found[name]


def loop(how: dict[str, Any] = FAST, **kinds: Any) -> Callable[[Any], Loop]:
    """A decorator: the function's arguments by name, each ``int``, ``float`` or a ``Kind``; the first is divided among the threads."""
    return bare(lambda function: Loop(function, tuple(KINDS.get(kind, kind) for kind in kinds.values()), how))


def kept(function: Any, how: dict[str, Any] = FAST) -> Any:
    """A function of an array of integers, compiled for torch's threads and cached on disk where possible."""
    function.__qualname__ = f"{function.__name__}_{MADE_OF:x}"  # under which numba caches it
    try:
        return cfunc(SIGNATURE, cache=True, **how)(function)
    except Exception:  # of any kind: no folder is writable, the disk is full, the cache is damaged
        return cfunc(SIGNATURE, **how)(function)


def _packs(kinds: tuple[Kind, ...]) -> str:
    """The function ``pack`` of a loop's arguments to a tuple of integers."""
    names = [f"x{number}" for number in range(len(kinds))]
    packed = [kind.packed.format(name) for kind, name in zip(kinds, names, strict=True)]
    return f"def pack({', '.join(names)}):\n    return {', '.join(packed)},\n"


def _unpacks(name: str, kinds: tuple[Kind, ...]) -> str:
    """The function of an array ``a`` that calls the body for each part, one branch for each choice of its types."""
    places = list(itertools.accumulate((len(kind.choices) for kind in kinds), initial=FIRST))
    lines = [f"def {name}(a):", "    for part in own(a):"]
    lines.append(f"        begin, end = a[{FIRST}] * part // a[2], a[{FIRST}] * (part + 1) // a[2]")
    for chosen in itertools.product(*(kind.choices for kind in kinds)):
        reads, flags, last = [], [], 0
        for kind, place, which in zip(kinds, places, chosen, strict=False):
            last = which if len(kind.choices) > 1 else last
            reads.append(kind.read[last if len(kind.read) > 1 else 0].format(place))
            flags += [f"a[{place + 1}] == {which}"] if len(kind.choices) > 1 else []
        lines.append(f"        if {' and '.join(flags) or 'True'}:\n            body(begin, end, {', '.join(reads)})")
    return "\n".join([*lines, ""])
