"""A sample of ``make sweep``: allowed combinations of words train without a NaN, and the design of the whole is what it says."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import zlib
from pathlib import Path

import pytest
from rows import long_if

import lowerbound as lb

SPEC = importlib.util.spec_from_file_location("sweep", Path(__file__).parents[2] / "benchmarks" / "sweep.py")
sweep = importlib.util.module_from_spec(SPEC)
sys.modules["sweep"] = sweep
SPEC.loader.exec_module(sweep)

RELEASE = zlib.crc32(lb.__version__.encode())  # each release tries others


@pytest.mark.parametrize("number", long_if(lambda number: number > 1, range(12)))
def test_a_dozen_combinations_train_without_a_nan(number: int) -> None:
    (words,) = sweep.some(1, RELEASE + number)
    assert sweep.fault(words, seed=number, steps=100) is None, words


def test_a_fault_is_found() -> None:
    """A learning rate that nothing survives."""
    assert sweep.fault({"likelihood": "gaussian", "scale": "0.001", "learning_rate": 1e30}, seed=0, steps=20)


def test_an_array_has_every_pair_and_is_the_same_each_time() -> None:
    choices = [dict(zip("abc", values, strict=True)) for values in itertools.product("pqr", "st", "uvw") if values[0] + values[1] != "ps"]
    array = sweep.covering(choices, 3)
    assert array == sweep.covering(choices, 3) != sweep.covering(choices, 4)
    laws = sweep.likelihoods()
    wanted = set.union(*(sweep.pairs({**one, **law}) for one in choices for law in laws))
    assert set.union(*map(sweep.pairs, array)) == wanted
    assert len(array) < len(choices) * len(laws) / 3
    for words in array:
        assert {field: words[field] for field in "abc"} in choices
