#!/usr/bin/env bash
# numba 0.68.1: of a function that was made from source a process can write a compiled cache that no later process can read.
#
# Guess before it was run: cache=True either caches a function or warns that it cannot; what one process wrote, the next one loads.
# Seen: of a function that exec made from source, given the name of a file that exists, the first process compiles and writes index and
# data without a word. In the next one the decorator itself raises AttributeError, 'NoneType' object has no attribute 'startswith', while it
# loads: the data name the module of the function's globals, and there was none. With __name__ among those globals the next process
# loads it (cache_hits is 1). Who generates loops, and catches errors of the cache to compile without one, compiles in every process and sees
# nothing but a slow start.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet numba==0.68.1 numpy==2.4.6
cat > "$folder/made.py" <<'PY'
import sys

import numba

known = {"__name__": "numba"} if sys.argv[1] == "named" else {}
exec(compile("def twice(x):\n    return 2.0 * x\n", __file__, "exec"), known)
twice = known["twice"]
twice.__qualname__ = "twice_" + sys.argv[1]
try:
    found = numba.cfunc("float64(float64)", cache=True)(twice)
    outcome = f"2 × 3 = {found.ctypes(3.0)}, cache hits {found.cache_hits}"
except Exception as error:
    outcome = f"{type(error).__name__}: {error}"
print(f"numba {numba.__version__}, {sys.argv[1]}, process {sys.argv[2]}: {outcome}")
expected = {
    ("bare", "1"): "2 × 3 = 6.0, cache hits 0",
    ("bare", "2"): "AttributeError: 'NoneType' object has no attribute 'startswith'",
    ("named", "1"): "2 × 3 = 6.0, cache hits 0",
    ("named", "2"): "2 × 3 = 6.0, cache hits 1",
}
assert outcome == expected[sys.argv[1], sys.argv[2]]
PY
for globals in bare named; do
    for process in 1 2; do "$folder/env/bin/python" "$folder/made.py" "$globals" "$process"; done
done
