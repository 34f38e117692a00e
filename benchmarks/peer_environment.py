"""Environments of their own for what a benchmark compares with: made once, in ``benchmarks/environments/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"
FOLDER = Path(__file__).parent / "environments"


def environment(name: str, packages: tuple[str, ...], alone: tuple[str, ...] = ()) -> Path:
    """The interpreter of an environment that has ``packages``, and ``alone`` without what these depend on; made if it is not there."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *packages], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        (folder / "made").touch()
    return python
