"""The loops of tables called with tensors: a step of training, and what fills in; there are no lines of torch for all of one.

A ``law`` is one of vae/likelihoods/terms.py, and cells are too; the layers of networks are torch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.system.compiled.layout import Field, Kind, layout
from lowerbound.system.compiled.loops import Loops
from lowerbound.system.compiled.memory import floats

filling, tables = Loops("filling"), Loops("tables")
FLOOR, LEAST = 1e-3, 2.0  # of σ and of degrees of freedom, as the laws of columns have them
EACH = 1024  # numbers that a latent is worth, where threads are shared out
PIECES = 64  # of each weight, whose gradients are added up


def laid_out(layers: list[Any], encoder: int, rows: int, latents: int) -> tuple[Any, int]:
    """What the loop is to know of an encoder, the first so many layers, and a decoder, for so many rows and latents; and its room."""
    sizes = [(layer.in_features, layer.out_features) for layer in layers]
    first, room = layout(sizes[:encoder], rows)
    second, room = layout(sizes[encoder:], latents, room)
    return np.array(first + second, dtype=np.int64), room


def step_of_table(
    room: Any, law: Any, rows: Tensor, shown: Tensor, cells: Any, drawn: Tensor, k: int, weighted: bool, *numbers: float
) -> Float[Tensor, " 3"]:
    """Leave a batch's gradient in the weights, return its means; ``numbers`` are the bounds of log σ² and what latents' gradients have."""
    n, found, layers, columns = len(rows), floats(3), torch.from_numpy(room.layers), cells.values.shape[1]
    sizes = room.parts, n, k, int(layers[room.encoder, Field.IN]), room.encoder, room.decoder, room.some, weighted
    given = layers, rows, drawn, drawn.stride(0), shown, columns, cells.values, cells.at, cells.slope
    terms = len(law.terms), law.terms, law.units
    memory = room.numbers, room.size
    tables.step(n * k * EACH, *sizes, *numbers, *given, *_of_numbers(law), *terms, *memory, room.own, room.means)
    tables.gathered(room.numbers.numel(), PIECES, room.parts, layers, len(layers), *memory, n, room.means, found)
    return found


def weighed(each: list[Any], some: int, law: Any, cells: Any, z: Float[Tensor, "K B d"]) -> Float[Tensor, "K B"]:
    """log p(x|z) by the layers of a decoder, so many latents at a time."""
    (k, n, d), found = z.shape, floats(*z.shape[:2])
    parts, where, memory = _room(each, some, n, some * (1 + 4 * law.numbers))
    own, columns = memory.pop(), cells.values.shape[1]
    numbers, terms = _of_numbers(law), (len(law.terms), law.terms, law.units)
    given = z, columns, cells.values, cells.at, cells.slope
    filling.weigh(z.numel() * EACH, parts, n, k, d, some, len(each), where, *given, *numbers, *terms, *memory, own, found)
    return found


def expected(
    each: list[Any], some: int, law: Any, maps: Tensor, ends: Tensor, cells: Any, z: Tensor, order: Tensor, share: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Σ share E[x|z], Σ share E[x²|z] ``(B, D)`` and Σ share p of classes, one after the other, by the layers of a decoder."""
    (k, n, d), columns, wide = z.shape, cells.values.shape[1], int(law.terms[law.terms[:, 0] == Kind.CLASS, 3].sum())
    parts, where, memory = _room(each, some, n, 7 * some)
    own, spiked = memory.pop(), law.of_numbers
    spikes, most = (floats(0), 0) if spiked is None else (spiked.spikes.contiguous(), spiked.most)
    found = floats(n, columns).zero_(), floats(n, columns).zero_(), floats(n, wide).zero_()
    numbers = *_of_numbers(law), maps, ends.contiguous()
    terms = len(law.terms), law.terms, law.units, spikes, most
    given = z, counts, order, share, columns, cells.at
    filling.expect(z.numel() * EACH, parts, n, k, d, some, len(each), where, *given, *numbers, *terms, *memory, own, *found, wide)
    return found


def _of_numbers(law: Any) -> tuple[Any, ...]:
    return law.numbers, law.first, FLOOR, LEAST, law.more


def _room(each: list[Any], some: int, n: int, more: int) -> tuple[int, Tensor, list[Any]]:
    """In how many parts, the layers with their addresses, and memory, the size of a part and where what is not of layers begins."""
    layers, own = laid_out(each, 0, 0, some)
    layers[:, :2] = [[layer.weight.data_ptr(), layer.bias.data_ptr()] for layer in each]
    parts = max(1, min(torch.get_num_threads(), n))
    return parts, torch.from_numpy(layers), [torch.zeros(parts, own + more, dtype=torch.float32), own + more, own]
