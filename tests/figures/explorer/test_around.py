"""What is around the cards of a page, each in a real browser: several runs, links, saved figures, dark and light, the tour, texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import Opened, drag
from PIL import Image

import lowerbound as lb
from lowerbound.figures.explorer.bundle import exports, modules, read

pytestmark = pytest.mark.long  # a page of its own in a browser; test_page.py and test_by_keys.py open one each time


def test_two_runs_side_by_side_look_at_the_same_example(digits_run: lb.Run, by_class_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run, by_class_run)
    assert found.page.locator(".column").count() == 2
    left, right = (found.page.locator(".column").nth(k).bounding_box() for k in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    found.choose(6)
    found.settle()
    assert found.of("views.map((one) => one.state.values.example.row)") == [6, 6]
    assert found.of("views[1].state.values.found !== null")
    found.page.locator(".column").nth(1).locator(".examples .strip button").nth(2).click()
    found.settle()
    found.settle()
    assert found.of("views.map((one) => one.state.values.example.row)") == [2, 2]


def test_a_link_leads_to_the_same_view(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    found = opened(digits_run)
    found.choose(3)
    drag(found, (0.35, 0.7))
    found.press("Copy link to this view")
    hash_ = found.page.evaluate("() => location.hash")
    again = opened(path=tmp_path / "explore.html", hash_=hash_)
    np.testing.assert_allclose(again.of("Array.from(state.z)"), found.of("Array.from(state.z)"), rtol=1e-5)
    assert again.of("state.example.row") == 3
    for wrong in ("#[", "#%5B%7B%22z%22%3A%5B1e999%2C0%5D%7D%5D", "#%5B%7B%22z%22%3A%5B1%5D%2C%22dims%22%3A%5B9%2C9%5D%7D%5D", "#null"):
        other = opened(path=tmp_path / "explore.html", hash_=wrong)
        assert other.of("[state.example.row, ...state.z]") == [0, *other.of("Array.from(state.found.q.mean)")]  # as without a link
        assert not other.said


def test_figures_are_saved(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:

    found = opened(digits_run)
    for name, file in (("Save figure (PNG)", "explorer.png"), ("Save figure (SVG)", "explorer.svg")):
        with found.page.expect_download() as waiting:
            found.press(name)
        assert waiting.value.suggested_filename == file
        waiting.value.save_as(tmp_path / file)
    with Image.open(tmp_path / "explorer.png") as image:
        assert image.size == (940, 460)
        assert len(set(np.asarray(image.convert("L")).flatten().tolist())) > 20
    root = ElementTree.parse(tmp_path / "explorer.svg").getroot()  # made here
    circles = root.findall("*/{http://www.w3.org/2000/svg}circle")
    assert len(circles) == found.of("view.codes.length") + 1


def test_hiding_nothing_leaves_no_completion(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.press("Hide right half")
    assert found.page.locator(".hidden .grid figure:visible").count() == 8
    found.press("Hide nothing")
    assert found.page.locator(".hidden .grid figure:visible").count() == 0
    assert found.page.locator(".hidden .found").inner_text() == ""


def test_dark_and_light_and_the_tour(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    light = found.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    found.press("Light or dark")
    dark = found.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert light == "rgb(255, 255, 255)"
    assert max(map(int, dark[4:-1].split(","))) < 60
    found.press("Tour")
    captions = []
    for _ in range(6):
        captions.append(found.page.locator("dialog.tour p").inner_text())
        assert found.page.locator(".card.toured").count() == 1
        found.press("Next")
    assert len(set(captions)) == 6
    assert found.page.locator("dialog.tour").count() == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(dark: bool, digits_run: lb.Run, by_class_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run, by_class_run)
    found.choose(2)
    found.press("Hide right half")
    if dark:
        found.press("Light or dark")
    serious = [one for one in Axe().run(found.page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]


def test_every_text_is_in_the_table_and_every_one_of_the_table_is_used() -> None:

    texts = json.loads(read("texts.json"))
    code = "\n".join(read(f"{name}.js") for name in modules("main"))
    used = set(re.findall(r'"((?:[a-z]+)\.[a-z.]+)"', code))
    for kind, stem in re.findall(r'card(Of)?\(\s*"([a-z]+)"', code):
        used |= {f"{stem}.title"} | ({f"{stem}.about"} if kind == "" else set())  # which cardOf is given
    patterns = [re.escape(found).replace(r"\$\{", "${") for found in re.findall(r"text\(`([^`]+)`", code)]
    patterns = [re.sub(r"\$\{[^}]*\\?\}", "[a-z.]*", pattern.replace("\\", "")) for pattern in patterns]
    unused = [key for key in texts if key not in used and not any(re.fullmatch(pattern, key) for pattern in patterns)]
    assert not [key for key in unused if not key.startswith(("page.", "number."))]
    assert not [
        key for key in used & {key for key in used if key.split(".")[0] in {one.split(".")[0] for one in texts}} if key not in texts
    ]


def test_no_two_modules_offer_the_same_name() -> None:
    offered = [name for module in modules("main") for name in exports(module)]
    assert len(offered) == len(set(offered))


@pytest.mark.parametrize("runs", [1, 3])
def test_on_a_telephone_the_header_is_short_and_unfolds(
    runs: int, digits_run: lb.Run, opened: Callable[..., Any], chromium: Any, tmp_path: Path
) -> None:
    opened(*[digits_run] * runs)
    window = chromium.new_context(offline=True, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    found = Opened(window, tmp_path / "explore.html")
    header, copy = found.page.locator("header"), found.page.get_by_role("button", name="Copy link to this view")
    assert header.bounding_box()["height"] <= (56 if runs == 1 else 100)
    assert not copy.is_visible()
    menu = found.page.get_by_role("button", name="Menu")
    menu.tap()
    assert menu.get_attribute("aria-expanded") == "true"
    folded = ("Light or dark", "Copy link to this view", "Save figure (PNG)", "Save figure (SVG)", "Tour")
    boxes = [found.page.get_by_role("button", name=name, exact=True).bounding_box() for name in folded]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    found.keep("unfolded")
    copy.focus()
    found.page.keyboard.press("Escape")
    assert not copy.is_visible()
    assert found.page.evaluate("() => document.activeElement.textContent") == "Menu"
    assert found.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    found.keep("folded")
    window.close()
