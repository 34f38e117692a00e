"""Philox4x32-10: random bits as a function of a key and a counter, so that any of them can be had without those before.

A counter is four words of 32 bits: a block, a row, the number of a call, and a lane. Each gives four words. Here by torch's operations on
integers, which every device has; the compiled loops give the same bits, of uniform and normal numbers too: these are made by sums and
products alone, in the same order.

Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011, https://doi.org/10.1145/2063384.2063405.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.system.operations import operation
from lowerbound.system.philox_numbers import COSINE, FACTORS, LOG_2, LOGARITHM, QUARTER, ROOT, ROUNDS, SINE, STEPS, WORD, whole


def words(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Int64[Tensor, "B size"]:
    """``size`` words for each row, four of each block, as numbers below 2^32."""
    return random_words(_signed(key), rows, size, call)


def keys(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Int64[Tensor, "B size"]:
    """``size`` numbers of 64 random bits for each row, of two words each."""
    return random_keys(_signed(key), rows, size, call)


def uniforms(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """``size`` numbers for each row, uniform on (0, 1): 2^23 different ones, in single precision."""
    return random_uniforms(_signed(key), rows, size, call)


def normals(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """``size`` numbers for each row, standard normal up to ±6.7, in single precision: two of each two words.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958, https://doi.org/10.1214/aoms/1177706645.
    """
    return random_normals(_signed(key), rows, size, call)


def blocks(key: int, rows: Int64[Tensor, " n"], places: Int64[Tensor, " n"], call: int, lane: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four words of each counter (place, row, call, lane), as numbers below 2^32."""
    one, two, three, four = random_blocks(_signed(key), rows, places, call, lane)
    return one, two, three, four


def doubles(first: Tensor, second: Tensor) -> Tensor:
    """Numbers uniform on (0, 1) in double precision, 2^52 different ones, of two words each."""
    return ((first << 20 | second >> 12).double() + 0.5) * 2.0**-52


def box_muller(u: Tensor, v: Tensor) -> Tensor:
    """A standard normal number √(−2 log u) cos 2πv of each two that are uniform on (0, 1), in their precision."""
    return (-2 * u.log()).sqrt() * (2 * math.pi * v).cos()


def _signed(key: int) -> int:
    """The integer with the same 64 bits, as torch has them."""
    return key - 2**64 if key >= 2**63 else key


# --- torch's lines -----------------------------------------------------------------------------------


@operation("random_words(int key, Tensor rows, int size, int call) -> Tensor")
def random_words(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Int64[Tensor, "B size"]:
    """``words``, by torch's operations on integers."""
    return _flat(_of_rows(key, rows, size, call), size)


@operation("random_keys(int key, Tensor rows, int size, int call) -> Tensor")
def random_keys(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Int64[Tensor, "B size"]:
    """``keys``, the first word being the lower half."""
    found = _flat(_of_rows(key, rows, 2 * size, call), 2 * size)
    return found[:, ::2] | found[:, 1::2] << 32


@operation("random_uniforms(int key, Tensor rows, int size, int call) -> Tensor")
def random_uniforms(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """``uniforms``, of 23 bits of each word."""
    return ((_flat(_of_rows(key, rows, size, call), size) >> 9).float() + 0.5) * 2.0**-23


@operation("random_normals(int key, Tensor rows, int size, int call) -> Tensor")
def random_normals(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """``normals``, of the sums and products that the loop makes too."""
    one, two, three, four = _of_rows(key, rows, size, call)
    return _flat((*_two_normals(one, two), *_two_normals(three, four)), size)


@operation("random_blocks(int key, Tensor rows, Tensor places, int call, int lane) -> Tensor")
def random_blocks(key: int, rows: Int64[Tensor, " n"], places: Int64[Tensor, " n"], call: int, lane: int) -> Int64[Tensor, "4 n"]:
    """``blocks``, one below the other."""
    return torch.stack(_blocks(key, rows, places, call, lane))


def _blocks(
    key: int, rows: Int64[Tensor, "*#n"], places: Int64[Tensor, "*#n"], call: int, lane: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    even, odd = [places & WORD, torch.full_like(places, call & WORD)], [rows & WORD, torch.full_like(rows, lane & WORD)]
    keys = [key & WORD, key >> 32 & WORD]
    for _ in range(ROUNDS):
        products = [word * factor for word, factor in zip(even, FACTORS, strict=True)]  # modulo 2^64, as the shift expects
        high = [(product >> 32) & WORD for product in products]
        even = [high[1] ^ odd[0] ^ keys[0], high[0] ^ odd[1] ^ keys[1]]
        odd = [products[1] & WORD, products[0] & WORD]
        keys = [(word + step) & WORD for word, step in zip(keys, STEPS, strict=True)]
    return even[0], odd[0], even[1], odd[1]


def _of_rows(key: int, rows: Tensor, size: int, call: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The blocks of each row."""
    places = torch.arange(whole(size) // 4, device=rows.device)[None].expand(len(rows), -1)
    return _blocks(key, rows[:, None], places, call, 0)


def _flat(four: tuple[Tensor, ...], size: int) -> Tensor:
    return torch.stack(four, -1).flatten(1)[:, :size]


def _two_normals(of_radius: Tensor, of_angle: Tensor) -> tuple[Tensor, Tensor]:
    """√(−2 log u) times cosine and sine of an angle: of 24 bits in the quarter around 0, put into one of the four by two more."""
    radius = _root(_log((of_radius.float() + 0.5) * 2.0**-32) * -2)
    angle = ((of_angle >> 6 & 0xFFFFFF).float() - 8388607.5) * QUARTER
    square = angle * angle
    sine, cosine = _polynomial(SINE, square) * square * angle + angle, _polynomial(COSINE, square) * square * square - square * 0.5 + 1
    mirrored = (of_angle >> 31).bool()
    radius = torch.where((of_angle >> 30 & 1).bool(), -radius, radius)
    return radius * torch.where(mirrored, sine, cosine), radius * torch.where(mirrored, cosine, sine)


def _root(x: Tensor) -> Tensor:
    """√x, rounded to the nearest number, which torch's in single precision is not on every CPU."""
    return x.sqrt() if x.device.type == "mps" else x.double().sqrt().float()  # which has no doubles


def _log(x: Tensor) -> Tensor:
    """log x of 0 < x ≤ 1."""
    mantissa, exponent = torch.frexp(x)
    low = mantissa < ROOT
    y = torch.where(low, mantissa + mantissa, mantissa) - 1
    e = torch.where(low, exponent - 1, exponent).float()
    square = y * y
    return y * square * _polynomial(LOGARITHM, y) + e * LOG_2[1] - square * 0.5 + y + e * LOG_2[0]


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    found = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        found = found * x + coefficient
    return found
