"""Self-contained HTML pages from templates: all text is escaped, and pictures are embedded."""

from __future__ import annotations

import base64
import math
from typing import Any

import jinja2


def rendered(template: str, **values: Any) -> bytes:
    """The page: the template of that name in this folder with ``values`` filled in, as UTF-8."""
    loader = jinja2.PackageLoader("lowerbound.figures", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["fixed"] = fixed
    return environment.get_template(template).render(**values).encode(errors="backslashreplace")


def embedded(content: bytes, media: str = "image/png") -> str:
    """A picture as a data URI."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def fixed(value: float | None, digits: int) -> str:
    """A number with so many decimals; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")
