"""What is measured once is everybody's: kept, read by other processes, and never in the way of a training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lowerbound.interfaces.machine import QUESTIONS
from lowerbound.system import machine
from lowerbound.system.machine import Choice, Question, choice, fastest, known


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choice.cache_clear()
    known.cache_clear()
    yield tmp_path / "lowerbound"
    choice.cache_clear()
    known.cache_clear()


def question(done: list[int], one_thread: bool = True) -> Question:
    """Whose ways note by how many threads they are done."""
    ways = {"slow": lambda: [done.append(torch.get_num_threads()) for _ in range(20_000)], "fast": lambda: None}
    return Question("which", "which", lambda: ways, lambda found: fastest("slow", found), lambda: "usual", one_thread)


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.name)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_who_asks_first_may_be_in_any_mode(mode: Any, asked: Question, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(machine, "TURNS", 1)
    with mode():
        assert all(milliseconds > 0 for milliseconds in choice(asked).milliseconds.values())
    assert list(folder.iterdir())


def test_an_answer_is_measured_once_and_kept(folder: Path) -> None:
    done: list[int] = []
    found = choice(question(done))
    assert found.answer == "fast"
    assert found.milliseconds["slow"] > found.milliseconds["fast"] >= 0
    assert set(done) == {1}
    done.clear()
    assert choice(question(done)) == found  # another process would read the same
    assert not done
    assert known(question(done)) == found
    assert [path.name.split("-")[:2] for path in folder.iterdir()] == [["machine", "which"]]


def test_nothing_is_measured_by_who_only_wants_to_know(folder: Path) -> None:
    done: list[int] = []
    assert known(question(done)) == Choice("usual")
    assert not done
    assert not folder.exists()


def test_the_first_of_several_processes_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    first, measured = Choice("theirs", {"slow": 1.0}), machine._measured

    def late(asked: Question) -> Choice:
        place = machine._place(asked.name)
        place.write_text('{"answer": "theirs", "milliseconds": {"slow": 1.0}}', encoding="utf-8")
        return measured(asked)

    monkeypatch.setattr(machine, "_measured", late)
    assert choice(question([])) == first


@pytest.mark.skipif(os.geteuid() == 0, reason="who may write everywhere can keep everything")
def test_where_nothing_can_be_kept_the_usual_answer_is_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert choice(question([])) == Choice("usual")
    tmp_path.chmod(0o700)


def test_where_the_folder_is_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "lowerbound").write_text("")
    assert choice(question([])) == Choice("usual")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"answer": 1, "other": 2}'])
def test_a_damaged_file_is_measured_again(folder: Path, content: str) -> None:
    folder.mkdir()
    machine._place("which").write_text(content, encoding="utf-8")
    assert choice(question([])).answer == "fast"
    assert machine._kept(machine._place("which")) == choice(question([]))


def test_a_little_faster_is_no_reason() -> None:
    assert fastest("a", {"a": 1.0, "b": 0.95}) == "a"
    assert fastest("a", {"a": 1.0, "b": 0.85}) == "b"


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.name)
def test_every_question_can_be_answered(asked: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TURNS", 1)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    found = choice(asked)
    assert type(found.answer) is type(asked.usual())
    assert all(0 < each < 60_000 for each in found.milliseconds.values())
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads
