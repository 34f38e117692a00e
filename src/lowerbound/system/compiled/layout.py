"""What loops of perceptrons and of tables are given: the fields of a layer with its places in memory, and the kinds of a law's terms."""

from __future__ import annotations

from enum import IntEnum
from itertools import accumulate, pairwise

#: up to whole ones of this rows and columns are filled up, whatever the processor
WHOLE = 16
APART = 16
#: integers of a loop's array before its arguments: two addresses of a team of threads, and the number of parts
OPENED = 3
#: of Adam's loop: integers before those of the first weight, of each weight, and of these those after its size that a step changes
OF_ADAM, OF_WEIGHT, CHANGED = 6, 10, 3
#: outputs of a layer that sums over what is not zero are made of at once
TILE = 16


class Field(IntEnum):
    """What is said of a layer; ``IN_WIDE`` and ``OUT_WIDE`` are whole, the others as they are."""

    WEIGHT, BIAS, OF_WEIGHT, OF_BIAS, IN, OUT, IN_WIDE, OUT_WIDE, TRANSPOSED, COPY, SUMS, SUMS_OF_BIAS, INPUT, GIVEN, SLOPE = range(15)


class Kind(IntEnum):
    """Of a term that is no density: at which spike a number is, a boolean, a class, a count."""

    SPIKES, BOOLEAN, CLASS, COUNT = range(4)


def layout(sizes: list[tuple[int, int]], rows: int, room: int = 0) -> tuple[list[list[int]], int]:
    """The fields of layers of these inputs and outputs, for so many rows, in the memory from ``room`` on; and where that ends.

    Addresses are for the caller to fill in.
    """
    if not sizes:
        return [], room
    wide, found = [[-(-each // WHOLE) * WHOLE for each in size] for size in sizes], list[list[int]]()
    rows = -(-rows // WHOLE) * WHOLE
    for (inputs, outputs), (along, across) in zip(sizes, wide, strict=True):
        turned, input_, weight = along * (across + APART), rows * (along + APART), across * (along + APART)
        places = list(accumulate((turned, weight, weight, across, input_), initial=room))
        found.append([0, 0, 0, 0, inputs, outputs, along, across, *places[:5], 0, 0])
        room = places[-1]
    for layer, (_, across) in zip(found, wide, strict=True):
        layer[Field.SLOPE], room = room, room + rows * (across + APART)
    for layer, after_it in pairwise(found):
        layer[Field.GIVEN] = after_it[Field.INPUT]
    found[-1][Field.GIVEN] = room
    return found, room + rows * (wide[-1][1] + APART)
