"""Computations in one pass over memory where torch needs several: compiled by numba, run by torch's own threads.

Here the loops are called with tensors: each function has the name of one of the operations of system/operations.py and does the same as
its lines of torch, which are the ones to read for the ideas; tests/system/test_compiled.py checks that the results agree. It answers
``NotImplemented`` to tensors that it cannot read.
"""

from __future__ import annotations

import ctypes
import math
import sys
from types import NotImplementedType

import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor

from lowerbound.system import philox_numbers, threads
from lowerbound.system.compiled import sparse as sparse
from lowerbound.system.compiled.capture import CapturedCalls as CapturedCalls
from lowerbound.system.compiled.capture import products_are_to_be_had as products_are_to_be_had
from lowerbound.system.compiled.layout import CHANGED, OF_ADAM, OF_WEIGHT
from lowerbound.system.compiled.loops import Loop, Loops
from lowerbound.system.compiled.memory import as_wholes
from lowerbound.system.compiled.memory import floats as floats
from lowerbound.system.compiled.of_tables import expected as expected
from lowerbound.system.compiled.of_tables import laid_out as laid_out
from lowerbound.system.compiled.of_tables import step_of_table as step_of_table
from lowerbound.system.compiled.of_tables import weighed as weighed
from lowerbound.system.compiled.sparse import Sparse as Sparse
from lowerbound.system.compiled.sparse import share_of_sums as share_of_sums
from lowerbound.system.threads import is_plain

of_adam, of_gaussians = Loops("adam"), Loops("latents")
bernoulli, counts, layers, pixels, random, student = map(Loops, ("bernoulli", "counts", "layers", "pixels", "random", "student"))
vamp = Loops("vamp")
entropy, fixed = Loops("entropy"), Loops("fixed")  # for NumPy's arrays: whoever compresses calls them


ONE = floats().fill_(1.0)
BF16 = torch.bfloat16


# --- Bernoulli likelihood ----------------------------------------------------------------------------


def log_prob_of_bits(logits: Float[Tensor, "*batch D"], value: Float[Tensor, "*rows D"]) -> Tensor | NotImplementedType:
    """Of logits in single precision or bfloat16."""
    if not _fit(logits, value) or not is_plain(logits, BF16) or not is_plain(value):
        return NotImplemented
    found, size = floats(*logits.shape[:-1]), logits.shape[-1]
    bernoulli.bits(logits.numel(), found.numel(), size, value.numel() // size, logits, value, found)
    return found


def slope_of_bits(
    logits: Float[Tensor, "*batch D"],
    value: Float[Tensor, "*rows D"],
    scale: Float[Tensor, "*some"],
    slope: Float[Tensor, "*batch D"],
    bias: Float[Tensor, " D"] | None = None,
) -> Tensor | NotImplementedType:
    """Of logits and a slope in single precision or bfloat16."""
    alike = slope.dtype == logits.dtype
    plain = is_plain(logits, BF16) and is_plain(slope, BF16) and is_plain(value) and is_plain(scale) and (bias is None or is_plain(bias))
    if not (plain and alike and _fit(logits, value)):
        return NotImplemented
    found, size = floats(*logits.shape[:-1]), logits.shape[-1]
    bias = floats(size).zero_() if bias is None else bias
    sizes = found.numel(), size, value.numel() // size
    bernoulli.bits_and_slope(logits.numel(), *sizes, logits, bias, value, found, slope, scale, scale.numel() > 1)
    return found


def _fit(logits: Tensor, value: Tensor) -> bool:
    """Whether the values' shape is the last part of the logits'."""
    fits = logits.shape[-value.dim() :] == value.shape or value.shape[-1:].numel() == value.numel() == logits.shape[-1]
    return fits and value.numel() > 0


def drawn_bits(chance: Float[Tensor, "B D"], keys: Int64[Tensor, " B"]) -> Tensor | NotImplementedType:
    """Of chances in single precision."""
    if chance.dtype != torch.float32 or not chance.is_cpu:
        return NotImplemented
    chance, found = chance.contiguous(), torch.empty_like(chance, memory_format=torch.contiguous_format)
    bernoulli.drawn(chance.numel(), *chance.shape, 1, keys.contiguous(), chance, found)
    return found


# --- data ----------------------------------------------------------------------------------------------


def gathered(array: UInt8[Tensor, "N *event"], rows: Int[Tensor, " B"], unit: int) -> Tensor | NotImplementedType:
    """Of bytes in one piece, and rows that there are."""
    size = array[:1].numel()
    whole = rows.dtype == torch.int64 and array.dim() > 1
    if not (whole and array.is_cpu and rows.is_cpu and array.is_contiguous() and rows.numel() and size):
        return NotImplemented
    if int(rows.min()) < 0 or int(rows.max()) >= len(array):
        return NotImplemented  # for torch to say
    found = floats(len(rows), *array.shape[1:])
    pixels.gathered(found.numel(), len(rows), size, rows.contiguous(), unit, array, found)
    return found


# --- likelihood of counts ----------------------------------------------------------------------------


def log_prob_of_counts(
    value: Float[Tensor, "*shape"],
    log_mean: Float[Tensor, "*shape"],
    log_dispersion: Float[Tensor, "*event"],
    of_mean: Float[Tensor, "*some"],
    of_dispersion: Float[Tensor, "*some"],
) -> Tensor | NotImplementedType:
    """In single precision; log θ of the last axes, or one for all."""
    size = log_dispersion.numel()
    if value.shape != log_mean.shape or log_mean.shape[log_mean.dim() - log_dispersion.dim() :] != log_dispersion.shape:
        return NotImplemented
    if not (value.numel() and all(map(is_plain, (value, log_mean, log_dispersion, of_mean, of_dispersion)))):
        return NotImplemented
    found, rows = torch.empty_like(log_mean), log_mean.numel() // size
    counts.log_prob(log_mean.numel(), rows, size, rows, of_mean.numel() > 0, value, log_mean, log_dispersion, found, of_mean, of_dispersion)
    return found


# --- likelihood of a table's numbers -----------------------------------------------------------------


def log_prob_of_students(
    value: Float[Tensor, "*values"],
    output: Float[Tensor, "*batch parameters"],
    more: Float[Tensor, " n"],
    floor: float,
    least: float,
    slope: Float[Tensor, "*some"],
) -> Tensor | NotImplementedType:
    """In single precision, of ν from 2 on."""
    size = output.shape[-1] // 3
    shape = (*output.shape[:-1], size)
    if least < 2 or shape[len(shape) - value.dim() :] != value.shape or not value.numel():
        return NotImplemented
    if not all(map(is_plain, (value, output, more, slope))):
        return NotImplemented
    found, rows = floats(*shape), output.numel() // (3 * size)
    own, room = value.numel() // size, floats(3, found.numel())
    student.log_prob(found.numel(), rows, size, own, slope.numel() > 0, floor, least, value, output, more, found, slope, *room)
    return found


# --- random numbers by row ---------------------------------------------------------------------------


def random_words(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Tensor | NotImplementedType:
    """The loop writes integers of 32 bits, half of them with a sign."""
    found = _random(random.random_words, torch.int32, key, rows, size, call)
    return NotImplemented if found is NotImplemented else found.long() & philox_numbers.WORD


def random_keys(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Tensor | NotImplementedType:
    """Two words next to each other are such a number already, where the lower half of a number comes first in memory."""
    found = _random(random.random_words, torch.int32, key, rows, philox_numbers.whole(2 * size), call)
    return NotImplemented if found is NotImplemented or sys.byteorder != "little" else found.view(torch.int64)[:, :size]


def random_uniforms(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Tensor | NotImplementedType:
    """By whole blocks of four."""
    return _random(random.random_uniforms, torch.float32, key, rows, size, call)


def random_normals(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Tensor | NotImplementedType:
    """By whole blocks of four."""
    return _random(random.random_normals, torch.float32, key, rows, size, call)


def random_blocks(key: int, rows: Int64[Tensor, " n"], places: Int64[Tensor, " n"], call: int, lane: int) -> Tensor | NotImplementedType:
    """Of each counter by itself."""
    if not rows.is_cpu or not places.is_cpu:
        return NotImplemented
    found = torch.empty(4, len(rows), dtype=torch.int64, device="cpu")
    random.random_blocks(found.numel(), len(rows), rows.contiguous(), places.contiguous(), key, call, lane, found)
    return found


def _random(loop: Loop, kind: torch.dtype, key: int, rows: Tensor, size: int, call: int) -> Tensor | NotImplementedType:
    if not rows.is_cpu:
        return NotImplemented
    found = torch.empty(len(rows), philox_numbers.whole(size), dtype=kind, device="cpu")
    loop(found.numel(), *found.shape, rows.contiguous(), key, call, found)
    return found[:, :size]


# --- a step of the usual model by hand ---------------------------------------------------------------


def latents(
    q: Float[Tensor, "B both"], bias: Float[Tensor, " both"], noise: Float[Tensor, "K B d"], low: float, high: float
) -> tuple[Tensor, ...] | NotImplementedType:
    """In single precision."""
    if not (is_plain(q) and is_plain(bias) and is_plain(noise)):
        return NotImplemented
    k, n, d = noise.shape
    scale, z, kl, ratio = floats(n, d), torch.empty_like(noise), floats(n), floats(k, n)
    of_gaussians.latents(noise.numel(), n, d, k, low, high, q, bias, noise, scale, z, kl, ratio)
    return scale, z, kl, ratio


def bounds(
    log_likelihood: Float[Tensor, "K B"], kl: Float[Tensor, " B"], ratio: Float[Tensor, "K B"], weighted: bool
) -> tuple[Tensor, Tensor] | NotImplementedType:
    """In single precision."""
    if not (is_plain(log_likelihood) and is_plain(kl) and is_plain(ratio)):
        return NotImplemented
    found, share, (k, n) = floats(3), torch.empty_like(ratio) if weighted else floats(0), log_likelihood.shape
    of_gaussians.bounds(0, n, k, weighted, log_likelihood, kl, ratio, share, found)
    return found, share


def of_latents(
    q: Float[Tensor, "B both"],
    noise: Float[Tensor, "K B d"],
    scale: Float[Tensor, "B d"],
    z: Float[Tensor, "K B d"],
    of_z: Float[Tensor, "K B d"],
    share: Float[Tensor, "K B"] | None,
    low: float,
    high: float,
    c: float,
    e: float,
) -> Tensor | NotImplementedType:
    """In single precision."""
    if not all(one is None or is_plain(one) for one in (q, noise, scale, z, of_z, share)):
        return NotImplemented
    (k, n, d), found = noise.shape, torch.empty_like(q)
    shares = ONE if share is None else share
    what = floats(1).fill_(c), q, noise, scale, z, of_z, share is not None, shares, found
    of_gaussians.of_latents(noise.numel(), n, d, k, low, high, e, *what)
    return found


def rectified(output: Float[Tensor, "N H"], bias: Float[Tensor, " H"], found: Float[Tensor, "N H"]) -> NotImplementedType | None:
    """From single precision or bfloat16 to either."""
    if not (is_plain(bias) and is_plain(output, BF16) and is_plain(found, BF16)):
        return NotImplemented
    layers.rectified(output.numel(), *output.shape, output, bias, found)
    return None


def through_relu(
    gradient: Float[Tensor, "N H"],
    output: Float[Tensor, "N H"],
    scale: Float[Tensor, " N"] | None,
    found: Float[Tensor, "N H"],
    sums: Float[Tensor, " H"],
) -> NotImplementedType | None:
    """From single precision or bfloat16 to either."""
    plain = is_plain(sums) and is_plain(gradient, BF16) and is_plain(output, BF16) and is_plain(found, BF16)
    if not plain or gradient.dtype != output.dtype:
        return NotImplemented
    n, size = gradient.shape
    layers.through_relu(gradient.numel(), size, n, gradient, output, found, sums, ONE if scale is None else scale, scale is not None)
    return None


# --- Adam ----------------------------------------------------------------------------------------------


class StepOfAdam:
    """A step of ``torch.optim.Adam`` for weights, each with its gradient, which may be bfloat16, and torch's state for it."""

    def __init__(self, each: list[tuple[Tensor, Tensor, dict[str, Tensor]]]):
        self._each = each
        self._numbers, self._counts = 0, []
        self._given = [len(each), *[0] * (OF_ADAM - 1)]
        for weight, gradient, slots in each:
            places = [one.data_ptr() for one in (weight, gradient, slots["exp_avg"], slots["exp_avg_sq"], slots["step"])]
            self._given += (weight.numel(), *[0] * CHANGED, gradient.dtype == torch.bfloat16, *places)
            self._counts.append(ctypes.c_float.from_address(places[-1]))
            self._numbers += weight.numel()

    def __call__(self, rate: float, betas: tuple[float, float], tiny: float) -> None:
        """The next one."""
        (one, two), given, known = betas, self._given, {}
        given[1:OF_ADAM] = as_wholes(one, two, 1 - one, 1 - two, tiny)  # 1 − 0.999 is rounded once
        for at, before in enumerate(self._counts):
            if (count := int(before.value) + 1) not in known:
                known[count] = as_wholes(rate / (1 - one**count), math.sqrt(1 - two**count), float(count))
            place = OF_ADAM + OF_WEIGHT * at + 1
            given[place : place + CHANGED] = known[count]
        threads.run(of_adam.adam, self._numbers, *given)
