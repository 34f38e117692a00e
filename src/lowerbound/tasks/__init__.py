"""What people do with a model: each takes a VAE and arrays, and returns arrays. It is imported when first used: most programs need one."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowerbound.tasks import classes, complete, encode, generate, impute, levels, lossless, rank, upscale

__all__ = ["classes", "complete", "encode", "generate", "impute", "levels", "lossless", "rank", "upscale"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
