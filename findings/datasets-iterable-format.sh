#!/usr/bin/env bash
# datasets 5.2.0: rows of an iterable data set come five times as slowly as NumPy's arrays as they do as Python's lists.
#
# Guess before it was run: a row of 256 numbers is in Arrow's memory already; as an array it is a view of it, as a list 256 objects of Python
# are made, so that the format "numpy" (and "torch") is the faster one, by far.
# Seen on two cores, rows a second, through a buffer of 1,000: lists, each made an array by the caller, 33,000; with_format("numpy") 6,300, "torch"
# 4,800. By the profiler hardly any of it goes into the numbers: for each row a progress bar is made that is not shown, and NumPy's version is read
# twice and compared. .iter(batch_size=100) of the same set gives 343,000 rows a second as arrays; .batch(100) before the format 770.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet datasets==5.2.0 numpy==2.4.6
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 "$folder/env/bin/python" - "$folder" <<'PY' 2>/dev/null
import sys
import time
from itertools import islice

import datasets
import numpy as np

datasets.disable_progress_bars()
rows = np.random.default_rng(0).random((10_000, 256), dtype=np.float32)
kinds = datasets.Features({"x": datasets.Sequence(datasets.Value("float32"), length=256)})
data = datasets.Dataset.from_generator(lambda: ({"x": row} for row in rows), features=kinds, cache_dir=sys.argv[1])


def speed(formatted):
    """Rows a second, the best of three, and the last row as an array."""
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        for row in islice(formatted.to_iterable_dataset().shuffle(seed=0, buffer_size=1000), 5_000):
            found = np.asarray(row["x"], np.float32)
        best = max(best, 5_000 / (time.perf_counter() - started))
    return best, found


lists, first = speed(data)
arrays, second = speed(data.with_format("numpy"))
assert np.array_equal(first, second)
print(f"datasets {datasets.__version__}, rows a second, each made an array: of lists {lists:,.0f}, of arrays {arrays:,.0f}, {lists / arrays:.1f} times")
assert lists > 2 * arrays
PY
