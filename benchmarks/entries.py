"""Measurements by name in a file of JSON, a line each: written as soon as one is there, so that whoever measures can be killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def read(path: Path) -> dict[str, Entry]:
    """The entries that there are."""
    found: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def written(path: Path, entries: dict[str, Entry]) -> None:
    """A line for each entry, in the order of their names; the file is never half of one."""
    lines = ",\n".join(f" {_text(key)}: {_text(entry)}" for key, entry in sorted(entries.items()))
    partial = path.with_suffix(".partial")
    partial.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    partial.replace(path)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
