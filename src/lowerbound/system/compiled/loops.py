"""The loops of the files of ``kernels/``, by name: ``Loops("bernoulli").bits(numbers, …)``.

What numba compiled is kept on disk as machine code, one file for each of theirs, and read from there; only where there is none does a
process import numba and compile. How a loop is written is in kernels/loop.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module, metadata
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lowerbound.errors import OutputError
from lowerbound.system import philox_numbers, threads
from lowerbound.system.compiled import machine_code
from lowerbound.system.files import written

HERE = Path(__file__).parent
#: the names in the function that makes integers of a loop's arguments
PACKING = {"bfloat16": torch.bfloat16, "single": struct.Struct("f").pack, "whole": struct.Struct("i").unpack}
DIGEST = hashlib.sha256().digest_size


class Loop:
    """A loop; called with how many numbers it handles, which settles how many threads it is worth, and its arguments.

    ``pack`` makes integers of the arguments.
    """

    def __init__(self, address: int, packed: dict[str, str] | None, code: Any):
        self.address, self._code = address, code  # which is gone when nobody has it
        self.pack: Callable[..., tuple[int, ...]] = _packing(packed)
        self._packed = packed or {}

    def place(self, name: str) -> int:
        """Where the integer of an argument is among those of all: of one that has one integer alone."""
        return list(accumulate((1 + each.count(",") for each in self._packed.values()), initial=0))[list(self._packed).index(name)]

    def pack_one(self, name: str) -> Callable[[Any], tuple[int, ...]]:
        """What makes integers of an argument."""
        one: Callable[[Any], tuple[int, ...]] = _packing({name: self._packed[name]})
        return one

    def __call__(self, numbers: int, *given: Any) -> None:
        """Run it over so many numbers."""
        threads.run(self, numbers, *self.pack(*given))


class Loops:
    """The loops of one file, compiled or read when the first one is asked for."""

    def __init__(self, file: str):
        self._file = file

    def __getattr__(self, name: str) -> Loop:
        if name.startswith("_"):
            raise AttributeError(name)
        content = next(filter(None, map(_kept, _places(self._file))), None) or _compiled(self._file)
        size = int.from_bytes(content[:4], "little")
        each, code = json.loads(content[4 : 4 + size]), content[4 + size :]
        addresses, engine = machine_code.addresses(code, list(each))
        vars(self).update({loop: Loop(addresses[loop], packed, engine) for loop, packed in each.items()})
        if name not in each:
            raise AttributeError(f"{self._file} has no loop {name}")
        return vars(self)[name]


def _packing(packed: dict[str, str] | None) -> Any:
    """The function of a loop's arguments to a tuple of integers; of a loop that reads its array itself they are these already."""
    if packed is None:
        return lambda *given: given
    source = ", ".join(each.format(name) for name, each in packed.items())
    return eval(f"lambda {', '.join(packed)}: ({source},)", dict(PACKING))  # noqa: S307 - the source is in kernels/loop.py


def _compiled(file: str) -> bytes:
    """The loops of a file, compiled by numba, and kept where that is possible: how integers are made of their arguments, and the code."""
    from lowerbound.system.compiled.kernels.loop import Written

    module = import_module(f"{__package__}.kernels.{file}")
    each = {value.name: value for value in vars(module).values() if isinstance(value, Written)}
    packing = json.dumps({name: value.packed for name, value in each.items()}).encode()
    content = len(packing).to_bytes(4, "little") + packing + machine_code.emitted({name: value.compiled() for name, value in each.items()})
    for place in _places(file):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with written(place) as out:
                out.write(hashlib.sha256(content).digest() + content)
        except (OSError, OutputError):  # read-only, or full: the next place, or none
            continue
        break
    return content


def _kept(place: Path) -> bytes | None:
    """What was kept there; None where there is nothing, or something else."""
    try:
        whole = place.read_bytes()
    except OSError:
        return None
    return whole[DIGEST:] if whole[:DIGEST] == hashlib.sha256(whole[DIGEST:]).digest() else None


def _places(file: str) -> Iterator[Path]:
    """Where its machine code may be."""
    yield from (folder / f"{file}-{_key()}.machine" for folder in _folders())


def _folders() -> list[Path]:
    """Numba's own folder, where the environment names one; the user's, which all environments share; and beside this file."""
    of_numba, of_user = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    folders = [Path(of_numba)] if of_numba else []
    with suppress(RuntimeError):  # a user who has no home
        folders.append((Path(of_user) if of_user else Path.home() / ".cache") / "lowerbound")
    return [*folders, HERE / "__pycache__"]


@cache
def _key() -> str:
    """What machine code depends on: these files, what compiled them, and the processor; and NumPy, some versions of which numba refuses."""
    sources = [*sorted((HERE / "kernels").glob("*.py")), HERE / "layout.py", HERE / "machine_code.py", Path(philox_numbers.__file__)]
    made_of = zlib.crc32(b"".join(path.read_bytes() for path in sources))
    by = f"{metadata.version('numba')} {metadata.version('llvmlite')} {np.__version__} {sys.platform} {' '.join(machine_code.processor())}"
    return f"{made_of:08x}-{zlib.crc32(by.encode()):08x}"
