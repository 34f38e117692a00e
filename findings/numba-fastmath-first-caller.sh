#!/usr/bin/env bash
# numba 0.68.1: a function without fastmath is compiled with that of its first caller, and stays so for everybody else.
#
# Guess before it was run: a function that is decorated @njit is compiled by its own options, whoever calls it.
# Seen: of a compensated sum (Kahan) called by itself first the error is 0; where a function with fastmath=True happens to call it first, the
# compensation is optimised away, 1.3e-6 of a sum of 1e5, then and in every later call, from anywhere. So the order of calls decides the digits.
# A generator whose bits are to be the same everywhere has to be compiled before, or by, a caller without fastmath.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet numba==0.68.1 numpy==2.4.6
cat > "$folder/sums.py" <<'PY'
import math
import sys

import numba
import numpy as np
from numba import njit


@njit
def compensated(x):
    total, lost = 0.0, 0.0
    for value in x:
        term = value - lost
        larger = total + term
        lost = (larger - total) - term
        total = larger
    return total


@njit(fastmath=True)
def fast_caller(x):
    return compensated(x)


x = np.full(1_000_001, 0.1)
if sys.argv[1] == "fast":
    fast_caller(x)
alone, by_fast = (abs(f(x) - math.fsum(x)) for f in (compensated, fast_caller))
print(f"numba {numba.__version__}, first called {sys.argv[1]}: error alone {alone:.1e}, by the fast caller {by_fast:.1e}")
assert (alone > 1e-7, by_fast > 1e-7) == ((sys.argv[1] == "fast"),) * 2
PY
"$folder/env/bin/python" "$folder/sums.py" alone
"$folder/env/bin/python" "$folder/sums.py" fast
