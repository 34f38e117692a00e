"""Rows of a parametrized test of which only some are tried each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def long_if(takes_long: Callable[[Any], bool], rows: Iterable[Any]) -> list[Any]:
    """The rows; those for which this holds are for ``make test-all`` and CI alone. What is left must try the same law."""
    return [pytest.param(row, marks=pytest.mark.long) if takes_long(row) else row for row in rows]
