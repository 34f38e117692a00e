"""Draws that a page makes from uniform and normal numbers, beside the distribution functions of SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

RUN = """
const [parameters, count] = given, random = { uniform: uniforms(1), normal: normals(2) };
return Array.from({ length: count }, () => %s(...parameters, random));
"""
COUNT = 100_000
#: what is drawn, of which parameters, and the law that it has; each branch of each function is taken
DRAWS: list[tuple[str, tuple[float, ...], Any]] = [
    ("drawExponential", (), stats.expon()),
    ("drawLogGamma", (0.05,), stats.loggamma(0.05)),
    ("drawLogGamma", (1.0,), stats.loggamma(1.0)),
    ("drawLogGamma", (40.0,), stats.loggamma(40.0)),
    ("drawBeta", (0.6, 7.0), stats.beta(0.6, 7.0)),
    ("drawBinomial", (12, 0.3), stats.binom(12, 0.3)),
    ("drawBinomial", (255, 0.02), stats.binom(255, 0.02)),
    ("drawBinomial", (70_000, 0.7), stats.binom(70_000, 0.7)),
    ("drawPoisson", (0.4,), stats.poisson(0.4)),
    ("drawPoisson", (17.0,), stats.poisson(17.0)),
    ("drawPoisson", (5_000.0,), stats.poisson(5_000.0)),
]


@pytest.mark.parametrize(("name", "parameters", "law"), DRAWS, ids=lambda value: str(value) if isinstance(value, str | tuple) else "")
def test_draws_have_their_distribution(name: str, parameters: tuple[float, ...], law: Any, javascript: Callable[..., Any]) -> None:
    """Kolmogorov's statistic is that of 1 in 10,000 at most; of whole numbers that is rarer still."""
    values, times = np.unique(javascript("draws", RUN % name, parameters, COUNT), return_counts=True)
    below = np.cumsum(times) / COUNT
    assert np.abs(below - law.cdf(values)).max() < 2.23 / np.sqrt(COUNT)


def test_what_has_no_law_has_no_draw(javascript: Callable[..., Any]) -> None:
    """A network that has become NaN leaves the page alive."""
    for name, parameters in (("drawLogGamma", (None,)), ("drawLogGamma", (0,)), ("drawPoisson", (None,)), ("drawPoisson", (1e300,))):
        body = f"const some = {{ uniform: uniforms(1), normal: normals(2) }}; return {name}(given[0] ?? NaN, some);"
        found = javascript("draws", body, *parameters)
        assert found is None or np.isnan(found) or found == 1e300
