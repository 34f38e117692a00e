"""The plane nearer, farther and moved, by wheel, fingers, keys and buttons: where latents are seen, in numbers and pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Opened, drag

import lowerbound as lb

pytestmark = pytest.mark.long  # a page of its own in a browser; test_page.py and test_by_keys.py open one each time
SIDE = 460  # pixels of the plane's picture
FRAME = {"x0": 1.3, "y0": 1.0, "wide": 2.7}


def frame(found: Opened) -> np.ndarray:
    """The corner, and the width, of what is seen."""
    return np.array(
        found.of("(({ x0, y0, wide }) => [x0, y0, wide])(state.frame ?? view.usualFrame())"),
    )


def place(found: Opened, share: tuple[float, float]) -> np.ndarray:
    """The latent at a share of the plane's width and height, from the left and from the top."""
    x0, y0, wide = frame(found)
    return np.array([x0 + share[0] * wide, y0 + (1 - share[1]) * wide])


def point(found: Opened, share: tuple[float, float]) -> tuple[float, float]:
    """Where that is in the window."""
    box = found.box("canvas.plane")
    return box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]


def test_the_wheel_zooms_about_the_pointer(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    share = (0.3, 0.2)
    found.page.mouse.move(*point(found, share))
    for turns, nearer in ((-300, True), (200, False)):
        before, under = frame(found), place(found, share)
        found.page.mouse.wheel(0, turns)
        found.page.wait_for_timeout(100)
        found.settle()
        assert (frame(found)[2] < before[2]) == nearer
        np.testing.assert_allclose(place(found, share), under, atol=2e-3 * before[2])  # which stays where it is
    assert found.page.evaluate("() => scrollY") == 0
    usual = np.array(found.of("[view.usualFrame().wide]"))
    assert frame(found)[2] < usual
    found.keep("the plane, nearer")


def test_a_wheel_that_scrolls_the_page_goes_on_over_the_plane(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    box = found.box("canvas.plane")
    found.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 20)
    for _ in range(8):
        found.page.mouse.wheel(0, 40)
    found.page.wait_for_timeout(50)
    assert found.page.evaluate("() => scrollY") > 100
    assert found.of("state.frame") is None


def test_points_that_are_nearer_are_drawn_where_they_are(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.page.locator("canvas.plane").first.focus()
    apart = []
    for times in (0, 4):
        for _ in range(times):
            found.page.keyboard.press("+")
        found.settle()
        codes = np.array(found.of("view.codes.map((code) => view.pixelOf(code))"))
        inside = codes[((codes > 20) & (codes < SIDE - 20)).all(1)]
        shown = found.pixels("canvas.plane")[..., 3] > 60
        hit = np.mean([shown[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].any() for x, y in inside])
        assert hit == 1, "each code within has a dot"
        apart.append((len(inside), np.ptp(codes[:, 0])))
    assert apart[1][0] < apart[0][0]
    assert apart[1][1] == pytest.approx(1.4**4 * apart[0][1], rel=1e-6)
    found.page.keyboard.press("0")
    found.settle()
    assert found.of("state.frame") is None


def test_buttons_and_keys_are_one_thing_and_the_cross_stays_where_it_is(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    drag(found, (0.7, 0.3))
    before, at = frame(found), found.of("view.pixelOf(state.z)")
    found.press("Zoom in")
    by_button = frame(found)
    np.testing.assert_allclose(found.of("view.pixelOf(state.z)"), at, atol=1e-6)
    assert by_button[2] == pytest.approx(before[2] / 1.4)
    found.press("Zoom out")
    np.testing.assert_allclose(frame(found), before, rtol=1e-9)
    found.page.locator("canvas.plane").first.focus()
    found.page.keyboard.press("+")
    found.settle()
    np.testing.assert_allclose(frame(found), by_button)
    assert found.page.locator(".zoom output").inner_text() == "1.4×"
    found.press("Whole plane")
    assert found.of("state.frame") is None
    for name, end in (("Zoom in", 1e-4), ("Zoom out", 1e3)):  # there is an end to it
        for _ in range(60):
            found.page.get_by_role("button", name=name).first.click()
        found.settle()
        assert frame(found)[2] == pytest.approx(end * before[2], rel=1e-9)


def test_a_drag_with_shift_moves_the_plane_and_not_the_cross(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    before, z, under = frame(found), found.of("Array.from(state.z)"), place(found, (0.2, 0.3))
    found.page.keyboard.down("Shift")
    found.page.mouse.move(*point(found, (0.2, 0.3)))
    found.page.mouse.down()
    found.page.mouse.move(*point(found, (0.4, 0.35)), steps=4)
    found.page.mouse.up()
    found.page.keyboard.up("Shift")
    found.settle()
    np.testing.assert_allclose(place(found, (0.4, 0.35)), under, atol=5e-3 * before[2])
    assert frame(found)[2] == before[2]
    assert found.of("Array.from(state.z)") == z


def test_codes_far_out_are_reached_by_keys_and_by_a_drag(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.page.locator("canvas.plane").first.focus()
    for _ in range(14):
        found.page.keyboard.press("Shift+ArrowRight")
    found.settle()
    z = found.of("Array.from(state.z)")
    assert z[0] > found.of("view.usualFrame().x0 + view.usualFrame().wide"), "beyond all that was seen"
    x, y = found.of("view.pixelOf(state.z)")
    assert 0 < x < SIDE
    assert 0 < y < SIDE
    # a drag beyond the edge: the plane is as it was until the pointer is lifted, and then has the cross in it
    found.press("Whole plane")
    inside = frame(found)
    box = found.box("canvas.plane")
    mouse = found.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + 1.4 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    found.settle()
    np.testing.assert_allclose(frame(found), inside)
    mouse.up()
    found.settle()
    assert frame(found)[0] == pytest.approx(inside[0] + 0.5 * inside[2], abs=0.02 * inside[2])
    found.of("view.choose(view.test.values[0], 'one', 0)")
    found.settle()
    x, y = found.of("view.pixelOf(state.z)")
    assert 0 < min(x, y) <= max(x, y) < SIDE


def touch(client: Any, kind: str, *fingers: tuple[float, float]) -> None:
    """An event of some fingers, as Chromium's own protocol has it: playwright knows of one."""
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
    client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_two_fingers_zoom_and_move_alone(digits_run: lb.Run, opened: Callable[..., Any], chromium: Any, tmp_path: Path) -> None:
    opened(digits_run)
    window = chromium.new_context(offline=True, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800})
    found = Opened(window, tmp_path / "explore.html")
    client = window.new_cdp_session(found.page)
    before, z, left, right = frame(found), found.of("Array.from(state.z)"), place(found, (0.4, 0.5)), place(found, (0.6, 0.5))
    shares = [(0.4 - 0.05 * k, 0.5 - 0.02 * k) for k in range(5)], [(0.6 + 0.05 * k, 0.5 - 0.02 * k) for k in range(5)]
    touch(client, "touchStart", point(found, shares[0][0]))
    touch(client, "touchStart", point(found, shares[0][0]), point(found, shares[1][0]))
    for one, other in zip(*shares, strict=True):
        touch(client, "touchMove", point(found, one), point(found, other))
    touch(client, "touchEnd", point(found, shares[0][-1]))
    touch(client, "touchEnd")
    found.settle()
    np.testing.assert_allclose(place(found, shares[0][-1]), left, atol=0.01 * before[2])  # what was under each finger still is
    np.testing.assert_allclose(place(found, shares[1][-1]), right, atol=0.01 * before[2])
    assert frame(found)[2] == pytest.approx(before[2] / 3, rel=0.02)
    assert found.of("Array.from(state.z)") == z
    assert not found.said
    found.keep("two fingers on a telephone")
    window.close()


def test_a_link_has_the_plane_as_it_was_seen(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    found = opened(digits_run)
    found.page.locator("canvas.plane").first.focus()
    for key in ("+", "+", "ArrowUp"):
        found.page.keyboard.press(key)
    found.press("Copy link to this view")
    again = opened(path=tmp_path / "explore.html", hash_=found.page.evaluate("() => location.hash"))
    np.testing.assert_allclose(frame(again), frame(found), rtol=1e-4, atol=1e-5)
    difference = np.abs(again.pixels("canvas.plane").astype(int) - found.pixels("canvas.plane"))
    assert (difference.max(2) > 40).mean() < 0.01
    for wrong in ([0, 0, 0], [0, 0, -1], [0, 0, 1e9], [0, 0], [0, "0", 1], {"x0": 0}):
        assert again.of("explorer.frameOf(given[0], view.usualFrame())", wrong) is None


def test_a_place_on_the_edge_to_the_last_digit_is_brought_in(javascript: Callable[..., Any]) -> None:
    """After a large step the cross is nine tenths across; the next one ends on the edge, before or behind it by a rounding."""
    ends = [(1.3 + 2.7) * (1 + k * 2**-52) for k in range(-3, 4)]
    for place in ([end, 2.0] for end in ends):
        x0, y0, wide = javascript("frame", "const { x0, y0, wide } = holding(...given); return [x0, y0, wide];", FRAME, place)
        assert (place[0] - x0) / wide == pytest.approx(0.9)
        assert (y0, wide) == (FRAME["y0"], FRAME["wide"])
    same = javascript(
        "frame", "return given[1].map((place) => holding(given[0], place) === given[0])", FRAME, [[1.4, 2], [3.9, 2], [2, 3.6]]
    )
    assert same == [True] * 3
