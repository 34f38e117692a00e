"""Which law counts and dates have, by values held out, of laws that are known; money is no count; and each is named in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from lowerbound import data
from lowerbound.data import count_choice
from lowerbound.data.schema import Schema
from lowerbound.data.whole_numbers import are_counts
from lowerbound.interfaces.cli.console import described

N = 1_000
Draw = Callable[[np.random.Generator, int], np.ndarray]
#: counts, and the law that they have
COUNTS: dict[str, tuple[str, Draw]] = {
    "rare": (count_choice.POISSON, lambda rng, n: rng.poisson(0.3, n)),
    "some": (count_choice.POISSON, lambda rng, n: rng.poisson(5, n)),
    "many": (count_choice.POISSON, lambda rng, n: rng.poisson(200, n)),
    "geometric": (count_choice.OVERDISPERSED, lambda rng, n: rng.geometric(1 / 20, n) - 1),
    "spread out": (count_choice.OVERDISPERSED, lambda rng, n: rng.negative_binomial(0.2, 0.2 / 100.2, n)),
    "half zeros, small": (count_choice.INFLATED, lambda rng, n: (rng.random(n) < 0.5) * rng.poisson(3, n)),
    "half zeros": (count_choice.INFLATED, lambda rng, n: (rng.random(n) < 0.5) * rng.negative_binomial(5, 0.2, n)),
}
SEEDS = 8


@pytest.mark.parametrize("name", COUNTS)
def test_counts_have_the_law_that_they_were_drawn_from(name: str) -> None:
    """But for one of eight tables at most, as two standard errors are worth; and none is money."""
    law, draw = COUNTS[name]
    tables = [draw(np.random.default_rng(seed), N).astype(float) for seed in range(SEEDS)]
    assert sum(count_choice.chosen(values) == law for values in tables) >= SEEDS - 1
    assert not any(map(count_choice.are_money, tables))
    assert not any(count_choice.are_money(draw(np.random.default_rng(seed), 150).astype(float)) for seed in range(SEEDS))


@pytest.mark.parametrize("zeros", [0.1, 0.3, 0.65])
def test_money_with_zeros_is_no_count(zeros: float) -> None:
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        money = (rng.random(N) > zeros) * np.round(np.exp(rng.normal(np.log(300), 0.7, N)))
        assert not are_counts(money)


def test_few_counts_are_what_they_were_before() -> None:
    assert count_choice.chosen(np.arange(10.0)) == count_choice.OVERDISPERSED


def days(rng: np.random.Generator, offsets: np.ndarray) -> list[str]:
    return [(date(2020, 1, 1) + timedelta(int(day))).isoformat() for day in offsets]


def dates_of(rng: np.random.Generator) -> dict[str, list[str]]:
    some, near = rng.random(N), rng.normal(0, 60, N)
    seasons = rng.integers(0, 2, N) * 180 + rng.normal(0, 8, N)
    return {
        "even": days(rng, rng.integers(0, 1000, N)),
        "about one": days(rng, near),
        "seasons": days(rng, seasons),
        "far": days(rng, np.sinh(rng.normal(0, 2.5, N)) * 20),
        "spiked": ["1970-01-01" if one < 0.2 else day for one, day in zip(some, days(rng, near), strict=True)],
    }


#: of dates map and words
FOUND = {
    "even": ("logit", "between 2019-12-"),
    "about one": (None, "days"),
    "seasons": ("logit", "between 2019-1"),
    "far": ("asinh", "about one time, some far from it"),
    "spiked": ("linear", "often 1970-01-01, about one time"),
}


def test_dates_have_a_law_and_spikes_and_come_back(tmp_path: Path) -> None:
    columns = dates_of(np.random.default_rng(0)) | {"k": [str(k) for k in np.random.default_rng(1).poisson(4, N)]}
    path = tmp_path / "t.csv"
    path.write_text("\n".join([",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]) + "\n", encoding="utf-8")
    splits = data.load(path)
    schema = splits.schema
    assert schema is not None
    assert splits.whole is not None
    assert Schema.read(json.loads(json.dumps(schema.words()))) == schema
    for column, values in zip(schema.columns, splits.whole[:].T, strict=True):
        texts = columns[column.name]
        if column.kind == "date":
            law, words = FOUND[column.name]
            assert (column.marginal.law if column.marginal else None) == law
            assert words in described(column)
        else:
            assert described(column).endswith(", Poisson")
        assert [column.text(float(value)) for value in values] == texts
