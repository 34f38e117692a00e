"""The names of the files that verbs write."""

from __future__ import annotations

from pathlib import Path

from lowerbound.errors import OutputError
from lowerbound.system.files import must_have_folder


def of_kind(output: str, *kinds: str) -> Path:
    """The path, of one of these file types and in a folder that exists: checked before long work. Errors: OutputError."""
    path = Path(output)
    if path.suffix not in kinds:
        raise OutputError(f"cannot write '{path.suffix or path.name}' here; name the output {' or '.join('FILE' + kind for kind in kinds)}")
    must_have_folder(path)
    return path
