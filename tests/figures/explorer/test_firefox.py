"""The page in Firefox: it opens from a file without a network, is dragged, drawn on and zoomed, and completes, as torch says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from firefox import EXECUTABLE, Firefox
from pages import SCREENSHOTS

import lowerbound as lb
from lowerbound.figures.explorer.page import page

PIXELS = 1e-3  # how far 16 bits are from single precision, at most
VIEW = "const [view] = explorer.views, state = view.state.values;"
SHOWN = """
  const c = document.querySelectorAll(arguments[0])[arguments[1]];
  return Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data);
"""
FOUND = f"{VIEW} const {{ found }} = view.completed; return [found.map((one) => one.weight), found.map((one) => [...one.z])]"
LOUD = "<!doctype html><body data-ready><script>fetch('http://127.0.0.1:50123/x').catch(() => 0); nothing()</script>"


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if EXECUTABLE is None:
        pytest.skip("no Firefox is installed; on Debian: apt install firefox-esr")
    browser = Firefox(tmp_path_factory.mktemp("firefox"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def path(digits_run: lb.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page") / "explore.html"
    made.write_text(page([digits_run]), encoding="utf-8")
    return made


@pytest.fixture
def found(firefox: Firefox, path: Path) -> Iterator[Firefox]:
    """The page, opened anew; it says nothing, and asks for nothing."""
    firefox.open(path)
    yield firefox
    if SCREENSHOTS is not None:
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        (Path(SCREENSHOTS) / f"firefox-{test.removeprefix('test_').replace('_', '-')}.png").write_bytes(firefox.screenshot())
    assert firefox.said(path) == []
    assert firefox.asked() == []


def pixels(found: Firefox, selector: str, place: int = 0) -> np.ndarray:
    """The reds of a canvas, of a digit's size."""
    return np.array(found.run(SHOWN, selector, place)).reshape(-1, 4)[:, 0]


def test_what_firefox_says_and_asks_is_heard(firefox: Firefox, tmp_path: Path) -> None:
    """So that silence is a fact."""
    other = tmp_path / "other.html"
    other.write_text(LOUD, encoding="utf-8")
    firefox.chrome("this.asked.length = 0")
    firefox.open(other)
    firefox.run("return 0")
    assert [one for one in firefox.said(other) if "nothing is not defined" in one]
    assert firefox.asked() == ["http://127.0.0.1:50123/x"]
    firefox.chrome("this.asked.length = 0")


def test_it_opens_and_the_first_example_is_encoded(found: Firefox, digits_run: lb.Run) -> None:
    z, values = found.run(f"{VIEW} return [[...state.z], [...state.example.values]]")
    with torch.no_grad():
        mean = digits_run.vae.posterior(torch.tensor(values, dtype=torch.float32).reshape(1, 1, 8, 8)).mean[0]
    np.testing.assert_allclose(z, mean, atol=PIXELS)


def test_a_drag_decodes_as_torch_does(found: Firefox, digits_run: lb.Run) -> None:
    seen = set()
    for to in ((-90, -70), (120, -30), (10, 150)):
        found.drag("canvas.plane", (0, 0), (to[0] / 2, to[1] / 2), to)
        z, values = found.run(f"{VIEW} return [[...state.z], [...view.now.values]]")
        wanted = digits_run.vae.decode(torch.tensor(z, dtype=torch.float32)).flatten().numpy()
        np.testing.assert_allclose(values, wanted, atol=PIXELS)
        assert np.abs(pixels(found, ".place canvas.big") - 255 * np.array(values)).max() <= 1
        seen.add(tuple(z))
    assert len(seen) == 3


def test_the_wheel_and_keys_zoom_about_a_place(found: Firefox) -> None:
    where = f"{VIEW} const f = state.frame ?? view.usualFrame(); return [f.x0 + 0.25 * f.wide, f.y0 + 0.75 * f.wide, f.wide];"
    before = found.run(where)
    found.wheel("canvas.plane", (-115, -115), -200)
    after = found.run(where)
    assert after[2] < 0.9 * before[2]
    np.testing.assert_allclose(after[:2], before[:2], atol=0.01 * before[2])
    found.press("canvas.plane", "0", "+")
    assert found.run(where)[2] == pytest.approx(before[2] / 1.4)


def test_a_mask_by_keys_is_completed(found: Firefox) -> None:
    found.run(f"{VIEW} view.choose(view.test.values[3], 'four', 3)")
    found.press("canvas.mask", *["ArrowDown"] * 2, *["Shift+ArrowLeft"] * 3)
    hidden, values = (np.array(one) for one in found.run(f"{VIEW} return [[...state.mask], [...state.example.values]]"))
    assert 10 < hidden.sum() < 64
    for place in range(8):
        shown = pixels(found, ".hidden .grid canvas", place)
        np.testing.assert_allclose(shown[hidden == 0], 255 * values[hidden == 0], atol=1)
    weights, latents = found.run(FOUND)
    assert sum(weights) == pytest.approx(1)
    assert len({tuple(z) for z in latents}) == 8
    assert found.run("return document.querySelector('.hidden .where').textContent") == "Column 2 of 8, row 7 of 8: hidden"
