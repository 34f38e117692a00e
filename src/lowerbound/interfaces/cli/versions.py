"""``--version``: the version of lowerbound, and of what it stands on, without importing any of it."""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, final

from lowerbound import __version__


@final
class Versions(argparse.Action):
    """Print the versions, one a line, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """Print and exit."""
        rows: Sequence[tuple[str, str]] = [("lowerbound", __version__), ("python", platform.python_version()), *_installed()]
        print("\n".join(f"{name} {version}" for name, version in rows))
        parser.exit()


def _installed() -> Iterator[tuple[str, str]]:
    """What the package requires, extras too, where it is installed."""
    try:
        requirements = metadata.requires("lowerbound") or []
    except metadata.PackageNotFoundError:  # run from a folder
        return
    heads = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in requirements if "extra == 'dev'" not in text]
    for name in sorted(set(heads), key=str.lower):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
