"""Which axes of an array are examples, channels and space, decided once: data are vectors ``(N, D)`` or ``(N, C, *space)``.

Space is one axis of series, two of images, three of volumes. Where nobody says the shape of an example, these rules give it:

- ``(N, D)`` are vectors, ``(N, H, W)`` grey images; a note says where the latter may be series.
- Of four axes (images) and five (volumes) channels are the first after N or the last: the one that is 1 or 3, else the one that is 4, else
  the one that is at most half of every other side; a note says the last two. Where both are or neither is, the array is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
from torch import Tensor

from lowerbound.data.meaning import Numbers
from lowerbound.errors import DataError

#: what data are called by how many axes of space they have
SPACES = {0: "vectors", 1: "series", 2: "images", 3: "volumes"}
#: the tests of a number of channels beside the other sides, in order, and whether passing it is a guess
CHANNELS: tuple[tuple[Callable[[int, int], bool], bool], ...] = (
    (lambda channels, _: channels in (1, 3), False),
    (lambda channels, _: channels == 4, True),
    (lambda channels, side: 2 * channels <= side, True),
)
#: a grey image this many times as long as wide may be a series
LONG = 8
LARGEST = 10**9


def read_shape(text: str) -> tuple[int, ...]:
    """The shape of one example, channels first: ``3x32x32`` an image, ``12x1000`` a series, ``1x16x16x16`` a volume, ``784`` a vector.

    Two equal sides are a grey image, ``28x28`` being ``1x28x28``. Errors: DataError.
    """
    parts = re.split("[xX×]", text)
    if not all(re.fullmatch("[0-9]{1,10}", part) for part in parts):
        raise DataError(f"a shape is numbers with x between them, such as 28x28, 3x32x32 or 1x128, not {text!r}")
    sides = tuple(int(part) for part in parts)
    return _possible((1, *sides) if len(sides) == 2 and sides[0] == sides[1] else sides)


def shape_of(said: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """A shape as text, or as numbers, which mean what they are: ``(28, 28)`` is a series of 28 channels. Errors: DataError."""
    if said is None:
        return None
    return read_shape(said) if isinstance(said, str) else _possible(tuple(said))


def _possible(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(shape) <= 1 + max(SPACES) or not all(0 < side < LARGEST for side in shape):
        raise DataError(
            f"the shape {written(shape)} is no example's; write channels and one to three sides, such as 3x32x32, or one number"
        )
    return shape


def written(shape: Sequence[int]) -> str:
    """The shape as ``read_shape`` takes it."""
    return "x".join(map(str, shape))


def described(shape: Sequence[int]) -> str:
    """What data of a shape are: ``vectors of 5``, ``images of 28 × 28``, ``series of 1000 with 12 channels``."""
    channels, *space = shape
    sides = " × ".join(map(str, space or shape))
    return f"{SPACES[len(space)]} of {sides}" + (f" with {channels} channels" if space and channels != 1 else "")


def laid_out(name: str | Path, found: Numbers, shape: tuple[int, ...] | None = None) -> Numbers:
    """The same numbers as ``(N, D)`` or ``(N, C, *space)``, by the ``shape`` of one example where it is known, else by the rules above.

    With a shape an array is ``(N, *shape)``, has its channels last or, being one, not at all, or is flat, ``(N, D)``.
    Errors: DataError, which names the data, for an array that is none of these.
    """
    if shape is not None:
        return replace(found, values=_of_shape(name, found.values, shape))
    match tuple(found.values.shape):
        case (_, _):
            return found
        case (_, *sides) if len(sides) == 2:
            return replace(found, values=found.values.unsqueeze(1), notes=(*found.notes, *_perhaps_series(name, sides)))
        case (_, *sides) if 3 <= len(sides) <= 1 + max(SPACES):
            place, guessed = _channels(name, sides)
            values = found.values if place == 0 else found.values.movedim(-1, 1).contiguous()
            notes = (_guess(name, tuple(values.shape[1:])),) if guessed else ()
            return replace(found, values=values, notes=(*found.notes, *notes))
        case axes:
            raise DataError(
                f"{name} has the shape {axes}; vectors (N, D), grey images (N, H, W), images (N, C, H, W) or volumes (N, C, D, H, W) "
                "are needed"
            )


def examples_last(
    name: str, values: np.ndarray, labels: Sequence[int] | None = None, shape: tuple[int, ...] | None = None, by_columns: bool = False
) -> bool | None:
    """Whether examples are the last axis of an array, as MATLAB has them, by the shape of its ``labels``, or that of one example.

    None where nothing tells, and they are the first. An array of equal sides is then refused where it is much longer than these, or, by
    columns, has examples most probably last. Errors: DataError.
    """
    if values.ndim < 2:
        return None
    first, last = len(values), values.shape[-1]
    if labels is not None:
        counts = {side for side in labels if side > 1} or {1}
        if (first in counts) != (last in counts):
            return last in counts
    if shape is not None:
        flat = first == prod(values.shape[:-1]) == prod(shape) != prod(values.shape[1:])
        return flat or (values.ndim > 2 and _is_of(values.shape[:-1], shape) and not _is_of(values.shape[1:], shape))
    squares = values.ndim == 3 and first == values.shape[1] != last
    if squares and labels is None and (by_columns or last >= LONG * first):
        ways = f"--shape {first}x{first} if its examples are on the last axis, or --shape 1x{first}x{last}"
        raise DataError(f"{name} has the shape {values.shape}; say {ways}")
    return None


def _is_of(sides: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether these are the sides of an example of that shape: channels first, last, or, being one, not at all."""
    channels, *space = shape
    ways = [list(shape), [*space, channels], *([space] if channels == 1 else [])]
    return list(sides) in ways


def _of_shape(name: str | Path, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    n, *rest = values.shape
    channels, *space = shape
    if rest == list(shape):
        return values
    if rest == [*space, channels]:
        return values.movedim(-1, 1).contiguous()
    flat = rest == [prod(shape)] or (len(shape) == 1 and prod(rest) == channels)
    if flat or (channels == 1 and rest == space):
        return values.reshape(n, *shape)
    ways = [(n, *shape), *([(n, *space, channels)] if space else []), *([(n, prod(shape))] if space else [])]
    raise DataError(f"{name} has the shape {(n, *rest)}, and examples of {written(shape)} would be {' or '.join(map(str, ways))}")


def _channels(name: str | Path, sides: Sequence[int]) -> tuple[int, bool]:
    """The place of the channels, 0 or −1, and whether it is a guess. Errors: DataError where it cannot be known."""
    for test, guessed in CHANNELS:
        found = [place for place, others in ((0, sides[1:]), (-1, sides[:-1])) if test(sides[place], min(others))]
        if len(found) == 1:
            return found[0], guessed
        if found:
            break
    ways = dict.fromkeys(f"--shape {written(shape)}" for shape in (sides, (sides[-1], *sides[:-1])))  # with channels first, and last
    raise DataError(f"{name}: which axis of {tuple(sides)} is channels cannot be known; say {' or '.join(ways)}, channels first")


def _guess(name: str | Path, shape: tuple[int, ...]) -> str:
    return f"{name}: read as {described(shape)}; where they are something else, say the shape of one, channels first, with --shape"


def _perhaps_series(name: str | Path, sides: Sequence[int]) -> tuple[str, ...]:
    short, long = sorted(sides)
    if LONG * short > long:
        return ()
    height, width = sides
    series = written((short, long))
    return (f"{name}: read as grey images of {height} × {width}; where they are series of {long} steps, say --shape {series}",)
