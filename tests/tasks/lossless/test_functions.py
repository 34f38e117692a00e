"""Tables of functions: right to what straight lines between entries are off by, monotone, and the same wherever they are made."""

from __future__ import annotations

import _pydecimal
import decimal
import hashlib

import numpy as np
import pytest
from scipy import special

from lowerbound.tasks.lossless import functions

X = np.linspace(-7.9, 7.9, 10_007)
#: function, what it is, the greatest slope of a slope (f″)
FUNCTIONS = [
    (lambda x: functions.exp()(x) / np.exp(x), np.ones_like, 1.0),
    (lambda x: functions.sigmoid()(x), special.expit, 0.097),
    (lambda x: functions.tanh()(x), np.tanh, 0.77),
    (lambda x: functions.normal_cdf()(x), special.ndtr, 0.242),
    (functions.softplus, lambda x: np.logaddexp(0, x), 0.25),
]


@pytest.mark.parametrize("row", range(len(FUNCTIONS)))
def test_a_table_is_the_function_but_for_its_straight_lines(row: int) -> None:
    function, exact, bend = FUNCTIONS[row]
    off = np.abs(function(X) - exact(X)).max()
    assert off <= 1.001 * bend / (8 * functions.PER_UNIT**2)
    at_entries = np.arange(-7 * functions.PER_UNIT, 7 * functions.PER_UNIT) / functions.PER_UNIT
    np.testing.assert_allclose(function(at_entries), exact(at_entries), rtol=1e-11, atol=0)


def test_beyond_its_ends_a_table_keeps_their_values() -> None:
    assert functions.sigmoid()(np.array([-np.inf, np.inf, 1e300])).tolist() == [
        functions.sigmoid().entries[0],
        *functions.sigmoid().entries[[-1, -1]],
    ]
    assert functions.softplus(np.array([1e6])) == 1e6


def test_an_inverse_leads_back() -> None:
    share = np.linspace(1e-4, 1 - 1e-4, 999)
    np.testing.assert_allclose(functions.normal_cdf()(functions.normal_cdf().inverse(share)), share, rtol=1e-12)


def test_tables_are_these_bits() -> None:
    tables = (functions.exp(), functions.sigmoid(), functions.tanh(), functions.normal_cdf())
    digest = hashlib.sha256(b"".join(table.entries.astype("<f8").tobytes() for table in tables)).hexdigest()
    assert digest[:16] == "d4afb6ac7f308090"


@pytest.mark.parametrize("at", ["-23.9921875", "-3.5", "0.0078125", "0.71875", "7.9921875"])
def test_another_implementation_of_decimal_arithmetic_agrees(at: str) -> None:
    other = _pydecimal.Context(prec=functions.DIGITS)
    x = _pydecimal.Decimal(at)
    exp = x.exp(other)
    sigmoid = other.divide(_pydecimal.Decimal(1), other.add(_pydecimal.Decimal(1), (-x).exp(other)))
    with decimal.localcontext() as context:
        context.prec = functions.DIGITS
        assert str(decimal.Decimal(at).exp()) == str(exp)
    place = float(at)
    assert functions.exp()(np.array([place])) == float(exp)
    assert functions.sigmoid()(np.array([place])) == float(sigmoid)
