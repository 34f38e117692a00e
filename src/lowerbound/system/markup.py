"""What a notebook shows of a value: a small table of HTML, with everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any


def table(title: str, rows: Mapping[str, Any]) -> str:
    """A table with a title, a row for each name and what is said of it; numbers with few digits."""
    lines = (f"<tr><th style='text-align: left'>{escape(name)}</th><td>{escape(_said(value))}</td></tr>" for name, value in rows.items())
    return f"<table><caption style='text-align: left'>{escape(title)}</caption>{''.join(lines)}</table>"


def framed(title: str, page: str, height: int, allowed: str) -> str:
    """A page in a frame of its own, of so many pixels, which can do what is ``allowed`` and no more."""
    frame = f'width="100%" height="{height}" style="border: 0" sandbox="{allowed}"'
    return f'<iframe title="{escape(title)}" {frame} srcdoc="{escape(page)}"></iframe>'


def _said(value: Any) -> str:
    return f"{value:,.5g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
