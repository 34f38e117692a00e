"""A table of columns of every kind with holes, as files, and what a file of a table holds."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np

from lowerbound.data import tables


def mixed(rows: int, seed: int = 0) -> dict[str, list[str]]:
    """Columns that tell something of one another, some cells of which hold nothing, in several spellings."""
    rng, some = np.random.default_rng(seed), random.Random(seed)
    z = rng.normal(size=rows)
    day = np.datetime64("2020-01-01") + (40 * z + 10 * rng.normal(size=rows)).astype(int)
    columns = {
        "id": [f"p{number}" for number in range(rows)],
        "x": [f"{value:.2f}" for value in z + 0.3 * rng.normal(size=rows)],
        "city": [("Oslo, N", "Rome", 'the "city"')[int(place)] for place in (z > 0.6) * 1 + (z > -0.6) * 1],
        "ok": ["yes" if value > 0 else "no" for value in z + 0.5 * rng.normal(size=rows)],
        "visits": [str(value) for value in rng.poisson(np.exp(1 + z))],
        "day": [str(value) for value in day],
        "unit": ["cm"] * rows,
    }
    for name in ("x", "city", "ok", "visits", "day", "unit"):
        columns[name] = [some.choice(["", "NA", "null"]) if some.random() < 0.2 else cell for cell in columns[name]]
    return columns


def as_csv(path: Path, columns: dict[str, list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def cells(path: Path) -> dict[str, list[str | None]]:
    return dict(tables.read(path).cells)
