"""Rubin's rules: by hand, against the posterior of a mean that is known, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lowerbound as lb
from lowerbound.errors import UsageError
from lowerbound.tasks.impute import pool


def test_the_rules_by_hand() -> None:
    found = pool([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]], [[0.5, 4.0], [0.5, 4.0], [0.5, 4.0]])
    assert found.estimate.tolist() == [2, 0]
    assert found.se[0] ** 2 == pytest.approx(0.5 + 4 / 3)  # B = 1, and 1 + 1/3 of it
    assert found.df[0] == pytest.approx(2 * (1 + 0.5 / (4 / 3)) ** 2)
    assert found.se[1] == 2  # nothing is missing
    assert np.isinf(found.df[1])
    assert found.missing_information[1] == 0
    low, high = found.interval()
    assert high[1] == pytest.approx(2 * 1.959964, rel=1e-6)
    assert low[1] == pytest.approx(-high[1])


def test_few_rows_have_fewer_degrees_of_freedom() -> None:
    whole, few = pool([1.0, 1.1, 0.9], [0.1, 0.1, 0.1]), pool([1.0, 1.1, 0.9], [0.1, 0.1, 0.1], df=10)
    assert few.df < 10 < whole.df
    assert pool([1.0, 1.1, 0.9], [0.1, 0.1, 0.1], df=np.inf).df == whole.df
    several = pool([[1.0, 1.0], [1.1, 1.1], [0.9, 0.9]], [[0.1, 0.1]] * 3, df=[10, np.inf])
    assert several.df.tolist() == [float(few.df), float(whole.df)]


def test_intervals_of_a_mean_hold_what_they_say() -> None:
    """Of 40 numbers of N(0, 1) a half is missing; imputed properly, by draws of mean and variance first."""
    rng, rows, there, imputations = np.random.default_rng(0), 40, 20, 20
    held = 0
    for _ in range(1000):
        x = rng.normal(size=there)
        variance = x.var(ddof=1) * (there - 1) / rng.chisquare(there - 1, imputations)
        mean = x.mean() + np.sqrt(variance / there) * rng.normal(size=imputations)
        filled = mean[:, None] + np.sqrt(variance)[:, None] * rng.normal(size=(imputations, rows - there))
        each = np.concatenate([np.broadcast_to(x, (imputations, there)), filled], 1)
        low, high = pool(each.mean(1), each.var(1, ddof=1) / rows, df=rows - 1).interval(0.9)
        held += low <= 0 <= high
    assert abs(held / 1000 - 0.9) < 3 * np.sqrt(0.9 * 0.1 / 1000)


@pytest.mark.parametrize(
    ("estimates", "variances", "message"),
    [
        ([1.0], [1.0], "two imputations or more"),
        (np.array(1.0), np.array(1.0), "two imputations or more"),
        ([1.0, 2.0], [1.0, -1.0], "below 0"),
        ([1.0, 2.0], [1.0], "two imputations or more"),
        ([1.0, 2.0], [1.0, 1.0, 1.0], "each estimate needs"),
        ([1.0, float("nan")], [1.0, 1.0], "not finite"),
        ([[1.0], [1.0, 2.0]], [1.0, 1.0], "of each imputation as many"),
    ],
)
def test_mistakes_get_one_line(estimates: object, variances: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pool(estimates, variances)  # type: ignore[arg-type]


def test_shares_and_degrees_of_freedom_are_checked() -> None:
    found = lb.tasks.impute.pool([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(UsageError, match="share above 0"):
        found.interval(95)
    with pytest.raises(UsageError, match="above 0"):
        pool([1.0, 2.0], [1.0, 1.0], df=0)
    with pytest.raises(UsageError, match="one number or one for each estimate"):
        pool([1.0, 2.0], [1.0, 1.0], df=[3, 4])
