"""``choosing.py``: differences by hand, names of choices, and that docs/choose.md says what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import choosing
import choosing_page
from choosing_page import Found, difference, gain_of, name_of

ENTRIES = choosing.read(choosing.RESULT)


def test_a_difference_is_taken_example_by_example_and_has_the_spread_of_seeds() -> None:
    def found(*of_seeds: list[float]) -> Found:
        return Found("", [{"log p": sum(each) / len(each), "each": each} for each in of_seeds])

    one, other = found([-1.0, -5.0], [-2.0, -4.0]), found([-2.0, -8.0], [-1.0, -5.0])
    value, error = difference(one, other)
    assert value == pytest.approx(1.0)  # of seeds 2 and 0; of examples 0 and 2
    assert error**2 == pytest.approx(2 / 2 + 2 / 2)
    assert difference(found([-1.0, -5.0]), found([-2.0, -8.0])) == pytest.approx((2.0, 1.0))


def test_choices_are_named_by_their_words_and_equal_ones_are_one_training() -> None:
    assert name_of({"likelihood": "gaussian", "scale": "0.1"}, "densities of digits") == "`gaussian`, σ `0.1`"
    assert name_of({"prior": "vamp:50", "latent": 2}, "priors of two latents") == "`vamp:50`"
    assert choosing.job("digits", {"objective": "elbo"}, 0) == choosing.job("digits", {"latent": 10}, 0)


def test_nothing_is_kept_that_no_question_asks_for() -> None:
    assert set(ENTRIES) <= {one.key for one in choosing.jobs()}


def test_the_page_says_what_was_measured() -> None:
    text = choosing_page.PAGE.read_text(encoding="utf-8")
    assert choosing_page.page(text, ENTRIES) == text, "python benchmarks/choosing.py --page"
    assert all(f"<!-- table: {question} -->" in text for question in choosing.QUESTIONS)


def test_a_choice_that_there_is_not_is_named() -> None:
    with pytest.raises(SystemExit, match="iwea"):
        gain_of("objectives of digits", "iwea:5", ENTRIES)
