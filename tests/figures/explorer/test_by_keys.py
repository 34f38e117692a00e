"""Drawing and hiding without a pointer: what keys paint, in pixels, what is said of it, and the mask in a link."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import trained
from pages import Opened

import lowerbound as lb

SIDE = 8  # pixels of a digit


def press(found: Opened, *keys: str) -> None:
    for key in keys:
        found.page.keyboard.press(key)
    found.settle()


def hidden(found: Opened) -> np.ndarray:
    """Which pixels of the example are shown as hidden: in a colour, where all else is grey."""
    shown = found.pixels("canvas.mask")
    return shown[..., 0] != shown[..., 1]


def under_cursor(found: Opened, canvas: str) -> list[int]:
    """The column and row that the cursor is drawn on."""
    picture, mark = (found.page.locator(name).first.bounding_box() for name in (canvas, f".held:has({canvas}) .cursor"))
    cell = picture["width"] / SIDE
    return [round((mark[side] - picture[side]) / cell) for side in ("x", "y")]


def test_a_stroke_drawn_by_keys_is_encoded(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.page.locator("canvas.pad").focus()
    press(found, "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp", "Space")
    assert under_cursor(found, "canvas.pad") == [3, 1]
    press(found, *["Shift+ArrowDown"] * 5)
    assert found.page.locator(".own .where").inner_text() == "Column 4 of 8, row 7 of 8: painted"
    found.keep("a stroke by keys")
    values = np.array(found.of("Array.from(state.example.values)")).reshape(SIDE, SIDE)
    assert values[1:7, 3].min() > 0.95
    assert np.delete(values, [2, 3, 4], 1).max() == 0
    with torch.no_grad():
        mean = digits_run.vae.posterior(torch.tensor(values, dtype=torch.float32)[None, None]).mean[0].numpy()
    np.testing.assert_allclose(found.of("Array.from(state.z)"), mean, atol=1e-3)
    press(found, "Delete")
    assert np.array(found.of("Array.from(state.example.values)")).reshape(SIDE, SIDE)[6, 3] == 0
    assert found.page.locator(".own .where").inner_text().endswith("empty")
    press(found, *["ArrowDown"] * 9, *["ArrowLeft"] * 9)
    assert under_cursor(found, "canvas.pad") == [0, SIDE - 1], "and no further"


def test_a_mask_painted_by_keys_hides_and_is_completed(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.choose(1)
    found.page.locator(".hidden input[type=range]").fill("1")
    found.page.locator("canvas.mask").focus()
    press(found, "Space")
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[4, 4] = wanted[3, 4] = wanted[5, 4] = wanted[4, 3] = wanted[4, 5] = True  # a brush of one pixel about (4, 4)
    np.testing.assert_array_equal(hidden(found), wanted)
    assert found.page.locator(".hidden .where").inner_text() == "Column 5 of 8, row 5 of 8: hidden"
    assert under_cursor(found, "canvas.mask") == [4, 4]
    found.keep("a mask by keys")
    values = np.array(found.of("Array.from(state.example.values)")).reshape(SIDE, SIDE)
    for place in range(8):
        shown = found.pixels(".hidden .grid canvas", place)[..., 0]
        np.testing.assert_allclose(shown[~wanted], 255 * values[~wanted], atol=1)
    press(found, "Delete")
    assert not hidden(found).any()
    assert found.page.locator(".hidden .grid figure:visible").count() == 0


def test_no_cursor_is_shown_to_a_pointer(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    box = found.box("canvas.mask")
    found.page.mouse.click(box["x"] + 20, box["y"] + 20)
    assert hidden(found).any()
    assert not found.page.locator(".hidden .cursor").is_visible()


def test_a_link_has_the_mask(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    found = opened(digits_run)
    found.choose(5)
    found.press("Hide right half")
    found.page.locator("canvas.mask").focus()
    press(found, *["ArrowLeft"] * 3, "Space")
    wanted = hidden(found)
    assert SIDE * SIDE / 2 < wanted.sum() < SIDE * SIDE
    found.press("Copy link to this view")
    again = opened(path=tmp_path / "explore.html", hash_=found.page.evaluate("() => location.hash"))
    np.testing.assert_array_equal(hidden(again), wanted)
    for place in range(8):  # the same draws, too
        np.testing.assert_array_equal(again.pixels(".hidden .grid canvas", place), found.pixels(".hidden .grid canvas", place))
    again.press("Hide nothing")
    again.press("Copy link to this view")
    assert "mask" not in again.page.evaluate("() => location.hash")


def test_masks_of_links_come_back_to_the_bit_and_others_are_none(javascript: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    blocks = [np.pad(np.ones((9, 11), int), ((k, 19 - k), (8, 9))).flatten() for k in range(0, 19, 3)]
    masks = [*((rng.random((20, 784)) < share).astype(int) for share in (0.02, 0.5, 0.98)), np.array(blocks), np.ones((1, 784), int)]
    for some in masks:
        words = javascript("link", "return given[0].map((bits) => runsOf(bits))", some.tolist())
        back = javascript("link", "return given[0].map((word) => Array.from(bitsOf(word, 784)))", words)
        np.testing.assert_array_equal(back, some)
    assert max(len(javascript("link", "return runsOf(given[0])", block.tolist())) for block in blocks) < 80
    wrong = [
        "",
        "0",
        "784",
        "lr.1",
        "-1.lt",
        "ls.",
        "ls.1",
        "zzzzzzzzz",
        "1e3",
        "ls<",
        "ls",
    ]  # lr is 783, and ls 784, of which none is hidden: what a model that is given a part may be given, too
    found = javascript("link", "return given[0].map((word) => bitsOf(word, 784))", wrong)
    assert [word for word, bits in zip(wrong, found, strict=True) if bits is not None] == ["lr.1", "ls"]


@pytest.fixture(scope="module")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> lb.Run:
    """A run on waves of two channels and twelve steps."""
    folder = tmp_path_factory.mktemp("series")
    at = np.random.default_rng(0).uniform(0, 6, (300, 1, 1)) + np.arange(12) / 2 + np.arange(2)[:, None]
    np.save(folder / "waves.npy", np.sin(at).astype(np.float32))
    words = {"data": str(folder / "waves.npy"), "likelihood": "gaussian", "network": "mlp:32", "shape": "2x12"}
    return trained(folder / "run", **words)


def test_of_a_series_keys_hide_steps_of_all_channels(series_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(series_run)
    found.page.locator(".hidden input[type=range]").fill("1")
    found.page.locator("canvas.mask").focus()
    press(found, "ArrowRight", "Space")
    assert found.page.locator(".hidden .where").inner_text() == "Step 8 of 12: hidden"
    assert found.of("Array.from(state.mask)") == [int(6 <= step <= 8) for step in range(12)]
    found.keep("steps of a series")
    each = np.array(found.of("view.completed.found.map((one) => Array.from(one.values))")).reshape(8, 2, 12)
    values = np.array(found.of("Array.from(state.example.values)")).reshape(2, 12)
    np.testing.assert_allclose(np.delete(each, [6, 7, 8], 2), np.broadcast_to(np.delete(values, [6, 7, 8], 1), (8, 2, 9)), atol=1e-6)
    assert (np.abs(each[:, :, 6:9] - values[:, 6:9]) > 1e-6).all(), "and the others are drawn"
