"""Figures drawn by other processes are those drawn here, to the byte; and where a process fails, they are drawn here."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lowerbound.figures import beside
from lowerbound.figures.drawing import Drawing, Drawings, at_once
from lowerbound.figures.style import DPI, MARGIN, encode_png

CHARTS = Drawings("charts")
POINTS = np.random.default_rng(0).normal(size=(50, 2))
LATENTS = CHARTS.scatter(POINTS, np.arange(50) % 3, ("a", "b", "c"), ("z₁", "z₂"), rings=True)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The processes that were started; matplotlib counts as not there, as in a command's first moments."""
    found: list[object] = []
    start = beside._started
    monkeypatch.setattr(beside, "_can_draw", lambda: False)
    monkeypatch.setattr(beside.processors, "available", lambda: 2)
    monkeypatch.setattr(beside, "_started", lambda: found.append(start()) or found[-1])
    return found


def test_a_process_draws_what_this_one_draws(begun: list[object]) -> None:
    kl = CHARTS.dimensions([0.2, 1.5], [False, True])
    with beside.beside() as draw:
        drawn = [draw(drawing) for drawing in (LATENTS, kl, LATENTS)]
        contents = [future.result() for future in drawn]
    assert contents == [LATENTS.content(), kl.content(), LATENTS.content()]
    assert contents[0].startswith(b"\x89PNG")
    assert [process.poll() is not None for process in begun] == [True]  # type: ignore[attr-defined]


def test_a_process_that_has_ended_is_started_again(begun: list[object]) -> None:
    with beside.beside() as draw:
        for process in begun:
            process.kill()  # type: ignore[attr-defined]
            process.wait()  # type: ignore[attr-defined]
        assert draw(LATENTS).result() == LATENTS.content()
    assert len(begun) == 2


def test_what_a_process_fails_at_fails_here_with_its_reason(begun: list[object]) -> None:
    with beside.beside() as draw:
        with pytest.raises(TypeError, match="unheard_of"):
            draw(Drawing("charts", "dimensions", ([0.1], [True]), {"unheard_of": 1})).result()
        assert draw(LATENTS).result() == LATENTS.content()


def test_without_a_process_to_be_had_they_are_drawn_here(monkeypatch: pytest.MonkeyPatch, begun: list[object]) -> None:
    monkeypatch.setattr(beside.subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no more processes")))
    with beside.beside() as draw:
        assert draw(LATENTS).result() == LATENTS.content()
    assert begun == [None]


@pytest.mark.parametrize("why", ["one processor", "matplotlib is there", "another rank"])
def test_where_nothing_is_gained_no_process_is_started(begun: list[object], monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "one processor":
        monkeypatch.setattr(beside.processors, "available", lambda: 1)
    if why == "matplotlib is there":
        monkeypatch.setattr(beside, "_can_draw", lambda: True)
    if why == "another rank":
        monkeypatch.setenv(beside.RANK, "1")
    with beside.beside() as draw:
        assert draw is at_once
    assert begun == []


def test_a_file_is_as_large_as_what_is_on_it() -> None:
    """Nothing is cut off, not even what sticks out of the sheet; and around all there is a margin of white."""
    for out, least in ((False, 2.0), (True, 5.0)):
        figure = Figure(figsize=(3, 2), layout="none" if out else "constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1])
        if out:
            figure.text(1.7, 0.5, "x")
        with Image.open(io.BytesIO(encode_png(figure))) as image:
            pixels = np.asarray(image.convert("L"))
        dark = np.argwhere(pixels < 255)
        margins = [*dark.min(0), *(np.array(pixels.shape) - 1 - dark.max(0))]
        assert pixels.shape[1] > least * DPI
        assert all(abs(margin - MARGIN * DPI) <= 8 for margin in margins), margins
