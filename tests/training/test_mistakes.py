"""A person's own mistakes in Python: each is one line of a LowerboundError that says what is wrong, and nothing was changed by it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import mistakes
import pytest
import torch

import lowerbound as lb


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the program says."""
    asked = [sys.executable, "-W", "ignore", mistakes.__file__]
    process = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=Path(mistakes.__file__).parent)
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer


@pytest.mark.parametrize("name", [*mistakes.OF_FIT, *mistakes.MADE])
def test_a_mistake_is_one_line(name: str, found: dict[str, Any]) -> None:
    _, words = (mistakes.OF_FIT | mistakes.MADE)[name]
    assert words in found["said"][name]
    assert "\n" not in found["said"][name]
    assert "traceback" not in found["said"][name]


def test_a_whole_number_of_any_type_is_that_number(found: dict[str, Any]) -> None:
    assert found["alike"] == [True] * len(mistakes.ALIKE)


def test_a_copy_and_what_was_pickled_train_alike() -> None:
    once, copied, pickled = mistakes.model(), copy.deepcopy(mistakes.model()), pickle.loads(pickle.dumps(mistakes.model()))
    for vae in (once, copied, pickled):
        vae.eval()
        mistakes.fit(vae, batch=8)
    assert torch.equal(mistakes.weights(once), mistakes.weights(copied))
    assert torch.equal(mistakes.weights(once), mistakes.weights(pickled))


def test_none_are_encoded_and_decoded_to_none() -> None:
    assert lb.encode(mistakes.model(), mistakes.X[:0]).shape == (0, 2)
    assert lb.decode(mistakes.model(), torch.zeros(0, 2)).shape == (0, mistakes.D)
