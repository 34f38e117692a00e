"""Pages of a real browser, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest


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
