"""Student-t's by what a network gives for them: the loop."""

from __future__ import annotations

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, bare, exp, log1p, logarithm, single, within
from lowerbound.system.compiled.kernels.loop import Singles, loop

#: coefficients of log Γ((ν + 1)/2) − log Γ(ν/2) − ½ log πν as a polynomial in t = 1/ν for ν ≥ 2, to 3·10⁻⁹ (Chebyshev's)
(C0, C1, C2, C3, C4, C5, C6, C7) = map(
    single,
    (
        -0.9189385350234561,
        -0.24999960138199723,
        -1.2543868322202611e-05,
        0.04176204086623979,
        0.0006247866806153388,
        -0.06301312208440393,
        0.07583744533837619,
        -0.03256399310827808,
    ),
)
#: beyond this distance, in σ √ν, 1 + d² is d² in single precision, whose square has no place there
FAR = single(1e9)


@bare(njit(inline="always", **FAST))
def softplus(x):
    """log(1 + e^x), and its slope S(x)."""
    e = exp(-abs(x))
    chance = single(1) / (single(1) + e)
    return (x if x > single(0) else single(0)) + log1p(e), chance if x >= single(0) else e * chance


@bare(njit(**FAST))
def log_probs(begin, end, floor, least, from_loc, raw_scale, raw_freedom, found):
    """log p of each, given how far it is from the location and what the network gives for σ and ν; these become the slopes in all three."""
    for place in range(begin, end):
        softened, of_scale = softplus(raw_scale[place])
        more, of_freedom = softplus(raw_freedom[place] + least)
        scale, freedom = floor + softened, least + floor + more
        t = single(1) / freedom
        y = from_loc[place] / scale
        distance = abs(y) * np.sqrt(t)
        far = distance > FAR
        square = within(distance * distance, single(0), single(1e30))
        tail = log1p(distance if far else square) * (single(2) if far else single(1))
        gammas = C6 + t * C7
        gammas = C4 + t * (C5 + t * gammas)
        gammas = C0 + t * (C1 + t * (C2 + t * (C3 + t * gammas)))
        half = single(0.5) * (freedom + single(1))
        found[place] = gammas - logarithm(scale) - half * tail + single(0) * y  # NaN and infinity stay
        inside = single(0) if far else single(1) / (single(1) + square)
        outside = single(1) if far else square * inside
        steep = single(6) * C6 + t * (single(7) * C7)
        steep = single(4) * C4 + t * (single(5) * C5 + t * steep)
        steep = C1 + t * (single(2) * C2 + t * (single(3) * C3 + t * steep))
        from_loc[place] = single(2) * half * t * inside * y / scale
        raw_scale[place] = of_scale * (single(2) * half * outside - single(1)) / scale
        raw_freedom[place] = of_freedom * (half * t * outside - single(0.5) * tail - t * t * steep)


@loop(
    rows=int,
    size=int,
    own=int,
    wanted=int,
    floor=float,
    least=float,
    value=Singles,
    output=Singles,
    more=Singles,
    found=Singles,
    slope=Singles,
    from_loc=Singles,
    raw_scale=Singles,
    raw_freedom=Singles,
)
def log_prob(begin, end, rows, size, own, wanted, floor, least, value, output, more, found, slope, from_loc, raw_scale, raw_freedom):
    """log p of each value, and where ``wanted`` its slopes in the three numbers of the network.

    The last three are room: rows may be short, and a processor computes sixteen numbers of one long row at once.
    """
    for row in range(begin, end):
        here, there, of_value = row * size, 3 * row * size, row % own * size
        for place in range(size):
            from_loc[here + place] = value[of_value + place] - output[there + place]
            raw_scale[here + place] = output[there + size + place]
            raw_freedom[here + place] = output[there + 2 * size + place] + more[place]
    log_probs(begin * size, end * size, floor, least, from_loc, raw_scale, raw_freedom, found)
    if wanted:
        for row in range(begin, end):
            here, there = row * size, 3 * row * size
            for place in range(size):
                slope[there + place] = from_loc[here + place]
                slope[there + size + place] = raw_scale[here + place]
                slope[there + 2 * size + place] = raw_freedom[here + place]
