"""Pages of a real browser, without a network."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

#: a folder in which pictures of each interaction are kept, to be looked at (``make screenshots``); none are, where it is not said
SCREENSHOTS = os.environ.get("LOWERBOUND_SCREENSHOTS")


def keep(page: Any, name: str, whole: bool = True) -> None:
    """Keep a picture of a page, under the name of the test that runs and one more."""
    if SCREENSHOTS is None:
        return
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0].removeprefix("test_")
    Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(SCREENSHOTS) / f"{re.sub(r'[^a-z0-9]+', '-', f'{test} {name}'.lower())}.png", full_page=whole)


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    """A window of the browser with nothing in it, offline."""
    made = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture(scope="session")
def javascript(chromium: Any) -> Iterator[Callable[..., Any]]:
    """``javascript(module, body, *arguments)``: what a function of the arguments returns, in which all names of some modules are known.

    Arrays of numbers come and go as lists, NaN among them as null.
    """
    from lowerbound.figures.explorer.bundle import bundled, names

    page = chromium.new_context(offline=True).new_page()

    def run(module: str, body: str, *arguments: Any) -> Any:
        known = f"{bundled(*module.split())}\n{names(*module.split())}"
        source = f"async (given) => {{ {known}\n return await (async (...given) => {{ {body} }})(...given); }}"
        return page.evaluate(source, json.loads(json.dumps(arguments)))

    yield run
    page.context.close()


class Opened:
    """A page that was opened from a file, without a network: what it said and asked for, and a few words to work it."""

    def __init__(self, context: Any, path: Path, hash_: str = ""):
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{path.as_uri()}{hash_}")
        self.page.wait_for_selector("body[data-ready]")
        self.settle()

    def settle(self) -> None:
        """Wait until what was changed is drawn, and what was put off is done."""
        frames = "requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(() => done())))"
        self.page.evaluate(f"() => new Promise((done) => {frames})")

    def keep(self, name: str, whole: bool = True) -> None:
        """Keep a picture of it, where somebody wants to look."""
        self.settle()
        keep(self.page, name, whole)

    def of(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression in which ``view`` is the first run, ``views`` are all and ``given`` are the arguments."""
        body = f"(given) => {{ const views = explorer.views, view = views[0], state = view.state.values; return {expression}; }}"
        return self.page.evaluate(body, list(arguments))

    def pixels(self, selector: str, place: int = 0) -> np.ndarray:
        """What a canvas shows, ``(H, W, 4)``."""
        size, values = (
            self.page.locator(selector)
            .nth(place)
            .evaluate("(c) => [[c.height, c.width], Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]")
        )
        return np.array(values).reshape(*size, 4)

    def press(self, name: str) -> None:
        """Click a button."""
        self.page.get_by_role("button", name=name, exact=True).first.click()
        self.settle()

    def box(self, selector: str) -> dict[str, float]:
        """Where an element is in the window, which is scrolled to it."""
        found = self.page.locator(selector).first
        found.scroll_into_view_if_needed()
        return found.bounding_box()

    def visible(self) -> list[bool]:
        """Which runs' columns are seen."""
        return [column.is_visible() for column in self.page.locator(".column").all()]

    def choose(self, place: int) -> None:
        """Choose a test example."""
        self.page.locator(".examples .strip button").nth(place).click()
        self.settle()

    def shown(self, card: str, key: str) -> float:
        """A number that is read on a card."""
        text = self.page.locator(f".{card} dd[data-number={key}]").first.inner_text()
        return float(text.split(" ")[0].replace("−", "-").replace(",", "").replace("%", ""))


@pytest.fixture
def opened(context: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """``opened(run, …)``: their page, written to a file and opened. At the end of a test a picture of each is kept, where that is asked."""
    made: list[Opened] = []

    def open_(*runs: Any, hash_: str = "", path: Path | None = None) -> Opened:
        from lowerbound.figures.explorer.page import page

        if path is None:
            path = tmp_path / "explore.html"
            path.write_text(page(runs), encoding="utf-8")
        made.append(Opened(context, path, hash_))
        return made[-1]

    yield open_
    for number, one in enumerate(made if SCREENSHOTS else [], start=1):
        if not one.page.is_closed():
            one.keep(f"end {number}")


def drag(opened: Opened, to: tuple[float, float]) -> None:
    """Drag the point to a place of the plane, as shares of its width and height."""
    box = opened.box("canvas.plane")
    mouse = opened.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + to[0] * box["width"], box["y"] + to[1] * box["height"], steps=5)
    mouse.up()
    opened.settle()
