"""The constants of Philox4x32-10, and of the normal numbers made of it, which torch's lines and the compiled loops share."""

from __future__ import annotations

import math

ROUNDS, WORD = 10, 2**32 - 1
FACTORS, STEPS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
#: log x = y − y²/2 + y³ P(y) for y = x − 1, x from √½ to √2: the coefficients of P; those of a sine and a cosine up to ±π/4 (Cephes)
LOGARITHM = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
SINE, COSINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1), (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
ROOT = 0.707106769084930419921875  # √½ in single precision
#: log 2 as the sum of a short number, of which multiples are exact, and a small one
LOG_2 = (0.693359375, -2.12194440e-4)
QUARTER = math.pi / 2**25  # of a circle, over the 2^24 angles in it


def whole(size: int) -> int:
    """The size in whole blocks."""
    return -(-size // 4) * 4
