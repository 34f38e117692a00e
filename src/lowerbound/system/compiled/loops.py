"""Loops over numbers for which torch needs several passes over memory, each a line or two of mathematics in its docstring.

The argument ``a`` of a loop is an array of integers: those of ``threads.run``, then those that its caller in ``__init__`` lists. All loops
are in one file, because numba decides by the date of that file alone whether its cache of a loop is outdated.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from lowerbound.system import philox

#: this many factors between 1 and 2 have a product that does not overflow single precision
FACTORS = 112
HOW: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}  # NaN and infinities are preserved
EXACT: dict[str, Any] = {"error_model": "numpy"}
LOOP = types.void(types.CPointer(types.int64))
single, whole, large = np.float32, np.int32, np.uint64
WORD, FACTOR_0, FACTOR_1, STEP_0, STEP_1 = (large(number) for number in (philox.WORD, *philox.FACTORS, *philox.STEPS))
LOG_0, LOG_1, LOG_2, LOG_3, LOG_4, LOG_5, LOG_6, LOG_7, LOG_8 = (single(number) for number in philox.LOGARITHM)
SINE_0, SINE_1, SINE_2, COSINE_0, COSINE_1, COSINE_2 = (single(number) for number in (*philox.SINE, *philox.COSINE))
ROOT, QUARTER, HIGH_LOG, LOW_LOG = (single(number) for number in (philox.ROOT, philox.QUARTER, *philox.LOG_2))
BITS = ir.IntType(32)
SIXTEEN = BITS(16)


def _bare(make: Any) -> Callable[[Any], Any]:
    """The function without the type checks that tests wrap around it, which numba cannot compile."""
    return lambda function: make(inspect.unwrap(function))


def _kept(function: Any, how: dict[str, Any] = HOW) -> Any:
    """A compiled loop that torch's threads can run, cached on disk where possible."""
    try:
        return cfunc(LOOP, cache=True, **how)(function)
    except Exception:  # of any kind: no folder is writable, the disk is full, the cache is damaged
        return cfunc(LOOP, **how)(function)


def _kept_exactly(function: Any) -> Any:
    """The same, without ``fastmath``, which the functions that a loop calls would inherit."""
    return _kept(function, EXACT)


# --- pointers and bits -------------------------------------------------------------------------------


@_bare(intrinsic)
def _called(_: Any, address: Any) -> Any:
    """The integer returned by the function without arguments at this address."""

    def generate(_: Any, b: Any, __: Any, given: Any) -> Any:
        return b.sext(b.call(b.inttoptr(given[0], ir.FunctionType(BITS, ()).as_pointer()), ()), ir.IntType(64))

    return types.int64(address), generate


def _pointer(kind: Any) -> Any:
    @_bare(intrinsic)
    def to(_: Any, address: Any) -> Any:
        return types.CPointer(kind)(types.int64), lambda context, builder, signature, given: builder.inttoptr(
            given[0], context.get_value_type(signature.return_type)
        )

    return to


@_bare(intrinsic)
def _to_single(_: Any, bits: Any) -> Any:
    """The number in single precision with these bits."""
    return types.float32(types.int32), lambda _, b, __, given: b.bitcast(given[0], ir.FloatType())


@_bare(intrinsic)
def _bits_of(_: Any, number: Any) -> Any:
    """The bits of a number in single precision, as an integer."""
    return types.int32(types.float32), lambda _, b, __, given: b.bitcast(given[0], BITS)


_singles, _halves, _wholes, _larges = (_pointer(kind) for kind in (types.float32, types.uint16, types.int32, types.uint64))


@_bare(intrinsic)
def _read(_: Any, pointer: Any, place: Any) -> Any:
    """The number at a place of an array in single precision or bfloat16, in single precision."""

    def generate(_: Any, b: Any, __: Any, given: Any) -> Any:
        number = b.load(b.gep(given[0], [given[1]]))
        return number if pointer.dtype == types.float32 else b.bitcast(b.shl(b.zext(number, BITS), SIXTEEN), ir.FloatType())

    return types.float32(pointer, place), generate


@_bare(intrinsic)
def _leave(_: Any, pointer: Any, place: Any, number: Any) -> Any:
    """Write a number in single precision to a place of such an array, rounded to nearest even for bfloat16."""

    def generate(context: Any, b: Any, __: Any, given: Any) -> Any:
        left = given[2]
        if pointer.dtype != types.float32:
            bits = b.bitcast(left, BITS)
            odd = b.and_(b.lshr(bits, SIXTEEN), BITS(1))
            left = b.trunc(b.lshr(b.add(b.add(bits, BITS(0x7FFF)), odd), SIXTEEN), ir.IntType(16))
        b.store(left, b.gep(given[0], [given[1]]))
        return context.get_dummy_value()

    return types.none(pointer, place, number), generate


@_bare(njit(inline="always", **HOW))
def _own(a: Any) -> Any:
    """The parts of this thread, always the same ones, so that a core finds numbers that it computed in its own cache."""
    if a[0] == 0:
        return range(0, a[2], 1)
    return range(_called(a[0]), a[2], _called(a[1]))


@_bare(njit(inline="always", **HOW))
def _number(bits: Any) -> Any:
    """The number in single precision with the same bits as this integer."""
    return _to_single(whole(bits))


@_bare(njit(inline="always", **HOW))
def _within(x: Any, low: Any, high: Any) -> Any:
    """x clipped to an interval; NaN stays NaN."""
    return low if x < low else (high if x > high else x)


@_bare(njit(inline="always", **HOW))
def _exp(x: Any) -> Any:
    """e^x for x ≤ 88, to 2 units in the last place.

    With x = n log 2 + r: 2^n from its exponent bits, e^r for |r| ≤ ½ log 2 by the polynomial of Cephes.
    """
    x = single(-87.0) if x < single(-87.0) else x
    n = np.floor(x * single(1.44269504) + single(0.5))
    r = x - n * single(0.693359375) + n * single(2.12194440e-4)
    p = single(1.9875691500e-4) * r + single(1.3981999507e-3)
    p = p * r + single(8.3334519073e-3)
    p = p * r + single(4.1665795894e-2)
    p = p * r + single(1.6666665459e-1)
    p = p * r + single(5.0000001201e-1)
    return (p * r * r + r + single(1)) * _to_single((whole(n) + whole(127)) << whole(23))


# --- Bernoulli likelihood -------------------------------------------------------------------------------------


@_bare(njit(**HOW))
def _bits(
    begin: Any, end: Any, size: Any, rows: Any, logits: Any, bias: Any, value: Any, found: Any, slope: Any, scale: Any, stride: Any
) -> None:
    """Σ (x l − max(l, 0) − log(1 + e^−|l|)), one logarithm per ``FACTORS`` values; and the slope x − S(l) times each row's ``scale``."""
    for row in range(begin, end):
        here, there = row * size, row % rows * size
        linear, logarithm, weight = single(0), single(0), scale[row * stride]
        for first in range(0, size, FACTORS):
            product = single(1)
            for place in range(first, min(first + FACTORS, size)):
                logit, x = _read(logits, here + place) + bias[place], value[there + place]
                e = _exp(-abs(logit))
                chance = single(1) / (single(1) + e)
                product *= single(1) + e
                linear += x * logit - (single(0) if logit < single(0) else logit)
                _leave(slope, here + place, weight * (x - (chance if logit >= single(0) else e * chance)))
            logarithm += np.log(product)
        found[row] = linear - logarithm


@_bare(njit(**HOW))
def _bits_alone(begin: Any, end: Any, size: Any, rows: Any, logits: Any, value: Any, found: Any) -> None:
    """As ``_bits`` without the slope."""
    for row in range(begin, end):
        here, there = row * size, row % rows * size
        linear, logarithm = single(0), single(0)
        for first in range(0, size, FACTORS):
            product = single(1)
            for place in range(first, min(first + FACTORS, size)):
                logit = _read(logits, here + place)
                product *= single(1) + _exp(-abs(logit))
                linear += value[there + place] * logit - (single(0) if logit < single(0) else logit)
            logarithm += np.log(product)
        found[row] = linear - logarithm


@_bare(_kept)
def bits(a: Any) -> None:
    """The Bernoulli log-likelihood of logits in single precision or bfloat16, with or without its slope."""
    parts, n, size, rows, value, found = a[2], a[3], a[4], a[5], _singles(a[7]), _singles(a[8])
    scale, stride, bias = _singles(a[10]), a[11], _singles(a[12])
    for part in _own(a):
        begin, end = n * part // parts, n * (part + 1) // parts
        if a[13] and a[9]:
            _bits(begin, end, size, rows, _halves(a[6]), bias, value, found, _halves(a[9]), scale, stride)
        elif a[13]:
            _bits_alone(begin, end, size, rows, _halves(a[6]), value, found)
        elif a[9]:
            _bits(begin, end, size, rows, _singles(a[6]), bias, value, found, _singles(a[9]), scale, stride)
        else:
            _bits_alone(begin, end, size, rows, _singles(a[6]), value, found)


@_bare(njit(inline="always", **HOW))
def _mixed(z: Any) -> Any:
    """The final mixing steps of SplitMix64."""
    z = (z ^ (z >> large(30))) * large(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> large(27))) * large(0x94D049BB133111EB)
    return z ^ (z >> large(31))


@_bare(_kept)
def drawn(a: Any) -> None:
    """Bernoulli draws: of each 64 random bits the lower half decides a place of a row's first half, the upper one of its second half."""
    parts, n, size, keys = a[2], a[3], a[4], _larges(a[5])
    chance, found, half = _singles(a[6]), _singles(a[7]), (size + 1) // 2
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            here, key = row * size, keys[row]
            for place in range(half):
                z = _mixed(key + large(place + 1) * large(0x9E3779B97F4A7C15))
                low, c = single(whole(z >> large(8)) & whole(0xFFFFFF)), chance[here + place]
                found[here + place] = (single(1) if low < c * single(2**24) else single(0)) + single(0) * c
            for place in range(half, size):
                z = _mixed(key + large(place - half + 1) * large(0x9E3779B97F4A7C15))
                high, c = single(whole(z >> large(40))), chance[here + place]
                found[here + place] = (single(1) if high < c * single(2**24) else single(0)) + single(0) * c


# --- random numbers by row -----------------------------------------------------------------------------
# Without ``fastmath``: the bits are those of the same operations of torch in system/philox.py. The three kinds are alike but for
# what they make of four words; one loop that is handed a function for it numba would not cache.


@_bare(njit(inline="always", **EXACT))
def _philox(block: Any, row: Any, call: Any, lane: Any, key: Any) -> Any:
    """The four words of the counter (block, row, call, lane)."""
    c0, c1, c2, c3, k0, k1 = large(block) & WORD, row & WORD, call & WORD, lane & WORD, key & WORD, key >> large(32)
    for _ in range(philox.ROUNDS):
        p0, p1 = c0 * FACTOR_0, c2 * FACTOR_1
        c0, c1, c2, c3 = (p1 >> large(32)) ^ c1 ^ k0, p1 & WORD, (p0 >> large(32)) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + STEP_0) & WORD, (k1 + STEP_1) & WORD
    return c0, c1, c2, c3


@_bare(njit(inline="always", **EXACT))
def _log(x: Any) -> Any:
    """log x of 0 < x ≤ 1."""
    bits = _bits_of(x)
    mantissa = _to_single((bits & whole(0x7FFFFF)) | whole(0x3F000000))
    exponent = single((bits >> whole(23)) - whole(126))
    low = mantissa < ROOT
    y = (mantissa + mantissa if low else mantissa) - single(1)
    e = exponent - single(1) if low else exponent
    square = y * y
    p = y * LOG_0 + LOG_1
    p = p * y + LOG_2
    p = p * y + LOG_3
    p = p * y + LOG_4
    p = p * y + LOG_5
    p = p * y + LOG_6
    p = p * y + LOG_7
    p = p * y + LOG_8
    return y * square * p + e * LOW_LOG - square * single(0.5) + y + e * HIGH_LOG


@_bare(njit(inline="always", **EXACT))
def _two_normals(of_radius: Any, of_angle: Any) -> Any:
    """Two normals of two words (Box and Muller)."""
    radius = np.sqrt(_log((single(of_radius) + single(0.5)) * single(2.0**-32)) * single(-2))
    angle = (single(whole(of_angle >> large(6) & large(0xFFFFFF))) - single(8388607.5)) * QUARTER
    square = angle * angle
    sine = ((square * SINE_0 + SINE_1) * square + SINE_2) * square * angle + angle
    cosine = ((square * COSINE_0 + COSINE_1) * square + COSINE_2) * square * square - square * single(0.5) + single(1)
    mirrored = of_angle >> large(31) != large(0)
    radius = -radius if of_angle >> large(30) & large(1) != large(0) else radius
    return radius * (sine if mirrored else cosine), radius * (cosine if mirrored else sine)


@_bare(njit(**EXACT))
def _random_words(row: Any, call: Any, key: Any, size: Any, found: Any, start: Any) -> None:
    for block in range(size // 4):
        c0, c1, c2, c3 = _philox(block, row, call, large(0), key)
        here = start + 4 * block
        found[here], found[here + 1], found[here + 2], found[here + 3] = whole(c0), whole(c1), whole(c2), whole(c3)


@_bare(njit(inline="always", **EXACT))
def _uniform(word: Any) -> Any:
    return (single(whole(word >> large(9))) + single(0.5)) * single(2.0**-23)


@_bare(njit(**EXACT))
def _random_uniforms(row: Any, call: Any, key: Any, size: Any, found: Any, start: Any) -> None:
    for block in range(size // 4):
        c0, c1, c2, c3 = _philox(block, row, call, large(0), key)
        here = start + 4 * block
        found[here], found[here + 1], found[here + 2], found[here + 3] = _uniform(c0), _uniform(c1), _uniform(c2), _uniform(c3)


@_bare(njit(**EXACT))
def _random_normals(row: Any, call: Any, key: Any, size: Any, found: Any, start: Any) -> None:
    for block in range(size // 4):
        c0, c1, c2, c3 = _philox(block, row, call, large(0), key)
        here = start + 4 * block
        found[here], found[here + 1] = _two_normals(c0, c1)
        found[here + 2], found[here + 3] = _two_normals(c2, c3)


@_bare(_kept_exactly)
def random_words(a: Any) -> None:
    """Words of Philox4x32-10 for each row, as many as make whole blocks."""
    parts, n, size, rows, key, call, found = a[2], a[3], a[4], _larges(a[5]), large(a[6]), large(a[7]), _wholes(a[8])
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            _random_words(rows[row], call, key, size, found, row * size)


@_bare(_kept_exactly)
def random_blocks(a: Any) -> None:
    """The four words of each of some counters, each with a place and a row of its own."""
    parts, n, rows, places, key, call, lane, found = a[2], a[3], _larges(a[4]), _larges(a[5]), large(a[6]), large(a[7]), large(a[8]), a[9]
    words = _larges(found)
    for part in _own(a):
        for i in range(n * part // parts, n * (part + 1) // parts):
            words[i], words[n + i], words[2 * n + i], words[3 * n + i] = _philox(places[i], rows[i], call, lane, key)


@_bare(_kept_exactly)
def random_uniforms(a: Any) -> None:
    """Numbers uniform on (0, 1), one of each word."""
    parts, n, size, rows, key, call, found = a[2], a[3], a[4], _larges(a[5]), large(a[6]), large(a[7]), _singles(a[8])
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            _random_uniforms(rows[row], call, key, size, found, row * size)


@_bare(_kept_exactly)
def random_normals(a: Any) -> None:
    """Standard normal numbers, two of each two words."""
    parts, n, size, rows, key, call, found = a[2], a[3], a[4], _larges(a[5]), large(a[6]), large(a[7]), _singles(a[8])
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            _random_normals(rows[row], call, key, size, found, row * size)


# --- latents -------------------------------------------------------------------------------------------


@_bare(_kept)
def latents(a: Any) -> None:
    """z = μ + σ ε with σ² = e^l, where ``q`` plus its bias is (μ, l); KL(q ‖ p) and log p(z) − log q(z|x) for a standard normal p."""
    parts, n, d, k, low, high = a[2], a[3], a[4], a[5], _number(a[6]), _number(a[7])
    q, noise, scale, z, kl, ratio = _singles(a[8]), _singles(a[9]), _singles(a[10]), _singles(a[11]), _singles(a[12]), _singles(a[13])
    bias = _singles(a[14])
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            total, logarithms = single(0), single(0)
            for j in range(2 * d):
                q[2 * row * d + j] += bias[j]
            for j in range(d):
                mean, log = q[2 * row * d + j], _within(q[(2 * row + 1) * d + j], low, high)
                variance = _exp(log)
                scale[row * d + j] = np.sqrt(variance)
                logarithms += log
                total += mean * mean + variance - log - single(1)
            kl[row] = single(0.5) * total
            for draw in range(row, k * n, n):
                squares = logarithms
                for j in range(d):
                    e = noise[draw * d + j]
                    drawn = q[2 * row * d + j] + scale[row * d + j] * e
                    z[draw * d + j] = drawn
                    squares += e * e - drawn * drawn
                ratio[draw] = single(0.5) * squares


@_bare(_kept)
def bounds(a: Any) -> None:
    """Means of the bound, log p(x|z) and the KL; for the importance-weighted bound, log 1/K Σ_k w_k, also each w_k / Σ w, over n."""
    n, k, log_likelihood, kl, ratio = a[3], a[4], _singles(a[5]), _singles(a[6]), _singles(a[7])
    share, found = _singles(a[8]), _singles(a[9])
    bounds, likelihoods, kls = 0.0, 0.0, 0.0
    for row in range(n):
        top, mean, divergence = -np.inf, 0.0, 0.0
        for draw in range(row, k * n, n):
            mean += log_likelihood[draw] / k
            divergence -= ratio[draw] / k
            top = max(top, np.float64(log_likelihood[draw] + ratio[draw]))
        total = 0.0
        if a[8]:
            for draw in range(row, k * n, n):
                weight = math.exp(log_likelihood[draw] + ratio[draw] - top)
                share[draw] = weight
                total += weight
            for draw in range(row, k * n, n):
                share[draw] /= total * n
        else:
            divergence = kl[row]
        bounds += (top + math.log(total / k) if a[8] else mean - divergence) / n
        likelihoods += mean / n
        kls += divergence / n
    found[0], found[1], found[2] = bounds, likelihoods, kls


@_bare(_kept)
def of_latents(a: Any) -> None:
    """The gradient in μ and l: Σ_k g + c μ and ½ (σ Σ_k g ε + c (σ² − 1) + e), zero in l outside its bounds; g = of_z + share z."""
    parts, n, d, k, low, high, c, e = a[2], a[3], a[4], a[5], _number(a[6]), _number(a[7]), _number(a[8]), _number(a[9])
    q, noise, scale, z = _singles(a[10]), _singles(a[11]), _singles(a[12]), _singles(a[13])
    of_z, share, found = _singles(a[14]), _singles(a[15]), _singles(a[16])
    for part in _own(a):
        for row in range(n * part // parts, n * (part + 1) // parts):
            means, logs = 2 * row * d, (2 * row + 1) * d
            for j in range(d):
                found[means + j], found[logs + j] = single(0), single(0)
            for draw in range(row, k * n, n):
                mine = share[draw] if a[15] else single(0)
                for j in range(d):
                    g = of_z[draw * d + j] + mine * z[draw * d + j]
                    found[means + j] += g
                    found[logs + j] += g * noise[draw * d + j]
            for j in range(d):
                s, log = scale[row * d + j], q[logs + j]
                found[means + j] += c * q[means + j]
                slope = single(0.5) * (s * found[logs + j] + c * (s * s - single(1)) + e)
                found[logs + j] = slope if low < log < high else slope * single(0)


# --- layers --------------------------------------------------------------------------------------------


@_bare(njit(**HOW))
def _masked(begin: Any, end: Any, n: Any, size: Any, gradient: Any, output: Any, found: Any, sums: Any, scale: Any, stride: Any) -> None:
    for column in range(begin, end):
        sums[column] = single(0)
    for row in range(n):
        weight = scale[row * stride]
        for place in range(row * size + begin, row * size + end):
            g = _read(gradient, place) * weight
            g = g if _read(output, place) > single(0) else single(0)
            _leave(found, place, g)
            sums[place - row * size] += g


@_bare(njit(**HOW))
def _rectify(begin: Any, end: Any, size: Any, output: Any, bias: Any, found: Any) -> None:
    for row in range(begin, end):
        for place in range(size):
            x = _read(output, row * size + place) + bias[place]
            _leave(found, row * size + place, single(0) if x < single(0) else x)


@_bare(_kept)
def relu(a: Any) -> None:
    """max(x + bias, 0), from one type to another."""
    parts, n, size, bias = a[2], a[3], a[4], _singles(a[6])
    for part in _own(a):
        begin, end = n * part // parts, n * (part + 1) // parts
        if a[8] and a[9]:
            _rectify(begin, end, size, _halves(a[5]), bias, _halves(a[7]))
        elif a[8]:
            _rectify(begin, end, size, _halves(a[5]), bias, _singles(a[7]))
        elif a[9]:
            _rectify(begin, end, size, _singles(a[5]), bias, _halves(a[7]))
        else:
            _rectify(begin, end, size, _singles(a[5]), bias, _singles(a[7]))


@_bare(_kept)
def through_relu(a: Any) -> None:
    """A ReLU's gradient times each row's scale, from one type to another, and its sum over rows: each thread has its own columns."""
    parts, n, size, stride = a[2], a[3], a[4], a[9]
    sums, scale = _singles(a[8]), _singles(a[10])
    for part in _own(a):
        begin, end = size * part // parts, size * (part + 1) // parts
        if a[11] and a[12]:
            _masked(begin, end, n, size, _halves(a[5]), _halves(a[6]), _halves(a[7]), sums, scale, stride)
        elif a[11]:
            _masked(begin, end, n, size, _halves(a[5]), _halves(a[6]), _singles(a[7]), sums, scale, stride)
        elif a[12]:
            _masked(begin, end, n, size, _singles(a[5]), _singles(a[6]), _halves(a[7]), sums, scale, stride)
        else:
            _masked(begin, end, n, size, _singles(a[5]), _singles(a[6]), _singles(a[7]), sums, scale, stride)


# --- Adam ----------------------------------------------------------------------------------------------


@_bare(njit(inline="always", **HOW))
def _moved(p: Any, g: Any, m: Any, v: Any, numbers: Any) -> Any:
    """The new moments, and p − rate m / (√v / root + ε)."""
    one, two, rest_of_one, rest_of_two, tiny, rate, root = numbers
    m, v = one * m + rest_of_one * g, two * v + rest_of_two * g * g
    return m, v, p - rate * m / (np.sqrt(v) / root + tiny)


@_bare(njit(**HOW))
def _descend(begin: Any, end: Any, p: Any, g: Any, m: Any, v: Any, numbers: Any) -> None:
    for place in range(begin, end):
        m[place], v[place], p[place] = _moved(p[place], _read(g, place), m[place], v[place], numbers)


@_bare(_kept)
def adam(a: Any) -> None:
    """A step of Adam: each thread updates a part of each parameter, whose gradient is in single precision or bfloat16."""
    parts, constants = a[2], (_number(a[4]), _number(a[5]), _number(a[6]), _number(a[7]), _number(a[8]))
    for part in _own(a):
        for at in range(9, 9 + 10 * a[3], 10):
            n, p, m, v = a[at], _singles(a[at + 5]), _singles(a[at + 7]), _singles(a[at + 8])
            begin, end, numbers = n * part // parts, n * (part + 1) // parts, (*constants, _number(a[at + 1]), _number(a[at + 2]))
            if a[at + 4]:
                _descend(begin, end, p, _halves(a[at + 6]), m, v, numbers)
            else:
                _descend(begin, end, p, _singles(a[at + 6]), m, v, numbers)
            if part == 0:
                _singles(a[at + 9])[0] = _number(a[at + 3])
