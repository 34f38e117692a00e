"""Templates → pages that stand alone: everything escaped, pictures inside them."""

from __future__ import annotations

import base64
import math
from typing import Any

import jinja2


def rendered(template: str, **values: Any) -> bytes:
    """The template of that name, beside this file, filled in."""
    loader = jinja2.PackageLoader("lowerbound.figures", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["fixed"] = fixed
    return environment.get_template(template).render(**values).encode(errors="backslashreplace")


def embedded(content: bytes, media: str = "image/png") -> str:
    """A picture as an address that holds it."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def fixed(value: float | None, digits: int) -> str:
    """A number as a page has it; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")
