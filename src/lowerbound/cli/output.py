"""The names of the files that verbs write."""

from __future__ import annotations

from pathlib import Path

from lowerbound.errors import OutputError


def of_kind(output: str, *kinds: str) -> Path:
    """The path, one of these kinds. Errors: OutputError, saying which there are."""
    path = Path(output)
    if path.suffix not in kinds:
        raise OutputError(f"cannot write '{path.suffix or path.name}' here; name the output {' or '.join('FILE' + kind for kind in kinds)}")
    return path
