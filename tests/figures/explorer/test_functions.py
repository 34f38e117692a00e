"""Functions that JavaScript lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def test_the_logarithm_of_gamma_has_all_its_digits(javascript: Callable[..., Any]) -> None:
    """A log p of counts is a small difference of such logarithms, of 10⁸ and more."""
    x = np.concatenate([np.geomspace(1e-8, 1e9, 400), np.linspace(0.5, 20, 79)]).tolist()
    found = javascript("functions", "return given[0].map(logGamma);", x)
    np.testing.assert_allclose(found, [math.lgamma(each) for each in x], rtol=5e-16, atol=3e-14)
