"""How much memory this process may have: that of the machine, or less where its control groups, of either version, set a limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: where the limit of a group is, by its controllers: those of version 2 have no name
LIMITS = {"": ("sys/fs/cgroup", "memory.max"), "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes")}


def memory(root: Path = Path("/")) -> int:
    """Bytes; the same at any time, whatever else is running, so that processes of one machine agree.

    Source: "Control Group v2" and "Memory Resource Controller" of the Linux kernel's documentation, https://docs.kernel.org.
    """
    return min([_machine(), *_limits(root)])


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**63


def _limits(root: Path) -> Iterator[int]:
    """Those of the groups of this process, and of the groups around them."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in {*controllers.split(",")} & LIMITS.keys():
            mounted, name = LIMITS[controller]
            inside = Path(group.lstrip("/"))
            for folder in (inside, *inside.parents):  # in a container what is above it may not be there
                said = _text(root / mounted / folder / name).strip()
                if said.isdigit():
                    yield int(said)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
