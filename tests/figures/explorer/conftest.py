"""A real browser for tests of pages: Debian's Chromium, without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser, one for all tests of a process."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed; on Debian: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    """A window of the browser with nothing in it, offline."""
    made = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture(scope="session")
def javascript(chromium: Any) -> Iterator[Callable[..., Any]]:
    """``javascript(module, body, *arguments)``: what a function of the arguments returns, in which all of a module's names are known.

    Arrays of numbers come and go as lists, NaN among them as null.
    """
    from lowerbound.figures.explorer.bundle import bundled, names

    page = chromium.new_context(offline=True).new_page()

    def run(module: str, body: str, *arguments: Any) -> Any:
        source = f"async (given) => {{ {bundled(module)}\n{names(module)}\n return await (async (...given) => {{ {body} }})(...given); }}"
        return page.evaluate(source, json.loads(json.dumps(arguments)))

    yield run
    page.context.close()
