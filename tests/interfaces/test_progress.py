"""The bar of a training from Python: the records as they were, a display in a notebook, the last line where nobody looks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from trainings import begun

import lowerbound as lb
from lowerbound.errors import UsageError


def records(epochs: int = 3) -> Iterator[Any]:
    parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    return lb.fit(parts.vae, torch.rand(300, 6, generator=torch.Generator().manual_seed(0)), epochs=epochs)


class Display:
    """What IPython's display of an id is asked to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, value: Any, display_id: bool) -> Display:
        assert display_id
        self.update(value)
        return self

    def update(self, value: Any) -> None:
        self.shown.append(value._repr_mimebundle_([], [])["text/html"])


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    """A notebook, as rich sees one."""
    found, module = Display(), ModuleType("IPython.display")
    module.display = found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return found


def words(shown: str) -> str:
    return " ".join(re.sub("<[^>]*>", "", shown).split())


def test_the_records_are_those_of_the_training() -> None:
    one, other = list(records()), list(lb.progress(records(), epochs=3))
    assert [record.bound for record in one] == [record.bound for record in other]


def test_a_notebook_has_one_display_that_changes(display: Display) -> None:
    steps = list(lb.progress(records(), epochs=3))
    first, *_, last = display.shown
    assert "epoch" not in words(first)
    assert re.fullmatch(rf"epoch 3/3 ━+ bound {steps[-1].bound:.2f} [\d,.]+ steps/s", words(last))


def test_without_a_number_of_epochs_it_says_where_it_is(display: Display) -> None:
    record = next(iter(lb.progress(records())))
    assert words(display.shown[-1]).startswith("epoch 1 ")
    assert f"bound {record.bound:.2f}" in words(display.shown[-1])


def test_interrupted_and_wrapped_once_more_it_goes_on(display: Display, tmp_path: Path) -> None:
    experiment, met = begun(tmp_path / "r"), []

    def train(until: int | None) -> None:
        for record in lb.progress(experiment.train(), epochs=4):
            met.append(record.step)
            if record.step == until:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(15)
    train(None)
    assert met == list(range(1, 49))
    assert words(display.shown[-1]).startswith("epoch 4/4 ")


def test_elsewhere_its_last_line_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    steps = list(lb.progress(records(), epochs=3))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"bound {steps[-1].bound:.2f}" in printed.err
    assert printed.err.count("\n") == 1


def test_a_number_of_epochs_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="epochs must be a whole number of 1 or more, not 0"):
        lb.progress(records(), epochs=0)
