"""``@loop(n=int, x=Singles, …)``: how a loop over numbers is written; loops.py has it compiled, kept on disk, and run by torch's threads.

The function is given where a part of its first number begins and ends, and what is named: ``(begin, end, n, x, …)``. Whoever calls the
loop gives integers, floats and tensors in that order. An ``Either`` is a tensor in single precision or bfloat16: each is compiled.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cfunc, njit, types

from lowerbound.system.compiled.kernels.arithmetic import (
    FAST,
    bare,
    doubles,
    halves,
    larges,
    longs,
    number,
    octets,
    own,
    singles,
    wholes,
    words,
)
from lowerbound.system.compiled.layout import OPENED

SIGNATURE = types.void(types.CPointer(types.int64))


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
Bytes = Kind("{}.data_ptr()", ("octets(a[{}])",))
Either, Alike = Kind("{0}.data_ptr(), {0}.dtype is bfloat16", EITHER), Kind("{}.data_ptr()", EITHER, follows=True)
#: arrays of NumPy's, contiguous
Doubles, Symbols, Words, States = (Kind("{}.ctypes.data", (f"{name}(a[{{}}])",)) for name in ("doubles", "longs", "words", "larges"))
#: 64 bits without a sign
Word = Kind("{}", ("large(a[{}])",))
KINDS = {int: Kind("{}", ("a[{}]",)), float: Kind("*whole(single({}))", ("number(a[{}])",))}

#: a body is called by compiled code alone
BARE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: the names in the function made of a loop's kinds
UNPACKING = {"own": own, "number": number, "singles": singles, "halves": halves, "wholes": wholes, "larges": larges, "large": np.uint64}
UNPACKING |= {"doubles": doubles, "longs": longs, "words": words, "octets": octets}


@dataclass(frozen=True)
class Written:
    """A loop as it is written: its function of an array of integers, compiled once it is wanted, and what makes the integers of arguments.

    ``packed`` has by the name of an argument what its caller makes of it. Of a loop that reads its array itself these are the arguments.
    """

    function: Any
    packed: dict[str, str] | None
    how: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called in its file."""
        return str(self.function.__name__)

    def compiled(self) -> tuple[str, str]:
        """The assembly of LLVM that it is in, and what it is called there."""
        found = cfunc(SIGNATURE, **self.how)(self.function)
        return found.inspect_llvm(), found.native_name


def loop(how: dict[str, Any] = FAST, **kinds: Any) -> Callable[[Any], Written]:
    """A decorator: the function's arguments by name, each ``int``, ``float`` or a ``Kind``; the first is divided among the threads."""
    return bare(lambda function: _of_kinds(function, {name: KINDS.get(kind, kind) for name, kind in kinds.items()}, how))


def _of_kinds(function: Any, kinds: dict[str, Kind], how: dict[str, Any]) -> Written:
    """The function that calls this one for each part, of these names alone."""
    known: dict[str, Any] = {**UNPACKING, "body": njit(**{**BARE, **how})(function), "__name__": function.__module__}
    source = _unpacks(function.__name__, tuple(kinds.values()))
    exec(compile(source, inspect.getfile(function), "exec"), known)  # noqa: S102 - the source is made below
    return Written(known[function.__name__], {name: kind.packed for name, kind in kinds.items()}, how)


def kept(function: Any, how: dict[str, Any] = FAST) -> Written:
    """A loop of an array of integers, which it reads itself."""
    return Written(function, None, how)


def _unpacks(name: str, kinds: tuple[Kind, ...]) -> str:
    """The function of an array ``a`` that calls the body for each part, one branch for each choice of its types."""
    places = list(itertools.accumulate((len(kind.choices) for kind in kinds), initial=OPENED))
    lines = [f"def {name}(a):", "    for part in own(a):"]
    lines.append(f"        begin, end = a[{OPENED}] * part // a[2], a[{OPENED}] * (part + 1) // a[2]")
    for chosen in itertools.product(*(kind.choices for kind in kinds)):
        reads, flags, last = [], [], 0
        for kind, place, which in zip(kinds, places, chosen, strict=False):
            last = which if len(kind.choices) > 1 else last
            reads.append(kind.read[last if len(kind.read) > 1 else 0].format(place))
            flags += [f"a[{place + 1}] == {which}"] if len(kind.choices) > 1 else []
        lines.append(f"        if {' and '.join(flags) or 'True'}:\n            body(begin, end, {', '.join(reads)})")
    return "\n".join([*lines, ""])
